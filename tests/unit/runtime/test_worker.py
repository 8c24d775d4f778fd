"""The loop: whatever fails and however partitions move, the outcome is that of one pass from scratch (G1, G2)."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.threads import lines, thread_id
from tests.loop_fakes import FakeBroker, FakeRestorer, FakeSink, FakeSource, ManualClock
from worker.app import task_maker
from worker.audit import from_scratch
from worker.config import Settings
from worker.errors import FatalError, RetryError
from worker.model.record import InRecord
from worker.runtime.checkpoint import Checkpoint
from worker.runtime.report import Report
from worker.runtime.worker import Worker

PARTITIONS = 3
FAULTS = ["", "", "", "send", "rows", "abort", "doubt-lost", "doubt-kept", "reset"]
SETTINGS = Settings()

Step = Callable[[FakeSource], None]


def _inputs() -> dict[int, list[InRecord]]:
    inputs = {}
    for partition in range(PARTITIONS):
        threads = [
            (thread_id(10 * partition + number), list(lines(60, 10 * partition + number))) for number in range(2)
        ]
        records = [(name, at, line[at]) for at in range(60) for name, line in threads]
        inputs[partition] = [
            InRecord(
                "codex.rollout-items", partition, offset, name.encode(), line, [("rollout-ordinal", b"%d" % at)], 5
            )
            for offset, (name, at, line) in enumerate(records)
        ]
    return inputs


INPUTS = _inputs()
WANTED = from_scratch([record for records in INPUTS.values() for record in records], task_maker(SETTINGS))


def _worker(
    broker: FakeBroker, source: FakeSource, faults: Iterator[str], report: Report | None = None, **more: Any
) -> Worker:
    sink, clock, report = FakeSink(broker, faults), ManualClock(), report or Report()
    return Worker(
        source=source,
        sink=sink,
        restorer=FakeRestorer(broker),
        checkpoint=Checkpoint(
            source, sink, clock, interval_s=0.05, records_max=100, bytes_max=1 << 20, within_s=1, report=report
        ),
        clock=clock,
        report=report,
        **{"batch_records_max": 100, "poll_s": 0.01, "fenced_wait_s": 0.1, "give_up_after_s": 1_000.0, "calm_s": 20.0}
        | {"after_commit": lambda: None, "new_task": task_maker(SETTINGS)}
        | more,
    )


def _stopping(script: list[Step], broker: FakeBroker) -> Iterator[Step]:
    """Yield the script's steps, then wait until all is through and stop."""
    yield from script
    while not broker.through():
        yield FakeSource.own_all
    yield _stop


def _stop(source: FakeSource) -> None:
    source.stop()


def _run(script: list[Step], faults: list[str], **more: Any) -> FakeBroker:
    broker = FakeBroker(INPUTS)
    source = FakeSource(broker, _stopping(script, broker))
    worker = _worker(broker, source, iter(faults), **more)
    source.stop = worker.stop
    worker.run()
    return broker


steps = st.one_of(
    st.just(FakeSource.own_all),
    st.builds(lambda some: partial(FakeSource.assign, partitions=some), st.sets(st.integers(0, PARTITIONS - 1))),
    st.builds(lambda some: partial(FakeSource.revoke, partitions=some), st.sets(st.integers(0, PARTITIONS - 1))),
    st.builds(lambda some: partial(FakeSource.lose, partitions=some), st.sets(st.integers(0, PARTITIONS - 1))),
)


@given(st.lists(steps, max_size=40), st.lists(st.sampled_from(FAULTS), max_size=60))
def test_faults_and_rebalances_in_any_order_lose_and_double_nothing(script: list[Step], faults: list[str]) -> None:
    broker = _run(script, faults)

    assert dict(broker.outputs) == WANTED


@pytest.mark.parametrize("fault", sorted({*FAULTS} - {"", "reset"}))
def test_one_fault_at_any_call_loses_and_doubles_nothing(fault: str) -> None:
    for calls in range(24):
        broker = _run([], [""] * calls + [fault])

        assert dict(broker.outputs) == WANTED, f"at call {calls}"


def test_trouble_that_lasts_ends_the_process_and_says_what_it_was() -> None:
    with pytest.raises(FatalError, match=r"gave up after .* \(loop.give_up_after_s\); the last: abort"):
        _run([], ["abort"] * 10_000, give_up_after_s=60.0)


@pytest.mark.parametrize("owned", [0, PARTITIONS])
def test_a_failure_long_ago_does_not_make_the_next_one_fatal_to_a_worker_without_records(
    owned: int, caplog: pytest.LogCaptureFixture
) -> None:
    def nothing(_source: FakeSource) -> None:
        pass

    def failing(_source: FakeSource) -> None:
        raise RetryError("fenced")

    def script() -> Iterator[Step]:
        yield partial(FakeSource.assign, partitions=range(owned))
        for _ in range(2):
            worker._clock.sleep(1_000.0)
            yield failing
            yield from repeat(nothing, 100)
        yield _stop

    broker = FakeBroker({number: [] for number in range(PARTITIONS)})
    source = FakeSource(broker, script())
    worker = _worker(broker, source, iter([]), give_up_after_s=60.0)
    source.stop = worker.stop
    worker.run()

    assert caplog.messages.count("transaction failed, trying again from the last commit") == 2
    assert worker._broken is None


def test_a_stop_while_kafka_does_not_answer_leaves_the_transaction_to_a_successor() -> None:
    broker = FakeBroker(INPUTS)
    script: list[Step] = [FakeSource.own_all] * 30 + [_stop]
    source = FakeSource(broker, iter(script))
    worker = _worker(broker, source, iter(["", "send"] + ["reset"] * 1_000))
    source.stop = worker.stop

    with pytest.raises(FatalError, match="a successor goes on"):
        worker.run()


def test_a_stop_commits_what_was_read() -> None:
    broker = FakeBroker(INPUTS)
    script: list[Step] = [FakeSource.own_all] * 8 + [_stop]
    source = FakeSource(broker, iter(script))
    worker = _worker(broker, source, iter([]))
    source.stop = worker.stop
    worker.run()

    assert broker.committed == source.offsets().positions
    assert set(broker.committed) == {0, 1, 2}


def test_opening_the_producer_is_retried_until_it_succeeds() -> None:
    broker = FakeBroker(INPUTS)
    source = FakeSource(broker, iter([]))
    worker = _worker(broker, source, iter([]))
    refusals = iter([RetryError("no coordinator"), RetryError("no coordinator")])

    class Reluctant(FakeSink):
        def open(self) -> None:
            for error in refusals:
                raise error
            worker.stop()

    worker._sink = Reluctant(broker, iter([]))
    worker.run()

    assert list(refusals) == []
