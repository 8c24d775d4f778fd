"""The client's messages as our records."""

from typing import Any

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer

from worker.model.record import InRecord


def in_record(message: Any) -> InRecord:
    """Return a consumed message as a record."""
    kind, timestamp_ms = message.timestamp()
    return InRecord(
        message.topic(),
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        message.headers() or [],
        None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
    )


def take(consumer: Consumer, records_max: int, wait_s: float) -> list[Any]:
    """Return messages and events, at most so many; waits only when there is none.

    The client's own `consume` waits until it has the full number.
    """
    messages: list[Any] = consumer.consume(records_max, 0)
    if not messages and wait_s > 0:
        messages = consumer.consume(1, wait_s)
        if messages and records_max > 1:
            messages += consumer.consume(records_max - 1, 0)
    return messages
