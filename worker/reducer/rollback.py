"""Rollback: the last turns of a thread go, with their items and what finds them (R24, P6, D10, D14).

Source: codex-rs app-server-protocol, thread_history (ThreadHistoryBuilder).
"""

from worker.model.change import ChangeSet, ItemChange, RemovedTurn, Swap
from worker.model.thread import Place, Thread, Turn


def first_twin(thread: Thread, turn: Turn) -> int:
    """Return the number of the first live turn of this turn's id."""
    number: int = thread.get(f"xt/{turn.id}") if turn.twin else turn.number
    return number


def drop_turns(thread: Thread, changes: ChangeSet, count: int) -> None:
    """Remove the last turns, at most all, and record what no live turn shows any more. Costs what is removed."""
    header = thread.header
    removed: list[Turn] = []
    while header.last_turn and len(removed) < count:
        turn = thread.turn(header.last_turn)
        removed.insert(0, turn)
        header.last_turn = turn.previous
    changes.turns_dropped += removed
    gone = [(RemovedTurn(turn, thread.summary_rows(turn)), _taken_items(thread, changes, turn)) for turn in removed]
    for turn in removed:
        thread.put(f"u/{turn.number}", None)
        if not turn.twin:
            thread.put(f"xt/{turn.id}", None)
    header.item_number = 1 + header.items
    for removal, taken in gone:
        _record_removed(thread, changes, removal, taken)


def _taken_items(thread: Thread, changes: ChangeSet, turn: Turn) -> list[ItemChange]:
    number = turn.number
    taken = []
    for position in range(turn.items):
        row = thread.item(number, position)
        item_id = row.value["id"]
        taken.append(ItemChange(turn, position, row))
        changes.swaps.append(Swap(row.value, None, row.origin))
        thread.put(f"i/{number}/{position}", None)
        thread.put(f"xi/{number}/{item_id}", None)
        if turn.twin:
            _forget_twin(thread, f"xi/{first_twin(thread, turn)}/{item_id}")
    thread.header.items -= turn.items
    return taken


def _forget_twin(thread: Thread, shared: str) -> None:
    group: Place | None = thread.get(shared)
    if group is None:  # the first turn of this id went with the same rollback
        return
    group.twins -= 1
    thread.put(shared, None if group.position is None and not group.twins else group)


def _record_removed(thread: Thread, changes: ChangeSet, removal: RemovedTurn, taken: list[ItemChange]) -> None:
    """Record what was removed but for rows that a live turn of the same id still shows (D10)."""
    live = thread.get(f"xt/{removal.turn.id}")
    if live is None:
        changes.removed_turns.append(removal)
        changes.removed_items.extend(taken)
        return
    changes.removed_items += [change for change in taken if thread.get(f"xi/{live}/{change.row.value['id']}") is None]
