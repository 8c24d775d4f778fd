"""The input topic as a member of the consumer group (implements `worker.runtime.ports.Source`)."""

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient

from worker.config import Settings
from worker.errors import FatalError, FencedError, RetryError, SupersededError
from worker.kafka.client import client, client_options, member_options
from worker.kafka.faults import OFFSET_GONE, consumer_fault
from worker.kafka.offsets import begin_offsets, end_offsets, lost_offset
from worker.kafka.records import in_record, take
from worker.kafka.statistics import statistics_options
from worker.model.record import InRecord
from worker.runtime.ports import Listener, Meter, Offsets
from worker.runtime.report import SILENCE

log = logging.getLogger(__name__)

_COMMITTED_S = 5.0
_CALL_S = 5.0
_ASK_EVERY_S = 1.0
# The broker ends a silent member's session a little late.
_SESSION_MARGIN_S = 3.0
_WAITING = "fenced in the group: waiting whether another process holds this worker's name"
# What the client may hold ahead of us.
_QUEUED_KB = 16_384


class KafkaSource:
    """A static member of the group that reads the input topic.

    A partition that is assigned is paused until `start` says from where to read.
    """

    def __init__(self, settings: Settings, topic: str, meter: Meter = SILENCE) -> None:
        kafka = settings.kafka
        self._topic = topic
        self._group = settings.group
        self._on_lost_offset = settings.on_lost_offset
        self._member = settings.member
        self._session_s = kafka.session_timeout_ms / 1000
        self._admin = client(AdminClient, client_options(kafka, client_id=settings.member))
        self._options = member_options(
            kafka,
            queued_kb=_QUEUED_KB,
            session_timeout_ms=kafka.session_timeout_ms,
            client_id=settings.member,
            group_id=settings.group,
            group_instance_id=settings.member,
        ) | statistics_options(meter, "consumer")
        self._consumer = client(Consumer, self._options)
        self._listener: Listener | None = None
        self._assigned: set[int] = set()
        # That we were fenced in the group, and since when.
        self._superseded: SupersededError | None = None
        self._superseded_at = 0.0
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
        if self._superseded is not None:
            self._wait_for_successor(self._superseded)
        try:
            return self._polled(records_max, wait_s)
        except SupersededError as error:
            self._give_way(error)
            raise FencedError(_WAITING) from error

    def _polled(self, records_max: int, wait_s: float) -> Mapping[int, Sequence[InRecord]]:
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
        if error.code() in OFFSET_GONE:
            # What is to be done is found when the committed offset is looked at again.
            raise RetryError(f"records were removed before they were read: {error.str()}")
        fault = consumer_fault(error, topic=self._topic)
        if fault is not None:
            raise fault
        log.warning("consumer", extra={"error": error.str()})

    # Of two requests to join under one static name the later fences the earlier. Another process may have sent it, and
    # so may we: the client asks again when it got no answer, and a line that was stalled delivers both. Then nobody
    # speaks for the member that the group has, and it is gone when its session ends.

    def _give_way(self, error: SupersededError) -> None:
        """Let go of everything, and see whether somebody holds our name."""
        listener, self._listener = self._listener, None
        assigned = sorted(self._assigned)
        self._consumer.close()
        self._consumer = client(Consumer, self._options)
        self._forget(assigned)
        self._assigned.clear()
        self._superseded = error
        self._superseded_at = time.monotonic()
        self._listener = listener
        if listener is not None:
            listener.lost(assigned)

    def _wait_for_successor(self, error: SupersededError) -> None:
        """Wait a moment; join anew once nobody holds our name any more.

        Raises:
            FencedError: that is not known yet; nothing may be done under our name meanwhile.
            SupersededError: somebody still holds it after a session's time.
        """
        time.sleep(_ASK_EVERY_S)
        held = self._is_held()
        if held and time.monotonic() - self._superseded_at > self._session_s + _SESSION_MARGIN_S:
            raise error
        if held is not False or self._listener is None:
            raise FencedError(_WAITING)
        log.warning("nobody else holds the name: joining anew")
        self._superseded = None
        self.subscribe(self._listener)

    def _is_held(self) -> bool | None:
        """Tell whether the group has a member of our name; None when nobody answers."""
        answer = self._admin.describe_consumer_groups([self._group], request_timeout=_CALL_S)[self._group]
        try:
            return any(member.group_instance_id == self._member for member in answer.result().members)
        except KafkaException as error:
            log.warning("the group cannot be described", extra={"error": error.args[0].str()})
            return None

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
        if offset is None:
            return None
        told = lost_offset(self._group, (self._topic, partition), offset, begin, end)
        if told is None:
            return offset
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

    def position(self, place: tuple[str, int]) -> int | None:
        """Return the next offset that a partition will deliver, None when it is held; from any thread."""
        return self._positions.get(place[1])

    def close(self) -> None:
        """Stop; a static member does not leave its group."""
        self._listener = None
        self._consumer.close()

    # Called by the client from inside `consume`

    def _on_assign(self, consumer: Consumer, places: list[Place]) -> None:
        # From the beginning, so that whatever is fetched before the pause takes hold lies before the start offset.
        consumer.incremental_assign([Place(place.topic, place.partition, OFFSET_BEGINNING) for place in places])
        consumer.pause(places)
        self._assigned.update(_numbers(places))
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
        self._assigned.difference_update(_numbers(places))
        consumer.incremental_unassign(places)

    def _forget(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            self._positions.pop(partition, None)
            self._delivering.discard(partition)


def _numbers(places: list[Place]) -> list[int]:
    return [place.partition for place in places]
