"""Topics read from their beginning to their end and on, as any reader downstream would: only what is committed."""

import time
from collections.abc import Iterable, Iterator, Sequence

from confluent_kafka import OFFSET_BEGINNING, Consumer
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient

from worker.config import KafkaSettings
from worker.errors import ConfigError, FatalError
from worker.kafka.client import client, client_options
from worker.kafka.offsets import Offsets, end_offsets
from worker.kafka.positions import Positions
from worker.kafka.topics import Topics
from worker.model.record import InRecord

_BATCH_RECORDS = 5_000
# What is committed is there to be read: if nothing comes for so long, there is no broker.
_PATIENCE_S = 60.0


def places_of(kafka: KafkaSettings, topics: Iterable[str]) -> list[tuple[str, int]]:
    """Return all partitions of some topics.

    Raises:
        ConfigError: a topic is missing or may not be described, or no broker answers.
    """
    brokers = Topics(kafka)
    there = brokers.partitions()
    missing = [topic for topic in topics if topic not in there]
    brokers.insist_on_sight(missing)
    if missing:
        raise ConfigError(f"topic {', '.join(missing)} is missing: run `thread-history-worker topics create`")
    return [(topic, number) for topic in topics for number in range(there[topic])]


class TopicReader:
    """Reads all partitions of some topics.

    Args:
        topics: their names.
        start: where to begin, by topic and partition; where it says nothing, at the beginning.

    Raises:
        ConfigError: a topic is missing, or no broker answers.
    """

    def __init__(self, kafka: KafkaSettings, topics: Sequence[str], start: Offsets | None = None) -> None:
        self._consumer = client(
            Consumer,
            client_options(
                kafka,
                client_id="thread-history-reader",
                group_id="thread-history-reader",
                enable_auto_commit=False,
                enable_partition_eof=True,
                # Whoever goes on from somewhere must know when that place is gone.
                auto_offset_reset="error" if start else "earliest",
                isolation_level="read_committed",
            ),
        )
        self._admin = client(AdminClient, client_options(kafka, client_id="thread-history-reader"))
        starts = {place: (start or {}).get(place, 0) for place in places_of(kafka, topics)}
        self._positions = Positions(starts)
        self._consumer.assign([Place(*place, offset or OFFSET_BEGINNING) for place, offset in starts.items()])

    def read(self, wait_s: float) -> list[InRecord]:
        """Return the next records, in order within a partition; waits at most so long."""
        return self._positions.take(self._consumer, _BATCH_RECORDS, wait_s)

    def positions(self) -> Offsets:
        """Return the next offset of each partition, by topic and partition: past everything `read` returned."""
        return dict(self._positions.offsets)

    def ends(self) -> Offsets:
        """Return how far what is committed reaches now, by topic and partition."""
        return end_offsets(self._admin, self._positions.offsets, committed_only=True)

    def to(self, ends: Offsets) -> Iterator[InRecord]:
        """Yield records until the positions have reached `ends`; they pass over markers and compacted records.

        Raises:
            FatalError: nothing comes, though there must be more.
        """
        for records in self.batches_to(ends):
            yield from records

    def batches_to(self, ends: Offsets) -> Iterator[list[InRecord]]:
        """As `to`, batch by batch: `positions` are past what was yielded; a batch may be empty."""
        moved_at, before = time.monotonic(), self.positions()
        while any(self._positions.offsets[place] < end for place, end in ends.items()):
            yield self.read(0.05)
            if self._positions.offsets != before:
                moved_at, before = time.monotonic(), self.positions()
            elif time.monotonic() - moved_at > _PATIENCE_S:
                raise FatalError(f"topics cannot be read: nothing came for {_PATIENCE_S:.0f} s")

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
