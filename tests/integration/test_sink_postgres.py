"""The topics in tables, exactly once: through kills, a database that crashes, and several sinks at once."""

import random
import signal
import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.integration.harness import Deployment, WorkerProcess, interleaved, until, vector_threads
from tests.integration.postgres import PostgresServer
from tests.integration.sinks import Sinks, content, forget, produce

pytestmark = pytest.mark.integration


@pytest.fixture
def sinks(deployment: Deployment, dsn: str) -> Iterator[Sinks]:
    made = Sinks(deployment, dsn)
    yield made
    made.close()


def runs(process: WorkerProcess) -> None:
    def has_some() -> bool:
        return any(told["partitions"] for told in process.told("partitions assigned"))

    until(has_some, 60, "the sink has partitions")


@pytest.mark.parametrize("encoding", ["avro", "json"])
def test_what_is_there_is_read_once_and_later_what_has_come_since(
    deployment: Deployment, sinks: Sinks, encoding: str
) -> None:
    lines = list(interleaved(vector_threads()))
    half = len(lines) // 2
    deployment.start(ENCODING=encoding)
    deployment.publish(lines[:half])
    deployment.until_through()
    first = sinks.once()
    at_half = sinks.differing()
    nothing = sinks.once()
    deployment.publish(lines[half:])
    deployment.until_through()
    second = sinks.once()
    mutations = [record for record in deployment.published() if record.topic in deployment.names.projections.values()]

    assert (at_half, nothing, sinks.differing()) == ([], 0, [])
    assert first + second == len(mutations)
    assert any(record.value is None for record in mutations), "there are rollbacks"


@pytest.mark.timeout(240)
def test_kills_and_a_database_that_crashes_lose_and_double_nothing(
    deployment: Deployment, sinks: Sinks, postgres: PostgresServer
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    deployment.start()
    deployment.publish(interleaved(vector_threads(copies=8)))
    # So that there is work to do at every kill.
    deployment.until_through(120)
    # Small transactions, so that there are many moments to die at.
    pace = {"SINK__BATCH_RECORDS_MAX": 40, "SINK__INTERVAL_S": 0}
    reached: list[int] = []
    for round_number in range(5):
        sink = sinks.start(**pace)
        runs(sink)
        time.sleep(chance.uniform(0.0, 1.0))
        if round_number in (1, 3):
            postgres.stop(immediately=True)
            time.sleep(chance.uniform(0.0, 1.0))
            postgres.start()
            until(lambda: "trying again" in sink.said(), 30, "the sink notices")  # noqa: B023 (called at once)
            time.sleep(chance.uniform(0.0, 1.0))
        assert sink.alive(), sink.said()
        if round_number in (0, 2):
            before = reached[-1] if reached else 0
            until(lambda: sum(sinks.offsets().values()) > before, 30, "it gets somewhere", sink)  # noqa: B023
        sink.kill()
        reached.append(sum(sinks.offsets().values()))
    sinks.once()

    assert len(set(reached)) > 1, "they got somewhere before they died"
    assert sinks.differing() == [], f"seed {seed}"


def test_a_sink_survives_its_database_and_goes_on_where_it_was(
    deployment: Deployment, sinks: Sinks, postgres: PostgresServer
) -> None:
    lines = list(interleaved(vector_threads(copies=2)))
    half = len(lines) // 2
    deployment.start()
    deployment.publish(lines[:half])
    sink = sinks.start()
    until(lambda: bool(sinks_filled(sinks)), 30, "rows come")
    postgres.stop(immediately=True)
    deployment.publish(lines[half:])
    deployment.until_through()
    until(lambda: "trying again" in sink.said(), 30, "the sink notices")
    postgres.start()
    until(lambda: sinks.differing() == [], 60, "the tables catch up", sink)
    code = sink.terminate()

    assert code == 0
    assert sink.told("sink stopped")


def sinks_filled(sinks: Sinks) -> int:
    """Count rows; none while there are no tables."""
    try:
        return sum(map(len, content(sinks.dsn).values()))
    except psycopg.errors.UndefinedTable:
        return 0


@pytest.mark.timeout(240)
def test_several_sinks_share_the_partitions_and_take_over_from_one_that_is_killed_or_frozen(
    deployment: Deployment, sinks: Sinks
) -> None:
    lines = list(interleaved(vector_threads(copies=4)))
    third = len(lines) // 3
    deployment.start()
    first, second = sinks.start(), sinks.start()
    runs(first)
    runs(second)
    deployment.publish(lines[:third])
    deployment.until_through()
    until(lambda: sinks.differing() == [], 60, "both keep up", sinks)
    first.signal(signal.SIGSTOP)
    deployment.publish(lines[third : 2 * third])
    deployment.until_through()
    until(lambda: sinks.differing() == [], 60, "the other takes over", sinks)
    first.signal(signal.SIGCONT)
    second.kill()
    deployment.publish(lines[2 * third :])
    deployment.until_through()
    until(lambda: sinks.differing() == [], 60, "the one that was frozen goes on", sinks)

    assert first.terminate() == 0


def test_a_forgotten_thread_leaves_no_row(deployment: Deployment, sinks: Sinks) -> None:
    threads = list(vector_threads())
    names = [name for name, _ in threads[:5]]
    deployment.start()
    deployment.publish(interleaved(threads))
    deployment.until_through()
    sinks.once()
    before = {key[0] for rows in content(sinks.dsn).values() for key in rows}
    forget(deployment, names)
    deployment.until_through()
    sinks.once()
    after = {key[0] for rows in content(sinks.dsn).values() for key in rows}
    # One of them is written again: a new life.
    deployment.publish(interleaved(threads[:1]))
    deployment.until_through()
    sinks.once()

    assert before - after == before & set(names) != set()
    assert sinks.differing() == []


def test_reading_everything_again_changes_nothing(deployment: Deployment, sinks: Sinks) -> None:
    deployment.start()
    deployment.publish(interleaved(vector_threads()))
    deployment.until_through()
    read = sinks.once()
    before = content(sinks.dsn)
    with psycopg.connect(sinks.dsn) as connection:
        connection.execute("UPDATE thread_progress SET next_offset = 0")
    again = sinks.once()

    assert (again, content(sinks.dsn)) == (read, before)
    assert sinks.differing() == []


def test_tables_that_cannot_be_brought_up_to_date_are_refused_until_they_are_emptied(
    deployment: Deployment, sinks: Sinks
) -> None:
    lines = list(interleaved(vector_threads()))
    deployment.start()
    deployment.publish(lines[:100])
    deployment.until_through()
    sinks.once()
    deployment.publish(lines[100:])
    deployment.until_through()
    with psycopg.connect(sinks.dsn) as connection:
        connection.execute("UPDATE thread_progress SET read_at = now() - interval '8 days'")
    away = sinks.start("--once")
    away_code = away.wait(60)
    with psycopg.connect(sinks.dsn) as connection:
        connection.execute("UPDATE thread_progress SET read_at = now(), topic_id = 'another'")
    other = sinks.start("--once")
    other_code = other.wait(60)
    sinks.once("--reset")

    assert (away_code, other_code) == (2, 2)
    assert "was last read 8.0 days ago" in away.error()
    assert "was made anew or cut" in other.error()
    assert "--reset" in other.error()
    assert sinks.differing() == []


def test_a_record_of_a_newer_schema_stops_the_sink_and_nothing_is_skipped(deployment: Deployment, sinks: Sinks) -> None:
    topic = deployment.names.projections["thread_item"]
    produce(deployment, topic, b"t/u/i", b"\x00 undecodable", headers=[("thw-schema-version", b"2")], partition=1)
    sink = sinks.start()
    code = sink.wait(60)

    assert code == 1
    assert f"{topic}[1] at offset 0 has schema version 2, this release reads 1" in sink.error()
    assert sinks.offsets()[topic, 1] == 0
