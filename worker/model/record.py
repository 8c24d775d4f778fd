"""Kafka records as the worker sees them, on their way in and out."""

from worker.model.value import value

Headers = list[tuple[str, bytes | None]]


@value
class InRecord:
    """One record of the input topic.

    Attributes:
        key: The thread id as bytes, if the producer set it.
        value: One append (design: input values), or None for "forget this thread".
        timestamp_ms: The record's timestamp in milliseconds since the epoch, None when it has none.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int | None


@value
class OutRecord:
    """One record to produce. It goes to the partition its input came from, named explicitly.

    Attributes:
        value: The encoded value, or None for a null row (a compaction tombstone).
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


@value
class StateRow:
    """One changed row of a partition's state: also one record of the changelog. None deletes the row."""

    key: bytes
    value: bytes | None
