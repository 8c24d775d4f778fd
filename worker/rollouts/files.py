"""Rollout files: found, read line by line, and whose thread they are (rollout-format 1.1)."""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, cast

import orjson
import zstandard

from worker.model.scalar import uuid

STDIN = Path("-")
SUFFIXES = (".jsonl", ".jsonl.zst")
_READ_BYTES = 1 << 20
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def rollout_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files named and those below the folders named, each folder's in path order.

    A folder's files count by their suffix (`.jsonl`, `.jsonl.zst`); a file that is named counts whatever it is called.
    """
    found: dict[Path, None] = {}
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found |= dict.fromkeys(file for file in inside if file == path or (is_rollout(file) and file.is_file()))
    return list(found)


def is_rollout(path: Path) -> bool:
    """Tell by its name whether a file holds a rollout."""
    return path.name.endswith(SUFFIXES)


class RolloutFile:
    """One rollout file, read as a stream as often as asked; `-` is standard input, kept whole.

    Attributes:
        path: as it was named.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stdin = sys.stdin.buffer.read() if path == STDIN else None

    def lines(self) -> Iterator[bytes]:
        """Yield the lines without their line feed; split at line feeds only.

        Raises:
            OSError: the file cannot be read.
            zstandard.ZstdError: it is called `.zst` and is none.
        """
        if self._stdin is not None:
            yield from _split([self._stdin])
            return
        with self.path.open("rb") as file:
            stream = zstandard.ZstdDecompressor().stream_reader(file) if self.path.name.endswith(".zst") else file
            yield from _split(_chunks(cast("IO[bytes]", stream)))

    def thread_id(self) -> str:
        """Return the id of the first session_meta that can be read, else the UUID in the name, else the name's stem.

        Raises:
            OSError, zstandard.ZstdError: as `lines`.
        """
        return next(filter(None, map(session_id, self.lines())), None) or thread_id_of_name(self.path)


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(_READ_BYTES):
        yield chunk


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    for chunk in chunks:
        first, *more = chunk.split(b"\n")
        rest.append(first)
        if more:
            yield b"".join(rest)
            yield from more[:-1]
            rest = [more[-1]]
    last = b"".join(rest)
    if last:
        yield last


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
    """Return the thread id a file's name states: its last UUID, else its stem; `stdin` for standard input."""
    if path == STDIN:
        return "stdin"
    uuids = _UUID.findall(path.name)
    if uuids:
        return str(uuids[-1]).lower()
    return path.name.removesuffix(".zst").removesuffix(".jsonl") or path.name
