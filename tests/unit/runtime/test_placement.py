"""The placement guard: partition counts that change, producers that partition otherwise."""

import logging

import pytest

from tests.factories import event, record, task
from worker.errors import ConfigError
from worker.store.memory import MemoryStore

MISPLACED = "a thread is not where the default partitioner puts it"


def test_another_partition_count_than_the_states_is_refused_with_the_steps_to_migrate() -> None:
    store = MemoryStore()
    first = task(store, partitions=4)
    first.process([record(event("task_started"))])
    first.changed_rows()
    first.committed(1, 1)
    with pytest.raises(
        ConfigError, match=r"had 4 partitions when this state was made and has 8 now: .* new set of topics"
    ):
        task(store, partitions=8).process([record(event("task_started"))])


def test_a_count_that_was_not_committed_is_written_down_again() -> None:
    store = MemoryStore()
    partition = task(store)
    partition.process([record(event("task_started"))])
    partition.forget()
    partition.process([record(event("task_started"))])

    assert b"/partitions" in {row.key for row in partition.changed_rows()}


def test_a_thread_where_no_default_partitioner_puts_it_is_processed_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    partition = task(partitions=4)
    with caplog.at_level(logging.WARNING):
        out = [partition.process([record(event("task_started"), key=b"%d" % key)]).out for key in range(20)]

    assert all(out)
    assert [message.startswith(MISPLACED) for message in caplog.messages] == [True]


def test_threads_in_their_place_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        task(partitions=4).process([record(event("task_started"), key=b"1")])

    assert caplog.messages == []


def test_a_partition_that_was_not_there_at_the_start_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"had 3 partitions when this state was made and has more now: .* new set"):
        task(partitions=3)


def test_another_partition_count_is_refused_before_the_first_record() -> None:
    store = MemoryStore()
    first = task(store, partitions=4)
    first.process([record(event("task_started"))])
    first.changed_rows()
    first.committed(1, 1)
    with pytest.raises(ConfigError, match="had 4 partitions when this state was made and has 8 now"):
        task(store, partitions=8).begin()
