"""Idle threads, found a few at a time, and the records that have them forgotten.

Whoever finds a thread idle does not forget it: it writes a control record to the input, in the transaction that is
open anyway. So the input alone says what is forgotten and when, and a reduction from scratch comes to the same. The
record names the thread's last offset. If anything of the thread has come in between, the record means nothing.
"""

from collections.abc import Callable, Sequence
from urllib.parse import unquote

from worker.codec.rows import decode_row
from worker.model.record import InRecord, OutRecord
from worker.model.thread import Header
from worker.runtime.headers import CONTROL, EXPIRE, LAST_OFFSET
from worker.runtime.ports import StateStore

# Threads that one commit looks at, and control records that may be under way, at most.
LOOK_MAX = 200
ASKED_MAX = 200
# How often all threads are looked at: a part of the time after which they are idle, but at least now and then.
_PASSES = 24
_PAUSE_S_MAX = 3_600.0
_LONG = b"\xff" * 64


class Expiry:
    """Finds the idle threads of a partition.

    Args:
        topic: the input.
        after_s: how long a thread may get no record, in seconds.
        wall: seconds since the epoch.
    """

    def __init__(self, store: StateStore, topic: str, *, after_s: float, wall: Callable[[], float]) -> None:
        self._store = store
        self._topic = topic
        self._after_s = after_s
        self._wall = wall
        self._pause_s = min(_PAUSE_S_MAX, after_s / _PASSES)
        # The latest timestamp of the partition's records: no thread is idle by a clock that is ahead of them all.
        self._newest_ms = 0
        self._cursor = b""
        self._asked: set[bytes] = set()
        self._next_pass_at = 0.0

    def see(self, records: Sequence[InRecord]) -> None:
        """Learn the time from records that say something: control records have the time of a worker's clock."""
        newest_ms = max((record.timestamp_ms or 0 for record in records if record.value), default=0)
        self._newest_ms = max(self._newest_ms, newest_ms)

    def due(self) -> list[OutRecord]:
        """Look at some more threads, as last committed; return control records for those that are idle."""
        now_s = self._wall()
        # Before its first record the partition may still be restored.
        if not self._newest_ms or now_s < self._next_pass_at:
            return []
        idle_ms = min(now_s * 1_000, self._newest_ms) - self._after_s * 1_000
        out: list[OutRecord] = []
        for _ in range(LOOK_MAX):
            if len(self._asked) >= ASKED_MAX:
                break
            found = self._next()
            if found is None:
                self._cursor, self._next_pass_at = b"", now_s + self._pause_s
                break
            key, header = found
            if 0 < header.active_ms < idle_ms and header.parked_from is None and key not in self._asked:
                self._asked.add(key)
                heads: list[tuple[str, bytes | None]] = [
                    (CONTROL, EXPIRE),
                    (LAST_OFFSET, b"%d" % header.last_offset),
                ]
                out.append(OutRecord(self._topic, key, b"", heads))
        return out

    def _next(self) -> tuple[bytes, Header] | None:
        """Return the next thread's id and header by the order of keys, None after the last."""
        while (key := self._store.first_from(self._cursor)) is not None:
            thread, slash, _ = key.partition(b"/")
            # A slash is followed by a zero: all rows of the thread lie before this. A key without one is cut; threads
            # of such names are not looked at.
            self._cursor = thread + b"0" if slash else key[:-32] + _LONG
            data = self._store.get(thread + b"/h") if thread and slash else None
            if data is not None:
                return unquote(thread.decode()).encode(), decode_row("h", data)
        return None

    def settled(self, key: bytes) -> None:
        """Take a control record as read."""
        self._asked.discard(key)

    def forget(self) -> None:
        """Begin anew: what was asked for in the open transaction was not."""
        self._asked.clear()
        self._cursor, self._next_pass_at = b"", 0.0
