"""One assigned partition: its threads, and what a checkpoint must write for them."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Any

from worker import __version__
from worker.codec.mutations import Encoder, headers
from worker.codec.rows import decode_row, encode_row, state_key
from worker.errors import FatalError
from worker.model.mutation import Mutation
from worker.model.record import Headers, InRecord, OutRecord, StateRow
from worker.model.thread import Thread
from worker.model.topic import TopicNames
from worker.runtime.append import Appends, Tally
from worker.runtime.ports import StateStore

ORDINAL_HEADER = "rollout-ordinal"
# A thread with more remembered rows than this is not kept in memory after a checkpoint: its rows are in the store.
THREAD_ROWS_MAX = 4_096


class PartitionTask:
    """Folds the records of one partition (implements `worker.runtime.ports.Task`).

    Args:
        partition: the partition's number, of the input and of every output.
        store: the partition's rows as last committed.
        cached_threads_max: how many threads stay decoded in memory between checkpoints.
    """

    def __init__(
        self,
        *,
        partition: int,
        store: StateStore,
        topics: TopicNames,
        appends: Appends,
        encoder: Encoder,
        cached_threads_max: int,
    ) -> None:
        self.partition = partition
        self.store = store
        self._topics = topics
        self._appends = appends
        self._encoder = encoder
        self._cached_threads_max = cached_threads_max
        # Threads as committed or on their way, least recently used first.
        self._threads: OrderedDict[str, Thread] = OrderedDict()
        # Threads touched since the last checkpoint.
        self._touched: dict[str, Thread] = {}
        self._rows: list[StateRow] = []

    @property
    def tally(self) -> Tally:
        """Counts of what became of records; whoever reads it may clear it."""
        return self._appends.tally

    def process(self, records: Sequence[InRecord]) -> list[OutRecord]:
        """Fold records in order and return their mutations and dead letters.

        Raises:
            FatalError: our own code failed on a valid record; names its coordinates.
        """
        out: list[OutRecord] = []
        for record in records:
            try:
                self._process(record, out)
            except FatalError as error:
                place = f"{record.topic}[{record.partition}]@{record.offset}"
                raise FatalError(f"{error} at {place}; nothing of its batch was committed") from error
        return out

    def _process(self, record: InRecord, out: list[OutRecord]) -> None:
        thread_id = _thread_id(record.key)
        if thread_id is None:
            out.append(self._dead_letter(record, "bad_key", "the key is no thread id in UTF-8"))
            return
        if record.value is None:
            out.append(self._dead_letter(record, "null_value", "forgetting a thread is not supported yet"))
            return
        thread = self._thread(thread_id, record.offset)
        source: dict[str, Any] = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "index": 0,
            "ordinal": None,
            "timestamp": record.timestamp_ms,
        }
        mutations, error = self._appends.process(thread, record.value, _header_ordinal(record.headers), source)
        for mutation in mutations:
            self._publish(mutation, out)
        if error:
            out.append(self._dead_letter(record, "rejected", error))

    def _thread(self, thread_id: str, offset: int) -> Thread:
        thread = self._touched.get(thread_id)
        if thread is not None:
            return thread
        thread = self._threads.get(thread_id)
        if thread is None:
            thread = Thread(thread_id, partial(self._load, thread_id))
            if thread.is_new:
                thread.header.generation = offset
            self._threads[thread_id] = thread
        self._threads.move_to_end(thread_id)
        self._touched[thread_id] = thread
        return thread

    def _load(self, thread_id: str, row: str) -> Any:
        data = self.store.get(state_key(thread_id, row))
        return None if data is None else decode_row(row, data)

    def _publish(self, mutation: Mutation, out: list[OutRecord]) -> None:
        topic = self._topics.projections[mutation.projection]
        key, heads = mutation.key.encode(), headers(mutation)
        out.append(OutRecord(topic, key, self._encoder.encode(mutation), heads))
        if mutation.removes:
            out.append(OutRecord(topic, key, None, heads))

    def _dead_letter(self, record: InRecord, reason: str, error: str) -> OutRecord:
        self._appends.tally["dead_letters", reason] += 1
        heads: Headers = [
            ("thw-reason", reason.encode()),
            ("thw-error", error.encode()),
            ("thw-topic", record.topic.encode()),
            ("thw-partition", b"%d" % record.partition),
            ("thw-offset", b"%d" % record.offset),
            ("thw-timestamp", b"" if record.timestamp_ms is None else b"%d" % record.timestamp_ms),
            ("thw-worker-version", __version__.encode()),
            *record.headers,
        ]
        return OutRecord(self._topics.dead_letters, record.key, record.value, heads)

    def changed_rows(self) -> list[StateRow]:
        """Return the rows changed since the last checkpoint, encoded, each once."""
        self._rows = [
            StateRow(state_key(thread.id, row), None if found is None else encode_row(row, found))
            for thread in self._touched.values()
            for row, found in thread.changes()
        ]
        return self._rows

    def committed(self, changelog_offset: int) -> None:
        """Write the changed rows to the store, and shrink the cache to its bound."""
        self.store.apply(self._rows, changelog_offset)
        self._rows = []
        for thread in self._touched.values():
            thread.settle()
            if thread.rows() > THREAD_ROWS_MAX:
                del self._threads[thread.id]
        self._touched.clear()
        while len(self._threads) > self._cached_threads_max:
            self._threads.popitem(last=False)

    def forget(self) -> None:
        """Drop the threads touched since the last checkpoint: the store still holds them as committed."""
        for thread_id in self._touched:
            del self._threads[thread_id]
        self._touched.clear()
        self._rows = []

    def close(self) -> None:
        """Release the store."""
        self.store.close()


def _thread_id(key: bytes | None) -> str | None:
    """Return the thread id a key holds, None when it is missing, empty or no UTF-8."""
    if not key:
        return None
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None


def _header_ordinal(found: Headers) -> int | None:
    """Return the ordinal a record's header states; one that is no decimal of 63 bits counts as absent (D22)."""
    for name, stated in found:
        if name == ORDINAL_HEADER and stated and stated.isdigit() and len(stated) < 20:
            ordinal = int(stated)
            return ordinal if ordinal < 2**63 else None
    return None
