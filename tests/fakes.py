"""Stand-ins for what lies outside the core: real classes that hold what a test wants to see."""

from typing import Any

from worker.codec.rows import decode_row, encode_row
from worker.model.thread import Thread


class ThreadRows:
    """One thread's rows as bytes: all that a restart leaves of it.

    Attributes:
        rows: the encoded rows by key.
        loads: how many rows were asked for.
        written: sizes of the rows written, in bytes.
    """

    def __init__(self, rows: dict[str, bytes] | None = None) -> None:
        self.rows: dict[str, bytes] = dict(rows or {})
        self.loads = 0
        self.written: list[int] = []

    def thread(self) -> Thread:
        """Return the thread as a process that starts now sees it."""
        return Thread("t", self._load)

    def keep(self, thread: Thread) -> None:
        """Write a thread's changed rows."""
        for row, found in thread.changes():
            self._write(row, None if found is None else encode_row(row, found))
        thread.settle()

    def restarted(self, thread: Thread) -> Thread:
        """Write a thread's changed rows and return what a new process reads back."""
        self.keep(thread)
        return self.thread()

    def _load(self, row: str) -> Any:
        self.loads += 1
        data = self.rows.get(row)
        return None if data is None else decode_row(row, data)

    def _write(self, row: str, data: bytes | None) -> None:
        self.written.append(len(data or b""))
        if data is None:
            self.rows.pop(row, None)
        else:
            self.rows[row] = data
