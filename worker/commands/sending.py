"""Lines on their way from files to the topic: which are sent, which are named instead, and how it goes on."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from worker.commands.options import err
from worker.kafka.publisher import Publisher

_SHOW_EVERY_S = 0.1


class Sending:
    """Sends lines and keeps count; a context manager that shows progress on a terminal meanwhile.

    Args:
        bytes_total: of the files to be read, None if there is no end to it.
        stopping: whether to give up waiting for room.

    Attributes:
        files: those that lines or their end were read of.
        oversized: lines that were too large and not sent.
        unreadable: files and folders that could not be read.
    """

    def __init__(
        self, publisher: Publisher, *, bytes_total: int | None, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self.files: set[str] = set()
        self.oversized = 0
        self.unreadable = 0
        self._publisher = publisher
        self._stopping = stopping
        self._began = self._shown_at = time.monotonic()
        self._read_bytes = 0
        bar = [SpinnerColumn()] if bytes_total is None else [BarColumn()]
        # What a terminal shows is gone at the end; the summary stays.
        self._progress = Progress(
            *bar, TextColumn("{task.description}"), console=err, transient=True, disable=not err.is_terminal
        )
        self._task = self._progress.add_task("", total=bytes_total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def line(
        self,
        path: Path,
        ordinal: int,
        *,
        key: bytes,
        text: bytes,
        size: int,
        acknowledged: Callable[[], None] | None = None,
    ) -> bool:
        """Send a line, or name it and pass it over when the topic cannot take it.

        Returns:
            False if the line was left because of a stop.
        """
        self._read_bytes += size + 1
        self.show()
        if not self._publisher.fits(key, size):
            self._name_oversized(path, ordinal, size)
            if acknowledged is not None:
                acknowledged()
            return True
        while not self._stopping():
            if self._publisher.send(key, ordinal, text, acknowledged):
                return True
        return False

    def _name_oversized(self, path: Path, ordinal: int, size: int) -> None:
        self.oversized += 1
        limit = self._publisher.record_bytes_max
        self.say(f"{path}:{ordinal + 1}: not sent: {size} bytes, the topic's max.message.bytes is {limit}")

    def notice(self, path: Path, text: str) -> None:
        """Say something of a file."""
        self.say(f"{path}: {text}")

    def cannot_read(self, path: Path, error: Exception | str) -> None:
        """Count and name what cannot be read."""
        self.unreadable += 1
        self.notice(path, f"cannot be read: {error}")

    def say(self, text: str) -> None:
        """Say something on standard error."""
        err.print(text, markup=False, soft_wrap=True)

    def show(self) -> None:
        """Bring the progress on the terminal up to date, now and then."""
        now = time.monotonic()
        if now - self._shown_at >= _SHOW_EVERY_S:
            self._shown_at = now
            self._progress.update(self._task, completed=self._read_bytes, description=self.text())

    def figures(self) -> dict[str, Any]:
        """Return what was done, as programs read it; lines and bytes are those acknowledged."""
        seconds = time.monotonic() - self._began
        lines = self._publisher.lines
        return {
            "files": len(self.files),
            "lines": lines,
            "bytes": self._publisher.bytes,
            "seconds": round(seconds, 3),
            "linesPerSecond": round(lines / seconds) if seconds else 0,
            "oversized": self.oversized,
            "unreadable": self.unreadable,
        }

    def text(self) -> str:
        """Return what was done, as people read it."""
        found = self.figures()
        parts = [
            f"{found['files']:,} files",
            f"{found['lines']:,} lines",
            f"{found['bytes']:,} bytes",
            f"{found['seconds']:.1f} s",
            f"{found['linesPerSecond']:,} lines/s",
        ]
        parts += [f"{self.oversized:,} lines too large"] if self.oversized else []
        parts += [f"{self.unreadable:,} not readable"] if self.unreadable else []
        return " · ".join(parts)
