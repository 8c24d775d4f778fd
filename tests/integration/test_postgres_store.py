"""The tables by themselves, on a real server: migrations, guards, fences, and odd texts."""

import threading
from collections.abc import Iterator
from contextlib import closing

import orjson
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.integration.postgres import PostgresServer
from tests.integration.sinks import content
from worker.errors import ConfigError, FatalError, RetryError
from worker.model.mutation import row_key
from worker.model.record import Headers, InRecord
from worker.postgres.migrations import migrate, migrations, pending
from worker.postgres.session import Session
from worker.postgres.store import PostgresTables, Topic
from worker.postgres.tables import TABLES
from worker.runtime.sinking import Batch, Place, Portion

pytestmark = pytest.mark.integration

PLACE = "codex.thread-items", 0
TOPICS = {PLACE[0]: Topic("id-1", 604_800.0)}


@pytest.fixture
def tables(dsn: str) -> Iterator[PostgresTables]:
    made = opened(dsn)
    yield made
    made.close()


def opened(dsn: str) -> PostgresTables:
    made = PostgresTables(Session(dsn), {PLACE[0]: TABLES["thread_item"]}, orjson.loads)
    made.open(30)
    made.check(TOPICS, {PLACE: 1_000})
    assert made.offsets([PLACE]).keys() == {PLACE}
    return made


def migrated(dsn: str) -> list[int]:
    with closing(Session(dsn)) as session:
        return migrate(session)


def headers(generation: int, sequence: int) -> Headers:
    return [
        ("thw-schema-version", b"1"),
        ("thw-generation", b"%d" % generation),
        ("thw-sequence", b"%d" % sequence),
    ]


def mutation(sequence: int, *, generation: int = 0, thread: str = "t", item: str = "i", text: str = "") -> InRecord:
    fields = {
        "schemaVersion": 1,
        "threadId": thread,
        "generation": generation,
        "sequence": sequence,
        "topicSequence": sequence,
        "source": {"topic": "i", "partition": 0, "offset": 0, "index": 0, "ordinal": None, "timestamp": None},
        "reducerVersion": 1,
        "turnId": "u",
        "turnOrdinal": 1,
        "itemKey": item,
        "itemOrdinal": 1,
        "itemPosition": 0,
        "mutationKind": "upsert",
        "isOpen": False,
        "itemType": "agentMessage",
        "createdAtMs": None,
        "updatedAtMs": 5,
        "inherited": False,
        "materializedThreadItem": {"type": "agentMessage", "id": item, "text": text},
    }
    key = row_key(thread, "u", item).encode()
    return InRecord(*PLACE, sequence, key, orjson.dumps(fields), headers(generation, sequence), None)


def null(sequence: int, *, generation: int = 0, item: str = "i", heads: Headers | None = None) -> InRecord:
    found = headers(generation, sequence) if heads is None else heads
    return InRecord(*PLACE, sequence, row_key("t", "u", item).encode(), None, found, None)


def batch(start: int, end: int, *records: InRecord) -> Batch:
    return {PLACE: Portion(start, end, list(records))}


def sequences(dsn: str) -> dict[str, int]:
    return {key[2]: row["sequence"] for key, row in content(dsn)["thread_items"].items()}


def test_a_row_is_replaced_and_deleted_only_by_what_is_newer(tables: PostgresTables, dsn: str) -> None:
    tables.apply(batch(0, 1, mutation(5, item="a"), mutation(5, item="b"), mutation(5, item="c"), mutation(5)))
    tables.apply(batch(1, 2, mutation(4, item="a"), mutation(6, item="b"), null(4, item="c"), null(5)))
    after = sequences(dsn)
    tables.apply(batch(2, 3, mutation(1, generation=9, item="a"), null(7, item="b"), null(0, item="c", heads=[])))

    assert after == {"a": 5, "b": 6, "c": 5}
    assert sequences(dsn) == {"a": 1}


def test_a_null_of_a_row_that_is_not_there_is_ignored(tables: PostgresTables, dsn: str) -> None:
    assert tables.apply(batch(0, 3, null(1), mutation(2, item="a"))) == []
    assert sequences(dsn) == {"a": 2}


def test_offsets_and_rows_are_one_transaction_and_a_zombie_is_refused(tables: PostgresTables, dsn: str) -> None:
    zombie = opened(dsn)
    taken = tables.apply(batch(0, 10, mutation(1)))
    refused = zombie.apply(batch(0, 7, mutation(9, item="a")))
    offsets = zombie.offsets([PLACE])
    late = zombie.apply(batch(10, 12, mutation(2)))
    zombie.close()

    assert (taken, refused, offsets, late) == ([], [PLACE], {PLACE: 10}, [])
    assert sequences(dsn) == {"i": 2}


def test_of_two_at_once_one_waits_and_is_refused(tables: PostgresTables, dsn: str) -> None:
    other = opened(dsn)
    refused: list[Place] = []
    waiter = threading.Thread(target=lambda: refused.extend(other.apply(batch(0, 5, mutation(8)))))
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE thread_progress SET next_offset = 3")
        waiter.start()
        waiter.join(0.5)
        waiting = waiter.is_alive()
    waiter.join(10)
    other.close()

    assert (waiting, refused, sequences(dsn)) == (True, [PLACE], {})


def test_a_batch_that_fails_halfway_leaves_nothing(tables: PostgresTables, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE thread_items ADD CHECK (item_key <> 'bad')")

    with pytest.raises(FatalError, match=r"PostgreSQL refuses a row: CheckViolation \(23514\) thread_items$"):
        tables.apply(batch(0, 5, mutation(1, item="a"), mutation(2, item="bad")))

    assert sequences(dsn) == {}
    assert tables.offsets([PLACE]) == {PLACE: 0}


def test_texts_that_postgres_cannot_hold_are_held_in_a_form_that_it_can(tables: PostgresTables, dsn: str) -> None:
    long = "x" * 100_000
    tables.apply(batch(0, 1, mutation(1, thread="a\0b", item=long, text="nul \0, \\u0000, \\ and \ud7ff€😀\t\n")))
    ((thread, _, item),) = content(dsn)["thread_items"]
    (row,) = content(dsn)["thread_items"].values()
    tables.apply(batch(1, 2, mutation(2, thread="a\0b", item=long, text="now")))
    tables.apply(batch(2, 3, mutation(3, thread="a%00b", item=long)))

    assert (thread, item[:512], len(item)) == ("a%00b", "x" * 512, 584)
    assert row["item"]["text"] == "nul \ufffd, \\u0000, \\ and \ud7ff€😀\t\n"
    assert {key[0] for key in content(dsn)["thread_items"]} == {"a%00b", "a%2500b"}


def test_migrations_are_applied_once_whoever_comes(dsn: str) -> None:
    applied: list[int] = []

    def start() -> None:
        applied.extend(migrated(dsn))

    starts = [threading.Thread(target=start) for _ in range(4)]
    for one in starts:
        one.start()
    for one in starts:
        one.join(30)
    again = migrated(dsn)

    assert (applied, again) == ([found.version for found in migrations()], [])


def test_rights_that_making_the_tables_needs_are_looked_at_before(dsn: str) -> None:
    name = conninfo_to_dict(dsn)["dbname"]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE poor LOGIN PASSWORD 'x'")
        connection.execute(f'REVOKE TEMPORARY ON DATABASE "{name}" FROM PUBLIC'.encode())
        try:
            with (
                closing(Session(make_conninfo(dsn, user="poor", password="x"))) as session,
                pytest.raises(ConfigError) as refused,
            ):
                pending(session)
            told = str(refused.value)
            for grant in told[told.index("GRANT") :].split(";")[:2]:
                connection.execute(grant.encode())
            with closing(Session(make_conninfo(dsn, user="poor", password="x"))) as session:
                assert pending(session) == len(migrate(session))
        finally:
            connection.execute("DROP OWNED BY poor CASCADE; DROP ROLE poor")

    assert 'GRANT CREATE ON SCHEMA "public" TO "poor"' in told
    assert f'GRANT TEMPORARY ON DATABASE "{name}" TO "poor"' in told


def test_tables_of_a_newer_release_are_refused(dsn: str) -> None:
    migrated(dsn)
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO thread_migrations (version, name) VALUES (9999, 'later')")

    with pytest.raises(ConfigError, match="the tables have version 9999, this release knows"):
        migrated(dsn)


def test_tables_of_other_databases_are_filled_by_other_groups(tables: PostgresTables, postgres: PostgresServer) -> None:
    other = opened(postgres.database("another"))
    groups = {tables.group(), tables.group(), other.group()}
    other.close()

    assert len(groups) == 2


def test_a_database_that_is_away_is_tried_again_and_one_that_says_no_is_not(postgres: PostgresServer, dsn: str) -> None:
    tables = opened(dsn)
    postgres.stop(immediately=True)
    with pytest.raises(RetryError):
        tables.apply(batch(0, 1, mutation(1)))
    with pytest.raises(RetryError):
        tables.offsets([PLACE])
    postgres.start()
    offsets = tables.offsets([PLACE])
    done = tables.apply(batch(0, 1, mutation(1)))
    tables.close()

    assert (offsets, done) == ({PLACE: 0}, [])
    with pytest.raises(ConfigError, match=r"no database: .*does not exist; check --dsn"):
        Session(postgres.dsn("nowhere")).wait(30)
    with pytest.raises(ConfigError, match="no connection string of PostgreSQL") as caught:
        Session("host=h hunter2")
    assert "hunter2" not in str(caught.value)
