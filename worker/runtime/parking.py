"""Threads on which our own code fails: parked, their records kept in order, and taken up again."""

import logging
from collections.abc import Sequence
from typing import Protocol

from worker.errors import FatalError
from worker.model.record import InRecord
from worker.model.thread import Thread
from worker.model.value import value
from worker.runtime.facts import Facts

log = logging.getLogger(__name__)

# Under this name a partition keeps a fact for each thread that is parked.
MARKS = "parked"


class ParkedLog(Protocol):
    """The topic of parked records, one partition of which is a task's."""

    def end(self, partition: int) -> int:
        """Return the offset after the last record.

        Raises:
            RetryError: no answer in time.
        """

    def read(self, partition: int, key: bytes, start: int) -> tuple[Sequence[tuple[int, InRecord]], int | None]:
        """Return some of a thread's committed records from an offset on, each with its offset there.

        The records are as they came from the input.

        Returns:
            The records, and the offset to go on from, None when there are no more.

        Raises:
            RetryError: no answer in time.
        """


class NothingParked:
    """A topic of parked records without any (implements `ParkedLog`)."""

    def end(self, _partition: int) -> int:
        """Return 0."""
        return 0

    def read(self, _partition: int, _key: bytes, _start: int) -> tuple[Sequence[tuple[int, InRecord]], int | None]:
        """Return no records."""
        return [], None


@value
class Fault:
    """What our code did with a record.

    Attributes:
        reason: the stage that failed: `reduce`, `project` or `encode`.
        error: what failed, without any payload.
    """

    reason: str
    error: str


BEHIND = Fault("behind", "an earlier record of this thread is parked")


class Parking:
    """Which threads of a partition are parked.

    Args:
        threads_max: how many threads may be parked within `within_s` before the worker stops instead.
    """

    def __init__(self, partition: int, facts: Facts, parked: ParkedLog, *, threads_max: int, within_s: float) -> None:
        self._partition = partition
        self._facts = facts
        self.log = parked
        self._threads_max = threads_max
        self._within_s = within_s
        # Records our code is known to fail on, by offset: what it did to their threads was thrown away, and when they
        # come again they are parked without another try.
        self._known: dict[int, Fault] = {}

    def fails_on(self, record: InRecord) -> Fault | None:
        """Return what happened when this record was tried, None if it was not or went well."""
        return self._known.get(record.offset)

    def learn(self, record: InRecord, fault: Fault) -> None:
        """Remember that our code fails on a record."""
        self._known[record.offset] = fault

    def forget_before(self, offset: int) -> None:
        """Forget records that will not come again."""
        for known in [known for known in self._known if known < offset]:
            del self._known[known]

    def park(self, thread: Thread, record: InRecord, fault: Fault, now_s: float) -> None:
        """Mark a thread as parked from a record on.

        Args:
            now_s: seconds since the epoch.

        Raises:
            FatalError: too many threads were parked lately; it is not the threads.
        """
        recent = [mark for mark in self._facts.under(MARKS) if now_s - mark["at"] <= self._within_s]
        if len(recent) >= self._threads_max:
            raise FatalError(
                f"{len(recent)} threads of partition {self._partition} were parked within {self._within_s / 60:g} "
                f"minutes, the next one by {fault.error}: the worker stops instead of parking the whole topic. Mend or "
                f"roll back the release, or raise parking.threads_max (it is {self._threads_max})"
            )
        thread.header.parked_from = self.log.end(self._partition)
        mark = {
            "thread_id": thread.id,
            "offset": record.offset,
            "at": now_s,
            "reason": fault.reason,
            "error": fault.error,
        }
        self._facts.put(MARKS, thread.id, mark)
        log.error("thread parked", extra={"partition": self._partition, **mark})

    def count(self) -> int:
        """Return how many threads are parked."""
        return sum(1 for _ in self._facts.under(MARKS))

    def keep_parked(self, thread: Thread, offset: int) -> None:
        """Leave a thread parked, from an offset of the parked topic on."""
        thread.header.parked_from = offset

    def unpark(self, thread: Thread) -> None:
        """Take a thread's mark away."""
        thread.header.parked_from = None
        self.erased(thread.id)
        log.info("thread unparked", extra={"partition": self._partition, "thread_id": thread.id})

    def erased(self, thread_id: str) -> None:
        """Take the mark of a thread away that is no more."""
        if self._facts.get(MARKS, thread_id) is not None:
            self._facts.put(MARKS, thread_id, None)
