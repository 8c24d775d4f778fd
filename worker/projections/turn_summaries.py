"""Turn summaries: status, times, error and what frames the turn (P9, P10, D13, D14).

Source: codex-rs, the turn summary projection observer of the seed.
"""

from collections.abc import Iterator
from typing import Any

from worker.model.change import ChangeSet
from worker.model.item import Item
from worker.model.limits import cut, json_bytes
from worker.model.mutation import Draft
from worker.model.thread import ItemRow, Thread, Turn

SUMMARY_BYTES_MAX = 1_572_864
SUMMARY_ITEM_BYTES_MAX = 65_536


class TurnSummaries:
    """One row per turn id; a rollback removes rows."""

    name = "turn_summary"
    topic = "turn-summaries"

    def observe(self, thread: Thread, changes: ChangeSet) -> Iterator[Draft]:
        """Yield changed summaries in turn order, then removals oldest first (D17)."""
        for turn in changes.turns:
            yield Draft((turn.id,), _body(turn, _items(thread.summary_rows(turn)), removed=False))
        for gone in changes.removed_turns:
            yield Draft((gone.turn.id,), _body(gone.turn, _items(gone.summary_rows), removed=True), removes=True)

    def shown(self, kind: str, _row: Any, turn: Turn) -> Iterator[tuple[str, ...]]:
        """Yield a turn's key."""
        if kind == "u":
            yield (turn.id,)


def _items(rows: list[ItemRow]) -> list[Item]:
    """Return the items of a summary, each cut to 64 KiB where together they would be too large."""
    items = [row.value for row in rows]
    # The rows' sizes are bounds and cheap; what is measured is seldom.
    if sum(row.size for row in rows) <= SUMMARY_BYTES_MAX or sum(map(json_bytes, items)) <= SUMMARY_BYTES_MAX:
        return items
    return [cut(item, SUMMARY_ITEM_BYTES_MAX)[0] for item in items]


def _body(turn: Turn, items: list[Item], *, removed: bool) -> dict[str, Any]:
    body = {
        "turnId": turn.id,
        "turnOrdinal": turn.number,
        "removed": removed,
        "inherited": turn.origin is not None,
        "mutation": {
            "status": turn.status,
            "startedAt": turn.started_at,
            "completedAt": turn.completed_at,
            "durationMs": turn.duration_ms,
            "error": turn.error,
            "summaryItems": items,
        },
    }
    if turn.origin:
        body["originThreadId"] = turn.origin
    return body
