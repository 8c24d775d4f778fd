"""Turn summaries: status, times, error and what frames the turn (P9, P10, D13, D14).

Source: codex-rs, the turn summary projection observer of the seed.
"""

from collections.abc import Iterator
from typing import Any

from worker.model.change import ChangeSet
from worker.model.item import Item
from worker.model.mutation import Draft
from worker.model.thread import Thread, Turn
from worker.reducer.transition import summary_items


class TurnSummaries:
    """One row per turn id; a rollback removes rows."""

    name = "turn_summary"
    topic = "turn-summaries"

    def observe(self, thread: Thread, changes: ChangeSet) -> Iterator[Draft]:
        """Yield changed summaries in turn order, then removals oldest first (D17)."""
        for turn in changes.turns:
            yield Draft((turn.id,), _body(turn, summary_items(thread, turn), removed=False))
        for gone in changes.removed_turns:
            yield Draft((gone.turn.id,), _body(gone.turn, gone.summary_items, removed=True), removes=True)


def _body(turn: Turn, items: list[Item], *, removed: bool) -> dict[str, Any]:
    return {
        "turnId": turn.id,
        "turnOrdinal": turn.number,
        "removed": removed,
        "inherited": False,
        "mutation": {
            "status": turn.status,
            "startedAt": turn.started_at,
            "completedAt": turn.completed_at,
            "durationMs": turn.duration_ms,
            "error": turn.error,
            "summaryItems": items,
        },
    }
