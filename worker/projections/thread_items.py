"""Thread items: upserts and tombstones (P3–P6, D9, D10).

Source: codex-rs, the thread item projection observer of the seed.
"""

from collections.abc import Iterator
from typing import Any

from worker.model.change import ChangeSet, ItemChange
from worker.model.item import Item, is_open
from worker.model.mutation import Draft
from worker.model.thread import Thread, Turn


class ThreadItems:
    """One row per item of a turn; a rollback removes rows."""

    name = "thread_item"
    topic = "thread-items"

    def observe(self, thread: Thread, changes: ChangeSet) -> Iterator[Draft]:
        """Yield upserts in turn and item order, then tombstones oldest first (D17)."""
        for change in changes.items:
            item = change.row.value
            yield Draft(_key(change), _body(change, item, "upsert", is_open(item), change.row.updated_at_ms))
        for change in changes.removed_items:
            body = _body(change, change.row.value, "tombstone", False, changes.timestamp_ms)
            yield Draft(_key(change), body, removes=True)

    def shown(self, kind: str, row: Any, turn: Turn) -> Iterator[tuple[str, ...]]:
        """Yield an item's key."""
        if kind == "i":
            yield turn.id, row.value["id"]


def _key(change: ItemChange) -> tuple[str, str]:
    return (change.turn.id, change.row.value["id"])


def _body(change: ItemChange, item: Item, kind: str, open_: bool, updated_at_ms: int | None) -> dict[str, Any]:
    turn, row = change.turn, change.row
    body = {
        "turnId": turn.id,
        "turnOrdinal": turn.number,
        "itemKey": item["id"],
        "itemOrdinal": row.ordinal,
        "itemPosition": change.position,
        "mutationKind": kind,
        "isOpen": open_,
        "itemType": item["type"],
        "createdAtMs": row.created_at_ms,
        "updatedAtMs": updated_at_ms,
        "inherited": row.origin is not None,
        "materializedThreadItem": item,
    }
    if row.origin:
        body["originThreadId"] = row.origin
    if row.original_bytes is not None:
        body |= {"truncated": True, "originalBytes": row.original_bytes}
    return body
