"""Threads that got no record for long are forgotten through the input, so that the input alone says what is there."""

from pathlib import Path

import pytest

from tests import factories
from tests.factories import event, record
from tests.unit.runtime.test_erasure import compacted
from worker.audit import folded
from worker.model.record import Headers, InRecord, OutRecord, StateRow
from worker.rebuild import Existing, rebuilt
from worker.runtime import expiry
from worker.runtime.ports import StateStore
from worker.store.disk import DiskStore
from worker.store.memory import MemoryStore

INPUT = factories.TOPICS.input
DAY_S, DAY_MS = 86_400.0, 86_400_000
# Where the wall clock stands, unless a test says otherwise: later than any record.
LATE_S = 1_000 * DAY_S


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all threads looked at in every commit."""
    monkeypatch.setattr(expiry, "_PAUSE_S_MAX", 0.0)


class Log:
    """An input partition and the task that reads it, commits, and writes to it."""

    def __init__(self, *, now: float = LATE_S, store: StateStore | None = None) -> None:
        self.store: StateStore = store or MemoryStore()
        self.now = now
        self.task = factories.task(self.store, forget_after_s=DAY_S, now=now)
        self.records: list[InRecord] = []
        self.out: list[OutRecord] = []
        self.position = 0

    def append(self, key: bytes, day: float, line: bytes | None = None) -> None:
        """Have a record of a thread come, at a time in days."""
        text = event("task_started", turn_id=f"turn-{len(self.records)}") if line is None else line
        made = record(text, key=key, offset=len(self.records), timestamp_ms=int(day * DAY_MS) + 1)
        self.records.append(made)

    def take(self) -> list[OutRecord]:
        """Process what has come, up to where a commit is due; return all that the transaction holds."""
        found = self.task.process(self.records[self.position :])
        self.resume_at = found.resume_at
        return [*found.out, *self.task.latest()]

    def commit(self, out: list[OutRecord]) -> None:
        """Commit a transaction: what it has for the input comes next."""
        self.position = len(self.records) if self.resume_at is None else self.resume_at
        self.task.changed_rows()
        self.task.committed(1, self.position)
        self.out += [one for one in out if one.topic != INPUT]
        for one in out:
            if one.topic == INPUT:
                offset = len(self.records)
                # The client stamps what a worker writes with the worker's clock.
                self.records.append(InRecord(INPUT, 3, offset, one.key, one.value, one.headers, int(self.now * 1_000)))

    def run(self) -> int:
        """Go on until nothing comes any more; return the most control records that one transaction had."""
        most = 0
        while self.position < len(self.records):
            out = self.take()
            most = max(most, sum(one.topic == INPUT for one in out))
            self.commit(out)
        return most

    def run_to(self, day: float) -> int:
        """Have records of a thread come at a time, in two transactions: what one writes the next one finds."""
        self.append(b"new", day)
        first = self.run()
        self.append(b"new", day)
        return max(first, self.run())

    def threads(self) -> set[bytes]:
        """Return the threads that have rows in the state."""
        return {key.partition(b"/")[0] for key, _ in self.store.scan(b"")} - {b""}

    def shown(self) -> set[bytes]:
        """Return the threads that have rows on the topics."""
        return {(key or b"").partition(b"/")[0] for _, key in compacted(self.out)}


def test_a_thread_without_records_for_that_long_is_forgotten_and_no_other() -> None:
    log = Log()
    log.append(b"idle", 0)
    log.append(b"kept", 0.5)
    log.run_to(1.1)

    assert log.threads() == log.shown() == {b"kept", b"new"}


def test_the_log_tells_of_what_was_forgotten_once_it_is_committed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    log = Log()
    for key in (b"one", b"two", b"three"):
        log.append(key, 0)
    log.run()
    log.append(b"new", 1.1)
    log.commit(log.take())
    log.append(b"new", 1.1)
    log.commit(log.take())
    log.take()
    gone = [row for row in log.task.changed_rows() if row.value is None]
    log.task.forget()
    before = "idle threads" in caplog.text
    log.append(b"new", 1.1)
    log.run()
    log.append(b"new", 1.1)
    log.run()
    lines = [vars(one) for one in caplog.records if one.message == "idle threads forgotten"]

    assert gone
    assert not before
    assert log.threads() == {b"new"}
    assert [(line["partition"], line["count"]) for line in lines] == [(3, 3)]


def test_the_input_alone_says_what_is_forgotten() -> None:
    log = Log()
    keys = [b"one", b"in/between%", b"three"]
    for day in range(9):
        log.append(keys[day % 3], day * 0.7)
        log.run_to(day * 0.7)
    scratch = list(folded(factories.task(), log.records))
    forgotten = {(one.key or b"").partition(b"/")[0] for one in log.out if one.value is None}

    assert forgotten == {b"one", b"in%2Fbetween%25", b"three"}
    assert scratch == log.out


@pytest.mark.parametrize("day", [1.1, 0.0])
def test_a_record_that_comes_before_the_word_keeps_its_thread(day: float) -> None:
    log = Log()
    log.append(b"idle", 0)
    log.run()
    log.append(b"new", 1.1)
    out = log.take()
    log.append(b"idle", day)
    log.commit(out)
    words = [one.key for one in log.records if one.value == b""]
    log.position = 2
    while log.position < 4:
        log.commit(log.take())

    assert words == [b"idle"]
    assert log.threads() == {b"idle", b"new"}
    assert [one for one in log.out if one.value is None] == []


def test_a_later_append_begins_the_thread_anew() -> None:
    log = Log()
    log.append(b"t", 0)
    log.run()
    log.run_to(2)
    before = len(log.out)
    offset = len(log.records)
    log.append(b"t", 2)
    log.run()
    generations = {dict(one.headers)["thw-generation"] for one in log.out[before:]}

    assert generations == {b"%d" % offset}


@pytest.mark.parametrize(("now_days", "newest_days"), [(1_000.0, 0.9), (0.9, 1_000.0)])
def test_neither_a_clock_nor_a_timestamp_that_is_ahead_forgets_anything(now_days: float, newest_days: float) -> None:
    log = Log(now=now_days * DAY_S)
    log.append(b"idle", 0)
    log.run()
    log.run_to(newest_days)

    assert log.threads() == {b"idle", b"new"}


def test_a_clock_that_is_ahead_does_not_learn_the_time_from_its_own_words() -> None:
    log = Log(now=LATE_S)
    log.append(b"idle", 0)
    log.append(b"fresh", 8)
    log.run_to(8.5)
    log.run_to(8.6)

    assert log.threads() == {b"fresh", b"new"}


@pytest.mark.parametrize("offset", [b"9" * 5_000, b"9" * 20, b"x", b"-1", b""])
def test_a_control_record_that_states_no_offset_means_nothing(offset: bytes) -> None:
    log = Log()
    log.append(b"t", 0)
    heads: Headers = [("thw-control", b"expire"), ("thw-last-offset", offset)]
    log.records.append(InRecord(INPUT, 3, 1, b"t", b"", heads, 2))
    log.run()

    assert log.threads() == {b"t"}


def test_records_without_a_time_are_not_idle() -> None:
    log = Log()
    log.records.append(record(event("task_started"), key=b"timeless", offset=0, timestamp_ms=None))
    log.run()
    log.run_to(9)

    assert log.threads() == {b"timeless", b"new"}


def test_a_commit_asks_for_a_bounded_number_and_in_the_end_for_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(expiry, "LOOK_MAX", 7)
    monkeypatch.setattr(expiry, "ASKED_MAX", 5)
    disk = DiskStore(tmp_path, changelog="c", bytes_max=1 << 24, age_max_s=1.0, wall=lambda: 0.0)
    log = Log(store=disk)
    for number in range(40):
        log.append(b"idle-%d" % number, 0)
    # The store cuts keys as long as this one's: such threads are passed over.
    long = b"idle-2" + b"x" * 600
    log.append(long, 0)
    log.run()
    most = log.run_to(2)
    for _ in range(20):
        log.run_to(2)
    left = log.threads()
    disk.close()

    assert 1 < most <= 5
    assert left == {b"new", long}


def test_what_an_aborted_transaction_asked_for_is_asked_for_again() -> None:
    log = Log()
    log.append(b"idle", 0)
    log.run()
    log.append(b"new", 2)
    lost = [one.key for one in log.take() if one.topic == INPUT]
    log.task.forget()
    again = [one.key for one in log.take() if one.topic == INPUT]

    assert (lost, again) == ([b"idle"], [b"idle"])


def test_a_parked_thread_waits_for_its_repair() -> None:
    log = Log()
    log.append(b"idle", 0)
    log.append(b"new", 0.1)
    log.run()
    thread = log.task._threads.get(b"idle".decode())
    thread.header.parked_from = 0
    log.task.changed_rows()
    log.task.committed(2, log.position)
    log.run_to(5)
    asked = [one for one in log.records if (one.key, one.value) == (b"idle", b"")]
    word = [("thw-control", b"expire"), ("thw-last-offset", b"0")]
    log.records.append(record(b"", key=b"idle", offset=len(log.records), headers=[*word]))
    log.run()

    assert asked == []
    assert log.threads() == {b"idle", b"new"}


def test_a_rebuild_derives_the_present_life_alone() -> None:
    log = Log()
    log.append(b"t", 0)
    log.run()
    log.run_to(2)
    log.append(b"t", 2)
    log.run()
    records = [one for one in log.records if one.key == b"t"]
    made = rebuilt(
        "t",
        records,
        Existing([], []),
        generation=99,
        new_task=factories.task,
        topics=factories.TOPICS.projections.values(),
    )
    turns = {one.key for one in made.out if one.topic == factories.TOPICS.projections["turn_summary"]}

    assert [one.value == b"" for one in records].count(True) == 1
    assert turns == {b"t/turn-%d" % records[-1].offset}


@pytest.mark.parametrize("word", ["null", "expire"])
def test_a_rebuild_of_a_thread_that_is_gone_brings_nothing_back(word: str) -> None:
    log = Log()
    log.append(b"t", 0)
    log.run()
    state = [key for key, _ in log.store.scan(b"t/")]
    shown = compacted(log.out)
    if word == "null":
        log.records.append(InRecord(INPUT, factories.PARTITION, len(log.records), b"t", None, [], 1))
    else:
        log.run_to(2)
    made = rebuilt(
        "t",
        [one for one in log.records if one.key == b"t"],
        Existing([(topic, key or b"") for topic, key in shown], state),
        generation=99,
        new_task=factories.task,
        topics=factories.TOPICS.projections.values(),
    )

    assert shown and b"t/h" in state
    assert {(one.topic, one.key): one.value for one in made.out} == dict.fromkeys(shown)
    assert {row.key: row.value for row in made.rows if row.key.startswith(b"t/")} == dict.fromkeys(state)


def test_a_control_record_for_a_thread_that_is_not_there_means_nothing() -> None:
    log = Log()
    word = [("thw-control", b"expire"), ("thw-last-offset", b"9")]
    log.records.append(record(b"", key=b"none", offset=0, headers=[*word]))
    log.records.append(record(b"", key=b"none", offset=1, headers=[("thw-control", b"expire")]))
    log.run()

    assert (log.out, log.threads()) == ([], set())


def test_the_store_is_walked_thread_by_thread() -> None:
    store = MemoryStore()
    keys = [b"/fact", b"a-b/h", b"a/h", b"a/i/1/0", b"a0/h", b"b/h"]
    store.apply([StateRow(key, b"x") for key in keys], 1)

    assert [store.first_from(at) for at in (b"", b"0", b"a0", b"a00", b"b0")] == [
        b"/fact",
        b"a-b/h",
        b"a0/h",
        b"b/h",
        None,
    ]


def test_all_threads_are_looked_at_again_only_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "_PAUSE_S_MAX", 3_600.0)
    log = Log()
    log.append(b"idle", 0)
    log.run()
    log.run_to(2)

    assert log.threads() == {b"idle", b"new"}
