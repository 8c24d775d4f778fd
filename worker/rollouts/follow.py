"""Rollouts that grow, followed: each look yields the lines that came since the last, file by file.

File system logic only: no clock and no thread. Whoever calls decides when to look again, and which positions to keep
over a restart. One file is open at a time, read in chunks; of each file only its position is remembered.
"""

import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import zstandard

from worker.model.value import value
from worker.rollouts.files import (
    META_BYTES_MAX,
    PACKED,
    SUFFIXES,
    RolloutFile,
    content,
    in_order,
    session_id,
    split,
    thread_id_of_name,
)

MARK_BYTES = 128

# A file as its folder shows it: size in bytes, time of its last change (of its permissions, too) in nanoseconds.
Seen = tuple[int, int]


@value
class Position:
    """How far a file was read; always up to the end of a line.

    Attributes:
        offset: bytes of its text (unpacked) before the next line.
        lines: lines before the next one, so its physical index.
        mark: checksum of the last bytes before `offset`: another file in the same place is known by it, and the same
            text is known in another file (copied, restored, packed).
        thread_id: whose lines they are, settled before the first; None before that.
        seen: the file when it was last read to its end, None while it is being read.
    """

    offset: int = 0
    lines: int = 0
    mark: int = 0
    thread_id: str | None = None
    seen: Seen | None = None


START = Position()


@value
class Step:
    """One step forward in a file.

    Attributes:
        path: the file.
        key: its name for whoever remembers positions: the same before and after it is packed.
        text: the line without its line feed, or only its end if it is longer than asked for; None: no line, but the
            end of what the file holds now.
        size: the line's bytes.
        position: after the step.
    """

    path: Path
    key: str
    text: bytes | None
    size: int
    position: Position


class Follower:
    """Follows files and the folders of files below those named.

    A line counts once its line feed is there; a packed file (`.zst`) once it is whole. A file that was cut or replaced
    is read from its first line again. A file that is packed, or unpacked, goes on where it was.

    Args:
        roots: files and folders; they may come and go.
        recall: gives the position kept for a key, None for none; asked once for each file that is there.
        notice: is told why a file is read from its first line again.
        unreadable: is told of a file or folder that cannot be read, once until it changes.
        longest: of a line of more bytes only the end is kept in memory.

    Attributes:
        positions: how far each file that is there was read, by key.
    """

    def __init__(
        self,
        roots: Iterable[Path],
        *,
        recall: Callable[[str], Position | None],
        notice: Callable[[Path, str], None],
        unreadable: Callable[[Path, Exception], None],
        longest: int,
    ) -> None:
        self._roots = list(roots)
        self._recall = recall
        self._notice = notice
        self._unreadable = unreadable
        self._longest = longest
        self.positions: dict[str, Position] = {}
        self._closed_folders: set[str] = set()

    def look(self) -> Iterator[Step]:
        """Look through the folders once and yield a step for each line that is new, files as `in_order` sorts them."""
        found = self._scan()
        for gone in self.positions.keys() - found.keys():
            del self.positions[gone]
        changed = sorted((key for key, (_, seen) in found.items() if self._position(key).seen != seen), key=in_order)
        for key in changed:
            path, seen = found[key]
            yield from self._read(Path(path), key, seen)

    def _position(self, key: str) -> Position:
        if key not in self.positions:
            self.positions[key] = self._recall(key) or START
        return self.positions[key]

    def _scan(self) -> dict[str, tuple[str, Seen]]:
        """Return path and state of each file by its key; while a file is being packed, the unpacked one."""
        found: dict[str, tuple[str, Seen]] = {}
        for root in self._roots:
            for path, seen in self._files(str(root.resolve())):
                key = key_of(path)
                if key not in found or not path.endswith(PACKED):
                    found[key] = path, seen
        return found

    def _files(self, root: str) -> Iterator[tuple[str, Seen]]:
        """Yield the rollouts below a folder; a file that was named counts whatever it is called."""
        folders = [root]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    inside = list(entries)
            except NotADirectoryError:
                yield from _seen(folder, Path(folder).stat)
                continue
            except OSError as error:
                self._closed(folder, error)
                continue
            self._closed_folders.discard(folder)
            folders += [entry.path for entry in inside if entry.is_dir(follow_symlinks=False)]
            for entry in inside:
                if entry.name.endswith(SUFFIXES):
                    yield from _seen(entry.path, entry.stat)

    def _closed(self, folder: str, error: OSError) -> None:
        """Tell once of a folder that cannot be looked into; one that is not there is waited for."""
        if not isinstance(error, FileNotFoundError) and folder not in self._closed_folders:
            self._closed_folders.add(folder)
            self._unreadable(Path(folder), error)

    def _read(self, path: Path, key: str, seen: Seen) -> Iterator[Step]:
        """Yield a file's new lines, then its end; what it is now was seen before it is read, so nothing is missed."""
        try:
            for step in self._steps(path, key):
                self.positions[key] = step.position
                yield step
        except FileNotFoundError:  # since the folder was looked through
            return
        except (OSError, zstandard.ZstdError) as error:
            self._unreadable(path, error)
            self.positions[key] = _at_end(self.positions[key], seen)
            return
        end = self.positions[key] = _at_end(self.positions[key], seen)
        yield Step(path, key, None, 0, end)

    def _steps(self, path: Path, key: str) -> Iterator[Step]:
        packed = path.name.endswith(PACKED)
        if packed:  # raises unless it is whole
            for _ in content(path):
                pass
        position, tail, chunks = self._resumed(path, key)
        thread_id = position.thread_id or _thread_id(path, packed=packed)
        if thread_id is None:
            return
        offset, lines = position.offset, position.lines
        for text, size, ended in split(chunks, self._longest):
            if not (ended or packed):
                return
            lines += 1
            offset += size + ended
            tail = (tail + text[-MARK_BYTES:] + b"\n" * ended)[-MARK_BYTES:]
            yield Step(path, key, text, size, Position(offset, lines, zlib.crc32(tail), thread_id))

    def _resumed(self, path: Path, key: str) -> tuple[Position, bytes, Iterator[bytes]]:
        """Return where to go on, the bytes before it, and the text from there."""
        position = self.positions[key]
        start = max(0, position.offset - MARK_BYTES)
        wanted = position.offset - start
        chunks, text = content(path, start), b""
        while len(text) < wanted and (chunk := next(chunks, None)):
            text += chunk
        tail = text[:wanted]
        if len(tail) == wanted and zlib.crc32(tail) == position.mark:
            return position, tail, chain([text[wanted:]], chunks)
        self._notice(path, f"cut or replaced after {position.lines} lines were read: read from its first line again")
        self.positions[key] = START
        return START, b"", content(path)


def key_of(path: str) -> str:
    """Return a file's key: its path, packed or not, in UTF-8 even if its name is not."""
    return path.removesuffix(PACKED).encode(errors="backslashreplace").decode()


def _at_end(position: Position, seen: Seen) -> Position:
    return Position(position.offset, position.lines, position.mark, position.thread_id, seen)


def _seen(path: str, look: Callable[[], os.stat_result]) -> Iterator[tuple[str, Seen]]:
    try:
        status = look()
    except OSError:  # gone, or a link to nowhere
        return
    if stat.S_ISREG(status.st_mode):
        yield path, (status.st_size, status.st_ctime_ns)


def _thread_id(path: Path, *, packed: bool) -> str | None:
    """Return whose thread a file holds, by the rule of `RolloutFile`, as soon as a line tells.

    None while there is no whole line yet but blank ones.
    """
    if packed:
        return RolloutFile(path).thread_id()
    written = False
    for text, _, ended in split(content(path), META_BYTES_MAX):
        if ended and (stated := session_id(text)):
            return stated
        written = written or (ended and not text.isspace() and text != b"")
    return thread_id_of_name(path) if written else None
