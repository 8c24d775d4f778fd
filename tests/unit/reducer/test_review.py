"""Review mode: entered and left (R35, R36, U5)."""

from typing import Any

import pytest

from tests.factories import REVIEW, Story, decoded, event, turn, without
from worker.reducer.review import review_text

STARTED = event("task_started", turn_id="a")


def finding(title: str, body: str) -> dict[str, Any]:
    return {
        "title": title,
        "body": body,
        "confidence_score": 1,
        "priority": 0,
        "code_location": {"absolute_file_path": "/f", "line_range": {"start": 1, "end": 2}},
    }


def text_of(explanation: str, *findings: dict[str, Any]) -> str:
    output: Any = {**REVIEW, "overall_explanation": explanation, "findings": list(findings)}
    return review_text(output)


def shown(*lines: bytes) -> list[tuple[str, list[tuple[str, str, str]]]]:
    story = Story(*lines)
    return [(one["id"], [(item["type"], item["id"], item["review"]) for item in one["items"]]) for one in story.turns()]


# R35


@pytest.mark.parametrize(
    ("fields", "review"),
    [
        ({}, "Review requested."),
        ({"user_facing_hint": None}, "Review requested."),
        ({"user_facing_hint": ""}, ""),
        ({"user_facing_hint": "look"}, "look"),
    ],
)
def test_a_review_that_began_shows_its_hint(fields: dict[str, Any], review: str) -> None:
    assert shown(event("entered_review_mode", **fields)) == [("rollout-0", [("enteredReviewMode", "item-1", review)])]


@pytest.mark.parametrize(
    "target",
    [
        {"type": "uncommittedChanges"},
        {"type": "baseBranch", "branch": "main"},
        {"type": "commit", "sha": "x", "title": None},
        {"type": "custom", "instructions": "x"},
    ],
)
def test_every_target_is_accepted_and_none_shows(target: dict[str, Any]) -> None:
    found = shown(event("entered_review_mode", target=target))

    assert found == [("rollout-0", [("enteredReviewMode", "item-1", "Review requested.")])]


def test_a_prompt_stands_for_a_target() -> None:
    assert len(shown(without("entered_review_mode", "target", prompt="x"))) == 1


# R36


@pytest.mark.parametrize("fields", [{}, {"review_output": None}])
def test_a_review_without_an_output_says_so(fields: dict[str, Any]) -> None:
    found = shown(event("exited_review_mode", **fields))

    assert found == [("rollout-0", [("exitedReviewMode", "item-1", "Reviewer failed to output a response.")])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (text_of(" \u2003good\n"), "good"),
        (text_of(" \u2003"), "Reviewer failed to output a response."),
        (text_of("\x1c"), "\x1c"),
        (text_of("E", finding("T", "B")), "E\n\nReview comment:\n\n- T — /f:1-2\n  B"),
        (text_of("", finding("T", "B")), "Review comment:\n\n- T — /f:1-2\n  B"),
        (
            text_of("E", finding("T", "B\n\nC\r\n"), finding("U", "")),
            "E\n\nFull review comments:\n\n- T — /f:1-2\n  B\n  \n  C\n\n- U — /f:1-2",
        ),
        (text_of("E", finding("T", "B\n\n")), "E\n\nReview comment:\n\n- T — /f:1-2\n  B"),
    ],
)
def test_a_review_is_its_explanation_and_its_findings(text: str, expected: str) -> None:
    assert text == expected


@pytest.mark.parametrize(("score", "status"), [(1, "event"), (0.5, "event"), (2**63, "event"), (True, "rejected")])
def test_a_score_is_any_json_number(score: Any, status: str) -> None:
    output = {
        **REVIEW,
        "overall_confidence_score": score,
        "findings": [{**finding("T", "B"), "confidence_score": score}],
    }

    assert decoded(event("exited_review_mode", review_output=output)).status == status


@pytest.mark.parametrize("field", sorted(REVIEW))
def test_an_output_that_lacks_something_is_rejected(field: str) -> None:
    output = {key: found for key, found in REVIEW.items() if key != field}

    assert decoded(event("exited_review_mode", review_output=output)).status == "rejected"


@pytest.mark.parametrize(
    "change", [{"priority": 1.0}, {"title": None}, {"body": 5}, {"code_location": {"absolute_file_path": "/f"}}]
)
def test_a_finding_of_a_bad_shape_is_rejected(change: dict[str, Any]) -> None:
    output = {**REVIEW, "findings": [{**finding("T", "B"), **change}]}

    assert decoded(event("exited_review_mode", review_output=output)).status == "rejected"


# U5


def test_a_review_without_a_turn_goes_to_the_open_one() -> None:
    assert shown(STARTED, event("entered_review_mode", turn_id=None)) == [
        ("a", [("enteredReviewMode", "item-1", "Review requested.")])
    ]


def test_a_review_goes_to_the_turn_it_names() -> None:
    found = shown(STARTED, event("task_started", turn_id="b"), event("entered_review_mode", turn_id="a", item_id="i"))

    assert found == [("a", [("enteredReviewMode", "i", "Review requested.")]), ("b", [])]


def test_a_review_of_an_unknown_turn_opens_it_implicit_and_completed() -> None:
    story = Story(STARTED, event("entered_review_mode", turn_id="x", item_id="i"), event("user_message"))

    assert story.statuses() == [("a", "inProgress"), ("x", "completed"), ("rollout-2", "completed")]
    assert story.turns()[1] == turn("x", story.items()[1], status="completed")


def test_a_review_of_a_known_id_is_replaced() -> None:
    lines = [event("entered_review_mode", item_id="i"), event("exited_review_mode", item_id="i", review_output=REVIEW)]

    assert shown(STARTED, *lines) == [("a", [("exitedReviewMode", "i", "Looks good.")])]


def test_only_a_review_without_an_id_takes_a_number() -> None:
    story = Story(event("entered_review_mode", item_id="i"), event("entered_review_mode"), event("agent_message"))

    assert story.ids() == [("rollout-0", ["i", "item-1", "item-2"])]
