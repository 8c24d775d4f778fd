"""A null input value: every row of the thread gets a null, on all topics and in the state (G9, 2.3)."""

from typing import Any

import orjson
import pytest

from tests import factories
from tests.factories import event, record, task
from worker.audit import folded
from worker.model.record import InRecord, OutRecord
from worker.runtime import erasure
from worker.runtime.task import PartitionTask
from worker.store.memory import MemoryStore


def forget(offset: int, key: bytes = b"t") -> InRecord:
    return InRecord("codex.rollout-items", factories.PARTITION, offset, key, None, [], None)


def life(offset: int, key: bytes = b"t") -> list[InRecord]:
    """Return the records of a thread that shows all there is: turns of one id, a rollback, late items, reasoning."""
    lines = [
        event("task_started", turn_id="a"),
        event("user_message"),
        event("agent_reasoning", text="hm"),
        event("exec_command_begin", turn_id="a"),
        event("task_complete", turn_id="a"),
        event("task_started", turn_id="gone"),
        event("agent_message"),
        event("thread_rolled_back", num_turns=1),
        event("task_started", turn_id="a"),
        event("exec_command_end", turn_id="a"),
        event("error", message="no"),
    ]
    return [
        record(line, key=key, offset=offset + at, headers=[("rollout-ordinal", b"%d" % at)])
        for at, line in enumerate(lines)
    ]


def compacted(out: list[OutRecord]) -> set[tuple[str, bytes | None]]:
    """Return the rows that compaction leaves."""
    last = {(one.topic, one.key): one.value for one in out}
    return {place for place, value in last.items() if value is not None}


def run(partition: PartitionTask, *records: InRecord) -> list[OutRecord]:
    return list(folded(partition, records))


def rows_of(store: MemoryStore, prefix: bytes) -> list[bytes]:
    return [key for key, _ in store.scan(prefix)]


@pytest.mark.parametrize("rows_max", [1, 3, 10_000])
def test_after_a_forget_no_row_of_the_thread_is_left(monkeypatch: pytest.MonkeyPatch, rows_max: int) -> None:
    monkeypatch.setattr(erasure, "ROWS_MAX", rows_max)
    store = MemoryStore()
    out = run(task(store), *life(0), *life(20, b"u"), forget(40))

    assert {key for _, key in compacted(out) if key is not None and key.startswith(b"t/")} == set()
    assert rows_of(store, b"t/") == []
    assert len(rows_of(store, b"u/")) > 5


def test_another_threads_rows_stay() -> None:
    kept = compacted(run(task(), *life(20, b"u")))

    assert compacted(run(task(), *life(0), *life(20, b"u"), forget(40))) == kept


def test_a_forgotten_thread_that_is_written_again_starts_afresh_in_a_new_generation() -> None:
    again = [value(one) for one in run(task(), *life(0), forget(40), *life(50)) if own(one, 50)]
    fresh = [value(one) for one in run(task(), *life(50)) if own(one, 50)]

    assert again == fresh
    assert {one["generation"] for one in again} == {50}


def own(one: OutRecord, generation: int) -> bool:
    return one.value is not None and dict(one.headers)["thw-generation"] == b"%d" % generation


def value(one: OutRecord) -> Any:
    return orjson.loads(one.value or b"null")


def test_no_step_nulls_more_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "ROWS_MAX", 4)
    store = MemoryStore()
    run(task(store), *life(0))
    steps = 0
    partition = task(store)
    while partition.process([forget(40)]).resume_at is not None:
        rows = partition.changed_rows()
        steps += 1
        assert len(rows) <= 4 + 2
        partition.committed(steps, 40)

    assert steps > 3


def test_a_forget_that_is_stopped_anywhere_goes_on_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "ROWS_MAX", 2)
    store = MemoryStore()
    out = run(task(store), *life(0))
    while True:
        partition = task(store)
        found = partition.process([forget(40)])
        partition.changed_rows()
        partition.committed(1, 40)
        out += found.out
        if found.resume_at is None:
            break

    assert compacted(out) == set()
    assert rows_of(store, b"t/") == []


def test_forgetting_a_thread_that_nobody_knows_does_nothing() -> None:
    assert run(task(), forget(1)) == []


def test_null_rows_state_the_generation_and_sequence_of_the_last_mutation() -> None:
    out = run(task(), *life(7), forget(40))
    last = max(int(dict(one.headers)["thw-sequence"] or b"") for one in out if one.value is not None)
    nulls = [dict(one.headers) for one in out if one.value is None][-3:]

    assert {(heads["thw-generation"], heads["thw-sequence"]) for heads in nulls} == {(b"7", b"%d" % last)}
