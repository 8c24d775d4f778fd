"""Which formats the rows of a partition may have: told by facts that every release can read, from the first on."""

from collections.abc import Iterable

from worker.codec.rows import DEFAULT_FORMAT, FORMATS, known_formats
from worker.errors import ConfigError
from worker.model.record import StateRow
from worker.runtime.facts import Facts, fact_key, fact_value

# Under this name a partition keeps a fact for each format but the first that its rows were ever written in. None is
# ever taken away: a row that nothing changes keeps the format of its day.
_FORMATS = "formats"
_FIRST = 1


class RowFormats:
    """Watches the formats of a partition's rows.

    Args:
        written: the one this worker writes.
    """

    def __init__(self, facts: Facts, written: int = DEFAULT_FORMAT) -> None:
        self._facts = facts
        self._written = written
        self._checked = written == _FIRST

    def compare(self) -> None:
        """Compare the formats there may be with those this release reads.

        Raises:
            ConfigError: there may be rows that it does not read.
        """
        refuse_unknown(self._facts.under(_FORMATS))

    def check(self) -> None:
        """Write down, before the first row is, which format is written."""
        if self._checked:
            return
        if self._facts.get(_FORMATS, str(self._written)) is None:
            self._facts.put(_FORMATS, str(self._written), self._written)
        self._checked = True

    def forget(self) -> None:
        """Write it down again: the transaction that did is no more."""
        self._checked = self._written == _FIRST


def format_row(written: int) -> list[StateRow]:
    """Return the row that tells of a format, none for the first."""
    return [] if written == _FIRST else [StateRow(fact_key(_FORMATS, str(written)), fact_value(written))]


# What the keys of these facts begin with; the format's number follows.
FACTS_BEGIN = fact_key(_FORMATS, "")


def refuse_unknown(formats: Iterable[int]) -> None:
    """Refuse state in which there may be rows that this release does not read.

    Raises:
        ConfigError: one of the formats is not known.
    """
    unknown = [found for found in formats if found not in FORMATS]
    if unknown:
        raise ConfigError(
            f"the state has rows of format {max(unknown)}, this release reads {known_formats()}: run the release that "
            "wrote them or a newer one. Nothing was read or written, and nothing is lost"
        )
