"""Rollout files reduced without Kafka: the same code path as the worker's up to the sink."""

from collections.abc import Iterable, Iterator
from typing import Any

from worker.model.mutation import Mutation
from worker.model.thread import Thread, Turn
from worker.model.value import value
from worker.runtime.append import Appends

# How many rejected lines of a thread are remembered with their reason; all are counted.
REJECTED_MAX = 5


@value
class Rejected:
    """A line that was rejected: its physical number from 1, and why."""

    line: int
    error: str


class Replay:
    """The reduction of one thread from its first line.

    Attributes:
        thread: the state after the lines read so far.
        rejected: the first lines that were rejected.
        rejections: how many were.
    """

    def __init__(self, thread_id: str, appends: Appends) -> None:
        self.thread = Thread(thread_id)
        self.rejected: list[Rejected] = []
        self.rejections = 0
        self._appends = appends
        self._index = 0

    def mutations(self, lines: Iterable[bytes]) -> Iterator[Mutation]:
        """Fold further lines and yield their mutations; a line without an ordinal takes its physical index (D22)."""
        for line in lines:
            found, error = self._appends.process(self.thread, line, self._index, {"index": 0})
            self._index += 1
            if error:
                self._reject(error)
            yield from found

    def _reject(self, error: str) -> None:
        self.rejections += 1
        if len(self.rejected) < REJECTED_MAX:
            self.rejected.append(Rejected(self._index, error))

    def latest(self) -> list[Mutation]:
        """Return the rows that show the thread as it is now, of projections that have such rows."""
        return self._appends.latest(self.thread)

    def turns(self) -> list[dict[str, Any]]:
        """Return the turns as the v2 API shows them, in order (R4, R26)."""
        return [shown_turn(self.thread, turn) for turn in reversed(list(self.thread.turns()))]


def shown_turn(thread: Thread, turn: Turn) -> dict[str, Any]:
    """Return a turn with its items, as the v2 API shows it."""
    return {
        "id": turn.id,
        "items": [thread.item(turn.number, position).value for position in range(turn.items)],
        "itemsView": "full",
        "status": turn.status,
        "error": turn.error,
        "startedAt": turn.started_at,
        "completedAt": turn.completed_at,
        "durationMs": turn.duration_ms,
    }
