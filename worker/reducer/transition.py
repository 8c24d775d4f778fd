"""A thread on its way through one source item: the verbs by which handlers change it.

Each verb updates the rows and records the change, so no handler can forget to. Cost does not depend on the length of
the thread: items and turns are found through index rows (G3).
Source: codex-rs app-server-protocol, thread_history (ThreadHistoryBuilder); rules R1–R26, P5, P6, D7, D10.
"""

from typing import Any

from worker.model.change import ChangeSet, Happening, ItemChange, Swap
from worker.model.item import Item
from worker.model.thread import ItemRow, Place, Thread, Turn, TurnStatus
from worker.reducer.rollback import drop_turns, first_twin
from worker.reducer.shaping import Shaping

PAGINATED = "paginated"
# What a summary shows of a turn, besides the values of its summary items.
_Summary = tuple[Any, ...]


def _summary(turn: Turn) -> _Summary:
    return (
        turn.status,
        turn.started_at,
        turn.completed_at,
        turn.duration_ms,
        turn.error,
        turn.first_user,
        turn.last_agent,
    )


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal as JSON: 1, 1.0 and true differ, which Python's `==` takes as equal."""
    if one != other:
        return False
    if isinstance(one, dict):
        return all(same(found, other[key]) for key, found in one.items())
    if isinstance(one, list):
        return all(same(*pair) for pair in zip(one, other, strict=True))
    return type(one) is type(other)


class Transition:
    """One source item's changes to a thread.

    Args:
        thread: the rows to change.
        timestamp_ms: the line's own timestamp.
        shaping: what items are put through.
        line_bytes: how long the line is.
        ordinal: the line's, if known.
    """

    __slots__ = ("_before", "_line_bytes", "_ordinal_read", "_shaping", "_shown", "changes", "rollout_index", "thread")

    def __init__(
        self,
        thread: Thread,
        timestamp_ms: int | None,
        shaping: Shaping,
        line_bytes: int = 0,
        ordinal: int | None = None,
    ) -> None:
        self.thread = thread
        self._shaping = shaping
        self._line_bytes = line_bytes
        self._ordinal_read = ordinal
        self.rollout_index = thread.header.rollout_index
        self.changes = ChangeSet(timestamp_ms)
        # Summaries before their first change, by turn number; None for a turn that was not there.
        self._before: dict[int, _Summary | None] = {}
        # Turns one of whose summary items has another value now.
        self._shown: set[int] = set()

    # Turns

    def current(self) -> Turn | None:
        """Return the open turn, if there is one (R1)."""
        return self.thread.open_turn()

    def find_turn(self, turn_id: str | None) -> Turn | None:
        """Return the turn of this id: the open one if it matches, else the first finished one (R11)."""
        if turn_id is None:
            return None
        current = self.current()
        if current is not None and current.id == turn_id:
            return current
        number = self.thread.get(f"xt/{turn_id}")
        return self.thread.turn(number) if number else None

    def named_turn(self, turn_id: str) -> Turn | None:
        """Return the first turn of this id, whether one is open or not (D21)."""
        number = self.thread.get(f"xt/{turn_id}")
        return self.thread.turn(number) if number else None

    def open_turn(
        self, turn_id: str, *, explicit: bool, status: TurnStatus = "completed", started_at: int | None = None
    ) -> Turn:
        """Finish the open turn (R10) and open another; ids may repeat."""
        turn = self._new_turn(turn_id, explicit=explicit, status=status, started_at=started_at)
        self.thread.header.open_turn = turn.number
        return turn

    def placed_turn(self, turn_id: str) -> Turn:
        """Add a turn of which nothing is known yet (D21)."""
        return self._new_turn(turn_id, explicit=False, status="inProgress", started_at=None)

    def _new_turn(self, turn_id: str, *, explicit: bool, status: TurnStatus, started_at: int | None) -> Turn:
        thread, header = self.thread, self.thread.header
        header.turns += 1
        number = header.turns
        index = f"xt/{turn_id}"
        twin = thread.get(index) is not None
        if not twin:
            thread.put(index, number)
        turn = Turn(number, turn_id, status, explicit, header.last_turn, twin, started_at, origin=self.origin())
        thread.put(f"u/{number}", turn)
        header.last_turn = number
        self._before[number] = None
        self.changes.turns_opened.append(turn)
        return turn

    def origin(self) -> str | None:
        """Return the thread that the line was copied from, "" if that is not told, None for its own line (D21)."""
        header = self.thread.header
        if header.own_from is not None and self._ordinal_read is not None:
            copied = self._ordinal_read < header.own_from
        else:
            copied = header.copied
        return (header.origin or "") if copied else None

    def ensured_turn(self) -> Turn:
        """Return the open turn, or open an implicit one named after this line (R8, R12)."""
        return self.current() or self.open_turn(f"rollout-{self.rollout_index}", explicit=False)

    def close_turn(self) -> None:
        """Finish the open turn, if any (R10). It is never empty and implicit at once, so it is always kept."""
        self.thread.header.open_turn = 0

    def put_turn(self, turn: Turn, **fields: Any) -> None:
        """Set fields of a turn."""
        self._remember(turn)
        for name, found in fields.items():
            setattr(turn, name, found)
        self.thread.put(f"u/{turn.number}", turn)

    def _remember(self, turn: Turn) -> None:
        """Keep what a turn's summary shows, before it changes."""
        if turn.number not in self._before:
            self._before[turn.number] = _summary(turn)

    # Items

    def next_item_id(self) -> str:
        """Take the next generated item id (R9)."""
        header = self.thread.header
        number = header.item_number
        header.item_number += 1
        return f"item-{number}"

    def last_item(self, turn: Turn) -> ItemRow | None:
        """Return the last item of a turn, if it has any (R32)."""
        return self.thread.item(turn.number, turn.items - 1) if turn.items else None

    def put_item(self, turn: Turn, item: Item) -> None:
        """Replace the turn's first item of this id in place, else append it (R13)."""
        place: Place | None = self.thread.get(f"xi/{turn.number}/{item['id']}")
        if place is None or place.position is None:
            self.push_item(turn, item)
        else:
            self._replace(turn, place.position, item)

    def put_whole_item(self, turn: Turn, item: Item, started_at_ms: int | None) -> int:
        """Put an item that came whole into a turn and return its position (D21).

        Args:
            started_at_ms: when it began, where that is told; else it counts as made when its line was.
        """
        place: Place | None = self.thread.get(f"xi/{turn.number}/{item['id']}")
        if place is not None and place.position is not None:
            self._replace(turn, place.position, item)
            return place.position
        self.push_item(turn, item, started_at_ms)
        return turn.items - 1

    def grow_last(self, turn: Turn, item: Item) -> None:
        """Replace the last item of a turn by what it has grown to (R32)."""
        self._replace(turn, turn.items - 1, item, grown=True)

    def push_item(self, turn: Turn, item: Item, started_at_ms: int | None = None) -> None:
        """Append an item, also when its id is there already (R14)."""
        item, size, original_bytes = self._shaping.of(item, self._line_bytes)
        thread, changes = self.thread, self.changes
        stamp = changes.timestamp_ms
        position = turn.items
        turn.items = position + 1
        thread.header.items += 1
        thread.put(f"u/{turn.number}", turn)
        row = ItemRow(
            self._ordinal(item["id"]),
            stamp if started_at_ms is None else started_at_ms,
            stamp,
            item,
            size,
            original_bytes,
            self.origin(),
        )
        thread.put(f"i/{turn.number}/{position}", row)
        changes.swaps.append(Swap(None, item, row.origin))
        if not self._is_paginated():
            self._frame(turn, position, item)
        index = f"xi/{turn.number}/{item['id']}"
        if turn.twin or thread.get(index) is not None:
            self._push_twin(turn, position, row)
        else:
            thread.put(index, Place(position))
            changes.items.append(ItemChange(turn, position, row))

    def _push_twin(self, turn: Turn, position: int, row: ItemRow) -> None:
        """Enter an appended item whose id may be there already, in this turn or in another of its id (D10)."""
        known = self._indexed(turn, row.value["id"], position)
        if not (known and self._shown_already(turn, position, row.value)):
            self._show(turn, position, row)

    def _is_paginated(self) -> bool:
        return self.thread.header.mode == PAGINATED

    def _frame(self, turn: Turn, position: int, item: Item) -> None:
        """Note which items frame a turn: the first of the user, the last of the agent (P10)."""
        kind = item["type"]
        if kind == "agentMessage":
            self._remember(turn)
            turn.last_agent = position
        elif kind == "userMessage" and turn.first_user is None:
            self._remember(turn)
            turn.first_user = position

    def _replace(self, turn: Turn, position: int, item: Item, *, grown: bool = False) -> None:
        row = self.thread.item(turn.number, position)
        before = row.value
        item, size, original_bytes = self._shaping.of(item, self._line_bytes, row.size if grown else 0)
        if same(before, item):
            return
        row.value, row.size = item, size
        # What was cut from a growing item before stays told.
        row.original_bytes = original_bytes or (row.original_bytes if grown else None)
        row.updated_at_ms = self.changes.timestamp_ms
        self.thread.put(f"i/{turn.number}/{position}", row)
        self.changes.swaps.append(Swap(before, item, row.origin))
        if position in (turn.first_user, turn.last_agent):
            self._remember(turn)
            self._shown.add(turn.number)
        if before["type"] != item["type"] and not self._is_paginated():
            self._remember(turn)
            self._retype(turn, position, item["type"])
            self.thread.put(f"u/{turn.number}", turn)
        self._show(turn, position, row)

    def _show(self, turn: Turn, position: int, row: ItemRow) -> None:
        """Record that the topic's row shows this copy of an item from now on (D10)."""
        key = f"xi/{first_twin(self.thread, turn)}/{row.value['id']}"
        group: Place = self.thread.get(key)
        elsewhere = turn.twin or group.position != position
        if group.elsewhere != elsewhere:
            group.elsewhere = elsewhere
            self.thread.put(key, group)
        self.changes.items.append(ItemChange(turn, position, row))

    def _retype(self, turn: Turn, position: int, kind: str) -> None:
        """Find the summary items again after an item turned into one of another type, which real threads never do."""
        if kind == "userMessage" and (turn.first_user is None or position < turn.first_user):
            turn.first_user = position
        elif position == turn.first_user:
            turn.first_user = self._first_of(turn, "userMessage", range(position + 1, turn.items))
        if kind == "agentMessage" and (turn.last_agent is None or position > turn.last_agent):
            turn.last_agent = position
        elif position == turn.last_agent:
            turn.last_agent = self._first_of(turn, "agentMessage", range(position - 1, -1, -1))

    def _first_of(self, turn: Turn, kind: str, positions: range) -> int | None:
        return next((at for at in positions if self.thread.item(turn.number, at).value["type"] == kind), None)

    def _indexed(self, turn: Turn, item_id: str, position: int) -> bool:
        """Enter an appended item into the index; tell whether its row was shown before (D10)."""
        thread, key = self.thread, f"xi/{turn.number}/{item_id}"
        place: Place | None = thread.get(key)
        seen = place is not None
        if place is None:
            thread.put(key, Place(position))
        elif place.position is None:
            place.position = position
            thread.put(key, place)
        if turn.twin:
            shared = f"xi/{first_twin(self.thread, turn)}/{item_id}"
            group: Place = thread.get(shared) or Place(None)
            seen = seen or group.position is not None
            group.twins += 1
            thread.put(shared, group)
        return seen

    def _shown_already(self, turn: Turn, position: int, item: Item) -> bool:
        """Tell whether the row shows the first copy and that has the same value: then appending shows nothing (P3)."""
        number = first_twin(self.thread, turn)
        place: Place = self.thread.get(f"xi/{number}/{item['id']}")
        if place.elsewhere or place.position is None or (number, place.position) == (turn.number, position):
            return False
        return same(self.thread.item(number, place.position).value, item)

    def _ordinal(self, item_key: str) -> int:
        key = f"xo/{item_key}"
        known: int | None = self.thread.get(key)
        if known is not None:
            return known
        header = self.thread.header
        header.item_ordinals += 1
        self.thread.put(key, header.item_ordinals)
        return header.item_ordinals

    def drop_turns(self, count: int) -> None:
        """Remove the last turns, at most all (R24). Costs what is removed."""
        drop_turns(self.thread, self.changes, count)

    # What the projections see

    def happened(self, event_type: str, turn_id: str | None, **facts: Any) -> None:
        """Record a lifecycle event (P12, D15)."""
        self.changes.happenings.append(Happening(event_type, turn_id, facts))

    def learned(self, **facts: Any) -> None:
        """Record what a line told of the session; None is nothing."""
        self.changes.facts |= {name: found for name, found in facts.items() if found is not None}

    def finished(self) -> ChangeSet:
        """Return what changed, in the order of D17."""
        changes, before = self.changes, self._before
        if len(changes.items) > 1:
            changes.items.sort(key=lambda change: (change.turn.number, change.position))
        for number in sorted(before) if len(before) > 1 else before:
            turn: Turn | None = self.thread.get(f"u/{number}")
            # A turn that is gone was removed; one that was not there before differs from nothing.
            if turn is not None and (number in self._shown or before[number] != _summary(turn)):
                changes.turns.append(turn)
        return changes
