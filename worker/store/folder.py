"""The folder that holds the stores of one worker's partitions."""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from worker.errors import ConfigError
from worker.store.disk import DiskStore
from worker.store.format import insist_on_format

_LOCK = "lock"


class StateFolder:
    """A folder with a subfolder for each partition, locked for this process.

    Args:
        path: made if absent.
        changelog: what tells the changelog topic from any other.
        bytes_max: how large each partition's store may grow on disk.
        age_max_s: how old a store's last write may be.
        wall: seconds since the epoch.

    Raises:
        ConfigError: another process uses the folder, or it cannot be made.
    """

    def __init__(
        self, path: Path, *, changelog: str, bytes_max: int, age_max_s: float, wall: Callable[[], float]
    ) -> None:
        self._path = path
        self._changelog = changelog
        self._bytes_max = bytes_max
        self._age_max_s = age_max_s
        self._wall = wall
        try:
            # Conversations are in it: nobody else's to read.
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unusable(path, error) from None
        if not _taken(self._lock):
            os.close(self._lock)
            raise ConfigError(in_use(path))

    def open(self, partition: int) -> DiskStore:
        """Open a partition's store.

        Raises:
            ConfigError: it was written in a newer format.
            FatalError: the disk cannot be read or written.
        """
        return DiskStore(
            self._path / str(partition),
            changelog=self._changelog,
            bytes_max=self._bytes_max,
            age_max_s=self._age_max_s,
            wall=self._wall,
        )

    def check(self) -> None:
        """Open and close every store that is there, so that what is wrong shows before the group is joined.

        Raises:
            ConfigError, FatalError: as `open`.
        """
        for folder in sorted(self._path.iterdir()):
            if folder.name.isdigit():
                self.open(int(folder.name)).close()

    def close(self) -> None:
        """Let another process use the folder."""
        os.close(self._lock)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unusable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"store.folder {path} cannot be used ({error.strerror}): name one this process may write to")


def in_use(path: Path) -> str:
    """Return how it is told that another process uses a folder."""
    return (
        f"store.folder {path} is in use by another process: give each worker a folder of its own (store.folder, or "
        "another instance name)"
    )


def examine(path: Path) -> bool:
    """Look at a folder, which need not be there, without changing it; return whether a process uses it now.

    Raises:
        ConfigError: it cannot be written to, or a store in it was written in a newer format or cannot be read.
    """
    try:
        there = next(place for place in (path, *path.parents) if place.exists())
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            raise PermissionError(errno.EACCES, f"{there} is no folder that this process may write to")
        for store in sorted(path.glob("*/data.mdb")):
            insist_on_format(store.parent)
        if not (path / _LOCK).exists():
            return False
        lock = os.open(path / _LOCK, os.O_RDWR)
    except OSError as error:
        raise _unusable(path, error) from None
    try:
        return not _taken(lock)
    finally:
        os.close(lock)
