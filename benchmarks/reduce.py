"""Cost of one event without a broker: decode, reduce, observe, encode mutations and state rows, as a worker does.

Short threads and long ones are measured in turn, in one process; the figure of each is the median of the rounds, and
`flat_ratio` (the longest by the shortest) the median of the rounds' ratios. A checkpoint is taken every 5,000 events.
Then each stage alone, and each kind of event.
"""

import gc
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.programs import median
from benchmarks.rig import Bench, note
from benchmarks.threads import lines, thread_id
from worker import app
from worker.app import task_maker
from worker.codec.lines import Line, LineDecoder
from worker.codec.rows import encode_row
from worker.commands.service import settle_collector
from worker.config import Settings
from worker.model.digests import admit
from worker.model.mutation import Mutation
from worker.model.record import InRecord
from worker.model.thread import Thread
from worker.pipeline import Pipeline
from worker.reducer.fold import skip

EVENTS = 20_000
SHORT = 100
LENGTHS = (100, 1_000, 5_000, EVENTS)
CHECKPOINT = 5_000
BATCH = 1_000
# The reference's own observers (Rust, release build) on threads of 350 bytes a line, microseconds an event by length.
REFERENCE_US = {100: 45, 1_000: 494, 5_000: 2_590, 20_000: 10_000}
_KIND_EVENTS_MIN = 30


def records(length: int, events: int = EVENTS) -> list[InRecord]:
    """Return the input records of as many threads of a length as make up the number of events."""
    return [
        InRecord("codex.rollout-items", 0, number * length + at, thread_id(number).encode(), line,
                 [("rollout-ordinal", b"%d" % at)], 1_780_000_000_000)
        for number in range(events // length)
        for at, line in enumerate(lines(length, number))
    ]  # fmt: skip


def measured(events: list[InRecord]) -> tuple[float, int, int]:
    """Fold records as a partition's task does.

    Returns:
        Microseconds of processor time an event, mutations, bytes written (mutations and state rows).
    """
    task = task_maker(Settings())(0)
    count, size = 0, 0
    gc.collect()
    began = time.process_time()
    for start in range(0, len(events), CHECKPOINT):
        for batch in range(start, start + CHECKPOINT, BATCH):
            out = task.process(events[batch : batch + BATCH]).out
            count += len(out)
            size += sum(len(record.value or b"") for record in out)
        rows = task.changed_rows()
        size += sum(len(row.value or b"") for row in rows)
        task.committed(start, start)
    return (time.process_time() - began) / len(events) * 1e6, count, size


class Stages:
    """The work on events, stage by stage, over batches as a worker's, threads staying in memory.

    Attributes:
        spent: seconds of processor time by stage.
        kinds: microseconds of reduction and projections by kind of event, one figure for each.
    """

    def __init__(self) -> None:
        settings = Settings()
        self._decoder = LineDecoder()
        self._pipeline = Pipeline(app.projections(settings), redact=True)
        self._encoder = app.encoder(settings)
        self._threads: dict[str, Thread] = {}
        self.spent: dict[str, float] = defaultdict(float)
        self.kinds: dict[str, list[float]] = defaultdict(list)

    def run(self, events: list[InRecord]) -> None:
        """Work all events off."""
        gc.collect()
        for start in range(0, len(events), BATCH):
            self._batch(events[start : start + BATCH])

    def _batch(self, events: list[InRecord]) -> None:
        ordinals = [int(event.headers[0][1] or 0) for event in events]
        times = [time.process_time()]
        decode = self._decoder.decode
        # `value` is a line in all of them.
        read = [decode(event.value or b"", ordinal) for event, ordinal in zip(events, ordinals, strict=True)]
        times.append(time.process_time())
        lines_of = [self._placed(event, line) for event, line in zip(events, read, strict=True)]
        times.append(time.process_time())
        folded = [self._fold(*one) for one in lines_of]
        times.append(time.process_time())
        encode = self._encoder.encode
        for mutations in folded:
            for mutation in mutations:
                encode(mutation)
        times.append(time.process_time())
        self._rows({thread.id: thread for thread, *_ in lines_of}.values())
        times.append(time.process_time())
        names = ("decode", "repeats", "reduce_project", "encode", "encode_rows")
        for name, began, ended in zip(names, times, times[1:], strict=False):
            self.spent[name] += ended - began

    def _placed(self, event: InRecord, line: Line) -> tuple[Thread, InRecord, Line]:
        """Return an event with its thread, after the look whether it came before (D22)."""
        name = (event.key or b"").decode()
        thread = self._threads.get(name)
        if thread is None:
            thread = self._threads[name] = Thread(name)
        assert line.ordinal is not None
        admit(thread, line.ordinal, line.digest)
        return thread, event, line

    def _fold(self, thread: Thread, event: InRecord, line: Line) -> list[Mutation]:
        if line.handle is None:
            skip(thread)
            return []
        source = {
            "topic": event.topic,
            "partition": event.partition,
            "offset": event.offset,
            "index": 0,
            "ordinal": line.ordinal,
            "timestamp": event.timestamp_ms,
        }
        changes = self._pipeline.reduce(
            thread, line.handle, line.event, line.timestamp_ms, 0, ordinal=line.ordinal, indexed=line.indexed
        )
        return self._pipeline.observe(thread, changes, source)

    def _rows(self, threads: Iterable[Thread]) -> None:
        for thread in threads:
            for row, found in thread.changes():
                if found is not None:
                    encode_row(row, found)
            thread.settle()

    def by_kind(self, events: list[InRecord]) -> None:
        """Fold all events and take the time of each."""
        for event in events:
            ordinal = int(event.headers[0][1] or 0)
            one = self._placed(event, self._decoder.decode(event.value or b"", ordinal))
            began = time.perf_counter_ns()
            self._fold(*one)
            self.kinds[one[2].kind].append((time.perf_counter_ns() - began) / 1e3)


def stages(events: list[InRecord]) -> dict[str, float]:
    """Return microseconds an event of each stage."""
    made = Stages()
    made.run(events)
    return {name: spent / len(events) * 1e6 for name, spent in made.spent.items()}


def by_kind(events: list[InRecord]) -> list[dict[str, Any]]:
    """Return what reduction and projections cost for each kind, median microseconds, the dearest first."""
    made = Stages()
    made.by_kind(events)
    found = [
        {"kind": kind, "events": len(spent), "reduce_project_us": median(spent, 2)}
        for kind, spent in made.kinds.items()
        if len(spent) >= _KIND_EVENTS_MIN
    ]
    return sorted(found, key=lambda one: -one["reduce_project_us"])


def measure(made: Bench) -> dict[str, Any]:
    """Measure."""
    events = {length: records(length, made.scale.events) for length in LENGTHS}
    with collected_as_a_worker():
        return _measured(made, events)


@contextmanager
def collected_as_a_worker() -> Iterator[None]:
    """Have garbage collected as `run` does."""
    before = gc.get_threshold()
    settle_collector()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _measured(made: Bench, events: dict[int, list[InRecord]]) -> dict[str, Any]:
    rounds: list[dict[int, tuple[float, int, int]]] = []
    parts: list[dict[str, float]] = []
    for number in range(made.scale.rounds):
        rounds.append({length: measured(some) for length, some in events.items()})
        parts.append(stages(events[SHORT]))
        note(f"reduce {number + 1}/{made.scale.rounds}: {[round(one[0], 1) for one in rounds[-1].values()]} µs")
    _, count, size = rounds[0][SHORT]
    lengths = {length: median([one[length][0] for one in rounds], 2) for length in LENGTHS}
    split = {name: median([part[name] for part in parts], 2) for name in parts[0]}
    return {
        "event_bytes": round(statistics.mean(len(event.value or b"") for event in events[SHORT])),
        "mutations_per_event": round(count / made.scale.events, 3),
        "written_bytes_per_event": round(size / made.scale.events),
        "by_length": [
            {
                "lines": length,
                "us": us,
                "reference_us": REFERENCE_US[length],
                "ahead": round(REFERENCE_US[length] / us, 1),
            }
            for length, us in lengths.items()
        ],
        "flat_ratio": median([one[EVENTS][0] / one[SHORT][0] for one in rounds], 3),
        "stages_us": split,
        "reduce_project_us": split["reduce_project"],
        "decode_reduce_encode_us": round(split["decode"] + split["reduce_project"] + split["encode"], 2),
        "by_kind": by_kind(events[SHORT]),
    }
