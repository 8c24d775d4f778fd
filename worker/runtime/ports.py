"""What the loop needs from the outside. `worker.app` joins these to Kafka and to the store.

The loop calls everything here from one thread; nothing is called from a callback of the client but what says so.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from worker.model.record import InRecord, OutRecord, StateRow


class StateStore(Protocol):
    """The rows of one partition's state: always a prefix of the committed changelog."""

    @property
    def changelog_offset(self) -> int:
        """The next changelog offset to read: everything before it is in the store. 0 when empty."""

    def get(self, key: bytes) -> bytes | None:
        """Return a row's value, or None."""

    def apply(self, rows: Iterable[StateRow], changelog_offset: int) -> None:
        """Write rows (None deletes) and the changelog offset, both or neither."""

    def close(self) -> None:
        """Release what the store holds."""


class Task(Protocol):
    """One assigned partition: folds records and remembers what a checkpoint must write."""

    def process(self, records: Sequence[InRecord]) -> list[OutRecord]:
        """Fold records in order; return what to produce at once, inside the open transaction.

        Raises:
            FatalError: our own code failed on a valid record; nothing of the batch may be committed.
        """

    def changed_rows(self) -> list[StateRow]:
        """Return the rows changed since the last checkpoint, each once, encoded. Keeps them until `committed`."""

    def committed(self, changelog_offset: int) -> None:
        """Write the changed rows to the store: called after the transaction committed.

        Args:
            changelog_offset: the offset after the last changelog record of the transaction.
        """

    def forget(self) -> None:
        """Drop everything since the last checkpoint: the transaction was aborted."""
