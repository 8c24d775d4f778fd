"""What one source item changed in a thread: all that the projections may see of it (house: one reader of events)."""

from dataclasses import dataclass
from typing import Any

from worker.model.item import Item
from worker.model.thread import ItemRow, Turn


@dataclass(slots=True)
class ItemChange:
    """An item that was put into a turn, or removed with it; `position` is its place in the turn."""

    turn: Turn
    position: int
    row: ItemRow


@dataclass(slots=True)
class Happening:
    """Something that happened to a turn or the thread: a lifecycle event with its facts (P12)."""

    event_type: str
    turn_id: str | None
    facts: dict[str, Any]


@dataclass(slots=True)
class RemovedTurn:
    """A turn that a rollback removed, with what its summary showed last."""

    turn: Turn
    summary_rows: list[ItemRow]


@dataclass(slots=True)
class Swap:
    """An item of a turn before and after; None where there was or is none. `origin` is the row's."""

    before: Item | None
    after: Item | None
    origin: str | None


class ChangeSet:
    """What one source item changed.

    Attributes:
        items: items that are new or differ, in turn and item order.
        removed_items: items whose row no live turn shows any more, oldest first (P6, D10).
        turns_opened: turns that are new, in order; `turns_dropped`: turns that a rollback took.
        turns: turns whose summary differs, in turn order (P9, D13).
        removed_turns: turns whose row no live turn shows any more, oldest first (D14).
        happenings: lifecycle events in order (D15).
        swaps: what stands in the turns: each item before and after, None where it was not there or is no more; copies
            under one id count each.
        facts: what the line told of the session, by name.
        source: where the line came from (D11).
        unknown_item: the tag of an item that is not known, "" for none (D21).
        timestamp_ms: the line's own timestamp in milliseconds since the epoch, None when it cannot be read.
    """

    __slots__ = (
        "facts",
        "happenings",
        "items",
        "removed_items",
        "removed_turns",
        "source",
        "swaps",
        "timestamp_ms",
        "turns",
        "turns_dropped",
        "turns_opened",
        "unknown_item",
    )

    # Written out: one is made for every line, and a dataclass takes twice as long to make its lists.
    def __init__(self, timestamp_ms: int | None = None) -> None:
        self.items: list[ItemChange] = []
        self.removed_items: list[ItemChange] = []
        self.turns: list[Turn] = []
        self.removed_turns: list[RemovedTurn] = []
        self.happenings: list[Happening] = []
        self.swaps: list[Swap] = []
        self.turns_opened: list[Turn] = []
        self.turns_dropped: list[Turn] = []
        self.facts: dict[str, Any] = {}
        self.unknown_item = ""
        self.source: dict[str, Any] = {}
        self.timestamp_ms = timestamp_ms
