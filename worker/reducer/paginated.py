"""Threads whose rollouts hold whole items: the line projection with the rules of its tables (D21, U4, 5.3).

Turns are rows by id: the first event about a turn, or its first item, makes it, and nothing changes it once it ended
but items that come late. What else a line of another kind would do in a legacy thread does not happen.
"""

from collections.abc import Callable
from typing import Any

from worker.model.thread import Turn, TurnStatus
from worker.reducer.kind import Handler
from worker.reducer.session import see_turn
from worker.reducer.transition import Transition
from worker.reducer.turn_item_builders import BUILDERS, built, opaque
from worker.reducer.turns import TaskComplete, TaskStarted, ThreadRolledBack, TurnAborted, shown_error

_FINAL = "final_answer"


def _is_terminal(turn: Turn) -> bool:
    return turn.status != "inProgress"


def _turn(transition: Transition, turn_id: str) -> Turn | None:
    """Return the turn of this id, a new one if there is none; None once it has ended."""
    turn = transition.named_turn(turn_id) or transition.placed_turn(turn_id)
    return None if _is_terminal(turn) else turn


def on_task_started(transition: Transition, event: TaskStarted) -> None:
    """Make the turn, or fill it when items came before."""
    turn_id, started_at = event["turn_id"], event.get("started_at")
    see_turn(transition, turn_id)
    turn = _turn(transition, turn_id)
    if turn is not None:
        transition.put_turn(turn, started_at=started_at, explicit=True)
        transition.happened("turn.started", turn_id, startedAt=started_at)


def _ended(transition: Transition, event: Any, status: TurnStatus, error: dict[str, Any] | None = None) -> bool:
    """End a turn with the event's times; tell whether it was not ended before."""
    turn = _turn(transition, event["turn_id"])
    if turn is None:
        return False
    transition.put_turn(
        turn,
        status=status,
        error=error,
        started_at=event.get("started_at"),
        completed_at=event.get("completed_at"),
        duration_ms=event.get("duration_ms"),
        last_agent=turn.last_unphased if turn.last_agent is None else turn.last_agent,
    )
    return True


def on_task_complete(transition: Transition, event: TaskComplete) -> None:
    """End the turn; a turn that ended before stays as it is."""
    found, turn_id = event.get("error"), event["turn_id"]
    error = None if found is None else shown_error(found)
    if not _ended(transition, event, "completed" if error is None else "failed", error):
        return
    if found is not None and error is not None:
        transition.happened(
            "turn.failed", turn_id, message=error["message"], codexErrorInfo=found.get("codex_error_info")
        )
    times = {"completedAt": event.get("completed_at"), "durationMs": event.get("duration_ms")}
    transition.happened("turn.completed", turn_id, **times)


def on_turn_aborted(transition: Transition, event: TurnAborted) -> None:
    """End the turn as interrupted; one that is not named changes none."""
    turn_id = event.get("turn_id")
    if turn_id is not None and not _ended(transition, event, "interrupted"):
        return
    transition.happened(
        "turn.cancelled",
        turn_id,
        reason=event["reason"],
        completedAt=event.get("completed_at"),
        durationMs=event.get("duration_ms"),
    )


def on_thread_rolled_back(transition: Transition, event: ThreadRolledBack) -> None:
    """Tell of it; the tables keep what they have."""
    transition.happened("thread.rolled_back", None, numTurns=event["num_turns"])


def on_item_completed(transition: Transition, event: Any) -> None:
    """Put the item into its turn, which may not have begun yet, or have ended."""
    found = event["item"]
    item = built(found) or opaque(found)
    if found["type"] not in BUILDERS:
        transition.changes.unknown_item = found["type"]
    if item is None:
        return
    turn = transition.named_turn(event["turn_id"]) or transition.placed_turn(event["turn_id"])
    position = transition.put_whole_item(turn, item, event.get("started_at_ms"))
    if not _is_terminal(turn):
        _frame(transition, turn, position)


def _frame(transition: Transition, turn: Turn, position: int) -> None:
    """Note which items frame a turn that goes on: the first of the user, the last final answer."""
    item: Any = transition.thread.item(turn.number, position).value
    for name, qualifies, is_first in _FRAMES:
        held: int | None = getattr(turn, name)
        if qualifies(item):
            if held is None or (position < held if is_first else position > held):
                transition.put_turn(turn, **{name: position})
        elif held == position:
            transition.put_turn(turn, **{name: _found(transition, turn, qualifies, is_first=is_first)})


def _found(transition: Transition, turn: Turn, qualifies: Callable[[Any], bool], *, is_first: bool) -> int | None:
    """Look through a turn, one of whose items turned into something else, which real threads hardly do."""
    positions = range(turn.items) if is_first else range(turn.items - 1, -1, -1)
    return next((at for at in positions if qualifies(transition.thread.item(turn.number, at).value)), None)


def _is_user(item: Any) -> bool:
    return bool(item["type"] == "userMessage")


def _is_final(item: Any) -> bool:
    return bool(item["type"] == "agentMessage" and item["phase"] == _FINAL)


def _is_unphased(item: Any) -> bool:
    return bool(item["type"] == "agentMessage" and item["phase"] is None)


# The fields of a turn that hold what frames it, and whether the first such item counts, or the last.
_FRAMES: tuple[tuple[str, Callable[[Any], bool], bool], ...] = (
    ("first_user", _is_user, True),
    ("last_agent", _is_final, False),
    ("last_unphased", _is_unphased, False),
)

# What the other kinds would show, whole items show: they do nothing in a paginated thread.
HANDLERS: dict[str, Handler] = {
    "task_started": on_task_started,
    "turn_started": on_task_started,
    "task_complete": on_task_complete,
    "turn_complete": on_task_complete,
    "turn_aborted": on_turn_aborted,
    "thread_rolled_back": on_thread_rolled_back,
    "item_completed": on_item_completed,
}
