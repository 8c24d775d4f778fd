"""A null input value on a real broker: nothing of the thread is left, whatever is killed meanwhile (G9)."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.factories import event
from tests.integration.harness import Deployment, decode, interleaved, thread_of, until, vector_threads
from worker.kafka.reader import TopicReader, read_all
from worker.localbroker.cluster import LocalCluster
from worker.model.record import InRecord

pytestmark = pytest.mark.integration

T = "forgotten/thread"
# So many that a worker is killed before it has forgotten them all.
ITEMS = 24_000


def _lines(items: int, thread: str = T) -> Iterator[tuple[str, int, bytes]]:
    yield thread, 0, event("task_started", turn_id="a")
    for number in range(1, items + 1):
        yield thread, number, event("agent_message", message=f"message {number}")


def _last_values(deployment: Deployment) -> dict[tuple[str, bytes | None], InRecord]:
    topics = [*deployment.names.projections.values(), deployment.names.changelog]
    return {(record.topic, record.key): record for record in read_all(deployment.settings.kafka, topics)}


def _own(records: Any, thread: str = T) -> list[tuple[str, bytes | None]]:
    """Return what is left of a thread: the rows whose last value is none of null."""
    return [(one.topic, one.key) for one in records if one.value is not None and thread_of(one) == thread]


def test_a_thread_of_many_rows_is_forgotten_in_several_transactions_through_a_kill(deployment: Deployment) -> None:
    others = list(interleaved(vector_threads()))[:4_000]
    deployment.publish([*others[:2_000], *_lines(ITEMS)])
    worker = deployment.start()
    deployment.until_through()
    before = len(_own(_last_values(deployment).values()))
    reader = TopicReader(deployment.settings.kafka, [deployment.names.changelog])
    deployment.forget(T)
    deployment.publish([*_lines(3), *others[2_000:]])
    until(lambda: any(one.value is None and thread_of(one) == T for one in reader.read(0.1)), 60, "forgetting begins")
    worker.kill()
    reader.close()
    halfway = len(_own(_last_values(deployment).values()))
    deployment.start()
    deployment.until_through()
    left = {place for place in _own(_last_values(deployment).values()) if place[0] == deployment.names.changelog}
    values = [decode(one.value) for one in deployment.published() if one.value is not None and thread_of(one) == T]
    generations = sorted({value["generation"] for value in values})
    anew = [value["sequence"] for value in values if value["generation"] == generations[-1]]

    assert before > 10_000
    assert 0 < halfway < before
    assert len(generations) == 2
    assert sorted(anew) == [*range(1, len(anew) + 1)]
    assert len(left) < 20
    assert deployment.audit() == []


def test_after_a_forget_the_last_value_of_each_row_is_null_everywhere(deployment: Deployment) -> None:
    threads = [("kept", lines) for _, lines in list(vector_threads())[:1]]
    threads += [(T, lines) for _, lines in list(vector_threads())[:40]]
    ordered = [(thread, at, line) for at, (thread, _, line) in enumerate(interleaved(threads))]
    deployment.publish(ordered)
    deployment.forget(T)
    deployment.forget("never seen")
    deployment.start()
    deployment.until_through()
    last = _last_values(deployment)

    assert _own(last.values()) == []
    assert len([place for place, one in last.items() if one.value is None and thread_of(one) == T]) > 1_000
    assert len(_own(last.values(), "kept")) > 50
    assert deployment.audit() == []


@pytest.fixture
def compacting() -> Iterator[Deployment]:
    """Return a group of one partition on a node that compacts all the time."""
    with LocalCluster(extra={"log.cleaner.backoff.ms": "100"}) as cluster:
        made = Deployment(cluster.bootstrap_servers, "compacting", 1)
        for topic in (*made.names.projections.values(), made.names.changelog):
            made.alter(
                topic, segment_ms=100, min_cleanable_dirty_ratio=0.01, delete_retention_ms=100, min_compaction_lag_ms=0
            )
        yield made
        made.close()


def _keys(deployment: Deployment, topic: str) -> list[bytes]:
    """Return the keys of all records that a topic's log holds, committed or not, nulls too."""
    servers = deployment.settings.kafka.bootstrap_servers
    options = {"bootstrap.servers": servers, "group.id": "raw", "isolation.level": "read_uncommitted"}
    consumer = Consumer(options | {"enable.partition.eof": True, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    keys: list[bytes] = []
    while True:
        for message in consumer.consume(10_000, 0.2):
            if message.error() is not None:
                consumer.close()
                return keys
            keys.append(message.key() or b"")


def test_compaction_leaves_no_record_of_the_thread(compacting: Deployment) -> None:
    topics = [*compacting.names.projections.values(), compacting.names.changelog]
    compacting.publish(_lines(200))
    compacting.start()
    compacting.until_through()
    had = [any(key.startswith(b"forgotten%2Fthread/") for key in _keys(compacting, topic)) for topic in topics]
    compacting.forget(T)
    ordinals = itertools.count()

    def gone() -> bool:
        # Only closed segments are compacted, and only a new record in its topic lets a broker close one.
        filler = (event("task_started", turn_id="same"), event("agent_message"))
        compacting.publish(("filler", next(ordinals), line) for line in filler)
        return not any(key.startswith(b"forgotten%2Fthread/") for topic in topics for key in _keys(compacting, topic))

    until(gone, 120, "compaction removes the thread's records")

    assert had == [True] * len(topics)
    assert compacting.rows().keys() >= {b"filler/h"}
