"""Turn summaries: status, times, error and what frames the turn (P9, P10, D13, D14, D17)."""

from typing import Any

import pytest

from tests.factories import Story, event, hook_prompt
from worker.projections.turn_summaries import TurnSummaries

STARTED = event("task_started", turn_id="a", started_at=1)


def summaries(told: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [value for projection, value in told if projection == "turn_summary"]


def framed(*lines: bytes) -> list[str]:
    """Return the ids of a turn's summary items."""
    *_, last = summaries(Story().tell(STARTED, *lines))
    return [item["id"] for item in last["mutation"]["summaryItems"]]


def test_a_turn_is_told_whole_when_it_starts() -> None:
    assert summaries(Story().tell(STARTED)) == [
        {
            "turnId": "a",
            "turnOrdinal": 1,
            "removed": False,
            "inherited": False,
            "mutation": {
                "status": "inProgress",
                "startedAt": 1,
                "completedAt": None,
                "durationMs": None,
                "error": None,
                "summaryItems": [],
            },
        }
    ]


def test_the_first_user_message_and_the_last_agent_message_frame_a_turn_the_user_first() -> None:
    agent, user = event("agent_message"), event("user_message")

    found = [framed(agent), framed(user), framed(agent, user), framed(user, agent, user, agent)]

    assert found == [["item-1"], ["item-1"], ["item-2", "item-1"], ["item-1", "item-4"]]


def test_commentary_counts() -> None:
    lines = [event("agent_message", phase=phase) for phase in ("final_answer", "commentary")]

    assert framed(*lines) == ["item-2"]


@pytest.mark.parametrize(
    "line",
    [
        event("agent_reasoning"),
        event("exec_command_end"),
        event("web_search_end"),
        event("context_compacted"),
        event("entered_review_mode"),
        hook_prompt(),
        event("user_message"),
    ],
)
def test_what_does_not_frame_a_turn_changes_no_summary(line: bytes) -> None:
    story = Story(STARTED, event("user_message"))

    told = story.tell(line)

    assert ([projection for projection, _ in told], summaries(told)) == (["thread_item"], [])


def test_a_summary_is_told_when_its_times_its_status_or_its_error_alone_change() -> None:
    story = Story(STARTED)

    told = summaries(
        story.tell(
            event("error", message="m"),
            event("error", message="n"),
            event("turn_aborted"),
            event("turn_aborted", completed_at=2),
            event("task_complete", duration_ms=3),
        )
    )

    shown = [
        (one["status"], one["error"]["message"], one["completedAt"], one["durationMs"])
        for one in (found["mutation"] for found in told)
    ]
    assert shown == [
        ("failed", "m", None, None),
        ("failed", "n", None, None),
        ("interrupted", "n", None, None),
        ("interrupted", "n", 2, None),
        ("interrupted", "n", None, 3),
    ]


def test_a_summary_that_stays_the_same_is_not_told_again() -> None:
    story = Story(STARTED, event("error"), event("task_complete"))

    assert summaries(story.tell(event("task_complete"), event("task_complete"))) == []


def test_a_removed_turn_is_told_with_its_last_values() -> None:
    story = Story(STARTED, event("user_message"), event("agent_message"), event("error"))
    before = story.turns()[0]

    told = summaries(story.tell(event("thread_rolled_back")))

    assert told == [
        {
            "turnId": "a",
            "turnOrdinal": 1,
            "removed": True,
            "inherited": False,
            "mutation": {
                "status": "failed",
                "startedAt": 1,
                "completedAt": None,
                "durationMs": None,
                "error": before["error"],
                "summaryItems": before["items"],
            },
        }
    ]


def test_removed_turns_come_oldest_first() -> None:
    story = Story(*(event("task_started", turn_id=turn_id) for turn_id in "abc"))

    told = summaries(story.tell(event("thread_rolled_back", num_turns=2)))

    assert [(one["turnId"], one["turnOrdinal"]) for one in told] == [("b", 2), ("c", 3)]


def test_the_projection_has_its_name_and_topic() -> None:
    assert (TurnSummaries.name, TurnSummaries.topic) == ("turn_summary", "turn-summaries")
