"""One assigned partition: its threads, and what a checkpoint must write for them."""

from collections.abc import Callable, Sequence
from typing import Any

from worker.errors import FatalError, RetryError
from worker.model.record import InRecord, OutRecord, StateRow
from worker.model.thread import Thread
from worker.runtime.append import Appends, OwnFaultError
from worker.runtime.erasure import Erasure
from worker.runtime.expiry import Expiry
from worker.runtime.facts import Facts
from worker.runtime.forgotten import Forgotten
from worker.runtime.formats import RowFormats
from worker.runtime.headers import (
    EXPIRE,
    THREAD_ID_BYTES_MAX,
    UNPARK,
    expires,
    null_headers,
    stated,
    thread_id_of,
    trace_headers,
)
from worker.runtime.outbox import Outbox
from worker.runtime.parking import BEHIND, Fault, Parking
from worker.runtime.placement import Placement
from worker.runtime.ports import Folded, Size, StateStore
from worker.runtime.threads import Threads
from worker.runtime.watch import Sample

_Out = list[OutRecord]
# One record in so many is timed on its way.
_TIMED_OF = 32
_BAD_KEY = Fault("bad_key", f"the key is no thread id of 1 to {THREAD_ID_BYTES_MAX} bytes in UTF-8")


class PartitionTask:
    """Folds the records of one partition (implements `worker.runtime.ports.Task`).

    Args:
        store: the partition's rows as last committed.
        wall: seconds since the epoch.
        watch: of the records that are timed; None times none.
        traced: mutations carry the trace of the record they come from.
    """

    def __init__(
        self,
        *,
        store: StateStore,
        threads: Threads,
        facts: Facts,
        formats: RowFormats,
        placement: Placement,
        parking: Parking,
        erasure: Erasure,
        expiry: Expiry | None = None,
        appends: Appends,
        outbox: Outbox,
        wall: Callable[[], float],
        watch: Sample | None = None,
        traced: bool = False,
    ) -> None:
        self.store = store
        self._threads = threads
        self._facts = facts
        self._formats = formats
        self._placement = placement
        self._parking = parking
        self._erasure = erasure
        self._expiry = expiry
        self._appends = appends
        self._outbox = outbox
        self._wall = wall
        self._watch = watch
        self._traced = traced
        self._tally = appends.tally
        self._rows: list[StateRow] = []
        # State rows of threads that are being forgotten.
        self._erased: list[StateRow] = []
        self._forgotten = Forgotten()

    def begin(self) -> None:
        """Look at the restored store; see `Task`."""
        self._formats.compare()
        self._placement.compare()

    def process(self, records: Sequence[InRecord]) -> Folded:
        """Fold records in order; stop before one that needs the changes so far to be committed first."""
        self._formats.check()
        self._placement.check()
        if self._expiry is not None:
            self._expiry.see(records)
        out: _Out = []
        for start in range(0, len(records), _TIMED_OF):
            if not self._timed(records[start], out):
                return Folded(out, records[start].offset)
            for record in records[start + 1 : start + _TIMED_OF]:
                if not self._process(record, out):
                    return Folded(out, record.offset)
        return Folded(out)

    def _timed(self, record: InRecord, out: _Out) -> bool:
        """As `_process`, with a look at where its time goes."""
        if self._watch is None:
            return self._process(record, out)
        self._appends.watch = self._watch
        self._watch.skip()
        try:
            return self._process(record, out)
        finally:
            self._watch.lap("encode")
            self._appends.watch = None

    def _process(self, record: InRecord, out: _Out) -> bool:
        """Work one record off; return False when it must come again after a commit."""
        thread_id = thread_id_of(record.key)
        if thread_id is None:
            self._tally["records", "rejected"] += 1
            self._outbox.set_aside(record, _BAD_KEY, out)
            return True
        ordinal, control = stated(record.headers)
        if control == UNPARK:
            done = self._unpark(thread_id, record, out)
            self._tally["records", "control"] += done
            return done
        if control == EXPIRE:
            return self._expire(thread_id, record, out)
        if record.value is None:
            return self._forget(thread_id, record, out)
        thread = self._thread(thread_id, record)
        fault = BEHIND if thread.header.parked_from is not None else self._parking.fails_on(record)
        if fault is None:
            self._fold(thread, record, ordinal, out)
            self._tally["records", self._appends.outcome] += 1
            return True
        self._tally["records", "parked"] += 1
        if fault is not BEHIND:
            self._parking.park(thread, record, fault, self._wall())
            self._appends.touch(thread, _source(record))
        self._outbox.park(record, fault, out)
        return True

    def _thread(self, thread_id: str, record: InRecord) -> Thread:
        seen = self._threads.is_touched(thread_id)
        thread = self._threads.get(thread_id)
        if thread.is_new and not seen:
            thread.header.generation = record.offset
            if self._placement.see_new_thread(record.key or b""):
                self._tally[("misplaced",)] += 1
        thread.header.last_offset = record.offset
        thread.header.active_ms = max(thread.header.active_ms, record.timestamp_ms or 0)
        return thread

    def _fold(self, thread: Thread, record: InRecord, ordinal: int | None, out: _Out) -> None:
        """Fold a record.

        Raises:
            RetryError: our code failed on it, and may have left the thread half changed: everything since the last
                commit is thrown away, and when the record comes again its thread is parked.
        """
        try:
            mutations, rejected = self._appends.take(thread, record.value or b"", ordinal, _source(record))
            trace = trace_headers(record.headers) if self._traced else None
            for mutation in mutations:
                self._outbox.publish(mutation, out, trace)
        except OwnFaultError as found:
            self._parking.learn(record, Fault(found.stage, found.told))
            place = f"{record.topic}[{record.partition}]@{record.offset}"
            raise RetryError(f"our code failed on {place} ({found.told}): its thread will be parked") from found
        if rejected is not None:
            self._outbox.set_aside(record, rejected, out)

    # Forget and unpark need all of the thread's changes to be in the store

    def _forget(self, thread_id: str, record: InRecord, out: _Out) -> bool:
        if self._threads.is_touched(thread_id):
            return False
        thread = self._threads.get(thread_id)
        step = self._erasure.step(thread_id, null_headers(thread.header))
        self._threads.release(thread_id)
        self._parking.erased(thread_id)
        self._outbox.nulls(step.out, out)
        self._erased += step.rows
        # What follows must not meet rows that are deleted in this transaction only.
        if step.rows or not step.done:
            return False
        self._tally["records", "forget"] += 1
        return True

    def _expire(self, thread_id: str, record: InRecord, out: _Out) -> bool:
        """Forget a thread, unless something of it has come since it was found idle."""
        touched = self._threads.is_touched(thread_id)
        thread = self._threads.get(thread_id)
        there = touched or not thread.is_new
        idle = there and expires(record, thread.header.last_offset) and thread.header.parked_from is None
        if not touched:
            self._threads.release(thread_id)
        if idle and not self._forget(thread_id, record, out):
            self._forgotten.see(thread_id, record.partition, self._erased)
            return False
        if not idle:
            self._tally["records", "control"] += 1
        if self._expiry is not None:
            self._expiry.settled(record.key or b"")
        return True

    def _unpark(self, thread_id: str, record: InRecord, out: _Out) -> bool:
        # The open transaction holds parked records: who reads committed ones comes no further.
        if self._outbox.parks or self._threads.is_touched(thread_id):
            return False
        thread = self._threads.get(thread_id)
        if thread.header.parked_from is None:
            self._threads.release(thread_id)
            return True
        records, then = self._parking.log.read(record.partition, record.key or b"", thread.header.parked_from)
        thread.header.parked_from = None
        self._appends.touch(thread, _source(record))
        for offset, parked in records:
            if self._parking.fails_on(parked) is not None:
                self._parking.keep_parked(thread, offset)
                self._tally["redriven", "parked"] += 1
                return True
            self._fold(thread, parked, stated(parked.headers)[0], out)
            self._tally["redriven", "processed"] += 1
        if then is not None:
            self._parking.keep_parked(thread, then)
            return False
        self._parking.unpark(thread)
        return True

    # The checkpoint

    def latest(self) -> list[OutRecord]:
        """Return the rows that show the changed threads as they are; see `Task`."""
        out: _Out = []
        try:
            for thread in self._threads.touched():
                for mutation in self._appends.latest(thread):
                    mutation.value["parked"] = thread.header.parked_from is not None
                    self._outbox.publish(mutation, out)
        except OwnFaultError as found:
            raise FatalError(f"our code failed on {found.told}: roll the release back, and report it") from found
        if self._expiry is not None:
            out += self._expiry.due()
        return out

    def changed_rows(self) -> list[StateRow]:
        """Return the rows changed since the last checkpoint, encoded, each once."""
        self._rows = [*self._threads.changed_rows(), *self._erased, *self._facts.changed_rows()]
        return self._rows

    def committed(self, changelog_offset: int | None, position: int) -> None:
        """Write the changed rows to the store, and shrink what is in memory to its bound."""
        if changelog_offset is not None:
            self.store.apply(self._rows, changelog_offset)
        self._rows, self._erased, self._outbox.parks = [], [], False
        self._threads.committed()
        self._forgotten.committed()
        self._facts.settle()
        self._parking.forget_before(position)

    def forget(self) -> None:
        """Drop everything since the last checkpoint: the store still holds it as committed."""
        self._rows, self._erased, self._outbox.parks = [], [], False
        self._threads.forget()
        self._forgotten.forget()
        self._facts.settle()
        if self._expiry is not None:
            self._expiry.forget()
        self._formats.forget()
        self._placement.forget()

    def size(self) -> Size:
        """Return how much there is; see `Task`."""
        rows, store_bytes = self.store.size()
        return Size(rows, store_bytes, self._parking.count())

    def close(self) -> None:
        """Release what is held in memory, and the store."""
        self._forgotten.tell()
        self._threads.close()
        self.store.close()


def _source(record: InRecord) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "index": 0,
        "ordinal": None,
        "timestamp": record.timestamp_ms,
    }
