"""Items that the protocol itemises itself: `item_started`, `item_completed` (R40, U3)."""

from collections.abc import Callable
from typing import Any, NotRequired

from typing_extensions import TypedDict

from worker.model.scalar import I64, Uuid
from worker.reducer.kind import Kind, KindTable
from worker.reducer.review import turn_for_review
from worker.reducer.transition import Transition
from worker.reducer.turn_item_builders import built
from worker.reducer.turn_item_shapes import TurnItem


class ItemStarted(TypedDict):
    """An item of a turn begins."""

    thread_id: Uuid
    turn_id: str
    item: TurnItem
    started_at_ms: I64


class ItemCompleted(TypedDict):
    """An item of a turn is complete."""

    thread_id: Uuid
    turn_id: str
    item: TurnItem
    started_at_ms: NotRequired[I64 | None]
    completed_at_ms: NotRequired[I64]


def _in_named_turn(transition: Transition, turn_id: str, item: Any) -> None:
    turn = transition.find_turn(turn_id)
    if turn is not None:
        transition.put_item(turn, item)


def _plan(transition: Transition, turn_id: str, item: Any) -> None:
    if item["text"]:
        _in_named_turn(transition, turn_id, item)


def _review(transition: Transition, turn_id: str, item: Any) -> None:
    transition.put_item(turn_for_review(transition, turn_id), item)


# In legacy threads the other tags show through lines of their own (U3); so do hook prompts (R37), which upstream would
# show twice.
_PLACES: dict[str, Callable[[Transition, str, Any], None]] = {
    "Plan": _plan,
    "CommandExecution": _in_named_turn,
    "DynamicToolCall": _in_named_turn,
    "CollabAgentToolCall": _in_named_turn,
    "SubAgentActivity": _in_named_turn,
    "Extension": _in_named_turn,
    "EnteredReviewMode": _review,
    "ExitedReviewMode": _review,
}


def on_item(transition: Transition, event: Any) -> None:
    """Put what legacy events do not cover where it belongs."""
    place = _PLACES.get(event["item"]["type"])
    if place is not None:
        place(transition, event["turn_id"], built(event["item"]))


KINDS: KindTable = {
    "item_started": Kind(ItemStarted, on_item),
    "item_completed": Kind(ItemCompleted, on_item),
}
