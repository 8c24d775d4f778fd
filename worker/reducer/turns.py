"""Turn boundaries and status: began, completed, aborted, failed, rolled back (R20–R25, U2)."""

from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypedDict

from worker.model.limits import cut_text
from worker.model.scalar import I64, U32, Parsed
from worker.model.thread import Turn
from worker.reducer.error_info import affects_turn, as_output, error_info
from worker.reducer.kind import KindTable, kind
from worker.reducer.session import see_turn
from worker.reducer.transition import Transition

# A longer message of an error loses its middle: it stands in summaries and lifecycle events (design: limits).
MESSAGE_CHARS_MAX = 32_768

ErrorInfo = Annotated[Any, Parsed(error_info)]


class TaskStarted(TypedDict):
    """A turn began; `started_at` in seconds."""

    turn_id: str
    started_at: NotRequired[I64 | None]


class TurnError(TypedDict):
    """The error a turn ended with (U2)."""

    message: str
    codex_error_info: NotRequired[ErrorInfo]


class TaskComplete(TypedDict):
    """A turn ended; `completed_at` in seconds, `duration_ms` in milliseconds."""

    turn_id: str
    started_at: NotRequired[I64 | None]
    completed_at: NotRequired[I64 | None]
    duration_ms: NotRequired[I64 | None]
    error: NotRequired[TurnError | None]


class TurnAborted(TypedDict):
    """A turn was stopped; it stays open (R22)."""

    turn_id: NotRequired[str | None]
    reason: Literal["interrupted", "replaced", "review_ended", "budget_limited"]
    started_at: NotRequired[I64 | None]
    completed_at: NotRequired[I64 | None]
    duration_ms: NotRequired[I64 | None]


class Error(TypedDict):
    """Something went wrong in the open turn (R23)."""

    message: str
    codex_error_info: NotRequired[ErrorInfo]


class ThreadRolledBack(TypedDict):
    """The last turns were taken back."""

    num_turns: U32


class Compacted(TypedDict):
    """The history was compacted (R25)."""

    message: str


def on_task_started(transition: Transition, event: TaskStarted) -> None:
    """R20: a second turn with a known id is another turn."""
    started_at = event.get("started_at")
    see_turn(transition, event["turn_id"])
    transition.open_turn(event["turn_id"], explicit=True, status="inProgress", started_at=started_at)
    transition.happened("turn.started", event["turn_id"], startedAt=started_at)


def on_task_complete(transition: Transition, event: TaskComplete) -> None:
    """R21: the turn of this id, else the open one; U2: with an error it failed, whatever it was."""
    turn = transition.find_turn(event["turn_id"]) or transition.current()
    error = event.get("error")
    if turn is not None:
        _completed(transition, turn, event)
        if error is not None:
            _failed(transition, turn, error)
        if turn.number == transition.thread.header.open_turn:
            transition.close_turn()
    times = {"completedAt": event.get("completed_at"), "durationMs": event.get("duration_ms")}
    transition.happened("turn.completed", event["turn_id"], **times)


def _completed(transition: Transition, turn: Turn, event: TaskComplete) -> None:
    status = turn.status if turn.status in ("failed", "interrupted") else "completed"
    transition.put_turn(
        turn, status=status, completed_at=event.get("completed_at"), duration_ms=event.get("duration_ms")
    )


def shown_error(error: TurnError | Error) -> dict[str, Any]:
    """Return the error as a turn shows it."""
    message = cut_text(error["message"], MESSAGE_CHARS_MAX)
    return {"message": message, "codexErrorInfo": as_output(error.get("codex_error_info")), "additionalDetails": None}


def _failed(transition: Transition, turn: Turn, error: TurnError | Error) -> None:
    shown = shown_error(error)
    transition.put_turn(turn, status="failed", error=shown)
    transition.happened("turn.failed", turn.id, message=shown["message"], codexErrorInfo=error.get("codex_error_info"))


def on_turn_aborted(transition: Transition, event: TurnAborted) -> None:
    """R22: the turn of this id, else the open one, which stays open."""
    turn = transition.find_turn(event.get("turn_id")) or transition.current()
    completed_at, duration_ms = event.get("completed_at"), event.get("duration_ms")
    if turn is not None:
        transition.put_turn(turn, status="interrupted", completed_at=completed_at, duration_ms=duration_ms)
    transition.happened(
        "turn.cancelled",
        turn.id if turn is not None else None,
        reason=event["reason"],
        completedAt=completed_at,
        durationMs=duration_ms,
    )


def on_error(transition: Transition, event: Error) -> None:
    """R23: fails the open turn unless the error is of a kind that leaves turns alone."""
    turn = transition.current()
    if turn is not None and affects_turn(event.get("codex_error_info")):
        _failed(transition, turn, event)


def on_thread_rolled_back(transition: Transition, event: ThreadRolledBack) -> None:
    """R24: the open turn counts as one."""
    transition.close_turn()
    transition.drop_turns(event["num_turns"])
    transition.happened("thread.rolled_back", None, numTurns=event["num_turns"])


def on_compacted(transition: Transition, _event: Compacted) -> None:
    """R25: marks the open turn, or an implicit one; shows nothing."""
    turn = transition.ensured_turn()
    transition.put_turn(turn, saw_compaction=True)


KINDS: KindTable = {
    "task_started": kind(TaskStarted, on_task_started),
    "turn_started": kind(TaskStarted, on_task_started),
    "task_complete": kind(TaskComplete, on_task_complete),
    "turn_complete": kind(TaskComplete, on_task_complete),
    "turn_aborted": kind(TurnAborted, on_turn_aborted),
    "error": kind(Error, on_error),
    "thread_rolled_back": kind(ThreadRolledBack, on_thread_rolled_back),
}
LINES: KindTable = {"compacted": kind(Compacted, on_compacted)}
