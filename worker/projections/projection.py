"""The contract of a projection observer.

The pipeline calls each installed projection once for every source item that changed something, in the order of
installation, from one thread. A projection has no memory of its own: all it may know is the thread and the changes,
so that a restart at any point changes nothing.
"""

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

from worker.model.change import ChangeSet
from worker.model.mutation import Draft
from worker.model.thread import Thread, Turn


class Projection(Protocol):
    """Turns changes into the mutations of one topic.

    One that does not come with the project also has `schema`, the Avro schema of its values as a dictionary, common
    fields included; without it the worker publishes it as JSON alone. Rules: schemas/README.md.

    Attributes:
        name: the projection's name in settings, mutations and metrics.
        topic: its topic's name without the prefix.
    """

    name: str
    topic: str

    def observe(self, thread: Thread, changes: ChangeSet) -> Iterator[Draft]:
        """Yield the mutations of one source item, in order.

        Args:
            thread: the state after the item; its rows are not to be written to, but for counters a projection owns.
            changes: what the item changed.
        """

    def shown(self, kind: str, row: Any, turn: Turn) -> Iterator[tuple[str, ...]]:
        """Yield the keys, after the thread id, of the topic's rows that show a state row: for forgetting the thread.

        Args:
            kind: of the state row: `i` for an item, `u` for a turn.
            row: the state row.
            turn: the turn it is, or is in.
        """


@runtime_checkable
class Latest(Projection, Protocol):
    """A projection whose topic has one row a thread, which shows it as it is at a commit.

    Its values take no number of the thread's sequence: they tell `asOfSequence`. What it needs from one commit to the
    next it keeps in the thread's row `p/<name>`, as JSON.
    """

    def latest(self, thread: Thread) -> dict[str, Any] | None:
        """Return the row's fields beside the common ones, `source` among them; None if it did not change."""

    def touch(self, thread: Thread, source: dict[str, Any]) -> None:
        """Have the row count as changed.

        Args:
            source: where the record is that had it changed, for a row that nothing changed before.
        """
