"""Items that are too large are cut, the same way each time, before state and mutations see them (design: limits)."""

from collections.abc import Callable
from typing import Any, cast

from worker.model.item import Item

# No text is cut below this, and no list or object below this many entries.
_TEXT_MIN = 64
_ENTRIES_MIN = 2
# Fields that tell what an item is; they are short in real ones, and consumers match on them.
_KEPT = frozenset({"type", "id", "status", "source", "tool", "kind", "phase"})


def json_bytes(found: Any) -> int:
    """Return the size of a value as compact JSON in UTF-8, escapes counted as the encoder writes them."""
    if isinstance(found, str):
        return len(found.encode()) + 2 + found.count('"') + found.count("\\") + _controls(found)
    if isinstance(found, dict):
        return 1 + max(1, sum(json_bytes(key) + json_bytes(child) + 2 for key, child in found.items()))
    if isinstance(found, list):
        return 1 + max(1, sum(json_bytes(child) + 1 for child in found))
    if found is None or isinstance(found, bool):
        return 5 if found is False else 4
    number = repr(found)
    # The encoder writes such a number without an exponent.
    return len(number) + (2 if number.endswith("e-05") else 0)


def _controls(text: str) -> int:
    """Return what control characters take beside themselves: 1 for the short escapes, 5 for the others."""
    if text.isprintable():
        return 0
    short = sum(map(text.count, "\b\t\n\f\r"))
    return short + 5 * (sum(char < " " for char in text) - short)


def cut(item: Item, bytes_max: int) -> tuple[Item, int | None]:
    """Cut an item to a size.

    Its longest texts lose their middle, more and more of it until the item fits; where that is not enough the longest
    lists and objects lose theirs.

    Returns:
        The item and its size before, None if it fitted. An item whose id alone is too large stays too large.
    """
    original = size = json_bytes(item)
    if size <= bytes_max:
        return item, None
    found: Any = item
    # A bound above the longest there is would cut nothing.
    longest_text, most_entries = _longest(item)
    text_max = bytes_max
    while size > bytes_max and text_max > _TEXT_MIN:
        text_max //= 2
        if text_max < longest_text:
            found = _shortened(item, _text_cutter(text_max))
            size = json_bytes(found)
    entries_max = 1 << 16
    while size > bytes_max and entries_max > _ENTRIES_MIN:
        entries_max //= 2
        if entries_max < most_entries:
            found = _shortened(found, _entries_cutter(entries_max))
            size = json_bytes(found)
    return cast("Item", found), original


def _longest(found: Any) -> tuple[int, int]:
    """Return the length of the longest text in a value, and of the longest list or object."""
    if isinstance(found, str):
        return len(found), 0
    if not isinstance(found, dict | list):
        return 0, 0
    text, entries = 0, len(found)
    for child in found.values() if isinstance(found, dict) else found:
        inner = _longest(child)
        text, entries = max(text, inner[0]), max(entries, inner[1])
    return text, entries


def _shortened(found: Any, cutter: Callable[[Any], Any]) -> Any:
    """Return a copy with every value put through a cutter, but for the fields of the item that tell what it is."""
    if isinstance(found, dict):
        return cutter({key: child if key in _KEPT else _shortened(child, cutter) for key, child in found.items()})
    if isinstance(found, list):
        return cutter([_shortened(child, cutter) for child in found])
    return cutter(found)


def cut_text(text: str, chars_max: int) -> str:
    """Return a text without its middle where it is longer than so many characters."""
    if len(text) <= chars_max:
        return text
    half = chars_max // 2
    return f"{text[:half]}…[{len(text) - 2 * half} characters cut]…{text[-half:]}"


def _text_cutter(chars_max: int) -> Callable[[Any], Any]:
    return lambda found: cut_text(found, chars_max) if isinstance(found, str) else found


def _entries_cutter(entries_max: int) -> Callable[[Any], Any]:
    half = entries_max // 2

    def shorten(found: Any) -> Any:
        if isinstance(found, list) and len(found) > entries_max:
            return found[:half] + found[-half:]
        if isinstance(found, dict) and len(found) > max(entries_max, 32):
            keys = list(found)
            return {key: found[key] for key in (*keys[:half], *keys[-half:])}
        return found

    return shorten
