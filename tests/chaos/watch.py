"""A read_committed reader of the outputs while everything goes on: what it sees, when, and how long it sees nothing."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer
from confluent_kafka import TopicPartition as Place

from tests.chaos.faults import Injection
from worker.kafka.records import take
from worker.model.record import Headers

_POLL_S = 0.1
_RECORDS = 2_000
_JOIN_S = 10.0

Topic = tuple[str, int]


@dataclass(frozen=True)
class Gap:
    """A time in which a partition's reader saw nothing although input waited; seconds since the epoch."""

    partition: int
    began: float
    ended: float


Decode = Callable[[bytes], Any]


def moment(value: bytes | None, headers: Headers, decode: Decode) -> float | None:
    """Return when the input of an output record was written, in seconds since the epoch; None when it does not say."""
    for name, found in headers:
        if name == "thw-timestamp" and found:
            return int(found) / 1000
    return None if value is None else float(decode(value)["source"]["timestamp"]) / 1000


class Watch:
    """Reads the outputs in a thread of its own; a context manager.

    Args:
        servers: the brokers, not the proxy.
        topics: outputs.
        partitions: of each.
        decode: reads an output's value.

    Attributes:
        offsets: of all records seen, by topic and partition, in the order they were seen.
        gaps: of all partitions, in the order they ended.
    """

    def __init__(self, servers: str, topics: Sequence[str], partitions: int, decode: Decode) -> None:
        self._decode = decode
        self.offsets: dict[Topic, list[int]] = defaultdict(list)
        self.gaps: list[Gap] = []
        self._seen: dict[int, float] = {}
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "chaos-watch",
                "client.id": "chaos-watch",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 50,
                "reconnect.backoff.max.ms": 500,
                "topic.metadata.refresh.interval.ms": 5_000,
                "log_level": 0,
            }
        )
        self._consumer.assign([Place(topic, at, OFFSET_BEGINNING) for topic in topics for at in range(partitions)])
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._read, name="watch outputs", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(_JOIN_S)
        self._consumer.close()

    def _read(self) -> None:
        while not self._ending.is_set():
            messages: list[Any] = take(self._consumer, _RECORDS, _POLL_S)
            now = time.time()
            firsts: dict[int, float] = {}
            for message in messages:
                if message.error() is not None:
                    continue
                place = (message.topic(), message.partition())
                self.offsets[place].append(message.offset())
                if place[1] not in firsts:
                    came = moment(message.value(), message.headers() or [], self._decode)
                    if came is not None:
                        firsts[place[1]] = came
            for partition, came in firsts.items():
                self.gaps.append(Gap(partition, max(came, self._seen.get(partition, 0.0)), now))
                self._seen[partition] = now

    def seen_since(self, moment_s: float) -> int:
        """Return how many partitions showed something since a moment, in seconds since the epoch."""
        return sum(seen > moment_s for seen in list(self._seen.values()))

    def count(self) -> int:
        """Return how many records it saw."""
        return sum(len(offsets) for offsets in list(self.offsets.values()))


def silences(gaps: Sequence[Gap], injections: Sequence[Injection], end: float) -> list[float]:
    """Return for each injection how long the longest silence was: of any partition, counted from the injection.

    A silence that goes on when the next fault is injected is cut there, and the rest of it is the next one's.

    Args:
        end: when the last fault's time ends.
    """
    nexts = [*(injection.at for injection in injections[1:]), end]
    return [
        max(_lengths(gaps, injection.at, then), default=0.0) for injection, then in zip(injections, nexts, strict=True)
    ]


def _lengths(gaps: Sequence[Gap], start: float, end: float) -> Iterator[float]:
    for gap in gaps:
        if gap.ended > start and gap.began < end:
            yield min(gap.ended, end) - max(gap.began, start)
