"""One partition: records to mutations, dead letters and state rows (2.1–2.3, 2.5, D3, D22)."""

from typing import Any

import orjson
import pytest

from tests.factories import event, record, task
from worker import __version__
from worker.model.record import InRecord, OutRecord
from worker.runtime import threads as threads_module
from worker.runtime.task import PartitionTask
from worker.store.memory import MemoryStore


def out_of(partition: PartitionTask, *records: InRecord) -> list[OutRecord]:
    return partition.process(records).out


def values(out: list[OutRecord]) -> list[Any]:
    return [None if one.value is None else orjson.loads(one.value) for one in out]


def commit(partition: PartitionTask) -> None:
    partition.changed_rows()
    partition.committed(1, 1)


class AskedStore(MemoryStore):
    """A store that tells whether a thread is read from it, which it is when it is not in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        self.asked.append(key)
        return super().get(key)

    def is_asked(self, partition: PartitionTask, key: bytes) -> bool:
        self.asked.clear()
        out_of(partition, record(event("token_count"), key=key))
        return key + b"/h" in self.asked


def test_a_mutation_goes_to_its_topic_with_its_key_and_headers() -> None:
    summary, lifecycle = out_of(task(), record(event("task_started"), offset=7))

    assert (summary.topic, summary.key, lifecycle.topic, lifecycle.key) == (
        "codex.turn-summaries",
        b"t/a",
        "codex.thread-lifecycle",
        b"t/1",
    )
    assert lifecycle.headers == [
        ("thw-schema-version", b"1"),
        ("thw-worker-version", __version__.encode()),
        ("thw-generation", b"7"),
        ("thw-sequence", b"2"),
    ]


def test_a_mutation_states_the_record_it_comes_from() -> None:
    given = record(event("task_started"), offset=7, headers=[("rollout-ordinal", b"4")], timestamp_ms=None)

    _, lifecycle = values(out_of(task(), given))

    assert lifecycle["source"] == {
        "topic": "codex.rollout-items",
        "partition": 3,
        "offset": 7,
        "index": 0,
        "ordinal": 4,
        "timestamp": None,
    }


def test_a_removed_row_is_told_and_then_nulled_with_the_same_headers() -> None:
    partition = task()
    out_of(partition, record(event("task_started")))

    told, null, lifecycle = out_of(partition, record(event("thread_rolled_back")))

    assert null == OutRecord("codex.turn-summaries", b"t/a", None, told.headers)
    assert (told.key, values([told])[0]["removed"], lifecycle.topic) == (b"t/a", True, "codex.thread-lifecycle")


def test_the_generation_is_the_offset_of_the_threads_first_record_for_good() -> None:
    store = MemoryStore()
    first = task(store)
    out_of(first, record(event("task_started"), offset=7))
    commit(first)

    found = values(out_of(task(store), record(event("turn_aborted"), offset=9), record(event("error"), key=b"u")))

    assert [(one["threadId"], one["generation"], one["sequence"]) for one in found] == [("t", 7, 3), ("t", 7, 4)]


def test_a_record_that_is_rejected_goes_to_the_dead_letters_as_it_is() -> None:
    partition = task()
    given = record(b"\xff{", key=b"t", offset=7, headers=[("x", None), ("rollout-ordinal", b"4")])

    assert out_of(partition, given) == [
        OutRecord(
            "g.dead-letters",
            b"t",
            b"\xff{",
            [
                ("thw-reason", b"rejected"),
                ("thw-error", b"not JSON: str is not valid UTF-8: surrogates not allowed at byte 0"),
                ("thw-topic", b"codex.rollout-items"),
                ("thw-partition", b"3"),
                ("thw-offset", b"7"),
                ("thw-timestamp", b"5"),
                ("thw-worker-version", __version__.encode()),
                ("x", None),
                ("rollout-ordinal", b"4"),
            ],
        )
    ]


@pytest.mark.parametrize("key", [None, b"", b"\xff"])
def test_a_record_without_a_thread_id_goes_to_the_dead_letters(key: bytes | None) -> None:
    (letter,) = out_of(task(), record(event("task_started"), key=key, timestamp_ms=None))

    assert (letter.topic, letter.key, letter.headers[0], letter.headers[5]) == (
        "g.dead-letters",
        key,
        ("thw-reason", b"bad_key"),
        ("thw-timestamp", b""),
    )


def test_a_rejected_record_that_comes_again_is_no_second_dead_letter() -> None:
    given = record(b"{", headers=[("rollout-ordinal", b"0")])

    assert len(out_of(task(), given, given)) == 1


@pytest.mark.parametrize(
    ("stated", "ordinal"),
    [
        (b"0", 0),
        (b"00012", 12),
        (b"9223372036854775807", 2**63 - 1),
        (b"9223372036854775808", None),
        (b"99999999999999999999", None),
        (b"-1", None),
        (b"1.0", None),
        (b" 1", None),
        ("٣".encode(), None),
        (b"", None),
        (None, None),
    ],
)
def test_an_ordinal_header_that_is_no_decimal_of_63_bits_counts_as_absent(
    stated: bytes | None, ordinal: int | None
) -> None:
    given = record(event("task_started"), headers=[("other", b"1"), ("rollout-ordinal", stated)])

    assert {one["source"]["ordinal"] for one in values(out_of(task(), given))} == {ordinal}


def test_changed_rows_are_told_once_each_until_they_are_committed() -> None:
    store = MemoryStore()
    partition = task(store)
    out_of(partition, record(event("task_started")), record(event("user_message")), record(event("token_count")))

    rows = partition.changed_rows()
    again = partition.changed_rows()
    partition.committed(9, 1)

    keys = [b"/partitions", b"t/h", b"t/i/1/0", b"t/u/1", b"t/xi/1/item-1", b"t/xo/item-1", b"t/xt/a"]
    assert sorted(row.key for row in rows) == sorted(row.key for row in again) == keys
    assert [store.get(key) is not None for key in keys] == [True] * len(keys)
    assert (store.changelog_offset, partition.changed_rows()) == (9, [])


def test_a_removed_row_is_deleted_from_the_store() -> None:
    store = MemoryStore()
    partition = task(store)
    out_of(partition, record(event("task_started")))
    commit(partition)
    out_of(partition, record(event("thread_rolled_back")))
    commit(partition)

    assert (store.get(b"t/u/1"), store.get(b"t/xt/a"), store.get(b"t/h") is None) == (None, None, False)


def test_forgotten_changes_leave_no_trace() -> None:
    partition = task()
    expected = out_of(partition, record(event("task_started")))
    partition.changed_rows()

    partition.forget()

    assert partition.changed_rows() == []
    assert out_of(partition, record(event("task_started"))) == expected


def test_a_thread_that_holds_much_is_cut_back_after_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "THREAD_BYTES_MAX", 4_000)
    store = AskedStore()
    partition = task(store)
    partition.process([record(event("task_started")), record(event("task_started"), key=b"u")])
    partition.process([record(event("user_message", message="x" * 3_000))])
    commit(partition)
    store.asked.clear()
    partition.process([record(event("turn_aborted")), record(event("turn_aborted"), key=b"u")])

    assert [key for key in store.asked if key.startswith(b"t/")] == [b"t/i/1/0"]
    assert [key for key in store.asked if key.startswith(b"u/")] == []


def test_the_thread_that_was_not_used_for_longest_leaves_memory_first() -> None:
    store = AskedStore()
    partition = task(store, cache_bytes=5_000)
    for key in (b"t", b"u", b"t", b"v"):
        partition.process([record(event("token_count"), key=key)])
        commit(partition)

    assert [store.is_asked(partition, key) for key in (b"t", b"v", b"u")] == [False, False, True]


def test_threads_do_not_mix() -> None:
    records: list[InRecord] = [
        record(event("agent_message"), key=b"t"),
        record(event("token_count"), key=b"u"),
        record(event("agent_message"), key=b"u"),
    ]

    found = values(out_of(task(), *records))

    assert [(one["threadId"], one["turnId"], one["sequence"]) for one in found] == [
        ("t", "rollout-0", 1),
        ("t", "rollout-0", 2),
        ("u", "rollout-1", 1),
        ("u", "rollout-1", 2),
    ]
