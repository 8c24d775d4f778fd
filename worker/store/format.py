"""The format of the stores on disk: told by a fact in each."""

from itertools import takewhile
from pathlib import Path

import lmdb

from worker.errors import ConfigError
from worker.runtime.formats import FACTS_BEGIN, refuse_unknown

FORMAT = 1


def refuse_newer(folder: Path, written: bytes) -> None:
    """Refuse a store that a newer release wrote.

    Raises:
        ConfigError: it is.
    """
    if int(written) > FORMAT:
        raise ConfigError(
            f"{folder} has store format {int(written)}, this release reads up to {FORMAT}: run the release that wrote "
            "it or a newer one, or remove the folder to have it rebuilt from the changelog"
        )


def insist_on_format(folder: Path) -> None:
    """Look at a store without changing it, also while another process has it open.

    Raises:
        ConfigError: it was written in a newer format, or cannot be read, which a start mends from the changelog.
    """
    try:
        with lmdb.open(str(folder), max_dbs=2, readonly=True, create=False) as environment:
            facts = environment.open_db(b"facts", create=False)
            with environment.begin(db=facts) as reading:
                refuse_newer(folder, reading.get(b"format") or b"0")
            rows = environment.open_db(b"rows", create=False)
            with environment.begin(db=rows) as reading, reading.cursor() as cursor:
                cursor.set_range(FACTS_BEGIN)
                keys = takewhile(lambda key: key.startswith(FACTS_BEGIN), cursor.iternext(keys=True, values=False))
                formats = [int(key.removeprefix(FACTS_BEGIN)) for key in keys]
    except lmdb.Error as error:
        raise ConfigError(
            f"the state in {folder} cannot be read ({type(error).__name__}): the next start rebuilds it from the "
            "changelog; look after the disk"
        ) from None
    refuse_unknown(formats)
