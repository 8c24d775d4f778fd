"""What the tables show, for `verify`: their rows as they are, and mutations as the rows they must be."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from psycopg.sql import SQL, Identifier

from worker.model.mutation import encoded
from worker.model.shown import Published
from worker.postgres.progress import Place, known
from worker.postgres.session import Connection, Session
from worker.postgres.storable import stored_id
from worker.postgres.tables import JSON_COLUMNS, Row, Table

_FETCH_ROWS = 2_000
# Beyond it a float and its decimal digits, which PostgreSQL keeps, are not the same number.
_EXACT = 2**53


class StoredForm:
    """Rows as the tables hold them (implements `worker.verify.Form`).

    Args:
        tables: the table of each topic.
    """

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables

    def thread(self, thread_id: str) -> str:
        """Return a thread's name in keys."""
        return encoded(stored_id(thread_id))

    def key(self, topic: str, key: bytes) -> bytes:
        """Return a row's name: its primary key as JSON."""
        return orjson.dumps(self._tables[topic].key_of(key))

    def content(self, topic: str, key: bytes, fields: dict[str, Any]) -> Any:
        """Return the row that a mutation must be."""
        table = self._tables[topic]
        return content(table, _parsed(table, table.row(key, fields)))


def _parsed(table: Table, row: Row) -> Row:
    return tuple(
        orjson.loads(found) if column in JSON_COLUMNS and found is not None else found
        for column, found in zip(table.columns, row, strict=True)
    )


def content(table: Table, row: Row) -> list[Any]:
    """Return a row without its generation, numbers in one form: jsonb keeps 1e3 as 1000."""
    return [_plain(found) for column, found in zip(table.columns, row, strict=True) if column != "generation"]


def _plain(found: Any) -> Any:
    match found:
        case bool():
            return found
        case float() | int():
            return int(found) if abs(found) < _EXACT and found == int(found) else repr(float(found))
        case list() | tuple():
            return [_plain(one) for one in found]
        case dict():
            return {name: _plain(one) for name, one in found.items()}
        case _:
            return found


class ShownTables:
    """Reads the tables whole.

    Args:
        tables: the table of each topic.

    Attributes:
        form: in which the tables hold rows.
    """

    def __init__(self, session: Session, tables: Mapping[str, Table]) -> None:
        self.form = StoredForm(tables)
        self._session = session
        self._tables = tables

    def behind(self, ends: Mapping[Place, int]) -> int:
        """Return how many records the tables have not taken yet of those before some offsets."""
        with self._session.transaction() as connection:
            offsets = {found.place: found.offset for found in known(connection, list(self._tables))}
        return sum(max(0, end - offsets.get(place, 0)) for place, end in ends.items())

    def rows(self) -> Iterator[Published]:
        """Yield all rows, as one snapshot."""
        with self._session.transaction() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            for topic, table in self._tables.items():
                yield from self._of(connection, topic, table)

    def _of(self, connection: Connection, topic: str, table: Table) -> Iterator[Published]:
        columns = SQL(", ").join(map(Identifier, table.columns))
        with connection.cursor(name=f"verify_{table.name}") as cursor:
            cursor.itersize = _FETCH_ROWS
            cursor.execute(SQL("SELECT {} FROM {}").format(columns, Identifier(table.name)))
            for row in cursor:
                named = dict(zip(table.columns, row, strict=True))
                yield Published(
                    thread=encoded(named["thread_id"]),
                    topic=topic,
                    key=orjson.dumps(row[: len(table.key)]),
                    generation=named["generation"],
                    sequence=named["sequence"],
                    source=(named["source_partition"], named["source_offset"]),
                    content=content(table, row),
                )
