"""The reduction against the conformance vectors of June 2026, and the tests' own reference against the same."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests import factories
from tests.comparison import differences, mutation_differences
from tests.golden.vectors import legacy, lines_of
from tests.reference import Reference
from worker.model.mutation import Mutation
from worker.replay import Replay

VECTORS = legacy()
BINDING = [case for case in VECTORS if not case.get("advisory")]
ADVISORY = [case for case in VECTORS if case.get("advisory")]

# Where the worker differs on purpose from what an advisory vector's parser or host did.
DIFFERENT = {
    "exec_parsed_read_home_path_expands": "D4: `~` is not expanded",
    "guardian_execve_parses_command": "D5: one unknown action with the joined command",
    "a00-execve": "D5: one unknown action with the joined command",
    "malformed_wrong_enum_values": "D2, U8: any effort is accepted, unread optional fields are not checked",
    "f10-unknown-enum": "D2, U8: any effort is accepted, unread optional fields are not checked",
    "l01-spawn": "U8: any effort is accepted",
    "f03-unknown-not-counted": "D1: world_state is known since August and takes an index",
    "g07-review": "U10: entered_review_mode with a prompt and no target is accepted",
    "y05-patch-equivalent-paths": "A4: the first name in code-point order stays",
}

Output = tuple[list[Mutation], list[dict[str, Any]]]


def replayed(lines: list[bytes]) -> Output:
    replay = Replay("t", factories.appends())
    return list(replay.mutations(lines)), replay.turns()


def by_the_reference(lines: list[bytes]) -> Output:
    reference = Reference()
    mutations = [
        mutation
        for at, line in enumerate(lines)
        for mutation in reference.take(factories.decoded(line, at), {"index": 0})
    ]
    return mutations, reference.shown()


def differing(case: dict[str, Any], reduce: Callable[[list[bytes]], Output]) -> list[str]:
    mutations, turns = reduce(lines_of(case["input"]))
    found = [(one.projection, one.sequence, one.value) for one in mutations]
    # Through JSON, since JSON is what the vectors hold.
    found, turns = orjson.loads(orjson.dumps([found, turns]))
    return [*differences(case["turns"], turns, "turns"), *mutation_differences(case["mutations"], found)]


@pytest.mark.parametrize("case", BINDING, ids=lambda case: case["name"])
def test_the_reduction_agrees_with_the_vector(case: dict[str, Any]) -> None:
    assert differing(case, replayed) == []


def test_exactly_the_named_advisory_vectors_differ() -> None:
    found = {case["name"] for case in ADVISORY if differing(case, replayed)}

    assert found == set(DIFFERENT)


@pytest.mark.parametrize("case", BINDING, ids=lambda case: case["name"])
def test_the_tests_own_reference_agrees_with_the_vector(case: dict[str, Any]) -> None:
    assert differing(case, by_the_reference) == []


def test_no_vector_was_lost() -> None:
    assert (len(BINDING), len(ADVISORY)) == (331, 35)


EXPECTED = {"type": "exitedReviewMode", "review": "fine", "id": "item-1"}


@pytest.mark.parametrize(
    ("found", "differences_expected"),
    [
        ({**EXPECTED, "review": "fine\n\nReview comment:"}, []),
        ({**EXPECTED, "pluginId": None}, []),
        ({**EXPECTED, "review": "bad"}, [".review: 'bad', expected 'fine' and perhaps more"]),
        ({**EXPECTED, "pluginId": "x"}, [".pluginId: unexpected 'x'"]),
        ({**EXPECTED, "other": None}, [".other: unexpected None"]),
        ({**EXPECTED, "id": "item-2"}, [".id: 'item-2', expected 'item-1'"]),
        ({"type": "exitedReviewMode", "review": "fine"}, [".id: missing"]),
    ],
)
def test_the_comparison_forgives_newer_formats_and_nothing_else(
    found: dict[str, Any], differences_expected: list[str]
) -> None:
    assert list(differences(EXPECTED, found)) == differences_expected


@pytest.mark.parametrize(
    ("expected", "found", "differences_expected"),
    [
        ([1], [1.0], []),
        ([1], [True], ["[0]: True, expected 1"]),
        ([1], [1, 2], [": 2 entries, expected 1"]),
        ({"a": None}, {"a": 0}, [".a: 0, expected None"]),
    ],
)
def test_the_comparison_is_of_json(expected: Any, found: Any, differences_expected: list[str]) -> None:
    assert list(differences(expected, found)) == differences_expected


def test_the_comparison_looks_at_number_order_and_sequence_of_mutations() -> None:
    expected = [{"projection": "lifecycle", "sequence": 1, "payload": {"turnId": "a"}}]

    found = [
        list(mutation_differences(expected, [("lifecycle", 1, {"turnId": "a", "more": 1})])),
        list(mutation_differences(expected, [])),
        list(mutation_differences(expected, [("lifecycle", 2, {"turnId": "a"})])),
        list(mutation_differences(expected, [("turn_summary", 1, {"turnId": "b"})])),
    ]

    assert found == [
        [],
        ["0 mutations, expected 1"],
        ["mutation 0: lifecycle 2, expected lifecycle 1"],
        [
            "mutation 0: turn_summary 1, expected lifecycle 1",
            "mutation 0 (turn_summary).turnId: 'b', expected 'a'",
        ],
    ]
