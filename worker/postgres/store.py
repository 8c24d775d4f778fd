"""The tables as a sink's store (implements `worker.runtime.sinking.Tables`)."""

from collections import defaultdict
from collections.abc import Collection, Mapping

from worker.errors import ConfigError, FatalError
from worker.model.record import InRecord
from worker.model.value import value
from worker.postgres import progress
from worker.postgres.changes import Decode, changes
from worker.postgres.migrations import migrate
from worker.postgres.session import Connection, Session
from worker.postgres.statements import Statements
from worker.postgres.tables import Table
from worker.runtime.sinking import Batch, Place


@value
class Topic:
    """What the store must know of a topic.

    Attributes:
        id: Kafka's, which tells it from an earlier one of the same name.
        delete_retention_s: how long a null stays for readers that were away, seconds.
    """

    id: str
    delete_retention_s: float


class PostgresTables:
    """Rows and offsets, in one database transaction.

    Args:
        tables: the table of each topic.
        decode: a value's bytes to its fields, whatever the encoding.

    Attributes:
        rows: how many were written or deleted, if they were not newer.
    """

    def __init__(self, session: Session, tables: Mapping[str, Table], decode: Decode) -> None:
        self.rows = 0
        self._session = session
        self._tables = tables
        self._decode = decode
        self._statements = {topic: Statements(table) for topic, table in tables.items()}
        self._topics: Mapping[str, Topic] = {}

    def open(self, within_s: float, *, reset: bool = False) -> list[int]:
        """Connect and bring the tables up to date; return the versions of the migrations that were applied.

        Args:
            within_s: how long to wait for a server.
            reset: empty the tables, so that everything is read again.

        Raises:
            ConfigError: there is no server, it does not let us in or work, or a newer release has been there.
        """
        self._session.wait(within_s)
        try:
            applied = migrate(self._session)
            if reset:
                self._empty()
        except FatalError as error:
            raise ConfigError(f"{error}; the user needs the rights that docs/postgres.md names") from error
        self._session.prepare = self._prepare
        self._session.close()
        return applied

    def _prepare(self, connection: Connection) -> None:
        for statements in self._statements.values():
            statements.prepare(connection)

    def _empty(self) -> None:
        with self._session.transaction() as connection:
            connection.execute("TRUNCATE thread_items, thread_turns, thread_lifecycle, thread_progress")

    def group(self) -> str:
        """Return the name of the consumer group that fills these tables; others' tables have another."""
        with self._session.transaction() as connection:
            row = connection.execute("SELECT left(id::text, 8) FROM thread_sink").fetchone()
        assert row is not None, "the first migration made it"
        return f"thread-history-postgres-{row[0]}"

    def check(self, topics: Mapping[str, Topic], ends: Mapping[Place, int]) -> None:
        """Compare what was read with what the topics hold now.

        Args:
            ends: how far each partition reaches.

        Raises:
            ConfigError: the tables cannot be brought up to date by reading on.
        """
        self._topics = topics
        with self._session.transaction() as connection:
            known = progress.known(connection, topics)
        for one in known:
            (topic, partition), end = one.place, ends.get(one.place, 0)
            retention_s = topics[topic].delete_retention_s
            if one.topic_id != topics[topic].id or one.offset > end:
                raise _stale(f"{topic}[{partition}] was made anew or cut since it was read up to offset {one.offset}")
            if one.offset < end and one.away_s > retention_s:
                raise _stale(
                    f"{topic}[{partition}] was last read {one.away_s / 86_400:.1f} days ago, and deletions leave no "
                    f"trace after {retention_s / 86_400:.1f} days (delete.retention.ms)"
                )

    def offsets(self, places: Collection[Place]) -> dict[Place, int]:
        """Return the next offset of each partition, 0 of a new one."""
        ids = {topic: found.id for topic, found in self._topics.items()}
        with self._session.transaction() as connection:
            return progress.fetched(connection, places, ids)

    def apply(self, batch: Batch) -> Collection[Place]:
        """Write records and offsets in one transaction, unless the offsets are not those the batch starts at.

        Raises:
            RetryError: nobody knows whether it was committed.
            FatalError: a record is no mutation, or the database refuses what we do.
        """
        records: dict[str, list[InRecord]] = defaultdict(list)
        for (topic, _), portion in batch.items():
            records[topic] += portion.records
        work = [(topic, changes(self._tables[topic], some, self._decode)) for topic, some in records.items()]
        with self._session.transaction() as connection:
            for topic, found in work:
                self._statements[topic].stage(connection, found)
            known = progress.locked(connection, batch)
            refused = [place for place, portion in batch.items() if known.get(place) != portion.start]
            if refused:
                return refused  # what was staged goes with the transaction
            for topic, found in work:
                self._statements[topic].run(connection, found)
            progress.move(connection, {place: portion.end for place, portion in batch.items()})
        self.rows += sum(len(found.rows) + len(found.removals) for _, found in work)
        return []

    def touch(self, places: Collection[Place]) -> None:
        """Note that these partitions are read to their ends now."""
        with self._session.transaction() as connection:
            progress.touch(connection, places)

    def close(self) -> None:
        """Disconnect."""
        self._session.close()


def _stale(what: str) -> ConfigError:
    return ConfigError(f"{what}: start with --reset, which empties the tables and reads everything again")
