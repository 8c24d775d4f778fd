"""What every item is put through before state and mutations see it: secrets go (U9), and so does what is too large."""

from typing import Any

from worker.model.item import Item
from worker.model.limits import cut, json_bytes
from worker.model.value import value
from worker.reducer.redaction import redacted

ITEM_BYTES_MAX = 768 * 1024
# What an item says in more bytes than its line does: an image of an empty name, which is three bytes there, is one of
# 46 here; a quoted command stands twice. Only a working directory can stand in an item any number of times.
_EXPANSION = 16
_FIELD_NAMES_BYTES = 2_048


@value
class Shaping:
    """How items are shaped.

    Attributes:
        redact: replace secrets in commands.
        item_bytes_max: larger items are cut to this size, as JSON.
    """

    redact: bool
    item_bytes_max: int

    def of(self, item: Item, line_bytes: int, grown_from: int = 0) -> tuple[Item, int, int | None]:
        """Shape an item.

        Args:
            line_bytes: how long the item's line is, which bounds what it adds to an item.
            grown_from: the size of what it was before this line added to it.

        Returns:
            The item as it is kept; bytes of its JSON, at most; bytes of its JSON before it was cut, None if it was not.
        """
        if grown_from:  # by a text of the line
            size = grown_from + line_bytes + _FIELD_NAMES_BYTES
        else:
            size = _EXPANSION * line_bytes + _FIELD_NAMES_BYTES
            if item["type"] == "commandExecution":
                item = redacted(item) if self.redact else item
                size += _cwd_bytes(item)
        if size <= self.item_bytes_max:
            return item, size, None
        item, original_bytes = cut(item, self.item_bytes_max)
        return item, json_bytes(item), original_bytes


def _cwd_bytes(item: Any) -> int:
    """Return what a command's working directory takes in its actions at most: six bytes a character, as an escape."""
    return (6 * len(item["cwd"]) + 2) * len(item["commandActions"])
