"""The verbs that change a thread, where no event of a legacy thread leads (R13, P10) or order shows (D17)."""

from typing import Any

import pytest

from worker.model.change import ChangeSet
from worker.model.thread import Thread
from worker.reducer.shaping import ITEM_BYTES_MAX, Shaping
from worker.reducer.transition import Transition, same


def user(item_id: str) -> Any:
    return {"type": "userMessage", "id": item_id, "clientId": None, "content": []}


def agent(item_id: str) -> Any:
    return {"type": "agentMessage", "id": item_id, "text": "x", "phase": None, "memoryCitation": None}


def plan(item_id: str) -> Any:
    return {"type": "plan", "id": item_id, "text": "x"}


class Verbs:
    """A thread of one turn whose items are put one by one."""

    def __init__(self, *items: Any) -> None:
        self.thread = Thread("t")
        transition = Transition(self.thread, None, Shaping(redact=False, item_bytes_max=ITEM_BYTES_MAX))
        self.turn = transition.open_turn("a", explicit=True)
        for item in items:
            transition.put_item(self.turn, item)

    def put(self, item: Any) -> ChangeSet:
        transition = Transition(self.thread, None, Shaping(redact=False, item_bytes_max=ITEM_BYTES_MAX))
        transition.put_item(self.turn, item)
        return transition.finished()

    def summary(self) -> list[str]:
        return [row.value["id"] for row in self.thread.summary_rows(self.turn)]


@pytest.mark.parametrize(
    ("item", "summary"),
    [
        # u v p a b: first user message u, last agent message b.
        (user("p"), ["u", "b"]),
        (user("a"), ["u", "b"]),
        (agent("u"), ["v", "b"]),
        (agent("p"), ["u", "b"]),
        (plan("u"), ["v", "b"]),
        (plan("b"), ["u", "a"]),
        (user("b"), ["u", "a"]),
        (plan("v"), ["u", "b"]),
        (plan("a"), ["u", "b"]),
    ],
)
def test_the_summary_follows_an_item_that_turns_into_another_type(item: Any, summary: list[str]) -> None:
    verbs = Verbs(user("u"), user("v"), plan("p"), agent("a"), agent("b"))

    verbs.put(item)

    assert verbs.summary() == summary


def test_a_message_may_become_the_first_or_the_last_of_its_sort() -> None:
    verbs = Verbs(plan("p"), user("u"), agent("a"), plan("q"))

    verbs.put(user("p"))
    verbs.put(agent("q"))

    assert verbs.summary() == ["p", "q"]


def test_a_sort_may_vanish_from_the_summary() -> None:
    verbs = Verbs(user("u"), agent("a"))

    verbs.put(plan("u"))
    verbs.put(plan("a"))

    assert verbs.summary() == []


def test_a_summary_item_with_another_value_changes_the_summary_and_any_other_item_does_not() -> None:
    verbs = Verbs(user("u"), user("v"), plan("p"), agent("a"), agent("b"))

    found = [
        [turn.id for turn in verbs.put({**item, "more": 1}).turns]
        for item in (user("u"), user("v"), plan("p"), agent("a"), agent("b"))
    ]

    assert found == [["a"], [], [], [], ["a"]]


def test_an_item_of_equal_value_is_no_change() -> None:
    verbs = Verbs(user("u"))
    verbs.thread.settle()

    changes = verbs.put(user("u"))

    assert (changes.items, changes.turns, verbs.thread.changed) == ([], [], set())


def test_changed_items_come_in_turn_and_item_order() -> None:
    thread = Thread("t")
    transition = Transition(thread, None, Shaping(redact=False, item_bytes_max=ITEM_BYTES_MAX))
    first = transition.open_turn("a", explicit=True)
    transition.put_item(first, plan("p"))
    second = transition.open_turn("b", explicit=True)

    transition = Transition(thread, None, Shaping(redact=False, item_bytes_max=ITEM_BYTES_MAX))
    for turn, item in ((second, "x"), (first, "y"), (second, "z")):
        transition.put_item(turn, plan(item))
    transition.put_item(first, user("p"))
    changes = transition.finished()

    assert [(one.turn.id, one.position) for one in changes.items] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert [turn.id for turn in changes.turns] == ["a"]


def test_a_turn_that_is_touched_and_removed_by_one_event_is_told_as_removed() -> None:
    thread = Thread("t")
    transition = Transition(thread, None, Shaping(redact=False, item_bytes_max=ITEM_BYTES_MAX))
    turn = transition.open_turn("a", explicit=True)

    transition = Transition(thread, None, Shaping(redact=False, item_bytes_max=ITEM_BYTES_MAX))
    transition.put_turn(turn, status="failed")
    transition.drop_turns(1)
    changes = transition.finished()

    assert ([one.turn.status for one in changes.removed_turns], changes.turns) == (["failed"], [])


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1, True),
        (1, 1.0, False),
        (1, True, False),
        (0.0, -0.0, True),
        (None, None, True),
        (None, False, False),
        ("1", 1, False),
        ([1, [2]], [1, [2]], True),
        ([1, [2]], [1, [2.0]], False),
        ([], {}, False),
        ({"a": 1, "b": [True]}, {"b": [True], "a": 1}, True),
        ({"a": 1, "b": [True]}, {"b": [1], "a": 1}, False),
        ({"a": 1}, {"a": 1, "b": None}, False),
    ],
)
def test_values_are_compared_as_json(one: Any, other: Any, equal: bool) -> None:
    assert (same(one, other), same(other, one)) == (equal, equal)
