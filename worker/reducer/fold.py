"""The fold: one accepted line changes a thread (R3)."""

from typing import Any

from worker.model.change import ChangeSet
from worker.model.thread import Thread
from worker.reducer.kind import Handler
from worker.reducer.shaping import Shaping
from worker.reducer.transition import Transition


def fold(
    thread: Thread,
    handle: Handler,
    event: Any,
    timestamp_ms: int | None,
    *,
    shaping: Shaping,
    line_bytes: int = 0,
    ordinal: int | None = None,
    indexed: bool = True,
) -> ChangeSet:
    """Apply a checked event to a thread and return what it changed.

    Args:
        handle: the handler of the event's kind.
        event: the payload as its kind's shape describes it; never written to.
        timestamp_ms: the line's own timestamp.
        shaping: what items are put through.
        line_bytes: how long the line is.
        ordinal: the line's, if known.
        indexed: the line takes an index (F5).
    """
    transition = Transition(thread, timestamp_ms, shaping, line_bytes, ordinal)
    thread.header.rollout_index += indexed
    handle(transition, event)
    return transition.finished()


def skip(thread: Thread) -> None:
    """Let an accepted line of an ignored kind take its index (F5, R60)."""
    thread.header.rollout_index += 1
