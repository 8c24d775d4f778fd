"""State rows on local disk: one LMDB environment for each partition.

The changelog is the durable copy; what is on disk is a prefix of it, written after each commit and closed by the
changelog offset. Losing the last writes is fine, a torn store is not, so:

- LMDB writes copies of pages and then the root, so that a process may die at any moment.
- After a power cut pages may be missing, since a commit does not wait for the disk. A store that was not closed in good
  order is therefore trusted only within the same boot of the machine; else it is rebuilt from the changelog.
- Each value carries a checksum; a row that does not match condemns the store, which is rebuilt.
"""

import logging
import os
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zlib import crc32

import lmdb

from worker.errors import FatalError, RetryError
from worker.model.record import StateRow
from worker.store.format import FORMAT, refuse_newer

log = logging.getLogger(__name__)

# LMDB takes keys of up to 511 bytes. A longer row key is cut and closed by a digest; 0xFF is in no UTF-8 text.
_KEY_BYTES_MAX = 480
_KEY_BYTES_KEPT = 400
# Checksum of what follows; length of the whole key, 0 when it was not cut.
_FRAME = struct.Struct("<II")
# The checksum so far when a value begins, of a key that was not cut.
_NOT_CUT = crc32(bytes(4))
# Rows of one LMDB transaction: it keeps the pages that its largest one changed in memory, for ever.
_ROWS_MAX = 1_000
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class DiskStore:
    """The rows of one partition (implements `worker.runtime.ports.StateStore`).

    Args:
        folder: made if absent; nobody else may open it meanwhile.
        changelog: what tells the changelog topic from any other, also from an earlier one of the same name.
        bytes_max: how large the store may grow on disk.
        age_max_s: how old its last write may be; tombstones after it may have been compacted away.
        wall: seconds since the epoch.
        boot_id: what tells one boot of this machine from another; None asks the machine.

    Raises:
        ConfigError: it was written in a newer format.
        FatalError: the disk cannot be read or written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        changelog: str,
        bytes_max: int,
        age_max_s: float,
        wall: Callable[[], float],
        boot_id: bytes | None = None,
    ) -> None:
        self._folder = folder
        self._file = folder / "data.mdb"
        self._changelog = changelog.encode()
        self._wall = wall
        self._boot_id = _boot_id() if boot_id is None else boot_id
        self._bytes_max = bytes_max
        self._age_max_s = age_max_s
        self._condemned = ""
        self._open_or_rebuild()

    def _open_or_rebuild(self) -> None:
        try:
            self._open()
            why = self._distrust()
        except (lmdb.Error, struct.error, ValueError) as error:
            why = f"it cannot be read ({type(error).__name__})"
        if why:
            self._rebuild(why)

    def _open(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _disk_error(self._folder, error) from error
        # Threads are of no use here, and files are no larger than what is written.
        self._env = lmdb.open(
            str(self._folder), map_size=self._bytes_max, max_dbs=2, sync=False, metasync=False, max_readers=8
        )
        self._reading: Any = None
        if self._file.stat().st_size < self._size():
            # To look at a page behind its end would end the process (SIGBUS).
            raise ValueError("the file is cut")
        self._rows = self._env.open_db(b"rows")
        self._facts = self._env.open_db(b"facts")
        self._offset = int(self._fact(b"offset") or 0)

    def _size(self) -> int:
        """Return how large the file must be at least, in bytes."""
        pages: int = self._env.info()["last_pgno"] + 1
        page_bytes: int = self._env.stat()["psize"]
        return pages * page_bytes

    def _fill_up(self) -> None:
        """Make the file as large as it counts: pages at its end that a commit freed again were never written."""
        size = self._size()
        if self._file.stat().st_size < size:
            os.truncate(self._file, size)

    def _distrust(self) -> str:
        """Return why what is on disk cannot be used, "" if it can.

        Raises:
            ConfigError: a newer release wrote it.
        """
        written = self._fact(b"format")
        if written is None:
            self._write_identity()
            return ""
        refuse_newer(self._folder, written)
        if self._fact(b"changelog") != self._changelog:
            return "it belongs to another changelog topic"
        if self._fact(b"closed") != b"1" and self._fact(b"boot") != self._boot_id:
            return "it was open when the machine stopped"
        age_s = self._wall() - float(self._fact(b"time") or self._wall())
        return f"its last write is {age_s / 3600:.0f} h old" if age_s > self._age_max_s else ""

    def _rebuild(self, why: str) -> None:
        log.warning("state on disk is rebuilt from the changelog", extra={"folder": str(self._folder), "why": why})
        self._close_environment()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._open()
        self._write_identity()

    def _write_identity(self) -> None:
        self._write_facts({b"format": b"%d" % FORMAT, b"changelog": self._changelog} | self._not_closed())

    def _not_closed(self) -> dict[bytes, bytes]:
        return {b"boot": self._boot_id, b"closed": b"0"}

    def _fact(self, name: bytes) -> bytes | None:
        with self._env.begin(db=self._facts) as reading:
            found: bytes | None = reading.get(name)
            return found

    def _write_facts(self, facts: dict[bytes, bytes]) -> None:
        with self._env.begin(write=True, db=self._facts) as writing:
            for name, found in facts.items():
                writing.put(name, found)
        self._fill_up()

    @property
    def changelog_offset(self) -> int:
        """The next changelog offset to read; 0 after the store had to be thrown away."""
        if self._condemned:
            why, self._condemned = self._condemned, ""
            self._rebuild(why)
        return self._offset

    def size(self) -> tuple[int, int]:
        """Return how many rows there are, and the bytes of the pages they are on."""
        with self._env.begin(db=self._rows) as reading:
            told = reading.stat(self._rows)
        pages = told["branch_pages"] + told["leaf_pages"] + told["overflow_pages"]
        return told["entries"], pages * told["psize"]

    def condemn(self, why: str) -> None:
        """Have the store thrown away before it is used again."""
        self._condemned = why

    def get(self, key: bytes) -> bytes | None:
        """Return a row's value, or None.

        Raises:
            RetryError: the row is damaged; the store will be rebuilt.
        """
        if self._reading is None:
            self._reading = self._env.begin(db=self._rows, buffers=False)
        try:
            found = self._reading.get(_short(key))
        except lmdb.Error as error:
            raise self._damaged(type(error).__name__) from error
        return None if found is None else self._unframed(found)[1]

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield rows whose key begins with a prefix, by key; long keys come where their beginning is.

        Raises:
            RetryError: a row is damaged; the store will be rebuilt.
        """
        start = prefix[:_KEY_BYTES_KEPT]
        with self._env.begin(db=self._rows) as reading, reading.cursor() as cursor:
            more = cursor.set_range(start)
            while more and cursor.key().startswith(start):
                whole, value = self._unframed(cursor.value())
                key = whole or cursor.key()
                if key.startswith(prefix):
                    yield key, value
                more = cursor.next()

    def first_from(self, key: bytes) -> bytes | None:
        """Return the first key that is not below a key, a long one cut."""
        with self._env.begin(db=self._rows) as reading, reading.cursor() as cursor:
            return bytes(cursor.key()) if cursor.set_range(_short(key)) else None

    def _unframed(self, framed: bytes) -> tuple[bytes, bytes]:
        """Return a long row's key ("" for others) and the value."""
        checksum, key_bytes = _FRAME.unpack_from(framed)
        if crc32(framed[4:]) != checksum:
            raise self._damaged("a checksum does not match")
        at = _FRAME.size + key_bytes
        return framed[_FRAME.size : at], framed[at:]

    def _damaged(self, why: str) -> RetryError:
        self.condemn(f"it is damaged ({why})")
        return RetryError(f"the state in {self._folder} is damaged ({why}) and will be rebuilt")

    def apply(self, rows: Iterable[StateRow], changelog_offset: int) -> None:
        """Write rows (None deletes), then the changelog offset and the time.

        Many rows are written in several transactions, the last of which moves the offset: who dies between them finds
        some rows newer than the offset tells, and reading the changelog from there on gives them the same values again.

        Raises:
            FatalError: the disk is full, or failed.
        """
        self._end_reading()
        # In the order of the keys: rows that lie together are written together.
        puts = sorted({row.key: row.value for row in rows}.items())
        *early, last = [puts[start : start + _ROWS_MAX] for start in range(0, len(puts), _ROWS_MAX)] or [[]]
        try:
            self._insist_on_not_closed()
            for some in early:
                with self._env.begin(write=True) as writing:
                    self._put(writing, some)
            with self._env.begin(write=True) as writing:
                self._put(writing, last)
                writing.put(b"offset", b"%d" % changelog_offset, db=self._facts)
                writing.put(b"time", b"%.0f" % self._wall(), db=self._facts)
            self._fill_up()
        except lmdb.MapFullError as error:
            raise FatalError(
                f"the state in {self._folder} has reached its bound of {self._bytes_max} bytes: "
                "raise store.partition_bytes_max"
            ) from error
        except (lmdb.Error, OSError) as error:
            raise _disk_error(self._folder, error) from error
        self._offset = changelog_offset

    def _insist_on_not_closed(self) -> None:
        """Have the disk say that the store is open before any page changes: LMDB may write over old pages soon."""
        if self._fact(b"closed") == b"1":
            self._write_facts(self._not_closed())
            self._env.sync(True)

    def _put(self, writing: Any, puts: list[tuple[bytes, bytes | None]]) -> None:
        with writing.cursor(self._rows) as cursor:
            cursor.putmulti([_written(key, found) for key, found in puts if found is not None])
        for key, found in puts:
            if found is None:
                writing.delete(_short(key), db=self._rows)

    def _end_reading(self) -> None:
        if self._reading is not None:
            self._reading.abort()
            self._reading = None

    def close(self) -> None:
        """Write everything to the disk and release the folder."""
        self._end_reading()
        try:
            self._env.sync(True)
            self._write_facts({b"closed": b"1"})
            self._env.sync(True)
        except (lmdb.Error, OSError) as error:
            log.warning("state not closed in good order", extra={"folder": str(self._folder), "error": str(error)})
        self._close_environment()

    def _close_environment(self) -> None:
        if hasattr(self, "_env"):
            self._end_reading()
            self._env.close()


def _disk_error(folder: Path, error: Exception) -> FatalError:
    return FatalError(
        f"the state in {folder} cannot be written ({error}): make room or mend the disk and start again; "
        "nothing is lost, the changelog has it"
    )


def _boot_id() -> bytes:
    """Return what tells one boot of this machine from another."""
    try:
        return _BOOT_ID.read_bytes().strip()
    except OSError:
        return b""


def _short(key: bytes) -> bytes:
    if len(key) <= _KEY_BYTES_MAX:
        return key
    return key[:_KEY_BYTES_KEPT] + b"\xff" + blake2b(key, digest_size=32).digest()


def _written(key: bytes, found: bytes) -> tuple[bytes, bytes]:
    """Return a row as it is stored: its key, cut if need be, and its framed value."""
    if len(key) <= _KEY_BYTES_MAX:
        return key, _FRAME.pack(crc32(found, _NOT_CUT), 0) + found
    body = len(key).to_bytes(4, "little") + key + found
    return _short(key), crc32(body).to_bytes(4, "little") + body
