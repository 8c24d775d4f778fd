"""The producer of the input: at a steady rate with bursts, and every record exactly once whatever the brokers do."""

import random
import threading
import time
from collections.abc import Callable, Iterator

from confluent_kafka import KafkaException, Producer

from tests.chaos.load import Record

_SLOT_S = 4.0
BURST = 0.3
_JOIN_S = 30.0
_POLL_S = 0.05


class Load(threading.Thread):
    """Publishes records over a time.

    Args:
        servers: the brokers, not the proxy.
        count: how many records there are.
        seconds: how long they should take, in slots of some seconds.
        burst: with which chance the records of a slot are sent all at once, not evenly.

    Attributes:
        acknowledged: how many the brokers have.
        renewed: how often the producer gave up and another took its place.
        done: all are acknowledged.
    """

    def __init__(
        self,
        servers: str,
        topic: str,
        records: Iterator[Record],
        *,
        count: int,
        seconds: float,
        seed: int = 0,
        burst: float = BURST,
    ) -> None:
        super().__init__(name="load", daemon=True)
        self._servers = servers
        self._topic = topic
        self._records = records
        self._count = count
        self._seconds = seconds
        self._chance = random.Random(f"rate-{seed}")
        self._burst = burst
        self._pending: dict[int, Record] = {}
        self._ending = threading.Event()
        self._producer = self._made()
        self.acknowledged = 0
        self.renewed = 0
        self.done = threading.Event()

    def _made(self) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self._servers,
                "client.id": "chaos-load",
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "compression.type": "lz4",
                "message.max.bytes": 4_000_000,
                # A record never times out by itself: that would leave a hole in its thread.
                "message.timeout.ms": 0,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )

    def run(self) -> None:
        """Publish until all is acknowledged or `stop` is called."""
        slots = max(1, round(self._seconds / _SLOT_S))
        began = time.monotonic()
        for slot in range(slots):
            first, last = (self._count * at // slots for at in (slot, slot + 1))
            burst = self._chance.random() < self._burst
            start = began + slot * self._seconds / slots
            for number in range(first, last):
                share = 0.0 if burst else (number - first) / (last - first)
                self._wait_until(start + share * self._seconds / slots)
                self._send(next(self._records))
                if self._ending.is_set():
                    return
        while self._pending and not self._ending.is_set():
            self._serve(_POLL_S)
        if not self._pending:
            self.done.set()

    def stop(self) -> None:
        """Give up what is not acknowledged."""
        self._ending.set()
        self.join(_JOIN_S)

    def _wait_until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0 and not self._ending.is_set():
            self._serve(min(left, _POLL_S))
        self._serve(0)

    def _send(self, record: Record) -> None:
        self._pending[record.number] = record
        while not self._ending.is_set():
            try:
                self._producer.produce(
                    self._topic,
                    record.value,
                    record.key,
                    headers=list(record.headers),
                    on_delivery=self._delivered(record.number),
                )
            except BufferError:
                self._serve(_POLL_S)
            except KafkaException:
                # The producer gave up for good; its successor sends everything that is not acknowledged, this too.
                self._renew()
                return
            else:
                return

    def _delivered(self, number: int) -> Callable[[object, object], None]:
        def told(error: object, _message: object) -> None:
            if error is None and self._pending.pop(number, None) is not None:
                self.acknowledged += 1

        return told

    def _serve(self, wait_s: float) -> None:
        self._producer.poll(wait_s)

    def _renew(self) -> None:
        self.renewed += 1
        self._producer.purge()
        self._producer.flush(1)
        self._producer = self._made()
        for record in list(self._pending.values()):
            self._producer.produce(
                self._topic,
                record.value,
                record.key,
                headers=list(record.headers),
                on_delivery=self._delivered(record.number),
            )
