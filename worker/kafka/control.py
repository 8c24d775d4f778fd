"""Control records: words to the worker that owns a thread, on the input topic (design: bad records)."""

from typing import Any

from confluent_kafka import Producer

from worker.config import KafkaSettings
from worker.errors import FatalError
from worker.kafka.client import client, client_options
from worker.runtime.headers import CONTROL, UNPARK

_SEND_S = 15.0


def send_unpark(kafka: KafkaSettings, topic: str, partition: int, key: bytes) -> None:
    """Ask for a thread to be taken up again.

    Args:
        partition: the one the thread's records are on.
        key: the thread id.

    Raises:
        FatalError: the broker did not take it.
    """
    producer = client(Producer, client_options(kafka, client_id="thread-history-control", enable_idempotence=True))
    failures: list[str] = []

    def delivered(error: Any, _message: Any) -> None:
        if error is not None:
            failures.append(error.str())

    producer.produce(topic, b"", key, partition, headers=[(CONTROL, UNPARK)], on_delivery=delivered)
    if producer.flush(_SEND_S) or failures:
        raise FatalError(f"{topic}[{partition}] did not take the request: {failures[0] if failures else 'no answer'}")
