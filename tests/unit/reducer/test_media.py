"""Images: looked at, made (R51, R52, A2, U6, U7)."""

from typing import Any

import pytest

from tests.factories import Story, checked, decoded, event
from worker.reducer.media import began, ended, viewed

IMAGE = {
    "type": "imageGeneration",
    "id": "c",
    "status": "",
    "revisedPrompt": None,
    "result": "",
    "transparentBackground": None,
}


@pytest.mark.parametrize("path", ["/a//b/../i.png", "file:///a/i.png"])
def test_an_image_that_was_looked_at_has_a_plain_path(path: str) -> None:
    assert viewed(checked("view_image_tool_call", path=path)) == {"type": "imageView", "id": "c", "path": "/a/i.png"}


def test_an_image_that_is_being_made() -> None:
    assert began(checked("image_generation_begin")) == IMAGE


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, {}),
        ({"saved_path": None, "revised_prompt": None}, {}),
        ({"saved_path": "/a/./b", "revised_prompt": "p"}, {"savedPath": "/a/b", "revisedPrompt": "p"}),
        ({"transparent_background": False}, {"transparentBackground": False}),
    ],
)
def test_an_image_that_was_made(fields: dict[str, Any], shown: dict[str, Any]) -> None:
    item = ended(checked("image_generation_end", **fields))

    assert item == {**IMAGE, "status": "completed", "result": "aGk=", **shown}


def test_a_path_that_is_not_absolute_is_rejected() -> None:
    lines = [event("image_generation_end", saved_path="x"), event("view_image_tool_call", path="x")]

    assert [decoded(line).status for line in lines] == ["rejected"] * 2


@pytest.mark.parametrize("kind", ["view_image_tool_call", "image_generation_begin", "image_generation_end"])
def test_an_image_goes_to_the_open_turn_or_opens_one(kind: str) -> None:
    story = Story(event(kind), event("task_started"), event(kind))

    assert story.ids() == [("rollout-0", ["c"]), ("a", ["c"])]
