"""State rows in memory: restored from the changelog topic at every start."""

from collections.abc import Iterable

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

    def apply(self, rows: Iterable[StateRow], changelog_offset: int) -> None:
        """Write rows (None deletes) and the changelog offset."""
        for row in rows:
            if row.value is None:
                self._rows.pop(row.key, None)
            else:
                self._rows[row.key] = row.value
        self._changelog_offset = changelog_offset

    def close(self) -> None:
        """Forget all rows."""
        self._rows.clear()
