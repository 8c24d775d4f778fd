"""Turn boundaries and status (R8, R10, R11, R20–R25, U2, D14, D15)."""

from typing import Any

import pytest

from tests.factories import Story, compacted, event, turn

STARTED = event("task_started", turn_id="a", started_at=1)
ENDED = event("task_complete", turn_id="a", completed_at=2, duration_ms=3)
ABORTED = event("turn_aborted", completed_at=4, duration_ms=5)
FAILED = event("error", message="m", codex_error_info="other")
ERROR = {"message": "m", "codexErrorInfo": "other", "additionalDetails": None}


def lifecycle(told: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, str | None, dict[str, Any]]]:
    return [
        (value["eventType"], value["turnId"], value["payload"])
        for projection, value in told
        if projection == "lifecycle"
    ]


# R20


def test_a_turn_starts_in_progress_and_may_lack_a_time() -> None:
    story = Story(STARTED, event("task_started", turn_id="b"))

    assert story.turns() == [turn("a", startedAt=1), turn("b")]


def test_a_second_turn_of_a_known_id_is_another_turn() -> None:
    assert Story(STARTED, STARTED).turns() == [turn("a", startedAt=1)] * 2


# R21


def test_the_open_turn_of_that_id_is_completed_and_closed() -> None:
    story = Story(STARTED, ENDED, event("agent_message"))

    assert story.statuses() == [("a", "completed"), ("rollout-2", "completed")]
    assert story.turns()[0] == turn("a", startedAt=1, completedAt=2, durationMs=3, status="completed")


def test_a_finished_turn_of_that_id_is_marked_and_the_open_one_stays_open() -> None:
    story = Story(STARTED, event("task_started", turn_id="b"), ENDED, event("agent_message"))

    assert story.statuses() == [("a", "completed"), ("b", "inProgress")]
    assert story.ids() == [("a", []), ("b", ["item-1"])]


def test_an_unknown_id_completes_the_open_turn_also_an_implicit_one() -> None:
    story = Story(event("agent_message"), ENDED, STARTED, event("task_complete", turn_id="x"), event("agent_message"))

    assert story.ids() == [("rollout-0", ["item-1"]), ("a", []), ("rollout-4", ["item-2"])]
    assert [one["completedAt"] for one in story.turns()] == [2, None, None]


def test_a_completion_without_any_turn_changes_none_but_is_told() -> None:
    story = Story()

    told = story.tell(ENDED)

    assert (story.turns(), lifecycle(told)) == ([], [("turn.completed", "a", {"completedAt": 2, "durationMs": 3})])


def test_a_second_completion_overwrites_the_times_also_with_null() -> None:
    story = Story(STARTED, ENDED, event("task_complete", turn_id="a"))

    assert story.turns() == [turn("a", startedAt=1, status="completed")]


# U2


def test_a_completion_with_an_error_fails_the_turn_from_any_status_and_whatever_the_kind() -> None:
    error = {"message": "n", "codex_error_info": "thread_rollback_failed"}
    story = Story(STARTED, ABORTED)

    told = story.tell(event("task_complete", turn_id="a", completed_at=6, error=error))

    shown = {"message": "n", "codexErrorInfo": "threadRollbackFailed", "additionalDetails": None}
    assert story.turns() == [turn("a", startedAt=1, completedAt=6, status="failed", error=shown)]
    assert lifecycle(told) == [
        ("turn.failed", "a", {"message": "n", "codexErrorInfo": "thread_rollback_failed"}),
        ("turn.completed", "a", {"completedAt": 6, "durationMs": None}),
    ]


def test_a_completion_with_an_error_names_the_turn_it_fails_and_the_turn_it_was_told() -> None:
    story = Story(STARTED)

    told = story.tell(event("task_complete", turn_id="x", error={"message": "n"}))

    assert [(kind, turn_id) for kind, turn_id, _ in lifecycle(told)] == [("turn.failed", "a"), ("turn.completed", "x")]


def test_a_completion_with_an_error_and_no_turn_fails_none() -> None:
    told = Story().tell(event("task_complete", error={"message": "n"}))

    assert [kind for kind, _, _ in lifecycle(told)] == ["turn.completed"]


@pytest.mark.parametrize("error", [{}, {"message": None}, {"message": "n", "codex_error_info": "x"}, "n"])
def test_a_completion_with_an_error_of_a_bad_shape_is_rejected(error: Any) -> None:
    assert Story(STARTED, event("task_complete", error=error)).statuses() == [("a", "inProgress")]


# R22


def test_an_aborted_turn_stays_open() -> None:
    story = Story(STARTED, ABORTED, event("agent_message"))

    assert (story.ids(), story.statuses()) == ([("a", ["item-1"])], [("a", "interrupted")])


def test_an_abort_marks_the_turn_it_names_else_the_open_one() -> None:
    first = Story(STARTED, event("task_started", turn_id="b"))
    second = Story(STARTED, event("task_started", turn_id="b"))

    told = [*first.tell(event("turn_aborted", turn_id="a")), *second.tell(event("turn_aborted", turn_id="x"))]

    assert first.statuses() == [("a", "interrupted"), ("b", "inProgress")]
    assert second.statuses() == [("a", "inProgress"), ("b", "interrupted")]
    # D15: the turn that was marked.
    assert [turn_id for _, turn_id, _ in lifecycle(told)] == ["a", "b"]


@pytest.mark.parametrize("reason", ["interrupted", "replaced", "review_ended", "budget_limited"])
def test_an_abort_without_any_turn_is_told_with_its_reason(reason: str) -> None:
    story = Story()

    told = story.tell(event("turn_aborted", turn_id="a", reason=reason))

    payload = {"reason": reason, "completedAt": None, "durationMs": None}
    assert (story.turns(), lifecycle(told)) == ([], [("turn.cancelled", None, payload)])


def test_an_abort_with_an_unknown_reason_is_rejected() -> None:
    assert Story(STARTED, event("turn_aborted", reason="boredom")).statuses() == [("a", "inProgress")]


# R23


def test_an_error_fails_the_open_turn_which_stays_open_and_the_last_error_counts() -> None:
    story = Story(STARTED, event("error", message="first"))

    told = story.tell(FAILED, event("agent_message"))

    assert (story.ids(), story.turns()[0]["error"]) == ([("a", ["item-1"])], ERROR)
    assert lifecycle(told) == [("turn.failed", "a", {"message": "m", "codexErrorInfo": "other"})]


def test_an_error_that_leaves_turns_alone_or_finds_none_shows_nothing() -> None:
    story = Story(STARTED)

    told = [*story.tell(event("error", codex_error_info="thread_rollback_failed")), *Story().tell(FAILED)]

    assert (told, story.statuses()) == ([], [("a", "inProgress")])


def test_an_error_in_an_implicit_turn_is_told_with_that_turn() -> None:
    told = Story(event("agent_message")).tell(FAILED)

    assert [turn_id for _, turn_id, _ in lifecycle(told)] == ["rollout-0"]


def test_an_error_after_an_abort_is_told_with_the_turn_that_is_still_open() -> None:
    told = Story(STARTED, ABORTED).tell(FAILED)

    assert [turn_id for _, turn_id, _ in lifecycle(told)] == ["a"]


@pytest.mark.parametrize(
    ("before", "statuses"),
    [
        ([], ("completed", "interrupted", "failed")),
        ([ENDED], ("completed", "interrupted", "completed")),
        ([ABORTED], ("interrupted", "interrupted", "failed")),
        ([FAILED], ("failed", "interrupted", "failed")),
    ],
)
def test_the_status_table(before: list[bytes], statuses: tuple[str, str, str]) -> None:
    found = tuple(
        Story(STARTED, *before, event_).statuses()[0][1]
        for event_ in (ENDED, event("turn_aborted", turn_id="a"), FAILED)
    )

    assert found == statuses


def test_an_abort_keeps_the_error_and_a_completion_keeps_the_failure() -> None:
    aborted, completed = Story(STARTED, FAILED, ABORTED), Story(STARTED, FAILED, ENDED)

    times: dict[str, Any] = {"startedAt": 1, "error": ERROR}
    assert aborted.turns() == [turn("a", status="interrupted", completedAt=4, durationMs=5, **times)]
    assert completed.turns() == [turn("a", status="failed", completedAt=2, durationMs=3, **times)]


# R24

TWO_TURNS = [STARTED, event("agent_message"), ENDED, event("task_started", turn_id="b"), event("agent_message")]


@pytest.mark.parametrize(
    ("count", "ids"),
    [(0, ["a", "b"]), (1, ["a"]), (2, []), (3, []), (2**32 - 1, [])],
)
def test_a_rollback_removes_the_last_turns_the_open_one_being_the_first_of_them(count: int, ids: list[str]) -> None:
    story = Story(*TWO_TURNS)

    told = story.tell(event("thread_rolled_back", num_turns=count))

    assert [turn_id for turn_id, _ in story.ids()] == ids
    assert lifecycle(told) == [("thread.rolled_back", None, {"numTurns": count})]


def test_a_rollback_closes_the_open_turn_and_numbers_items_by_what_remains() -> None:
    story = Story(
        STARTED,
        event("exec_command_begin"),
        event("agent_message"),
        event("thread_rolled_back", num_turns=0),
        event("agent_message"),
    )

    assert story.ids() == [("a", ["c", "item-1"]), ("rollout-4", ["item-3"])]


def test_the_ids_of_removed_items_are_used_again_with_their_ordinals() -> None:
    story = Story(*TWO_TURNS, event("thread_rolled_back"))

    told = story.tell(event("task_started", turn_id="c"), event("user_message"))

    items = [value for projection, value in told if projection == "thread_item"]
    assert [(one["turnId"], one["itemKey"], one["itemOrdinal"], one["turnOrdinal"]) for one in items] == [
        ("c", "item-2", 2, 3)
    ]


def test_late_items_of_a_removed_turn_are_dropped() -> None:
    story = Story(*TWO_TURNS, event("thread_rolled_back"))

    assert story.tell(event("exec_command_end", turn_id="b")) == []


def test_a_rollback_goes_on_where_an_earlier_one_stopped() -> None:
    started = [event("task_started", turn_id=turn_id) for turn_id in "abcd"]
    story = Story(*started, event("thread_rolled_back"), event("task_started", turn_id="e"))

    story.tell(event("thread_rolled_back", num_turns=2))

    assert [turn_id for turn_id, _ in story.ids()] == ["a", "b"]


# R25


def test_a_compaction_marks_a_turn_and_adds_no_item() -> None:
    story = Story()

    told = story.tell(compacted())

    assert story.turns() == [turn("rollout-0", status="completed")]
    assert [(projection, value["turnId"]) for projection, value in told] == [("turn_summary", "rollout-0")]


def test_a_compaction_in_an_open_turn_shows_nothing() -> None:
    story = Story(STARTED)

    assert (story.tell(compacted()), story.turns()) == ([], [turn("a", startedAt=1)])


def test_a_turn_that_only_saw_a_compaction_is_kept_and_counts_as_one() -> None:
    story = Story(compacted(), STARTED)

    told = story.tell(event("thread_rolled_back", num_turns=2))

    removed = [value["turnId"] for projection, value in told if projection == "turn_summary"]
    assert (story.turns(), removed) == ([], ["rollout-0", "a"])


# F5, R8


def test_an_implicit_turn_is_named_after_the_accepted_lines_before_it() -> None:
    story = Story(
        b"",
        b"{",
        event("background_event"),
        event("token_count"),
        event("error", message=5),
        event("agent_reasoning", text=""),
        event("agent_message"),
    )

    assert story.ids() == [("rollout-2", ["item-1"])]


def test_the_index_goes_on_after_a_rollback() -> None:
    story = Story(event("agent_message"), event("thread_rolled_back"), event("agent_message"))

    assert story.ids() == [("rollout-2", ["item-1"])]
