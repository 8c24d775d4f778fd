"""The producer of input: rollout lines to the input topic, in order, at least once."""

import logging
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AdminClient

from worker.config import KafkaSettings
from worker.errors import ConfigError, FatalError
from worker.kafka.client import client, client_options

LOG = logging.getLogger("librdkafka.publish")
# Nobody who reads these can do anything: that one of our options is experimental, and that the lines we gave up, which
# we say ourselves, leave a gap.
_NOISE = ("enable.gapless.guarantee", "Local: Purged in")
LOG.addFilter(lambda record: not any(text in record.getMessage() for text in _NOISE))

ORDINAL_HEADER = "rollout-ordinal"

# Lines on their way to the broker, at most; so many may be sent twice after a kill.
QUEUE_LINES = 20_000
QUEUE_KIB = 65_536
# What a record of one line takes beside key, value and header value: batch header 61, field lengths, header name.
RECORD_OVERHEAD_BYTES = 128
# How long no line may be acknowledged before all are given up; `message.timeout.ms` of the options overrides it, 0 is
# for ever.
PATIENCE_MS = 120_000
# Acknowledgements are taken after this many lines, or when the queue is full.
_POLL_EVERY = 256
_QUEUE_FULL_S = 0.1


class Publisher:
    """Sends lines; a context manager, which at its end gives up what is still on its way: `flush` first.

    What the broker has of a partition is always a beginning of what was sent to it, without a gap, so that whoever
    starts again from the acknowledged position keeps each thread in order. Therefore a line never times out by itself:
    when none was acknowledged for long, all are given up together, and one that is refused is the last.

    Args:
        topic: the input topic; it must be there.
        record_bytes_max: the topic's limit.
        now: seconds of a clock that never goes back.

    Raises:
        ConfigError: an option of the user's is unknown or malformed.

    Attributes:
        record_bytes_max: the topic's limit.
        lines: those acknowledged.
        bytes: theirs.
    """

    def __init__(
        self, kafka: KafkaSettings, topic: str, *, record_bytes_max: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.lines = 0
        self.bytes = 0
        self._topic = topic
        self._servers = kafka.bootstrap_servers
        self.record_bytes_max = record_bytes_max
        self._now = now
        options: dict[str, Any] = {
            "linger.ms": 20,
            "batch.size": min(1_000_000, record_bytes_max),
            "compression.type": "lz4",
            "queue.buffering.max.messages": QUEUE_LINES,
            "queue.buffering.max.kbytes": max(QUEUE_KIB, 2 * record_bytes_max // 1024),
        } | client_options(
            kafka,
            client_id="thread-history-worker-publish",
            enable_idempotence=True,
            enable_gapless_guarantee=True,
            acks="all",
            # As the Java client partitions by key, and every other producer of input must (design: placement guard).
            partitioner="murmur2_random",
            message_max_bytes=max(1_000, record_bytes_max),
        )
        patience_ms = options.pop("delivery.timeout.ms", PATIENCE_MS)  # the same option by its other name
        self._patience_s = float(options.pop("message.timeout.ms", patience_ms)) / 1000
        self._producer = client(_producer, options | {"message.timeout.ms": 0})
        self._waiting = 0
        self._unpolled = 0
        self._moved_at = now()
        self._failure: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_up()

    def fits(self, key: bytes, size: int) -> bool:
        """Tell whether a line of a size is within the topic's limit, even if it cannot be compressed."""
        return size + len(key) + RECORD_OVERHEAD_BYTES <= self.record_bytes_max

    def send(self, key: bytes, ordinal: int, line: bytes, acknowledged: Callable[[], None] | None = None) -> bool:
        """Hand a line over, or wait a moment for room.

        Args:
            key: the thread id.
            ordinal: the line's physical index in its thread.
            line: fits.
            acknowledged: called from within a later call here, once the broker has the line.

        Returns:
            Whether it was taken; if not, call again.

        Raises:
            FatalError: an earlier line was refused, or none was acknowledged for long.
        """
        if not self._waiting:
            self._moved_at = self._now()
        try:
            self._producer.produce(
                self._topic,
                line,
                key,
                on_delivery=partial(self._delivered, ordinal, acknowledged),
                headers=[(ORDINAL_HEADER, b"%d" % ordinal)],
            )
        except BufferError:
            self.poll(_QUEUE_FULL_S)
            return False
        except KafkaException as error:
            self._failure = self._failure or error.args[0].str()
            self.poll()
            return False
        self._waiting += 1
        self._unpolled += 1
        if self._unpolled >= _POLL_EVERY:
            self.poll()
        return True

    def _delivered(self, ordinal: int, acknowledged: Callable[[], None] | None, error: Any, message: Any) -> None:
        self._waiting -= 1
        if error is None:
            self._moved_at = self._now()
            self.lines += 1
            self.bytes += len(message)
            if acknowledged is not None:
                acknowledged()
        elif self._failure is None:
            key = message.key().decode(errors="replace")
            self._failure = f"line {ordinal + 1} of thread {key} was refused: {error.str()}"

    def poll(self, wait_s: float = 0.0) -> None:
        """Take acknowledgements; wait for the first if none is there.

        Raises:
            FatalError: a line was refused, or none was acknowledged for long.
        """
        self._unpolled = 0
        self._serve(wait_s)
        silent_s = self._now() - self._moved_at
        if self._failure is None and self._waiting and 0 < self._patience_s < silent_s:
            self._failure = f"the broker acknowledged nothing for {silent_s:.0f} s"
        if self._failure is None:
            return
        self._give_up()
        raise FatalError(
            f"publishing to {self._topic} at {self._servers} failed: {self._failure}; "
            "once the cause is gone run the same command again: what comes twice counts once"
        )

    def _serve(self, wait_s: float) -> None:
        try:
            self._producer.poll(wait_s)
        except KafkaException as error:  # the client gave up altogether
            self._failure = self._failure or error.args[0].str()

    def flush(self, within_s: float | None = None) -> int:
        """Wait until all lines are acknowledged.

        Args:
            within_s: at most so long; None: as long as some are acknowledged now and then.

        Returns:
            How many are not.

        Raises:
            FatalError: a line was refused, or none was acknowledged for long.
        """
        deadline = None if within_s is None else self._now() + within_s
        while self._waiting and (deadline is None or self._now() < deadline):
            self.poll(0.1)
        return self._waiting

    def _give_up(self) -> None:
        """Drop what is on its way, all at once; what a broker wrote of it meanwhile is a beginning of it."""
        if self._waiting:
            self._failure = self._failure or "given up"
            self._producer.purge()
            self._serve(0)


def _producer(options: dict[str, Any], **_: Any) -> Producer:
    return Producer(options, logger=LOG)


def target(kafka: KafkaSettings, topic: str) -> str:
    """Return what tells a topic from every other, also from an earlier one of the same name.

    Raises:
        ConfigError: no broker answered.
    """
    admin = client(AdminClient, client_options(kafka, client_id="thread-history-worker-publish"))
    try:
        cluster = admin.list_topics(topic, timeout=kafka.start_timeout_s).cluster_id
        found = admin.describe_topics(TopicCollection([topic]))[topic].result(kafka.start_timeout_s)
    except (KafkaException, TimeoutError) as error:
        raise ConfigError(
            f"topic {topic} at {kafka.bootstrap_servers} cannot be described ({error}): publishing needs Describe on it"
        ) from None
    return f"{cluster}/{topic}/{found.topic_id}"
