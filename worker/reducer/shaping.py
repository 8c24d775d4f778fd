"""What every item is put through before state and mutations see it: secrets go (U9), and so does what is too large."""

from worker.model.item import Item
from worker.model.limits import cut, json_bytes
from worker.model.value import value
from worker.reducer.redaction import redacted

ITEM_BYTES_MAX = 768 * 1024
# An item repeats what its line says at most twice (a command, and what it does) beside its own field names.
_REPEATS = 2
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
        line_bytes: how long the item's line is, a bound of what it adds to an item.
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
        size = grown_from + _REPEATS * self.line_bytes + _FIELD_NAMES_BYTES
        if size <= self.item_bytes_max:
            return Shaped(item, size, None)
        item, original_bytes = cut(item, self.item_bytes_max)
        return Shaped(item, json_bytes(item), original_bytes)
