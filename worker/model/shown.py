"""Rows as a reader finds them, on the topics or in a store: what `verify` compares."""

from typing import Any, Protocol

from worker.model.value import value


@value
class Published:
    """A row as it was found.

    Attributes:
        thread: the thread's name in keys.
        key: the row's name.
        source: partition and offset of the input record that its last mutation comes from.
        content: all that is compared of it, as JSON.
    """

    thread: str
    topic: str
    key: bytes
    generation: int
    sequence: int
    source: tuple[int, int]
    content: Any


class Form(Protocol):
    """The form in which rows are compared: that of the topics, or of a store."""

    def thread(self, thread_id: str) -> str:
        """Return a thread's name in keys."""

    def key(self, topic: str, key: bytes) -> bytes:
        """Return a row's name, by its record's key."""

    def content(self, topic: str, key: bytes, fields: dict[str, Any]) -> Any:
        """Return what is compared of a mutation but its generation, as JSON."""
