"""The input topic as a member of the consumer group (implements `worker.runtime.ports.Source`)."""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient

from worker.config import Settings
from worker.errors import FatalError, RetryError
from worker.kafka.client import client, client_options
from worker.kafka.faults import consumer_fault
from worker.kafka.offsets import begin_offsets, end_offsets
from worker.kafka.records import in_record, take
from worker.model.record import InRecord
from worker.runtime.ports import Listener, Offsets

log = logging.getLogger(__name__)

HEARTBEAT_MS_MAX = 3_000
_COMMITTED_S = 5.0
# What the client may hold ahead of us.
_QUEUED_KB = 16_384


def heartbeat_ms(session_timeout_ms: int) -> int:
    """Return how often the member tells the group that it lives, in milliseconds."""
    return min(HEARTBEAT_MS_MAX, session_timeout_ms // 3)


class KafkaSource:
    """A static member of the group that reads the input topic.

    A partition that is assigned is paused until `start` says from where to read.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        kafka = settings.kafka
        self._topic = topic
        self._group = settings.group
        self._on_lost_offset = settings.on_lost_offset
        self._admin = client(AdminClient, client_options(kafka, client_id=settings.member))
        self._consumer = client(
            Consumer,
            {
                "queued.max.messages.kbytes": _QUEUED_KB,
                "fetch.wait.max.ms": 100,
            }
            | client_options(
                kafka,
                client_id=settings.member,
                group_id=settings.group,
                group_instance_id=settings.member,
                group_protocol="classic",
                partition_assignment_strategy="cooperative-sticky",
                session_timeout_ms=kafka.session_timeout_ms,
                heartbeat_interval_ms=heartbeat_ms(kafka.session_timeout_ms),
                max_poll_interval_ms=kafka.max_poll_interval_ms,
                enable_auto_commit=False,
                enable_auto_offset_store=False,
                enable_partition_eof=True,
                auto_offset_reset="error",
                isolation_level="read_committed",
            ),
        )
        self._listener: Listener | None = None
        # The next offset to deliver, of partitions that were started.
        self._positions: dict[int, int] = {}
        # Partitions that have delivered a record since they were assigned or held.
        self._delivering: set[int] = set()

    def subscribe(self, listener: Listener) -> None:
        """Join the group."""
        self._listener = listener
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def poll(self, records_max: int, wait_s: float) -> Mapping[int, Sequence[InRecord]]:
        """Return records by partition; waits only when there is none."""
        found: dict[int, list[InRecord]] = defaultdict(list)
        for message in take(self._consumer, records_max, wait_s):
            error = message.error()
            if error is not None:
                self._meet(error, message)
                continue
            partition, offset = message.partition(), message.offset()
            # What was fetched before a pause or a seek may still arrive: nothing is delivered twice, or unasked.
            if offset >= self._positions.get(partition, offset + 1):
                self._positions[partition] = offset + 1
                found[partition].append(in_record(message))
        self._delivering |= found.keys()
        return found

    def _meet(self, error: KafkaError, message: Any) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            partition, offset = message.partition(), message.offset()
            # The end lies behind transaction markers that are never delivered.
            if offset > self._positions.get(partition, offset):
                self._positions[partition] = offset
            return
        fault = consumer_fault(error)
        if fault is not None:
            raise fault
        log.warning("consumer", extra={"error": error.str()})

    def committed(self, partitions: Collection[int]) -> dict[int, int | None]:
        """Return the committed offsets; waits for transactions that are still open over them."""
        try:
            found = self._consumer.committed([Place(self._topic, partition) for partition in partitions], _COMMITTED_S)
        except KafkaException as error:
            raise consumer_fault(error.args[0]) or RetryError(error.args[0].str()) from error
        for place in found:
            if place.error is not None:
                raise consumer_fault(place.error) or RetryError(place.error.str())
        offsets = {place.partition: place.offset if place.offset >= 0 else None for place in found}
        places = [(self._topic, partition) for partition in partitions]
        begins = begin_offsets(self._admin, places)
        ends = end_offsets(self._admin, places, committed_only=False)
        return {
            partition: self._there(partition, offset, begins[self._topic, partition], ends[self._topic, partition])
            for partition, offset in offsets.items()
        }

    def _there(self, partition: int, offset: int | None, begin: int, end: int) -> int | None:
        """Return a committed offset that the topic still has, or what the user wants in its place.

        Raises:
            FatalError: it is gone and nobody said what to do.
        """
        if offset is None or begin <= offset <= end:
            return offset
        what = f"{begin - offset} records were removed unread" if offset < begin else "the topic was made anew"
        told = f"{self._topic}[{partition}] holds offsets {begin} to {end}, group {self._group} is at {offset}: {what}"
        if self._on_lost_offset == "fail":
            raise FatalError(
                f"{told}. Restore them, or start with --on-lost-offset skip (on_lost_offset) to go on at offset "
                f"{begin} without them"
            )
        log.warning("input offset lost, skipping", extra={"partition": partition, "told": told})
        return begin

    def hold(self, partitions: Collection[int]) -> None:
        """Deliver nothing of these partitions until they are started again."""
        self._forget(partitions)
        self._consumer.pause([Place(self._topic, partition) for partition in partitions])

    def start(self, partition: int, offset: int | None) -> None:
        """Deliver a partition's records from an offset on."""
        place = Place(self._topic, partition, OFFSET_BEGINNING if offset is None else offset)
        try:
            self._consumer.seek(place)
            self._consumer.resume([place])
        except KafkaException as error:
            raise RetryError(f"partition {partition} cannot be read yet: {error.args[0].str()}") from error
        self._positions[partition] = offset or 0

    def offsets(self) -> Offsets:
        """Return the positions and fresh group metadata.

        What has delivered nothing has nothing to commit: an offset is committed only together with rows of the
        changelog, so that a restore can tell by it that some must be there.
        """
        positions = {partition: self._positions[partition] for partition in self._delivering}
        return Offsets(positions, self._consumer.consumer_group_metadata())

    def close(self) -> None:
        """Stop; a static member does not leave its group."""
        self._listener = None
        self._consumer.close()

    # Called by the client from inside `consume`

    def _on_assign(self, consumer: Consumer, places: list[Place]) -> None:
        # From the beginning, so that whatever is fetched before the pause takes hold lies before the start offset.
        consumer.incremental_assign([Place(place.topic, place.partition, OFFSET_BEGINNING) for place in places])
        consumer.pause(places)
        if self._listener is not None:
            self._listener.assigned(_numbers(places))

    def _on_revoke(self, consumer: Consumer, places: list[Place]) -> None:
        if self._listener is not None:
            self._listener.revoked(_numbers(places))
        self._drop(consumer, places)

    def _on_lost(self, consumer: Consumer, places: list[Place]) -> None:
        if self._listener is not None:
            self._listener.lost(_numbers(places))
        self._drop(consumer, places)

    def _drop(self, consumer: Consumer, places: list[Place]) -> None:
        self._forget(_numbers(places))
        consumer.incremental_unassign(places)

    def _forget(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            self._positions.pop(partition, None)
            self._delivering.discard(partition)


def _numbers(places: list[Place]) -> list[int]:
    return [place.partition for place in places]
