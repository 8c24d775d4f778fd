"""One transaction after another: what goes into it, when it ends, and in which order.

A checkpoint has three steps. 1: mutations, dead letters and changed state rows are in one Kafka transaction. 2: the
input offsets join it and it commits. 3: the local stores take the same rows. Dying before 2 leaves nothing visible;
dying between 2 and 3 leaves a store behind the changelog, whose tail is then read again.
"""

from collections.abc import Mapping, Sequence

from worker.model.record import InRecord
from worker.runtime.clock import Clock
from worker.runtime.ports import Folded, Sink, Source, Task
from worker.runtime.report import Report


class Checkpoint:
    """The open transaction.

    Args:
        interval_s: how long a transaction stays open, in seconds from its first record.
        records_max: how many input records it takes at most.
        bytes_max: how many bytes of them.
        within_s: how long its end may take.
        report: is told what went in and that it was committed.

    Attributes:
        records: input records in the open transaction.
    """

    def __init__(
        self,
        source: Source,
        sink: Sink,
        clock: Clock,
        *,
        interval_s: float,
        records_max: int,
        bytes_max: int,
        within_s: float,
        report: Report,
    ) -> None:
        self._source = source
        self._sink = sink
        self._clock = clock
        self._interval_s = interval_s
        self._records_max = records_max
        self._bytes_max = bytes_max
        self._within_s = within_s
        self._report = report
        self._ends_at = 0.0
        self._bytes = 0
        self.records = 0

    def add(self, partition: int, folded: Folded, records: Sequence[InRecord]) -> None:
        """Put what became of input records into the transaction (step 1).

        Raises:
            RetryError: the transaction cannot succeed any more.
        """
        if not self.records:
            self._ends_at = self._clock.now() + self._interval_s
        self.records += len(records)
        self._bytes += sum(len(record.value) for record in records if record.value is not None)
        done = len(records)
        if folded.resume_at is not None:
            done = sum(record.offset < folded.resume_at for record in records)
        self._report.added(partition, records, done)
        self._sink.send(partition, folded.out)

    def due_in_s(self) -> float | None:
        """Return the seconds until the transaction should end, at least 0; None when there is nothing in it."""
        if not self.records:
            return None
        if self.records >= self._records_max or self._bytes >= self._bytes_max:
            return 0.0
        return max(0.0, self._ends_at - self._clock.now())

    def commit(self, tasks: Mapping[int, Task]) -> None:
        """Commit what was added, if anything.

        Raises:
            RetryError: nothing was committed, or nobody knows (DoubtError).
            FatalError: our own code failed on what a commit shows of the threads.
        """
        if not self.records:
            return
        watch = self._report.watch
        for partition, task in tasks.items():
            latest = task.latest()
            if latest:
                self._sink.send(partition, latest)
        rows = {partition: task.changed_rows() for partition, task in tasks.items()}
        for partition, found in rows.items():
            if found:
                self._sink.send_rows(partition, found)
        watch.lap("produce")
        offsets = self._source.offsets()
        ends = self._sink.commit(offsets, self._within_s)
        self.forget()
        self._report.committed(offsets.positions, watch.lap("commit"))
        for partition, position in offsets.positions.items():
            tasks[partition].committed(ends.get(partition), position)
        watch.lap("state_write")

    def forget(self) -> None:
        """Take it that the transaction is no more."""
        self.records = self._bytes = 0
