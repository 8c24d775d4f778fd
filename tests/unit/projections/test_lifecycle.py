"""Lifecycle events: numbered, none replaced (P12, D15, D16)."""

from typing import Any

from tests.factories import Story, event
from worker.projections.lifecycle import Lifecycle
from worker.projections.table import PROJECTIONS


def lifecycle(told: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [value for projection, value in told if projection == "lifecycle"]


def test_events_are_numbered_over_the_thread_and_keep_the_input_form_of_errors() -> None:
    told = Story().tell(
        event("task_started", started_at=1),
        event("error", codex_error_info={"http_connection_failed": {"http_status_code": 500}}),
        event("turn_aborted", completed_at=2, duration_ms=3),
        event("task_complete", turn_id="x"),
        event("thread_rolled_back", num_turns=9),
    )

    info = {"http_connection_failed": {"http_status_code": 500}}
    assert lifecycle(told) == [
        {"lifecycleOrdinal": 1, "eventType": "turn.started", "turnId": "a", "payload": {"startedAt": 1}},
        {
            "lifecycleOrdinal": 2,
            "eventType": "turn.failed",
            "turnId": "a",
            "payload": {"message": "bad luck", "codexErrorInfo": info},
        },
        {
            "lifecycleOrdinal": 3,
            "eventType": "turn.cancelled",
            "turnId": "a",
            "payload": {"reason": "interrupted", "completedAt": 2, "durationMs": 3},
        },
        {
            "lifecycleOrdinal": 4,
            "eventType": "turn.completed",
            "turnId": "x",
            "payload": {"completedAt": None, "durationMs": None},
        },
        {"lifecycleOrdinal": 5, "eventType": "thread.rolled_back", "turnId": None, "payload": {"numTurns": 9}},
    ]


def test_the_same_event_again_is_told_again() -> None:
    aborted = event("turn_aborted")

    assert [one["lifecycleOrdinal"] for one in lifecycle(Story().tell(aborted, aborted))] == [1, 2]


def test_what_begins_no_turn_of_the_protocol_has_no_lifecycle() -> None:
    assert lifecycle(Story().tell(event("agent_message"), event("entered_review_mode", turn_id="x"))) == []


def test_the_projection_has_its_name_and_topic() -> None:
    assert (Lifecycle.name, Lifecycle.topic) == ("lifecycle", "thread-lifecycle")


def test_the_projections_observe_in_this_order() -> None:
    assert list(PROJECTIONS) == ["thread_item", "turn_summary", "lifecycle"]
