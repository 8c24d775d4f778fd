"""Topics read from their beginning to their end and on, as any reader downstream would: only what is committed."""

from collections.abc import Iterator, Sequence

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient

from worker.config import KafkaSettings
from worker.errors import ConfigError, FatalError
from worker.kafka.client import client, client_options
from worker.kafka.offsets import end_offsets
from worker.kafka.records import in_record, take
from worker.model.record import InRecord

_BATCH_RECORDS = 5_000


class TopicReader:
    """Reads all partitions of some topics from the beginning.

    Args:
        topics: their names.

    Raises:
        ConfigError: a topic is missing.
    """

    def __init__(self, kafka: KafkaSettings, topics: Sequence[str]) -> None:
        self._consumer = client(
            Consumer,
            client_options(
                kafka,
                client_id="thread-history-reader",
                group_id="thread-history-reader",
                enable_auto_commit=False,
                enable_partition_eof=True,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
            ),
        )
        self._admin = client(AdminClient, client_options(kafka, client_id="thread-history-reader"))
        metadata = self._consumer.list_topics(timeout=kafka.start_timeout_s).topics
        missing = [topic for topic in topics if topic not in metadata or metadata[topic].error is not None]
        if missing:
            raise ConfigError(f"topic {', '.join(missing)} is missing: run `thread-history-worker topics create`")
        places = [Place(topic, number, OFFSET_BEGINNING) for topic in topics for number in metadata[topic].partitions]
        self._positions = {(place.topic, place.partition): 0 for place in places}
        self._consumer.assign(places)

    def read(self, wait_s: float) -> list[InRecord]:
        """Return the next records, in order within a partition; waits at most so long."""
        records = []
        for message in take(self._consumer, _BATCH_RECORDS, wait_s):
            error = message.error()
            place = (message.topic(), message.partition())
            if error is None:
                records.append(in_record(message))
                self._positions[place] = message.offset() + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                self._positions[place] = message.offset()
            elif error.fatal() or not error.retriable():
                raise FatalError(f"topics cannot be read: {error.str()}")
        return records

    def ends(self) -> dict[tuple[str, int], int]:
        """Return how far what is committed reaches now, by topic and partition."""
        return end_offsets(self._admin, self._positions, committed_only=True)

    def to(self, ends: dict[tuple[str, int], int]) -> Iterator[InRecord]:
        """Yield records until the positions have reached `ends`; they pass over markers and compacted records."""
        while any(self._positions[place] < end for place, end in ends.items()):
            yield from self.read(0.05)

    def close(self) -> None:
        """Release the client."""
        self._consumer.close()


def read_all(kafka: KafkaSettings, topics: Sequence[str]) -> list[InRecord]:
    """Return everything that is committed in some topics now, in order within a partition."""
    reader = TopicReader(kafka, topics)
    try:
        return list(reader.to(reader.ends()))
    finally:
        reader.close()
