"""A call of the Kafka client that overlooks its time limit must not take the loop with it."""

import threading
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from worker.errors import DoubtError
from worker.kafka import sink


class Stuck:
    """A producer whose group coordinator does not answer."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def send_offsets_to_transaction(self, _places: object, _group: object, _within_s: float) -> None:
        self.released.wait(30)


class Refused:
    """A producer that is told that it is fenced."""

    def send_offsets_to_transaction(self, _places: object, _group: object, _within_s: float) -> None:
        raise KafkaException(KafkaError(KafkaError._FENCED))


def test_a_call_that_does_not_come_back_puts_the_producer_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "OVERDUE_S", 0.05)
    stuck = Stuck()
    with pytest.raises(DoubtError, match="did not come back"):
        sink._offsets_sent(cast(Producer, stuck), [], None, 0.05)
    stuck.released.set()


def test_what_such_a_call_raises_is_raised() -> None:
    with pytest.raises(KafkaException) as met:
        sink._offsets_sent(cast(Any, Refused()), [], None, 1.0)

    assert met.value.args[0].code() == KafkaError._FENCED
