"""Thread items: upserts, tombstones, ordinals, what is open (P3–P6, D17, 2.2)."""

from typing import Any

import pytest

from tests.factories import TIMESTAMP_MS, Story, event, line, payload, turn_item
from worker.model.item import is_open
from worker.projections.thread_items import ThreadItems

STARTED = event("task_started", turn_id="a")
LATER, LATER_MS = "2026-06-04T00:00:01.000Z", TIMESTAMP_MS + 1000


def at(timestamp: str, kind: str, **fields: Any) -> bytes:
    return line("event_msg", payload(kind, **fields), timestamp=timestamp)


def items(told: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [value for projection, value in told if projection == "thread_item"]


def plan(turn_id: str, item_id: str) -> bytes:
    return turn_item("Plan", turn_id=turn_id, id=item_id, text="x")


def test_an_item_is_told_whole_when_it_appears() -> None:
    story = Story(event("token_count"), STARTED, event("user_message"))

    assert items(story.tell(event("web_search_begin"))) == [
        {
            "turnId": "a",
            "turnOrdinal": 1,
            "itemKey": "c",
            "itemOrdinal": 2,
            "itemPosition": 1,
            "mutationKind": "upsert",
            "isOpen": True,
            "itemType": "webSearch",
            "createdAtMs": TIMESTAMP_MS,
            "updatedAtMs": TIMESTAMP_MS,
            "inherited": False,
            "materializedThreadItem": {"type": "webSearch", "id": "c", "query": "", "action": None, "results": None},
        }
    ]


def test_an_item_that_changes_keeps_its_place_its_ordinal_and_its_birth() -> None:
    story = Story(STARTED, event("web_search_begin"), event("user_message"))

    (told,) = items(story.tell(at(LATER, "web_search_end")))

    assert {key: told[key] for key in ("itemOrdinal", "itemPosition", "isOpen", "createdAtMs", "updatedAtMs")} == {
        "itemOrdinal": 1,
        "itemPosition": 0,
        "isOpen": False,
        "createdAtMs": TIMESTAMP_MS,
        "updatedAtMs": LATER_MS,
    }


def test_a_line_without_a_usable_time_leaves_times_unknown() -> None:
    story = Story(STARTED)

    told = items(story.tell(at("x", "web_search_begin"), at(LATER, "web_search_end")))

    assert [(one["createdAtMs"], one["updatedAtMs"]) for one in told] == [(None, None), (None, LATER_MS)]


def test_an_equal_value_is_not_told_again() -> None:
    story = Story(STARTED, event("exec_command_end"))

    assert story.tell(at(LATER, "exec_command_end")) == []


def test_a_value_that_differs_as_json_alone_is_told() -> None:
    story = Story(STARTED, event("dynamic_tool_call_request", arguments=[1]))

    found = [items(story.tell(event("dynamic_tool_call_request", arguments=[value]))) for value in (1, 1.0, True)]

    assert [len(told) for told in found] == [0, 1, 1]


def test_a_removed_item_is_told_with_its_last_value_and_the_time_of_its_removal() -> None:
    story = Story(STARTED, event("web_search_begin"))
    (value,) = story.items()[0]

    assert items(story.tell(at(LATER, "thread_rolled_back"))) == [
        {
            "turnId": "a",
            "turnOrdinal": 1,
            "itemKey": "c",
            "itemOrdinal": 1,
            "itemPosition": 0,
            "mutationKind": "tombstone",
            "isOpen": False,
            "itemType": "webSearch",
            "createdAtMs": TIMESTAMP_MS,
            "updatedAtMs": LATER_MS,
            "inherited": False,
            "materializedThreadItem": value,
        }
    ]


def test_removed_items_come_oldest_first() -> None:
    turns = [event("task_started", turn_id="b"), plan("b", "y"), event("agent_message"), plan("a", "z")]
    story = Story(STARTED, plan("a", "x"), *turns)

    told = items(story.tell(event("thread_rolled_back", num_turns=2)))

    assert [(one["turnId"], one["itemKey"]) for one in told] == [("a", "x"), ("a", "z"), ("b", "y"), ("b", "item-1")]


def test_ordinals_count_item_keys_over_the_thread_and_are_never_forgotten() -> None:
    story = Story(STARTED, plan("a", "x"), event("task_started", turn_id="b"), plan("b", "y"), plan("b", "x"))
    story.tell(event("thread_rolled_back"))

    told = items(story.tell(event("task_started", turn_id="c"), plan("c", "z"), plan("c", "y")))

    assert [(one["itemKey"], one["itemOrdinal"]) for one in told] == [("z", 3), ("y", 2)]


OPEN = [
    *[
        {"type": kind, "status": "inProgress"}
        for kind in ("commandExecution", "mcpToolCall", "dynamicToolCall", "collabAgentToolCall", "fileChange")
    ],
    {"type": "webSearch", "action": None},
    {"type": "imageGeneration", "status": ""},
]
CLOSED = [
    {"type": "commandExecution", "status": "declined"},
    {"type": "mcpToolCall", "status": "failed"},
    {"type": "dynamicToolCall", "status": "completed"},
    {"type": "collabAgentToolCall", "status": "failed"},
    {"type": "fileChange", "status": "completed"},
    {"type": "webSearch", "action": {"type": "other"}},
    {"type": "imageGeneration", "status": "inProgress"},
    {"type": "reasoning", "summary": [], "content": []},
    {"type": "sleep", "durationMs": 1},
    {"type": "plan", "text": ""},
]


@pytest.mark.parametrize(("item", "open_"), [(item, True) for item in OPEN] + [(item, False) for item in CLOSED])
def test_an_item_is_open_while_it_may_still_change(item: dict[str, Any], open_: bool) -> None:
    assert is_open(item) is open_


def test_the_end_of_a_turn_does_not_close_its_items() -> None:
    story = Story(STARTED, event("exec_command_begin"))

    assert items(story.tell(event("task_complete"))) == []


def test_the_projection_has_its_name_and_topic() -> None:
    assert (ThreadItems.name, ThreadItems.topic) == ("thread_item", "thread-items")
