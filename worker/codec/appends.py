"""Appends of several items in one record: Avro by `schemas/rollout_append.avsc` (design: input values)."""

from typing import Any

from worker.codec.frames import FrameReader, Lookup
from worker.codec.schemas import APPEND, released, schema
from worker.errors import UnreadableError
from worker.model.value import value

# Empty elements cost one byte each; without a bound a few megabytes would keep a partition busy for long.
ELEMENTS_MAX = 100_000


@value
class Append:
    """What one append brought to a thread.

    Attributes:
        thread_id: the thread it names.
        first_ordinal: place of the first element in the thread, None when the producer keeps no count.
        timestamp_ms: when it was appended, for elements without a timestamp of their own.
        elements: what the observers see, each a rollout line as JSON text: the source events if there are any, else
            the items (P1).
    """

    thread_id: str
    first_ordinal: int | None
    timestamp_ms: int
    elements: list[bytes]


class AppendDecoder:
    """Reads appends in either Avro frame.

    Args:
        lookup: a schema's text by its id in the registry; without it, Confluent's frames cannot be read.
    """

    def __init__(self, lookup: Lookup | None = None) -> None:
        self._frames = FrameReader([schema(APPEND)], earlier=released(), lookup=lookup)

    def decode(self, data: bytes) -> Append:
        """Read an append.

        Raises:
            UnreadableError: it is none, or its schema is not known.
            RetryError: its schema is in the registry, which does not answer.
        """
        found: dict[str, Any] = self._frames.read(data)[1]
        first_ordinal = found["first_ordinal"]
        if first_ordinal is not None and first_ordinal < 0:
            raise UnreadableError("bad_frame", "first_ordinal is below 0")
        elements = found["source_events"] or found["items"]
        if len(elements) > ELEMENTS_MAX:
            raise UnreadableError("bad_frame", f"an append of more than {ELEMENTS_MAX} elements")
        texts = [element.encode() for element in elements]
        return Append(found["thread_id"], first_ordinal, found["timestamp"], texts)
