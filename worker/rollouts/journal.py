"""The journal of what was delivered: each followed file's position, over stops and kills, in a SQLite file."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from worker.errors import ConfigError, FatalError
from worker.rollouts.follow import Position

# A newer program may write another; this one then says so instead of misreading it.
VERSION = 1

_SCHEMA = f"""
BEGIN;
CREATE TABLE files (
    target TEXT NOT NULL,        -- where the lines went: a topic that is made anew is another one
    path TEXT NOT NULL,          -- without the ending of a packed file
    offset INTEGER NOT NULL,     -- bytes of text that were acknowledged
    lines INTEGER NOT NULL,      -- lines that are
    mark INTEGER NOT NULL,       -- checksum of the last bytes before the offset
    thread_id TEXT,
    seen_size INTEGER,           -- the file when it was last read to its end
    seen_changed_ns INTEGER,
    PRIMARY KEY (target, path)
) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
COMMIT;
"""
_SELECT = "SELECT offset, lines, mark, thread_id, seen_size, seen_changed_ns FROM files WHERE target = ? AND path = ?"
_REPLACE = "REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


class Journal:
    """Positions by file, for one target; a context manager. One process at a time may hold the file.

    A record that is lost (the machine dies before the disk has it) only makes lines be sent twice.

    Args:
        file: made when it is missing, with its folder.
        target: whatever tells one topic from another, also from an earlier one of the same name.

    Raises:
        ConfigError: another process holds the file, it cannot be opened, or it is no journal.
    """

    def __init__(self, file: Path, target: str) -> None:
        self._target = target
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._base = _opened(file)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise ConfigError(
                    f"{file} is in use by another `publish --follow`: stop that one, or name another file with --state"
                ) from None
            raise ConfigError(f"{file} cannot be opened ({error}): name another file with --state") from None
        except (sqlite3.DatabaseError, OSError) as error:
            raise ConfigError(f"{file} cannot be used ({error}): remove it, or name another with --state") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._base.close()

    def position(self, path: str) -> Position | None:
        """Return the position recorded for a file, None for none.

        Raises:
            FatalError: the journal cannot be read.
        """
        with _told():
            row = self._base.execute(_SELECT, (self._target, path)).fetchone()
        if row is None:
            return None
        offset, lines, mark, thread_id, size, changed = row
        return Position(offset, lines, mark, thread_id, None if size is None else (size, changed))

    def record(self, positions: Mapping[str, Position]) -> None:
        """Keep positions, all or none; only of lines that the broker has acknowledged.

        Raises:
            FatalError: the journal cannot be written.
        """
        rows = [
            (self._target, path, found.offset, found.lines, found.mark, found.thread_id, *(found.seen or (None, None)))
            for path, found in positions.items()
        ]
        if rows:
            with _told(), self._base:
                self._base.executemany(_REPLACE, rows)


def _opened(file: Path) -> sqlite3.Connection:
    base = sqlite3.connect(file, timeout=1.0)
    try:
        # Held until it is closed, or the process ends in whatever way.
        base.execute("PRAGMA locking_mode = EXCLUSIVE")
        base.execute("BEGIN EXCLUSIVE")
        (version,) = base.execute("PRAGMA user_version").fetchone()
        (tables,) = base.execute("SELECT count(*) FROM sqlite_master").fetchone()
        base.commit()
        if version != (VERSION if tables else 0):
            raise sqlite3.DatabaseError("it is no journal of this version")
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = NORMAL")
        if not tables:
            base.executescript(_SCHEMA)
    except sqlite3.Error:
        base.close()
        raise
    return base


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise FatalError(
            f"the journal of delivered lines failed ({error}); run the same command again: what comes twice counts once"
        ) from error
