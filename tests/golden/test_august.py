"""The reduction against the vectors of August 2026, and the items of their line projection."""

from typing import Any

import orjson
import pytest

from tests import factories
from tests.comparison import differences
from tests.golden.vectors import august
from worker.reducer.turn_item_builders import built
from worker.replay import Replay

CASES = august()
# The August program refuses plain paths; the worker takes both forms (D1, U10).
PLAIN_PATHS = {"exec-cwd-plain-rejected", "item-command-plain-cwd"}
BINDING = [case for case in CASES if case["id"] not in PLAIN_PATHS]


def lines_of(case: dict[str, Any]) -> list[bytes]:
    return [orjson.dumps(line) for line in case["input"]]


def replayed(case: dict[str, Any]) -> Replay:
    redact = case["rules"] == ["U9"]
    replay = Replay("t", factories.appends(redact=redact))
    list(replay.mutations(lines_of(case)))
    return replay


def through_json(found: Any) -> Any:
    return orjson.loads(orjson.dumps(found))


@pytest.mark.parametrize("case", BINDING, ids=lambda case: case["id"])
def test_the_reduction_agrees_with_the_vector(case: dict[str, Any]) -> None:
    replay = replayed(case)

    rejected = [line.line - 1 for line in replay.rejected]
    assert [*differences(case["expect"]["turns"], through_json(replay.turns()))] == []
    assert rejected == case["expect"]["rejected_lines"]


@pytest.mark.parametrize("case", BINDING, ids=lambda case: case["id"])
def test_the_items_of_completed_items_are_those_of_the_line_projection(case: dict[str, Any]) -> None:
    read = [factories.decoded(line) for line in lines_of(case)]
    found = [built(line.event["item"]) for line in read if line.kind == "item_completed"]
    expected = [row["item"] for row in case["expect"]["line_projection"] if row["kind"] == "item"]

    assert [*differences(expected, through_json(found))] == []


def test_plain_paths_are_accepted_beside_uris() -> None:
    cases = [case for case in CASES if case["id"] in PLAIN_PATHS]

    found = {
        case["id"]: (
            [line.line for line in replayed(case).rejected],
            [(item["id"], item["type"]) for turn in replayed(case).turns() for item in turn["items"]],
        )
        for case in cases
    }

    assert found == {
        "item-command-plain-cwd": ([], [("c", "commandExecution")]),
        "exec-cwd-plain-rejected": (
            [],
            [("c1", "commandExecution"), ("c2", "commandExecution"), ("v", "imageView")],
        ),
    }


def test_no_vector_was_lost() -> None:
    assert len(CASES) == 49
