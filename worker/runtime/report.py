"""What the loop tells of itself: how things stand to a status, and how much it did to a meter."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from worker.model.record import InRecord
from worker.runtime.append import Tally
from worker.runtime.clock import Clock
from worker.runtime.ports import Meter, Task, Tracer
from worker.runtime.status import Phase, Standing, Status
from worker.runtime.threads import Budget
from worker.runtime.watch import Sample, Watch

# Metric names are those of worker/telemetry/definitions.py, without prefix and suffix.
_FLUSH_S = 1.0
# How often what is there is counted: rows, bytes, parked threads.
_SIZE_S = 5.0
# Clocks of producers may run ahead of ours by so much.
_AHEAD_MS = 1_000
_SHARED = ("decode", "reduce", "encode")
# The metric of each thing that is tallied.
_COUNTED = {
    "records": "records_consumed",
    "published": "mutations_published",
    "rejected": "rejected_records",
    "parked": "parked_records",
    "redriven": "redriven_records",
    "unknown": "unknown",
    "ordinals": "ordinal_anomalies",
    "truncated": "truncated",
    "misplaced": "misplaced_threads",
}


class Silence:
    """A meter that nobody reads (implements `worker.runtime.ports.Meter`)."""

    on = False

    def add(self, name: str, amount: float, *labels: str) -> None:
        """Do nothing."""

    def set(self, name: str, amount: float, *labels: str) -> None:
        """Do nothing."""

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Do nothing."""

    def observe_all(self, name: str, ages: Sequence[float], *labels: str) -> None:
        """Do nothing."""


SILENCE = Silence()


class Report:
    """Takes note of what the loop does; every call is of a batch, a transaction or a partition, never of a record.

    Args:
        topic: the input topic.
        tally: what tasks counted since the last commit; it counts once the transaction is committed.
        budget: of the threads in memory.
        tracer: makes spans of transactions; None makes none.

    Attributes:
        watch: the loop's time; its owner says which stage has just ended.
        sample: the time of some records on their way through decode, reduce and encode.
    """

    def __init__(
        self,
        status: Status | None = None,
        meter: Meter = SILENCE,
        *,
        topic: str = "",
        tally: Tally | None = None,
        budget: Budget | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.status = status = status or Status(Clock())
        self.meter = meter
        self.watch = Watch()
        self.sample = Sample()
        self._budget = budget or Budget(0)
        self._topic = topic
        self._tracer = tracer
        self._records = 0
        self._tally: Tally = Counter() if tally is None else tally
        self._shares = dict.fromkeys(_SHARED, 0.0)
        self._stamps: list[int] = []
        # The timestamp of the last record that the transaction is through with, by partition worked on.
        self._worked: dict[int, int | None] = {}
        self._begun_at: float | None = None
        self._flushed_at = status.clock.now()
        self._sized_at = -_SIZE_S

    def _place(self, partition: int) -> tuple[str, int]:
        return (self._topic, partition)

    def _standing(self, partition: int) -> Standing | None:
        return self.status.partitions.get(self._place(partition))

    # The loop

    def opened(self) -> None:
        """The producer is ready; the group is about to be joined."""
        self.status.stage, self.status.ready, self.status.trouble = "joining", True, ""

    def stopping(self) -> None:
        """The loop ends."""
        self.status.stage = "stopping"

    def close(self) -> None:
        """Everything is over."""
        if self._tracer is not None:
            self._tracer.close()

    def polling(self) -> None:
        """The loop came round and asks for records."""
        now = self.status.clock.now()
        self.status.turned_at = now
        self.status.polled_at = self.status.clock.wall()
        if now - self._flushed_at >= _FLUSH_S:
            self._flush(now - self._flushed_at)
            self._flushed_at = now

    def _flush(self, since_s: float) -> None:
        """Hand the times over; what was spent folding is shared out as the looked-at records shared theirs."""
        for stage, took_s in self.sample.take().items():
            self._shares[stage] += took_s
        self.meter.observe_all("reduce_duration_seconds", self.sample.reduced)
        self.sample.reduced = []
        whole = sum(self._shares.values())
        for stage, took_s in self.watch.take().items():
            if stage != "fold":
                self.meter.add("loop_seconds", took_s, stage)
            elif whole:
                for part, share_s in self._shares.items():
                    self.meter.add("loop_seconds", took_s * share_s / whole, part)
            else:
                self.meter.add("loop_seconds", took_s, "reduce")
        if self.status.trouble:
            self.meter.add("consumer_paused_seconds", since_s, "retry")
        elif any(found.phase == "restoring" for found in self.status.partitions.values()):
            self.meter.add("consumer_paused_seconds", since_s, "restore")

    def size(self, tasks: Iterable[Task]) -> None:
        """Count what is there, if it is time to."""
        now = self.status.clock.now()
        if not self.meter.on or now - self._sized_at < _SIZE_S:
            return
        self._sized_at = now
        sizes = [task.size() for task in tasks]
        meter, budget = self.meter, self._budget
        meter.set("parked_threads", sum(size.parked for size in sizes))
        meter.set("state_entries", sum(size.rows for size in sizes), "disk")
        meter.set("state_bytes", sum(size.store_bytes for size in sizes), "disk")
        meter.set("state_entries", budget.threads, "memory")
        meter.set("state_bytes", budget.used, "memory")
        meter.add("state_lookups", budget.hits, "hit")
        meter.add("state_lookups", budget.misses, "miss")
        meter.add("state_evictions", budget.evicted, "size")
        budget.hits = budget.misses = budget.evicted = 0

    def waited(self, reason: str) -> None:
        """The loop stood still, reading nothing."""
        self.meter.add("consumer_paused_seconds", self.watch.lap(reason), reason)

    # Transactions

    def added(self, partition: int, records: Sequence[InRecord], done: int) -> None:
        """Records were worked on in the transaction.

        Args:
            done: how many of them, from the first, are through with it; the next one takes more than one transaction.
        """
        if self._begun_at is None:
            self._begun_at = self.status.clock.now()
        self._records += done
        if self._tracer is not None:
            self._tracer.saw(records[:done])
        if not self.meter.on:
            return
        stamps = [record.timestamp_ms for record in records[:done] if record.timestamp_ms is not None]
        self._stamps += stamps
        if records:
            self._worked[partition] = stamps[-1] if stamps else self._worked.get(partition)
        standing = self._standing(partition)
        if records and standing is not None and not standing.pending:
            standing.pending = True
            standing.head_ms = records[0].timestamp_ms

    def committed(self, positions: Mapping[int, int], took_s: float) -> None:
        """A transaction was committed: what it counted counts.

        Args:
            positions: the input offsets that it committed.
            took_s: how long its end took.
        """
        clock = self.status.clock
        now, wall_ms = clock.now(), clock.wall() * 1000
        for (what, *labels), count in self._tally.items():
            name = _COUNTED.get(what)
            if name is not None:
                self.meter.add(name, count, *((self._topic, *labels) if what == "records" else labels))
        self.meter.observe("commit_duration_seconds", took_s)
        self.meter.add("transactions", 1, "committed")
        self.meter.observe("transaction_duration_seconds", now - (self._begun_at or now), "committed")
        ages = [max(0.0, wall_ms - stamp) / 1000 for stamp in self._stamps]
        self.meter.observe_all("record_age_at_commit_seconds", ages, self._topic)
        ahead = sum(stamp > wall_ms + _AHEAD_MS for stamp in self._stamps)
        self.meter.add("kafka_errors", ahead, "consumer", "future_timestamp")
        for partition, position in positions.items():
            self._moved(partition, position, now)
        self._end("")

    def _moved(self, partition: int, position: int, now: float) -> None:
        standing = self._standing(partition)
        if standing is not None:
            # To forget a long thread is progress, too, though its record stays the next one for many transactions.
            if position != standing.committed or partition in self._worked:
                standing.moved_at = now
            standing.committed, standing.pending = position, False
            standing.head_ms = self._worked.get(partition) or standing.head_ms

    def failed(self, trouble: str, *, ambiguous: bool) -> None:
        """The transaction, or what should have become one, failed; all partitions wait for a retry."""
        status = self.status
        now = status.clock.now()
        if self._begun_at is not None:
            self.meter.add("transactions", 1, "ambiguous" if ambiguous else "aborted")
            self.meter.observe("transaction_duration_seconds", now - self._begun_at, "aborted")
        status.trouble = trouble
        self.enter("paused", [number for _, number in status.partitions])
        self._end(trouble)

    def repaired(self, partitions: Collection[int]) -> None:
        """The retry begins: all partitions are restored again."""
        self.status.trouble = ""
        self.enter("restoring", partitions, "retry")

    def _end(self, error: str) -> None:
        if self._tracer is not None:
            self._tracer.ended(self._records, error)
        self._records = 0
        self._begun_at = None
        self._stamps = []
        self._worked.clear()
        self._tally.clear()

    # Partitions

    def enter(self, phase: Phase, partitions: Collection[int], cause: str = "") -> None:
        """Partitions change their phase."""
        now = self.status.clock.now()
        for partition in partitions:
            standing = self._standing(partition)
            if standing is not None:
                standing.enter(phase, now)
                standing.cause = cause or standing.cause

    def assigned(self, partitions: Collection[int]) -> None:
        """Partitions are ours."""
        first = self.status.stage == "joining"
        self.status.stage = "running"
        self.status.take([self._place(partition) for partition in partitions])
        self.enter("paused" if self.status.trouble else "restoring", partitions, "start" if first else "rebalance")

    def dropped(self, partitions: Collection[int]) -> None:
        """Partitions are another's."""
        self.status.drop([self._place(partition) for partition in partitions])

    def rebalanced(self, kind: str, began_at: float) -> None:
        """Partitions came or went."""
        self.watch.lap("rebalance")
        self.meter.add("rebalances", 1, kind)
        self.meter.observe("rebalance_duration_seconds", self.status.clock.now() - began_at, kind)

    def aimed(self, partition: int, committed: int | None, remaining: int) -> None:
        """It is known what a partition needs: changelog offsets, then input from the committed offset on."""
        standing = self._standing(partition)
        if standing is not None:
            standing.committed, standing.remaining = committed or 0, remaining

    def restoring(self, partition: int, rows: int, remaining: int) -> None:
        """Changelog records were read.

        Args:
            rows: how many.
            remaining: offsets still to be read.
        """
        self.meter.add("restore_records", rows)
        standing = self._standing(partition)
        if standing is not None:
            standing.remaining = remaining

    def runs(self, partition: int, offset: int | None) -> None:
        """A partition is restored, and read from an offset on."""
        standing = self._standing(partition)
        if standing is None:
            return
        now = self.status.clock.now()
        self.meter.observe("restore_duration_seconds", now - standing.phase_at, standing.cause)
        standing.enter("running", now)
        standing.remaining = None
        standing.committed, standing.moved_at = offset or 0, now
