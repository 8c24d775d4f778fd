"""Images: looked at, made (R51, R52)."""

from typing import NotRequired

from typing_extensions import TypedDict

from worker.model.item import ImageGeneration, ImageView
from worker.model.scalar import AbsolutePath, Location
from worker.reducer.kind import KindTable, kind, to_open_turn


class ViewImage(TypedDict):
    """The agent looks at an image."""

    call_id: str
    path: Location


class ImageBegin(TypedDict):
    """An image is being made."""

    call_id: str


class ImageEnd(TypedDict):
    """An image has been made."""

    call_id: str
    status: str
    result: str
    revised_prompt: NotRequired[str | None]
    saved_path: NotRequired[AbsolutePath | None]
    transparent_background: NotRequired[bool | None]


def viewed(event: ViewImage) -> ImageView:
    """Return the item of an image that was looked at."""
    return {"type": "imageView", "id": event["call_id"], "path": event["path"]}


def began(event: ImageBegin) -> ImageGeneration:
    """Return the item of an image that is being made."""
    return {
        "type": "imageGeneration",
        "id": event["call_id"],
        "status": "",
        "revisedPrompt": None,
        "result": "",
        "transparentBackground": None,
    }


def ended(event: ImageEnd) -> ImageGeneration:
    """Return the item of an image that was made."""
    item: ImageGeneration = {
        "type": "imageGeneration",
        "id": event["call_id"],
        "status": event["status"],
        "revisedPrompt": event.get("revised_prompt"),
        "result": event["result"],
        "transparentBackground": event.get("transparent_background"),
    }
    saved = event.get("saved_path")
    if saved is not None:
        item["savedPath"] = saved
    return item


KINDS: KindTable = {
    "view_image_tool_call": kind(ViewImage, to_open_turn(viewed)),
    "image_generation_begin": kind(ImageBegin, to_open_turn(began)),
    "image_generation_end": kind(ImageEnd, to_open_turn(ended)),
}
