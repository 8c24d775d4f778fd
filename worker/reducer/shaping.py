"""What every item is put through before state and mutations see it: secrets go (U9), and so does what is too large."""

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
class Shaped:
    """An item as it is kept.

    Attributes:
        size: bytes of its JSON, at most.
        original_bytes: bytes of its JSON before it was cut, None if it was not.
    """

    item: Item
    size: int
    original_bytes: int | None


@value
class Shaping:
    """How items are shaped.

    Attributes:
        redact: replace secrets in commands.
        line_bytes: how long the item's line is, which bounds what it adds to an item.
        item_bytes_max: larger items are cut to this size, as JSON.
    """

    redact: bool
    line_bytes: int
    item_bytes_max: int

    def of(self, item: Item, grown_from: int = 0) -> Shaped:
        """Shape an item.

        Args:
            grown_from: the size of what it was before this line added to it.
        """
        if self.redact and item["type"] == "commandExecution":
            item = redacted(item)
        size = grown_from + self._added(item, grown=grown_from > 0)
        if size <= self.item_bytes_max:
            return Shaped(item, size, None)
        item, original_bytes = cut(item, self.item_bytes_max)
        return Shaped(item, json_bytes(item), original_bytes)

    def _added(self, item: Item, *, grown: bool) -> int:
        """Return how many bytes a line adds to an item at most; cheaper than to measure it."""
        if grown:  # by a text of the line
            return self.line_bytes + _FIELD_NAMES_BYTES
        added = _EXPANSION * self.line_bytes + _FIELD_NAMES_BYTES
        if item["type"] == "commandExecution":
            added += json_bytes(item["cwd"]) * len(item["commandActions"])
        return added
