"""What the worker publishes: typed mutations, each one row of a compacted topic."""

from typing import Any

from worker.model.value import value

SCHEMA_VERSION = 1
# Raised when the same input gives other mutations than before.
REDUCER_VERSION = 1


@value
class Draft:
    """A mutation as a projection yields it, before it has its place in the thread's sequence.

    Attributes:
        key: the row key's parts after the thread id.
        body: the value's fields beside the common ones.
        removes: the row is gone: a null row follows the mutation.
    """

    key: tuple[str, ...]
    body: dict[str, Any]
    removes: bool = False


@value
class Mutation:
    """A mutation in its place.

    Attributes:
        projection: the name of the projection it comes from.
        key: the row key, parts joined by `/`.
        generation: of the thread's life; `sequence` counts within it, from 1.
        value: the whole value as output, common fields included.
        removes: a null row follows.
    """

    projection: str
    key: str
    generation: int
    sequence: int
    value: dict[str, Any]
    removes: bool


def row_key(*parts: str) -> str:
    """Join the parts of a row key; `%` and `/` inside a part are percent-encoded."""
    key = "/".join(parts)
    if "%" in key or key.count("/") >= len(parts):
        return "/".join(map(encoded, parts))
    return key


def encoded(part: str) -> str:
    """Return a part of a row key with `%` and `/` percent-encoded."""
    if "%" in part or "/" in part:
        return part.replace("%", "%25").replace("/", "%2F")
    return part
