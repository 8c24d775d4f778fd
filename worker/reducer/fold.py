"""The fold: one accepted line changes a thread (R3)."""

from typing import Any

from worker.model.change import ChangeSet
from worker.model.thread import Thread
from worker.reducer.kind import Handler
from worker.reducer.shaping import ITEM_BYTES_MAX, Shaping
from worker.reducer.transition import Transition


def fold(
    thread: Thread,
    handle: Handler,
    event: Any,
    timestamp_ms: int | None,
    *,
    redact: bool,
    line_bytes: int = 0,
    item_bytes_max: int = ITEM_BYTES_MAX,
    ordinal: int | None = None,
    indexed: bool = True,
) -> ChangeSet:
    """Apply a checked event to a thread and return what it changed.

    Args:
        handle: the handler of the event's kind.
        event: the payload as its kind's shape describes it; never written to.
        timestamp_ms: the line's own timestamp.
        redact: replace secrets in commands (U9).
        line_bytes: how long the line is.
        item_bytes_max: larger items are cut to this size, as JSON.
        ordinal: the line's, if known.
        indexed: the line takes an index (F5).
    """
    shaping = Shaping(redact=redact, line_bytes=line_bytes, item_bytes_max=item_bytes_max)
    transition = Transition(thread, timestamp_ms, shaping, ordinal)
    thread.header.rollout_index += indexed
    handle(transition, event)
    return transition.finished()


def skip(thread: Thread) -> None:
    """Let an accepted line of an ignored kind take its index (F5, R60)."""
    thread.header.rollout_index += 1
