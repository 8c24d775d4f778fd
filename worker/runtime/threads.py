"""A partition's threads: decoded in memory while they are hot, within a bound in bytes; all of them in the store."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from worker.codec.rows import decode_row, encode_row
from worker.model.mutation import encoded
from worker.model.record import StateRow
from worker.model.thread import Thread
from worker.runtime.ports import StateStore

# What a decoded row costs beside an item's text, roughly: keys, objects, small strings.
_ROW_BYTES = 600
_THREAD_BYTES = 2_000
# A thread that holds more than this after a commit is cut back to its header and open turn.
THREAD_BYTES_MAX = 256 * 1024


class Budget:
    """What the decoded threads of all partitions may take in memory between commits, in bytes, roughly.

    Attributes:
        used: what they take.
        threads: how many there are.
        hits: threads that were asked for and decoded already; `misses`: those that were not. Whoever reads them may
            clear them, and `evicted`: threads dropped to keep the bound.
    """

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.used = 0
        self.threads = 0
        self.hits = self.misses = self.evicted = 0


class Threads:
    """Hands out threads and remembers which were touched since the last commit.

    Args:
        store: all rows as last committed.
        budget: shared by all partitions.
        encode: encodes a row's value.
    """

    def __init__(self, store: StateStore, budget: Budget, encode: Callable[[str, Any], bytes] = encode_row) -> None:
        self.store = store
        self._budget = budget
        self._encode = encode
        # Least recently used first.
        self._threads: OrderedDict[str, Thread] = OrderedDict()
        self._touched: dict[str, Thread] = {}
        # Bytes of item rows decoded, by thread; and what each thread was counted with.
        self._payloads: dict[str, int] = {}
        self._counted: dict[str, int] = {}

    def get(self, thread_id: str) -> Thread:
        """Return a thread, new or as it stands, and take it as touched."""
        thread = self._touched.get(thread_id)
        if thread is not None:
            return thread
        thread = self._threads.get(thread_id)
        if thread is None:
            thread = self._threads[thread_id] = Thread(thread_id, partial(self._load, thread_id, encoded(thread_id)))
            self._budget.misses += 1
            self._budget.threads += 1
        else:
            self._budget.hits += 1
            self._threads.move_to_end(thread_id)
        self._touched[thread_id] = thread
        return thread

    def is_touched(self, thread_id: str) -> bool:
        """Tell whether a thread has changes that no commit has written."""
        return thread_id in self._touched

    def touched(self) -> Iterable[Thread]:
        """Return the threads that have changes no commit has written."""
        return self._touched.values()

    def _load(self, thread_id: str, key: str, row: str) -> Any:
        data = self.store.get(f"{key}/{row}".encode())
        if data is None:
            return None
        if row.startswith("i/"):
            self._payloads[thread_id] = self._payloads.get(thread_id, 0) + len(data)
        return decode_row(row, data)

    def changed_rows(self) -> list[StateRow]:
        """Return the rows changed since the last commit, encoded, each once."""
        return [row for thread in self._touched.values() for row in self._encoded(thread)]

    def _encoded(self, thread: Thread) -> list[StateRow]:
        rows, key = [], thread.key
        payload = 0
        for row, found in thread.changes():
            data = None if found is None else self._encode(row, found)
            if data is not None and row[0] == "i":
                payload += len(data)
            rows.append(StateRow(f"{key}/{row}".encode(), data))
        if payload:
            self._payloads[thread.id] = self._payloads.get(thread.id, 0) + payload
        return rows

    def committed(self) -> None:
        """Take all changes as written; shrink to the bound."""
        for thread in self._touched.values():
            thread.settle()
            self._count(thread)
        self._touched.clear()
        while self._budget.used > self._budget.bytes_max and self._threads:
            self.drop(next(iter(self._threads)))
            self._budget.evicted += 1

    def _count(self, thread: Thread) -> None:
        size = _THREAD_BYTES + thread.rows() * _ROW_BYTES + self._payloads.get(thread.id, 0)
        if size > THREAD_BYTES_MAX:
            thread.trim()
            self._payloads.pop(thread.id, None)
            size = _THREAD_BYTES + thread.rows() * _ROW_BYTES
        self._budget.used += size - self._counted.get(thread.id, 0)
        self._counted[thread.id] = size

    def _uncount(self, thread_id: str) -> None:
        self._budget.used -= self._counted.pop(thread_id, 0)
        self._payloads.pop(thread_id, None)

    def forget(self) -> None:
        """Drop the touched threads: the store holds them as committed."""
        for thread_id in self._touched:
            self.drop(thread_id)
        self._touched.clear()

    def release(self, thread_id: str) -> None:
        """Drop a thread with whatever changed of it: its rows are somebody else's care."""
        self._touched.pop(thread_id, None)
        self.drop(thread_id)

    def drop(self, thread_id: str) -> None:
        """Drop a thread from memory."""
        if self._threads.pop(thread_id, None) is not None:
            self._budget.threads -= 1
            self._uncount(thread_id)

    def close(self) -> None:
        """Drop all threads from memory."""
        for thread_id in list(self._threads):
            self.drop(thread_id)
