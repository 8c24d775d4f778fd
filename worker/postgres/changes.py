"""Records of a topic as what is to be done to its table: of each row, the last."""

from collections.abc import Callable, Iterable
from typing import Any

from worker.codec.versions import Version, insist_on_schema, version_of
from worker.errors import FatalError
from worker.model.record import InRecord
from worker.model.value import value
from worker.postgres.tables import Row, Table

Decode = Callable[[bytes], Any]

# A null that says nothing of its version deletes whatever there is.
_ANY = Version(2**63 - 1, 2**63 - 1)


@value
class Changes:
    """What a transaction does to a table; no row is in both.

    Attributes:
        rows: rows to write, unless newer ones are there.
        removals: primary keys of rows to delete, unless newer ones are there: each with generation and sequence.
    """

    rows: list[Row]
    removals: list[Row]


def changes(table: Table, records: Iterable[InRecord], decode: Decode) -> Changes:
    """Return what records, in order within a thread, do to a table.

    Versions that a later record of the transaction replaces are not even decoded.

    Raises:
        SchemaError: a record is of a schema version this release does not know.
        FatalError: a record is no mutation.
    """
    last: dict[bytes | None, InRecord] = {}
    for record in records:
        insist_on_schema(record)
        last[record.key] = record
    found = Changes([], [])
    for record in last.values():
        try:
            _enter(found, table, record, decode)
        except (FatalError, ValueError, KeyError, TypeError, AttributeError) as error:
            why = str(error) if isinstance(error, FatalError) else f"no mutation of this topic ({type(error).__name__})"
            raise FatalError(f"{record.topic}[{record.partition}] at offset {record.offset}: {why}") from error
    return found


def _enter(found: Changes, table: Table, record: InRecord, decode: Decode) -> None:
    if record.key is None:
        raise ValueError("no key")
    if record.value is None:
        version = version_of(record) or _ANY
        found.removals.append((*table.key_of(record.key), version.generation, version.sequence))
        return
    mutation = decode(record.value)
    if table.removes(mutation):
        found.removals.append((*table.key_of(record.key), mutation["generation"], mutation["sequence"]))
    else:
        found.rows.append(table.row(record.key, mutation))
