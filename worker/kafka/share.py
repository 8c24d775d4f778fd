"""A group's share of some topics, with offsets kept elsewhere (implements `worker.runtime.sinking.Feed`)."""

import logging
from collections.abc import Collection, Mapping, Sequence

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient

from worker.config import KafkaSettings
from worker.errors import RetryError
from worker.kafka.client import client, client_options, member_options
from worker.kafka.offsets import Offsets, end_offsets
from worker.kafka.positions import Positions
from worker.kafka.reader import places_of
from worker.kafka.statistics import statistics_options
from worker.model.record import InRecord
from worker.runtime.ports import Meter
from worker.runtime.report import SILENCE

log = logging.getLogger(__name__)

# A member keeps nothing warm, so it is given up sooner than a worker.
_SESSION_TIMEOUT_MS_MAX = 10_000
_QUEUED_KB = 65_536


class TopicShare:
    """A member of a group that is assigned partitions and commits no offsets.

    A partition that is assigned is paused until `start` says from where to read. Members are not static: one that ends
    in good order leaves at once, one that was killed is given up after its session.

    Args:
        name: of this client, in the broker's logs.
        meter: is told of rebalances, and what the client tells of itself.

    Raises:
        ConfigError: a topic is missing, or no broker answers.
    """

    def __init__(
        self, kafka: KafkaSettings, group: str, topics: Sequence[str], name: str, meter: Meter = SILENCE
    ) -> None:
        self._meter = meter
        self._topics = topics
        self.places = places_of(kafka, topics)
        self._admin = client(AdminClient, client_options(kafka, client_id=name))
        session_ms = min(kafka.session_timeout_ms, _SESSION_TIMEOUT_MS_MAX)
        self._consumer = client(
            Consumer,
            member_options(kafka, queued_kb=_QUEUED_KB, session_timeout_ms=session_ms, client_id=name, group_id=group)
            | statistics_options(meter, "consumer"),
        )
        self._positions = Positions({})
        # Assigned, and nobody has said yet from where to read.
        self._held: set[tuple[str, int]] = set()

    def subscribe(self) -> None:
        """Join the group."""
        self._consumer.subscribe(
            list(self._topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def held(self) -> Collection[tuple[str, int]]:
        """Return the partitions that wait for `start`."""
        return set(self._held)

    def poll(self, records_max: int, wait_s: float) -> list[InRecord]:
        """Return the next records of started partitions; waits only when there is none."""
        return self._positions.take(self._consumer, records_max, wait_s)

    def positions(self) -> Mapping[tuple[str, int], int]:
        """Return the next offset of each started partition."""
        return self._positions.offsets

    def start(self, offsets: Offsets) -> None:
        """Read on from these offsets.

        Raises:
            RetryError: the client cannot yet; the partitions are still held.
        """
        for (topic, partition), offset in offsets.items():
            if (topic, partition) not in self._held:
                continue
            place = Place(topic, partition, offset or OFFSET_BEGINNING)
            try:
                self._consumer.seek(place)
                self._consumer.resume([place])
            except KafkaException as error:
                raise RetryError(f"{topic}[{partition}] cannot be read yet: {error.args[0].str()}") from error
            self._held.discard((topic, partition))
            self._positions.offsets[topic, partition] = offset

    def hold(self, places: Collection[tuple[str, int]]) -> None:
        """Deliver nothing of these partitions until they are started again."""
        own = [place for place in places if place in self._positions.offsets]
        for place in own:
            del self._positions.offsets[place]
        self._held.update(own)
        self._consumer.pause([Place(*place) for place in own])

    def ends(self, places: Collection[tuple[str, int]]) -> Offsets:
        """Return how far what is committed reaches now.

        Raises:
            RetryError: no answer in time.
        """
        return end_offsets(self._admin, places, committed_only=True)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    # Called by the client from inside `consume`

    def _on_assign(self, consumer: Consumer, places: list[Place]) -> None:
        # From the beginning, so that whatever is fetched before the pause takes hold lies before the start offset.
        consumer.incremental_assign([Place(place.topic, place.partition, OFFSET_BEGINNING) for place in places])
        consumer.pause(places)
        self._held.update(_pairs(places))
        self._meter.add("rebalances", 1, "assign")
        log.info("partitions assigned", extra={"partitions": _named(places)})

    def _on_revoke(self, consumer: Consumer, places: list[Place]) -> None:
        self._drop(consumer, places, "revoke")

    def _on_lost(self, consumer: Consumer, places: list[Place]) -> None:
        self._drop(consumer, places, "lost")

    def _drop(self, consumer: Consumer, places: list[Place], kind: str) -> None:
        self._meter.add("rebalances", 1, kind)
        for pair in _pairs(places):
            self._positions.offsets.pop(pair, None)
            self._held.discard(pair)
        consumer.incremental_unassign(places)
        log.info("partitions revoked", extra={"partitions": _named(places)})


def _pairs(places: list[Place]) -> list[tuple[str, int]]:
    return [(place.topic, place.partition) for place in places]


def _named(places: list[Place]) -> list[str]:
    return [f"{place.topic}[{place.partition}]" for place in places]
