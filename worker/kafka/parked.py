"""The topic of parked records, read back (implements `worker.runtime.parking.ParkedLog`)."""

from collections.abc import Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient

from worker.config import Settings
from worker.errors import RetryError
from worker.kafka.client import client, client_options
from worker.kafka.faults import consumer_fault
from worker.kafka.offsets import end_offsets
from worker.kafka.records import in_record, take
from worker.model.record import InRecord
from worker.runtime.clock import Clock
from worker.runtime.headers import restored

# One read ends at this many of the thread's records, or after this long if other threads' records lie between.
READ_RECORDS_MAX = 500
READ_S_MAX = 5.0


class KafkaParkedLog:
    """Reads `<group>.parked`; the client is made when it is first needed, which is seldom."""

    def __init__(self, settings: Settings, topic: str, clock: Clock) -> None:
        self._settings = settings
        self._topic = topic
        self._clock = clock
        self._name = f"{settings.member}-parked"

    def end(self, partition: int) -> int:
        """Return the offset after the last record."""
        admin = client(AdminClient, client_options(self._settings.kafka, client_id=self._name))
        place = (self._topic, partition)
        return end_offsets(admin, [place], committed_only=False)[place]

    def read(self, partition: int, key: bytes, start: int) -> tuple[Sequence[tuple[int, InRecord]], int | None]:
        """Return some of a thread's committed records from an offset on."""
        end = self.end(partition)
        consumer = client(
            Consumer,
            client_options(
                self._settings.kafka,
                client_id=self._name,
                # It never joins; a name of its own would need a permission of its own.
                group_id=self._settings.group,
                enable_auto_commit=False,
                enable_partition_eof=True,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
            ),
        )
        try:
            consumer.assign([Place(self._topic, partition, start)])
            return self._found(consumer, key, start, end)
        finally:
            consumer.close()

    def _found(
        self, consumer: Consumer, key: bytes, start: int, end: int
    ) -> tuple[Sequence[tuple[int, InRecord]], int | None]:
        found: list[tuple[int, InRecord]] = []
        position = start
        deadline = self._clock.now() + READ_S_MAX
        while position < end:
            if self._clock.now() > deadline:
                if position == start:
                    raise RetryError(f"{self._topic} cannot be read: no answer in {READ_S_MAX:g} s")
                return found, position
            for message in take(consumer, READ_RECORDS_MAX, 0.1):
                error = message.error()
                if error is not None:
                    position = self._met(error, message, position)
                    continue
                if len(found) >= READ_RECORDS_MAX:
                    return found, position
                position = message.offset() + 1
                if message.key() == key:
                    found.append((message.offset(), restored(in_record(message))))
        return found, None

    @staticmethod
    def _met(error: KafkaError, message: Any, position: int) -> int:
        if error.code() == KafkaError._PARTITION_EOF:
            return max(position, int(message.offset()))
        raise consumer_fault(error) or RetryError(error.str())
