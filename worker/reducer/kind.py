"""What a kind of event is: the shape that is checked, and the handler that folds it."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from worker.model.item import Item
from worker.model.value import value
from worker.reducer.transition import PAGINATED, Transition

E = TypeVar("E")

Handler = Callable[[Transition, Any], None]
# The one place beside Kind where an event is Any: a table holds handlers of many shapes.
KindTable = dict[str, "Kind"]


@value
class Kind:
    """A kind of event.

    Attributes:
        shape: the TypedDict the payload is checked against; None when only its type counts (D2).
        handle: folds a checked event; None when the reducer ignores the kind (R60).
        indexed: its lines take a rollout index (F5).
    """

    shape: Any
    handle: Handler | None
    indexed: bool = True


IGNORED = Kind(None, None)


def kind(shape: type[E], handle: Callable[[Transition, E], None]) -> Kind:
    """Join a shape and its handler; the type checker refuses a handler of another shape."""
    return Kind(shape, handle)


@cache
def by_mode(legacy: Handler, paginated: Handler | None) -> Handler:
    """Make a handler of one for legacy threads and one for paginated ones, where None does nothing (D20, D21)."""

    def handle(transition: Transition, event: Any) -> None:
        if transition.thread.header.mode != PAGINATED:
            legacy(transition, event)
        elif paginated is not None:
            paginated(transition, event)

    return handle


def to_open_turn(build: Callable[[E], Item]) -> Callable[[Transition, E], None]:
    """Make a handler that puts the built item into the open turn, opening an implicit one (R12)."""

    def handle(transition: Transition, event: E) -> None:
        transition.put_item(transition.ensured_turn(), build(event))

    return handle


def to_named_turn(build: Callable[[E], Item | None]) -> Callable[[Transition, E], None]:
    """Make a handler that puts the built item into the turn the event names, else drops it (R11).

    None from the builder means that the event shows nothing.
    """

    def handle(transition: Transition, event: Any) -> None:
        turn = transition.find_turn(event["turn_id"])
        item = build(event) if turn is not None else None
        if turn is not None and item is not None:
            transition.put_item(turn, item)

    return handle


def to_turn_or_open(build: Callable[[E], Item | None]) -> Callable[[Transition, E], None]:
    """Make a handler that puts the built item into the named turn, or into the open one when none is named."""

    def handle(transition: Transition, event: Any) -> None:
        item = build(event)
        if item is None:
            return
        name = event.get("turn_id", "")
        turn = transition.find_turn(name) if name else transition.ensured_turn()
        if turn is not None:
            transition.put_item(turn, item)

    return handle


def in_both_modes(table: KindTable, paginated: Mapping[str, Handler]) -> KindTable:
    """Give the kinds of a table what they do in paginated threads; those that are not named do nothing there."""
    return {
        name: Kind(found.shape, found.handle and by_mode(found.handle, paginated.get(name)), found.indexed)
        for name, found in table.items()
    }


def merge(*tables: KindTable) -> KindTable:
    """Join tables of kinds.

    Raises:
        ValueError: two tables name the same kind.
    """
    merged: KindTable = {}
    for table in tables:
        clash = merged.keys() & table.keys()
        if clash:
            raise ValueError(f"two families handle {', '.join(sorted(clash))}")
        merged.update(table)
    return merged
