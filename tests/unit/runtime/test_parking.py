"""Threads on which our own code fails: parked in order, taken up again, and never a whole topic of them (2.5)."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests import factories
from tests.factories import Parked, event, record, task
from worker.errors import FatalError, RetryError
from worker.model.change import ChangeSet
from worker.model.mutation import Draft
from worker.model.record import Headers, InRecord, OutRecord
from worker.model.thread import Thread, Turn
from worker.projections.table import PROJECTIONS
from worker.runtime.task import PartitionTask
from worker.store.memory import MemoryStore

UNPARK: Headers = [("thw-control", b"unpark")]


class Faulty:
    """A projection that fails on the turns it is told to."""

    name = "lifecycle"
    topic = "thread-lifecycle"

    def __init__(self, *turns: str) -> None:
        self.turns = set(turns)

    def observe(self, thread: Thread, changes: ChangeSet) -> Iterator[Draft]:
        for happening in changes.happenings:
            if happening.turn_id in self.turns:
                raise ZeroDivisionError(happening.turn_id)
            thread.header.lifecycle += 1
            yield Draft((str(thread.header.lifecycle),), {"turnId": happening.turn_id})

    def shown(self, _kind: str, _row: Any, _turn: Turn) -> Iterator[tuple[str, ...]]:
        yield from ()


class Partition:
    """A task with its topics: what is committed counts."""

    def __init__(self, faulty: Faulty, *, threads_max: int = 10, now: float = 0.0) -> None:
        self.store, self.parked, self.out = MemoryStore(), Parked(), list[OutRecord]()
        self._faulty, self._threads_max = faulty, threads_max
        self.restart(now)

    def restart(self, now: float = 0.0) -> None:
        self.task: PartitionTask = task(
            self.store, parked=self.parked, projections=[self._faulty], parked_threads_max=self._threads_max, now=now
        )

    def give(self, *records: InRecord) -> None:
        """Process records as the loop does: commits where asked, and everything again after a failure."""
        left = list(records)
        while left:
            try:
                folded = self.task.process(left)
            except RetryError:
                self.task.forget()
                continue
            rows = self.task.changed_rows()
            self.task.committed(self.store.changelog_offset + len(rows), left[-1].offset + 1)
            self.out += folded.out
            self.parked.add(folded.out)
            left = [] if folded.resume_at is None else [one for one in left if one.offset >= folded.resume_at]

    def turns(self, thread_id: str) -> list[str]:
        """Return the turns told of a thread, in order."""
        values = [orjson.loads(one.value or b"{}") for one in self.out if one.topic == "codex.thread-lifecycle"]
        return [value["turnId"] for value in values if value.get("threadId") == thread_id]

    def set_aside(self) -> list[tuple[bytes | None, bytes | None, bytes | None]]:
        """Return key, offset and reason of the parked records."""
        return [
            (one.key, dict(one.headers)["thw-offset"], dict(one.headers)["thw-reason"]) for one in self.parked.records
        ]


def started(turn_id: str, offset: int, key: bytes = b"t") -> InRecord:
    return record(event("task_started", turn_id=turn_id), key=key, offset=offset)


def unpark(offset: int, key: bytes = b"t") -> InRecord:
    return InRecord("codex.rollout-items", factories.PARTITION, offset, key, b"", UNPARK, None)


def test_a_thread_is_parked_at_the_record_our_code_fails_on_and_others_go_on() -> None:
    partition = Partition(Faulty("bad"))
    partition.give(started("a", 1), started("bad", 2), started("b", 3), started("x", 4, b"u"))

    assert (partition.turns("t"), partition.turns("u")) == (["a"], ["x"])
    assert partition.set_aside() == [(b"t", b"2", b"project"), (b"t", b"3", b"behind")]


def test_later_records_of_a_parked_thread_stay_behind_it_across_a_restart() -> None:
    partition = Partition(Faulty("bad"))
    partition.give(started("bad", 2))
    partition.restart()
    partition.give(started("b", 3))

    assert partition.turns("t") == []
    assert partition.set_aside() == [(b"t", b"2", b"project"), (b"t", b"3", b"behind")]


def test_unparking_takes_up_all_parked_records_in_order_and_then_new_ones() -> None:
    faulty = Faulty("bad")
    partition = Partition(faulty)
    partition.give(started("a", 1), started("bad", 2), *(started(f"turn-{number}", number) for number in range(3, 9)))
    faulty.turns.clear()
    partition.give(unpark(9), started("new", 10))

    assert partition.turns("t") == ["a", "bad", *(f"turn-{number}" for number in range(3, 9)), "new"]


def test_what_is_taken_up_again_equals_what_a_sound_release_had_published() -> None:
    faulty = Faulty("bad")
    partition, sound = Partition(faulty), Partition(Faulty())
    records = [started("a", 1), started("bad", 2), started("b", 3)]
    partition.give(*records)
    faulty.turns.clear()
    partition.give(unpark(4))
    sound.give(*records)

    assert [one for one in partition.out if one.topic != factories.TOPICS.parked] == sound.out


def test_a_record_that_fails_again_parks_the_thread_at_that_record() -> None:
    faulty = Faulty("bad", "worse")
    partition = Partition(faulty)
    partition.give(started("a", 1), started("bad", 2), started("b", 3), started("worse", 4), started("c", 5))
    faulty.turns.remove("bad")
    partition.give(unpark(6), started("d", 7))
    told = partition.turns("t")
    faulty.turns.clear()
    partition.give(unpark(8))

    assert told == ["a", "bad", "b"]
    assert partition.turns("t") == ["a", "bad", "b", "worse", "c", "d"]


def test_unparking_a_thread_that_is_not_parked_changes_nothing() -> None:
    partition = Partition(Faulty())
    partition.give(started("a", 1), unpark(2), started("b", 3))

    assert partition.turns("t") == ["a", "b"]


def test_a_forget_unparks() -> None:
    partition = Partition(Faulty("bad"))
    partition.give(started("bad", 2))
    partition.give(InRecord("codex.rollout-items", factories.PARTITION, 3, b"t", None, [], None), started("fresh", 4))

    assert partition.turns("t") == ["fresh"]


def test_too_many_parked_threads_stop_the_worker_also_when_it_was_restarted_between_them() -> None:
    partition = Partition(Faulty("bad"), threads_max=2)
    partition.give(started("bad", 1, b"t"), started("bad", 2, b"u"))
    partition.restart()
    with pytest.raises(FatalError, match=r"2 threads of partition 3 were parked within 1 minutes"):
        partition.give(started("bad", 3, b"v"))

    assert partition.set_aside() == [(b"t", b"1", b"project"), (b"u", b"2", b"project")]


def test_threads_parked_long_ago_do_not_count() -> None:
    partition = Partition(Faulty("bad"), threads_max=2)
    partition.give(started("bad", 1, b"t"), started("bad", 2, b"u"))
    partition.restart(now=61.0)
    partition.give(started("bad", 3, b"v"))

    assert partition.set_aside()[-1] == (b"v", b"3", b"project")


def test_an_encoder_that_fails_parks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = Partition(Faulty())

    def encode(_mutation: Any) -> bytes:
        raise OverflowError

    monkeypatch.setattr(partition.task._outbox._encoder, "encode", encode)
    partition.give(started("a", 1))

    assert partition.set_aside() == [(b"t", b"1", b"encode")]


def test_a_mutation_that_no_topic_takes_for_its_ids_parks_its_thread() -> None:
    partition = Partition(Faulty())
    partition.give(started("x" * 2_100_000, 1), started("a", 2, b"u"))

    assert partition.set_aside() == [(b"t", b"1", b"encode")]
    assert partition.turns("u") == ["a"]


def test_all_projections_name_the_rows_of_an_item_and_a_turn() -> None:
    turn = Turn(1, "turn", "completed", True, 0, False)
    shown = {name: [*found.shown("u", turn, turn)] for name, found in PROJECTIONS.items()}

    assert shown == {"thread_item": [], "turn_summary": [("turn",)], "lifecycle": []}
