"""The loop: poll, fold, commit; partitions come and go; trouble is retried from the last commit."""

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence

from worker.errors import DoubtError, FatalError, FencedError, RetryError, WorkerError
from worker.model.record import InRecord
from worker.runtime.checkpoint import Checkpoint
from worker.runtime.clock import Backoff, Clock
from worker.runtime.ports import Restorer, Sink, Source, Task
from worker.runtime.report import Report

log = logging.getLogger(__name__)

RETRY_FIRST_S = 0.2
RETRY_LONGEST_S = 10.0


class Worker:
    """Runs the tasks of the partitions assigned to this process (implements `worker.runtime.ports.Listener`).

    A partition is *restoring* until its store holds everything committed, then *running*. After any failure all
    partitions go through that again: their stores are brought up to the changelog's end and their input is read from
    the committed offset, whatever became of the transaction.

    Args:
        new_task: makes the task of a partition.
        batch_records_max: records taken from the client at a time.
        poll_s: longest wait for records, seconds.
        fenced_wait_s: how long to look, after the producer was fenced, for a sign that our name is another's.
        give_up_after_s: how long failures may follow one another.
        calm_s: how long after its repair a failure is over though nothing was committed; longer than a commit may take.
        report: is told what happens.
        after_commit: called when a transaction has ended well.
    """

    def __init__(
        self,
        *,
        source: Source,
        sink: Sink,
        restorer: Restorer,
        checkpoint: Checkpoint,
        new_task: Callable[[int], Task],
        clock: Clock,
        batch_records_max: int,
        poll_s: float,
        fenced_wait_s: float,
        give_up_after_s: float,
        calm_s: float,
        report: Report,
        after_commit: Callable[[], None],
    ) -> None:
        self._source = source
        self._sink = sink
        self._restorer = restorer
        self._checkpoint = checkpoint
        self._new_task = new_task
        self._clock = clock
        self._batch_records_max = batch_records_max
        self._poll_s = poll_s
        self._fenced_wait_s = fenced_wait_s
        self._give_up_after_s = give_up_after_s
        self._calm_s = calm_s
        self._report = report
        self._watch = report.watch
        self._after_commit = after_commit
        self._backoff = Backoff(RETRY_FIRST_S, RETRY_LONGEST_S)
        self._tasks: dict[int, Task] = {}
        # Restored partitions whose reading has not begun, with their offsets.
        self._restored: dict[int, int | None] = {}
        self._stopping = False
        # What a callback met; raised when the poll it happened in is over.
        self._trouble: WorkerError | None = None
        # Why there is no usable transaction now, and when to try again.
        self._broken: RetryError | None = None
        self._repair_at = 0.0
        self._failing_since: float | None = None
        # When, after the last failure, the first partition ran again, or there was none to run. That alone does not end
        # a row of failures: a worker of which every commit fails gets as far each time.
        self._calm_since = math.inf

    def stop(self) -> None:
        """Ask the loop to finish its batch, commit and return; may be called by a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Work until stopped.

        Raises:
            ConfigError: the brokers do not let this worker in.
            SupersededError: another process took over our name.
            FatalError: our own fault, or trouble that lasted too long; nothing was lost.
        """
        try:
            self._open()
            self._report.opened()
            self._source.subscribe(self)
            while not self._stopping:
                self._guarded_turn()
            self._finish()
        finally:
            self._restorer.close()
            self._sink.close()
            self._report.close()

    def _open(self) -> None:
        while True:
            try:
                self._sink.open()
            except RetryError as error:
                self._pause(self._failed(error))
                if self._stopping:
                    raise _stopped(error) from error
            else:
                self._succeeded()
                return

    def _pause(self, seconds: float) -> None:
        ends_at = self._clock.now() + seconds
        while not self._stopping and self._clock.now() < ends_at:
            self._report.polling()
            self._clock.sleep(self._poll_s)
            self._watch.lap("idle")

    def _guarded_turn(self) -> None:
        try:
            if self._broken is None:
                self._turn()
            else:
                self._broken_turn(self._broken)
        except RetryError as error:
            self._break(error)

    def _turn(self) -> None:
        self._start_restored()
        due_in_s = self._checkpoint.due_in_s()
        wait_s = self._poll_s if due_in_s is None else min(self._poll_s, due_in_s)
        at_once = False
        for partition, records in self._polled(wait_s).items():
            folded = self._tasks[partition].process(records)
            self._watch.lap("fold")
            self._checkpoint.add(partition, folded, records)
            self._watch.lap("produce")
            if folded.resume_at is not None:
                self._source.start(partition, folded.resume_at)
                at_once = True
        self._raise_trouble()
        if at_once or self._checkpoint.due_in_s() == 0.0:
            self._checkpoint.commit(self._tasks)
            self._succeeded()
            self._after_commit()

    def _polled(self, wait_s: float) -> Mapping[int, Sequence[InRecord]]:
        self._watch.lap("rebalance")
        self._report.polling()
        self._report.size(self._tasks.values())
        found = self._source.poll(self._batch_records_max, wait_s)
        self._watch.lap("poll" if found else "idle")
        return found

    def _start_restored(self) -> None:
        self._restored |= self._restorer.step()
        if self._restored or not self._tasks:
            self._calm_since = min(self._calm_since, self._clock.now())
        for partition in list(self._restored):
            self._tasks[partition].begin()
            self._source.start(partition, self._restored[partition])
            self._report.runs(partition, self._restored.pop(partition))
            log.info("partition runs", extra={"partition": partition})

    def _raise_trouble(self) -> None:
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble

    # Trouble

    def _break(self, error: RetryError) -> None:
        """Forget the open transaction; go on polling, so that we stay in the group, until the next try."""
        self._trouble = None
        self._report.failed(str(error), ambiguous=isinstance(error, DoubtError))
        for task in self._tasks.values():
            task.forget()
        self._checkpoint.forget()
        self._source.hold(self._tasks)
        self._restorer.drop(self._tasks)
        self._restored.clear()
        wait_s = self._failed(error)
        if isinstance(error, FencedError):
            self._sink.close()
            wait_s = max(wait_s, self._fenced_wait_s)
        self._repair_at = self._clock.now() + wait_s
        self._broken = error

    def _broken_turn(self, error: RetryError) -> None:
        self._polled(self._poll_s)
        self._raise_trouble()
        if self._clock.now() < self._repair_at:
            return
        self._sink.reset(error)
        self._broken = None
        self._report.repaired(list(self._tasks))
        for partition, task in self._tasks.items():
            self._restorer.begin(partition, task.store)

    def _failed(self, error: RetryError) -> float:
        now = self._clock.now()
        if now - self._calm_since > self._calm_s:
            self._succeeded()
        self._calm_since = math.inf
        if self._failing_since is None:
            self._failing_since = now
        wait_s = self._backoff.failed()
        if now - self._failing_since > self._give_up_after_s:
            raise FatalError(
                f"gave up after {now - self._failing_since:.0f} s of failures (loop.give_up_after_s); the last: {error}"
            ) from error
        log.warning(
            "transaction failed, trying again from the last commit",
            extra={"error": str(error), "failures": self._backoff.failures, "wait_s": round(wait_s, 2)},
        )
        return wait_s

    def _succeeded(self) -> None:
        self._failing_since = None
        self._backoff.succeeded()

    # Partitions that come and go: called from inside poll

    def assigned(self, partitions: Collection[int]) -> None:
        """Begin to restore partitions."""
        log.info("partitions assigned", extra={"partitions": sorted(partitions)})
        self._watch.lap("poll")
        began_at = self._clock.now()
        self._report.assigned(partitions)
        for partition in partitions:
            try:
                task = self._tasks[partition] = self._new_task(partition)
            except WorkerError as error:
                self._trouble = error
                continue
            if self._broken is None:
                self._restorer.begin(partition, task.store)
        self._report.rebalanced("assign", began_at)

    def revoked(self, partitions: Collection[int]) -> None:
        """Commit, then drop partitions."""
        log.info("partitions revoked", extra={"partitions": sorted(partitions)})
        self._watch.lap("poll")
        began_at = self._clock.now()
        try:
            self._checkpoint.commit(self._tasks)
        except WorkerError as error:
            self._trouble = error
        self._drop(partitions)
        self._report.rebalanced("revoke", began_at)

    def lost(self, partitions: Collection[int]) -> None:
        """Drop partitions; what is in the open transaction must not be committed."""
        log.warning("partitions lost", extra={"partitions": sorted(partitions)})
        self._watch.lap("poll")
        began_at = self._clock.now()
        if self._checkpoint.records:
            self._trouble = RetryError("partitions were lost while a transaction was open")
        self._drop(partitions)
        self._report.rebalanced("lost", began_at)

    def _drop(self, partitions: Collection[int]) -> None:
        self._restorer.drop(partitions)
        self._report.dropped(partitions)
        for partition in partitions:
            self._restored.pop(partition, None)
            task = self._tasks.pop(partition, None)
            if task is not None:
                task.close()

    # The end

    def _finish(self) -> None:
        self._report.stopping()
        try:
            if self._broken is None:
                self._checkpoint.commit(self._tasks)
            elif not isinstance(self._broken, FencedError):
                # What was open is forgotten; a fenced producer has nothing open, and may not take its name back here.
                self._sink.reset(self._broken)
        except RetryError as error:
            raise _stopped(error) from error
        self._source.close()
        self._drop(list(self._tasks))


def _stopped(error: RetryError) -> FatalError:
    return FatalError(f"stopped without the last commit; nothing is lost, a successor goes on ({error})")
