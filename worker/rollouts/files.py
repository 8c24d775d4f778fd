"""Rollout files: found, read line by line, and whose thread they are (rollout-format 1.1)."""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import IO

import orjson
import zstandard

from worker.model.scalar import uuid

STDIN = Path("-")
PACKED = ".zst"
_NAMED = "rollout-"
SUFFIXES = (".jsonl", ".jsonl" + PACKED)
_READ_BYTES = 1 << 20
# Unpacking can blow a chunk up by four orders of magnitude: read little at a time.
_READ_PACKED_BYTES = 1 << 9
# No session_meta is larger; a longer line is not kept to be looked into.
META_BYTES_MAX = 1 << 26
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)

# A line without its line feed, its size in bytes, and whether a line feed ended it.
Piece = tuple[bytes, int, bool]


def rollout_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files named and those below the folders named, each folder's as `in_order` sorts them.

    A folder's files count by their suffix (`.jsonl`, `.jsonl.zst`); a file that is named counts whatever it is called.
    """
    found: dict[Path, None] = {}
    for path in paths:
        inside = sorted(path.rglob("*"), key=in_order) if path.is_dir() else [path]
        found |= dict.fromkeys(file for file in inside if file == path or (is_rollout(file) and file.is_file()))
    return list(found)


def in_order(path: PurePath | str) -> tuple[str, str]:
    """Return what files are sorted by: a thread comes before those it spawned, whatever folder each is in.

    Codex names files by the time and the id of their thread (`rollout-<time>-<thread id>`), and a thread's further ones
    after those (`…_<rollout id>`), so the name comes first. Others go by their path.
    """
    name = PurePath(path).name
    return (name if name.startswith(_NAMED) else "", str(path))


def is_rollout(path: Path) -> bool:
    """Tell by its name whether a file holds a rollout."""
    return path.name.endswith(SUFFIXES)


class RolloutFile:
    """One rollout file, read as a stream as often as asked; `-` is standard input, whose lines can be read once.

    Attributes:
        path: as it was named.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stdin = _Stdin() if path == STDIN else None

    def lines(self) -> Iterator[bytes]:
        """Yield the lines without their line feed; split at line feeds only.

        Raises:
            OSError: the file cannot be read.
            zstandard.ZstdError: it is called `.zst` and is none, or only the beginning of one.
        """
        return (text for text, _, _ in self.pieces())

    def pieces(self, longest: int = sys.maxsize) -> Iterator[Piece]:
        """Yield the lines with their size, as `split` does.

        Raises:
            OSError, zstandard.ZstdError: as `lines`.
        """
        return split(content(self.path) if self._stdin is None else self._stdin.chunks(), longest)

    def thread_id(self) -> str:
        """Return the id of the first session_meta that can be read, else the UUID in the name, else the name's stem.

        To be asked before the lines: standard input is kept only as far as this looks into it.

        Raises:
            OSError, zstandard.ZstdError: as `lines`.
        """
        pieces = split(content(self.path) if self._stdin is None else self._stdin.ahead(), META_BYTES_MAX)
        stated = (session_id(text) for text, _, _ in pieces)
        return next(filter(None, stated), None) or thread_id_of_name(self.path)


class _Stdin:
    """Standard input: can be looked into before it is read."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []

    def ahead(self) -> Iterator[bytes]:
        """Yield what was not read yet, and keep it for `chunks`."""
        yield from list(self._kept)
        for chunk in _chunks(sys.stdin.buffer):
            self._kept.append(chunk)
            yield chunk

    def chunks(self) -> Iterator[bytes]:
        """Yield what was not read yet."""
        while self._kept:
            yield self._kept.pop(0)
        yield from _chunks(sys.stdin.buffer)


def content(path: Path, start: int = 0) -> Iterator[bytes]:
    """Yield the bytes of a file in chunks, unpacked if its name ends in `.zst`.

    Args:
        start: how many (unpacked) bytes to leave out.

    Raises:
        OSError: the file cannot be read.
        zstandard.ZstdError: it is called `.zst` and is none, or only the beginning of one.
    """
    with path.open("rb") as file:
        if path.name.endswith(PACKED):
            yield from _without(start, _unpacked(file))
        else:
            file.seek(start)
            yield from _chunks(file)


def _chunks(stream: IO[bytes], size: int = _READ_BYTES) -> Iterator[bytes]:
    while chunk := stream.read(size):
        yield chunk


def _unpacked(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the text of all frames; unlike the library's reader, see whether the last one is whole."""
    frame = None
    for chunk in _chunks(file, _READ_PACKED_BYTES):
        packed = chunk
        while packed:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            if text := frame.decompress(packed):
                yield text
            if not frame.eof:
                break
            packed, frame = frame.unused_data, None
    if frame is not None:
        raise zstandard.ZstdError("the file ends within a zstd frame: it is being written, or damaged")


def _without(count: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if count < len(chunk):
            yield chunk[count:]
        count = max(0, count - len(chunk))


def split(chunks: Iterable[bytes], longest: int = sys.maxsize) -> Iterator[Piece]:
    """Split at line feeds and nothing else; an empty last line is none.

    Args:
        longest: of a line of more bytes than this only the end is kept: its size tells.
    """
    rest: list[bytes] = []
    size = 0
    for chunk in chunks:
        first, *more = chunk.split(b"\n")
        size += len(first)
        if size > longest:  # two pieces stay, so that the line's end is there wherever a chunk ended
            del rest[:-1]
        rest.append(first)
        if more:
            yield b"".join(rest), size, True
            for text in more[:-1]:
                yield text, len(text), True
            rest, size = [more[-1]], len(more[-1])
    if size:
        yield b"".join(rest), size, False


def session_id(line: bytes) -> str | None:
    """Return the thread id that a line states, None when it is no session_meta with a UUID."""
    if b"session_meta" not in line:
        return None
    try:
        found = orjson.loads(line)
        return uuid(found["payload"]["id"]) if found["type"] == "session_meta" else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def thread_id_of_name(path: Path) -> str:
    """Return the thread id a file's name states: its last UUID, else its stem; `stdin` for standard input.

    One behind a `_` is the file's own: what a thread was reverted to is another file of the same thread.
    """
    if path == STDIN:
        return "stdin"
    uuids = _UUID.findall(path.name)
    others = [found for found in uuids if f"_{found}" not in path.name]
    if uuids:
        return str((others or uuids)[-1]).lower()
    # A name need not be UTF-8; a thread id must.
    name = path.name.encode(errors="replace").decode()
    return name.removesuffix(PACKED).removesuffix(".jsonl") or name
