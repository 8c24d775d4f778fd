"""What the loop tells of itself: whatever fails, each record counts once, when it is committed."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories import event, record
from tests.loop_fakes import FakeBroker, FakeSource, ManualClock
from tests.unit.runtime.test_worker import FAULTS, INPUTS, SETTINGS, Step, _stopping, _worker
from worker.app import Shared, task_maker
from worker.model.record import InRecord
from worker.runtime.report import Report
from worker.runtime.status import Standing, Status
from worker.runtime.watch import Watch

TOPIC = "codex.rollout-items"
# Made once: parsers of all kinds of lines take long to make.
SHARED = Shared.of(SETTINGS)
NEW_TASK = task_maker(SETTINGS, shared=SHARED)
SHORT = {partition: records[:30] for partition, records in INPUTS.items()}
CERTAIN = sorted({*FAULTS} - {"doubt-kept"})


class Recording:
    """A meter that remembers."""

    on = True

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.gauges: dict[tuple[str, ...], float] = {}
        self.observed: dict[tuple[str, ...], list[float]] = defaultdict(list)

    def add(self, name: str, amount: float, *labels: str) -> None:
        self.counts[name, *labels] += amount  # type: ignore[assignment]

    def set(self, name: str, amount: float, *labels: str) -> None:
        self.gauges[name, *labels] = amount

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        self.observed[name, *labels].append(seconds)

    def observe_all(self, name: str, seconds: Sequence[float], *labels: str) -> None:
        self.observed[name, *labels] += seconds


class Watched:
    """A worker on a broker in memory, and what it told."""

    def __init__(self, inputs: dict[int, list[InRecord]], script: list[Step], faults: list[str]) -> None:
        SHARED.appends.tally.clear()
        self.meter, self.status, self.broker = Recording(), Status(ManualClock()), FakeBroker(inputs)
        report = Report(self.status, self.meter, topic=TOPIC, tally=SHARED.appends.tally, budget=SHARED.budget)
        source = FakeSource(self.broker, _stopping(script, self.broker))
        worker = _worker(self.broker, source, iter(faults), report, new_task=NEW_TASK)
        source.stop = worker.stop
        worker.run()

    def outcomes(self) -> dict[str, float]:
        return {key[2]: count for key, count in self.meter.counts.items() if key[0] == "records_consumed"}

    def total(self, name: str, *labels: str) -> float:
        wanted = (name, *labels)
        return sum(count for key, count in self.meter.counts.items() if key[: len(wanted)] == wanted)


@settings(max_examples=20)
@given(st.lists(st.sampled_from(CERTAIN), max_size=60))
def test_whatever_fails_each_record_and_mutation_counts_once(faults: list[str]) -> None:
    watched = Watched(SHORT, [], faults)

    records = sum(len(some) for some in SHORT.values())
    assert watched.outcomes() == {"processed": records}
    assert watched.total("mutations_published") == sum(len(some) for some in watched.broker.outputs.values())
    assert len(watched.meter.observed["record_age_at_commit_seconds", TOPIC]) == records


@pytest.mark.parametrize(("fault", "outcome"), [("send", "aborted"), ("abort", "aborted"), ("doubt-lost", "ambiguous")])
def test_a_transaction_that_fails_is_told_by_how(fault: str, outcome: str) -> None:
    at_each_call = [Watched(SHORT, [], [""] * calls + [fault]) for calls in range(12)]

    assert {watched.total("transactions", outcome) for watched in at_each_call} == {0, 1}
    assert all(watched.total("transactions", "committed") for watched in at_each_call)


def _line(partition: int, offset: int, key: bytes, value: bytes | None, ordinal: int = 0) -> InRecord:
    headers: list[tuple[str, bytes | None]] = [("rollout-ordinal", b"%d" % ordinal)]
    return InRecord(TOPIC, partition, offset, key, value, headers, 5)


def test_each_record_ends_in_one_outcome() -> None:
    lines = [
        (b"a", event("task_started")),
        (b"a", event("task_started")),  # under the same ordinal
        (b"b", b""),
        (b"c", b"{"),
        (b"", b"{}"),
        (b"a", None),
        (b"d", b"\xc3\x01cut"),
    ]
    records = [_line(0, offset, key, value) for offset, (key, value) in enumerate(lines)]
    watched = Watched({0: records}, [], [])

    assert watched.outcomes() == {"processed": 1, "skipped_duplicate": 1, "blank": 1, "rejected": 3, "forget": 1}
    assert {key[1:]: count for key, count in watched.meter.counts.items() if key[0] == "rejected_records"} == {
        ("rejected",): 1,
        ("bad_key",): 1,
        ("bad_frame",): 1,
    }
    assert watched.total("ordinal_anomalies", "repeated") == 1
    nulls = sum(record.value is None for some in watched.broker.outputs.values() for record in some)
    assert sum(count for key, count in watched.meter.counts.items() if key[-1] == "null") == nulls > 0


def test_partitions_come_and_go_in_the_status() -> None:
    script: list[Step] = [
        FakeSource.own_all,
        *[lambda _source: None] * 9,
        lambda source: source.revoke([0]),
        lambda source: source.lose([1]),
    ]
    watched = Watched(INPUTS, script, [])

    assert (watched.total("rebalances", "revoke"), watched.total("rebalances", "lost")) == (1, 1)
    assert watched.total("rebalances", "assign") >= 2
    assert watched.status.partitions == {}
    assert watched.status.stage == "stopping"


def standing(report: Report, partition: int) -> Standing:
    return report.status.partitions[TOPIC, partition]


def test_each_partition_has_the_time_of_its_own_last_record() -> None:
    report = Report(Status(ManualClock()), Recording(), topic=TOPIC)
    report.assigned([0, 1])
    report.added(1, [record(b"", timestamp_ms=5)], 1)
    report.committed({1: 1}, 0.0)
    report.added(0, [record(b"", timestamp_ms=9_000)], 1)
    report.committed({0: 1, 1: 1}, 0.0)

    assert (standing(report, 0).head_ms, standing(report, 1).head_ms) == (9_000, 5)


def test_work_on_one_record_over_many_transactions_is_progress_that_is_not_done() -> None:
    clock = ManualClock()
    report = Report(Status(clock), Recording(), topic=TOPIC)
    report.assigned([0, 1])
    report.runs(0, 7)
    report.runs(1, 0)
    clock.sleep(500)
    report.added(0, [record(None, timestamp_ms=5, offset=7)], 0)
    pending = standing(report, 0).pending
    report.committed({0: 7, 1: 0}, 0.0)

    assert pending
    assert standing(report, 0).moved_at > 500 > standing(report, 1).moved_at
    assert standing(report, 0).committed == 7


def test_stages_add_up_to_the_time_that_passed() -> None:
    watch = Watch()
    began = watch._since
    for stage in ("poll", "fold", "commit") * 50:
        watch.lap(stage)

    assert sum(watch.take().values()) == pytest.approx(watch._since - began)
    assert watch.take() == {}
