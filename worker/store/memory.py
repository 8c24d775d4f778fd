"""State rows in memory: restored from the changelog topic at every start."""

from collections.abc import Iterable, Iterator

from worker.model.record import StateRow


class MemoryStore:
    """The rows of one partition in a dictionary (implements `worker.runtime.ports.StateStore`)."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._changelog_offset = 0

    @property
    def changelog_offset(self) -> int:
        """The next changelog offset to read."""
        return self._changelog_offset

    def get(self, key: bytes) -> bytes | None:
        """Return a row's value, or None."""
        return self._rows.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the rows whose key begins with a prefix, in the order of their keys."""
        for key in sorted(key for key in self._rows if key.startswith(prefix)):
            yield key, self._rows[key]

    def first_from(self, key: bytes) -> bytes | None:
        """Return the first key that is not below a key."""
        return min((found for found in self._rows if found >= key), default=None)

    def apply(self, rows: Iterable[StateRow], changelog_offset: int) -> None:
        """Write rows (None deletes) and the changelog offset."""
        for row in rows:
            if row.value is None:
                self._rows.pop(row.key, None)
            else:
                self._rows[row.key] = row.value
        self._changelog_offset = changelog_offset

    def size(self) -> tuple[int, int]:
        """Return how many rows there are, and their bytes."""
        return len(self._rows), sum(len(key) + len(found) for key, found in self._rows.items())

    def condemn(self, _why: str) -> None:
        """Forget all rows and begin again."""
        self._rows.clear()
        self._changelog_offset = 0

    def close(self) -> None:
        """Forget all rows."""
        self._rows.clear()
