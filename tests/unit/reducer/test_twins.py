"""Two turns of one id, and two items of one id: one row, no echo (R11, R13, R14, R20, P5, D10, W8)."""

from typing import Any

from tests import factories
from tests.factories import Story, event, hook_prompt
from tests.fakes import ThreadRows
from worker.model.mutation import Mutation

A = event("task_started", turn_id="a")
B = event("task_started", turn_id="b")
BEGIN = event("exec_command_begin", turn_id="a", call_id="c")
END = event("exec_command_end", turn_id="a", call_id="c")
CLOSE = event("task_complete", turn_id="x")


def rows(told: list[tuple[str, dict[str, Any]]]) -> list[tuple[Any, ...]]:
    """Return what happened to rows: turn, its number, then item, its place and kind, or whether the turn is gone."""
    return [
        (value["turnId"], value["turnOrdinal"], value["itemKey"], value["itemPosition"], value["mutationKind"])
        if projection == "thread_item"
        else (value["turnId"], value["turnOrdinal"], value["removed"])
        for projection, value in told
        if projection != "lifecycle"
    ]


def test_the_open_turn_of_an_id_receives_its_items_and_once_closed_the_first_does() -> None:
    story = Story(A, A, BEGIN, CLOSE, event("exec_command_begin", turn_id="a", call_id="d"))

    assert story.ids() == [("a", ["d"]), ("a", ["c"])]


def test_a_change_is_told_once_with_the_turn_that_changed_and_has_no_echo() -> None:
    story = Story(A, BEGIN, A)

    told = [rows(story.tell(line)) for line in (BEGIN.replace(b"ls", b"rm"), event("agent_message"), B, END)]

    assert told == [
        [("a", 2, "c", 0, "upsert")],
        [("a", 2, "item-1", 1, "upsert"), ("a", 2, False)],
        [("b", 3, False)],
        [("a", 1, "c", 0, "upsert")],
    ]


def test_an_item_that_joins_a_twin_with_the_value_its_row_shows_is_not_told() -> None:
    story = Story(A, BEGIN, A)

    assert (rows(story.tell(BEGIN)), story.ids()) == ([], [("a", ["c"]), ("a", ["c"])])


def test_an_item_that_joins_a_twin_is_told_when_its_row_shows_another_copy() -> None:
    story = Story(A, BEGIN, A, BEGIN.replace(b"ls", b"rm"), A)

    assert rows(story.tell(BEGIN)) == [("a", 3, "c", 0, "upsert")]


def test_a_copy_that_was_not_told_is_told_when_it_changes() -> None:
    story = Story(A, BEGIN, A, BEGIN)

    assert rows(story.tell(END)) == [("a", 2, "c", 0, "upsert")]


def test_a_row_shows_the_first_copy_again_after_that_changed() -> None:
    story = Story(A, BEGIN, A, END, CLOSE, BEGIN.replace(b"ls", b"rm"), A)

    assert rows(story.tell(BEGIN.replace(b"ls", b"rm"))) == []


def test_which_copy_a_row_shows_survives_restarts() -> None:
    appends, stored = factories.appends(), ThreadRows()
    thread = stored.thread()

    told: list[Mutation] = []
    for line in (A, BEGIN, A, BEGIN, END, A, BEGIN):
        told, _ = appends.process(thread, line, None, {})
        thread = stored.restarted(thread)

    assert [(one.projection, one.value["turnOrdinal"]) for one in told] == [("thread_item", 3)]


def test_a_rolled_back_twin_leaves_rows_that_another_turn_holds() -> None:
    story = Story(A, BEGIN, A, BEGIN, event("agent_message"))

    told = rows(story.tell(event("thread_rolled_back")))

    assert told == [("a", 2, "item-1", 1, "tombstone")]


def test_the_row_of_a_rolled_back_twin_is_told_again_by_the_next_copy() -> None:
    story = Story(A, BEGIN, A, END, event("thread_rolled_back"), A)

    assert rows(story.tell(BEGIN)) == [("a", 3, "c", 0, "upsert")]


def test_an_item_that_two_later_twins_hold_is_removed_with_the_last_of_them() -> None:
    story = Story(A, A, BEGIN, A, BEGIN)

    told = [rows(story.tell(event("thread_rolled_back"))) for _ in range(3)]

    assert told == [[], [("a", 2, "c", 0, "tombstone")], [("a", 1, True)]]


def test_twins_that_are_rolled_back_together_are_removed_each_oldest_first() -> None:
    story = Story(A, BEGIN, A, END)

    assert rows(story.tell(event("thread_rolled_back", num_turns=5))) == [
        ("a", 1, "c", 0, "tombstone"),
        ("a", 2, "c", 0, "tombstone"),
        ("a", 1, True),
        ("a", 2, True),
    ]


def test_an_id_that_comes_back_after_a_rollback_is_no_twin() -> None:
    story = Story(A, BEGIN, event("thread_rolled_back"), A)

    assert rows(story.tell(BEGIN, event("thread_rolled_back"))) == [
        ("a", 2, "c", 0, "upsert"),
        ("a", 2, "c", 0, "tombstone"),
        ("a", 2, True),
    ]


def test_a_repeated_id_inside_a_turn_is_one_row() -> None:
    story = Story(A, hook_prompt("1", id="h"))

    told = [
        rows(story.tell(line))
        for line in (
            hook_prompt("1", id="h"),
            hook_prompt("2", id="h"),
            event("agent_message"),
            hook_prompt("1", id="h"),
            event("thread_rolled_back"),
        )
    ]

    assert told == [
        [],
        [("a", 1, "h", 2, "upsert")],
        [("a", 1, "item-1", 3, "upsert"), ("a", 1, False)],
        [("a", 1, "h", 4, "upsert")],
        [
            *[("a", 1, "h", at, "tombstone") for at in range(3)],
            ("a", 1, "item-1", 3, "tombstone"),
            ("a", 1, "h", 4, "tombstone"),
            ("a", 1, True),
        ],
    ]


def test_an_item_of_a_known_id_replaces_the_first_of_them_whatever_its_type() -> None:
    story = Story(A, hook_prompt("1", id="c"), hook_prompt("2", id="c"), BEGIN)

    assert [item["type"] for item in story.items()[0]] == ["commandExecution", "hookPrompt"]


def test_one_item_id_in_two_turns_is_two_rows_with_one_ordinal() -> None:
    story = Story(A, event("mcp_tool_call_begin"), B)

    (_, told), *_ = story.tell(event("mcp_tool_call_end"))

    assert (told["turnId"], told["itemKey"], told["itemOrdinal"]) == ("b", "c", 1)


def test_a_summary_follows_its_items_when_one_turns_into_another_type() -> None:
    message = event("agent_message")
    story = Story(A, message, event("user_message"), event("user_message"), message, message)
    before = story.turns()[0]["items"]

    story.tell(event("web_search_begin", call_id="item-2"), event("web_search_begin", call_id="item-5"))
    told = dict(story.tell(event("error")))

    assert told["turn_summary"]["mutation"]["summaryItems"] == [before[2], before[3]]
