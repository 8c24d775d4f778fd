"""Patches: proposed, begun, applied (R43–R45, A4)."""

from typing import Any

import pytest

from tests.factories import Story, checked, decoded, event, without
from worker.reducer.patches import ended, files, running

ADDED = {"path": "a.txt", "kind": {"type": "add"}, "diff": "hello\n"}
KINDS = ["apply_patch_approval_request", "patch_apply_begin", "patch_apply_end"]


@pytest.mark.parametrize("kind", KINDS[:2])
def test_a_patch_that_is_not_applied_yet(kind: str) -> None:
    assert running(checked(kind)) == {"type": "fileChange", "id": "c", "changes": [ADDED], "status": "inProgress"}


@pytest.mark.parametrize("status", ["completed", "failed", "declined"])
def test_a_patch_that_is_done_with_has_the_status_it_was_told(status: str) -> None:
    item = ended(checked("patch_apply_end", status=status, success=status != "completed"))

    assert item == {"type": "fileChange", "id": "c", "changes": [ADDED], "status": status}


def test_an_end_without_changes_has_none() -> None:
    assert ended(decoded(without("patch_apply_end", "changes")).event)["changes"] == []


def added(content: str) -> Any:
    return {"type": "add", "content": content}


def test_each_sort_of_change_has_its_diff() -> None:
    changes: Any = {
        "d": {"type": "delete", "content": "x"},
        "u": {"type": "update", "unified_diff": "@@"},
        "v": {"type": "update", "unified_diff": "@@", "move_path": "w"},
        "w": {"type": "update", "unified_diff": "@@", "move_path": ""},
    }

    assert files(changes) == [
        {"path": "d", "kind": {"type": "delete"}, "diff": "x"},
        {"path": "u", "kind": {"type": "update", "move_path": None}, "diff": "@@"},
        {"path": "v", "kind": {"type": "update", "move_path": "w"}, "diff": "@@\n\nMoved to: w"},
        {"path": "w", "kind": {"type": "update", "move_path": ""}, "diff": "@@\n\nMoved to: "},
    ]


@pytest.mark.parametrize(
    ("paths", "shown"),
    [
        (["b", "a", "B", "é", "a/b", "a.b"], ["B", "a", "a.b", "a/b", "b", "é"]),
        (["a/b", "a//b", "a/./b", "a/b/"], ["a/./b"]),
        (["./a", "a"], ["./a", "a"]),
        (["/a", "a", "//a"], ["//a", "a"]),
        (["a/../b", "b"], ["a/../b", "b"]),
        (["", "/", "."], ["", ".", "/"]),
    ],
)
def test_changes_come_in_path_order_and_equal_paths_are_one(paths: list[str], shown: list[str]) -> None:
    assert [file["path"] for file in files({path: added("x") for path in paths})] == shown


def test_of_equal_paths_the_first_name_and_the_last_change_stay() -> None:
    found = files({"a/b": added("second"), "a//b": added("first")})

    assert found == [{"path": "a//b", "kind": {"type": "add"}, "diff": "second"}]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fields", "ids"),
    [
        ({"turn_id": "a"}, [("a", ["c"]), ("b", [])]),
        ({"turn_id": ""}, [("a", []), ("b", ["c"])]),
        ({}, [("a", []), ("b", ["c"])]),
        ({"turn_id": "x"}, [("a", []), ("b", [])]),
    ],
)
def test_a_patch_names_a_turn_or_means_the_open_one(kind: str, fields: dict[str, Any], ids: Any) -> None:
    started = [event("task_started", turn_id=turn_id) for turn_id in "ab"]

    assert Story(*started, event(kind, **fields)).ids() == ids


@pytest.mark.parametrize("kind", KINDS)
def test_a_patch_without_any_turn_opens_one(kind: str) -> None:
    assert Story(event(kind)).ids() == [("rollout-0", ["c"])]


@pytest.mark.parametrize(
    "fields",
    [
        {"changes": None},
        {"changes": {"a": {"type": "rename"}}},
        {"changes": {"a": {"type": "update"}}},
        {"changes": {"a": {"type": "add"}}},
        {"success": 1},
        {"status": "in_progress"},
        {"turn_id": None},
    ],
)
def test_a_patch_of_a_bad_shape_is_rejected(fields: dict[str, Any]) -> None:
    assert decoded(event("patch_apply_end", **fields)).status == "rejected"
