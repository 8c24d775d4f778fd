"""The one producer and its transactions (implements `worker.runtime.ports.Sink`)."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import TopicPartition as Place

from worker.config import Settings
from worker.errors import ConfigError, DoubtError, FatalError, FencedError, RetryError, StuckError
from worker.kafka.client import client, client_options
from worker.kafka.faults import producer_fault
from worker.kafka.permissions import HINT, refusal
from worker.kafka.statistics import ClientStatistics
from worker.model.record import OutRecord, StateRow
from worker.model.topic import TopicNames
from worker.runtime.ports import Offsets
from worker.runtime.report import Report

log = logging.getLogger(__name__)

# How often the client tells how many requests it sent, in milliseconds.
_STATISTICS_MS = 1_000
# How long to wait for room in the client's queue before the transaction is given up.
QUEUE_FULL_S = 10.0
# How much longer than it was told a call of the client may take before it counts as stuck.
OVERDUE_S = 0.5


class KafkaSink:
    """Writes mutations, dead letters and state rows, each to the partition its input came from, in transactions."""

    def __init__(self, settings: Settings, topics: TopicNames, report: Report | None = None) -> None:
        kafka = settings.kafka
        self._report = report or Report()
        self._told = ClientStatistics(self._report.meter, "producer")
        self._topics = topics
        # No call may keep the loop longer from seeing that it is to stop.
        self._call_s = settings.loop.budget_s
        self._options = (
            {
                "linger.ms": 20,
                "batch.size": 1_000_000,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 200_000,
                "queue.buffering.max.kbytes": 49_152,
                # The topics' own limit is checked by the brokers.
                "message.max.bytes": 16_777_216,
            }
            | client_options(
                kafka,
                client_id=settings.member,
                transactional_id=settings.member,
                transaction_timeout_ms=kafka.transaction_timeout_ms,
                message_timeout_ms=kafka.message_timeout_ms,
                enable_idempotence=True,
                acks="all",
                statistics_interval_ms=_STATISTICS_MS,
            )
            | {"stats_cb": self._count_ends}
        )
        self._producer: Producer | None = None
        self._in_transaction = False
        # Transactions this producer ended, and requests to end one that its client sent.
        self._ended = 0
        self._end_requests = 0
        # The changelog offset after the last row of the transaction, by partition, as delivered.
        self._ends: dict[int, int] = {}

    def open(self) -> None:
        """Make a producer and take our name, which ends what an earlier holder left open."""
        self.close()
        producer = client(Producer, self._options)
        try:
            _within(self._call_s, producer.init_transactions)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
                missing = refusal("Write", "TransactionalId", str(self._options["transactional.id"]))
                raise ConfigError(f"Kafka does not allow {missing}: {HINT}") from None
            fault = producer_fault(error)
            if isinstance(fault, FatalError):
                raise ConfigError(str(fault)) from None
            raise RetryError(f"no transaction coordinator: {fault}") from error
        self._producer = producer
        self._ended = self._end_requests = 0

    def _count_ends(self, statistics: str) -> None:
        told = orjson.loads(statistics)
        self._end_requests = sum(broker["req"].get("EndTxn", 0) for broker in told["brokers"].values())
        self._told.take(told)

    def _begun(self) -> Producer:
        producer = self._producer
        if producer is None:
            raise DoubtError("there is no producer")
        if not self._in_transaction:
            try:
                producer.begin_transaction()
            except KafkaException as error:
                raise producer_fault(error) from error
            self._in_transaction = True
            self._ends.clear()
        return producer

    def send(self, partition: int, records: Sequence[OutRecord]) -> None:
        """Add records to the transaction."""
        producer = self._begun()
        for record in records:
            self._queue(producer, partition, record)
        _serve(producer, 0)

    def send_rows(self, partition: int, rows: Sequence[StateRow]) -> None:
        """Add rows to the transaction, for the changelog; only the last one's delivery is looked at."""
        producer = self._begun()
        messages: list[dict[str, Any]] = [{"key": row.key, "value": row.value} for row in rows]
        messages[-1]["callback"] = self._delivered
        deadline = time.monotonic() + QUEUE_FULL_S
        while messages:
            try:
                if producer.produce_batch(self._topics.changelog, messages, partition) == len(messages):
                    return
                messages = [message for message in messages if _is_left(message)]
            except BufferError:
                pass  # to write a row twice does no harm
            except KafkaException as error:
                raise producer_fault(error, topic=self._topics.changelog) from error
            if messages:
                self._make_room(producer, deadline)

    def _queue(self, producer: Producer, partition: int, record: OutRecord) -> None:
        deadline = None
        while True:
            try:
                producer.produce(record.topic, record.value, record.key, partition, headers=record.headers)  # type: ignore[arg-type]
            except BufferError:
                deadline = deadline or time.monotonic() + QUEUE_FULL_S
                self._make_room(producer, deadline)
            except KafkaException as error:
                raise producer_fault(error, topic=record.topic) from error
            else:
                return

    def _make_room(self, producer: Producer, deadline: float) -> None:
        self._report.watch.lap("produce")
        _serve(producer, 0.05)
        self._report.waited("backpressure")
        if time.monotonic() > deadline:
            raise RetryError(f"the producer's queue stayed full for {QUEUE_FULL_S:g} s")

    def _delivered(self, error: Any, message: Any) -> None:
        if error is None:
            self._ends[message.partition()] = message.offset() + 1

    def commit(self, offsets: Offsets, within_s: float) -> Mapping[int, int]:
        """Commit the transaction with the input offsets."""
        producer = self._begun()
        places = [Place(self._topics.input, partition, offset) for partition, offset in offsets.positions.items()]
        deadline = time.monotonic() + within_s
        try:
            if places:
                _within(within_s, partial(_offsets_sent, producer, places, offsets.group))
        except KafkaException as error:
            raise producer_fault(error) from error
        try:
            _within(deadline - time.monotonic(), producer.commit_transaction)
        except KafkaException as error:
            raise producer_fault(error, ending=True) from error
        self._in_transaction = False
        self._ended += 1
        ends = dict(self._ends)
        if self._end_requests > self._ended:
            # The client asked more than once to end a transaction. The protocol it speaks does not tell transactions
            # of one producer apart: the request that was late may end a later one. A new producer is safe from it.
            log.warning("a transaction's end was asked for twice, the producer is replaced")
            self._report.meter.add("producer_recycles", 1, "extra_endtxn")
            self.open()
        return ends

    def reset(self, error: Exception | None) -> None:
        """Abort; where that is not enough take a new producer, also at the next call after an abort that failed."""
        if self._producer is None or isinstance(error, DoubtError):
            self.open()
            self._report.meter.add("producer_recycles", 1, _why(error))
        elif self._in_transaction:
            try:
                _within(self._call_s, self._producer.abort_transaction)
            except KafkaException as found:
                # Perhaps a successor has our name: the loop looks for that before it takes the name back.
                raise producer_fault(found, ending=True) from found
            self._in_transaction = False
            self._ended += 1

    def close(self) -> None:
        """Give the producer up without waiting for anything."""
        producer, self._producer = self._producer, None
        self._in_transaction = False
        if producer is not None:
            # A fenced producer says so again; that is known.
            with suppress(KafkaException):
                producer.purge()
                producer.poll(0)


def _why(error: Exception | None) -> str:
    """Return why a producer is replaced, as the metrics say it."""
    if isinstance(error, FencedError):
        return "fenced"
    return "timeout" if isinstance(error, StuckError) else "fatal"


def _offsets_sent(producer: Producer, places: list[Place], group: Any, within_s: float) -> None:
    """Put the input offsets into the transaction.

    In a thread of its own, which is left behind if need be: the client overlooks the call's time limit while it cannot
    reach the group's coordinator, and may then be stuck for ever (librdkafka 2.16, issue 5456).

    Raises:
        StuckError: it did not come back; the producer is of no use any more.
    """
    met: list[Exception] = []

    def send() -> None:
        try:
            producer.send_offsets_to_transaction(places, group, within_s)
        except Exception as error:
            met.append(error)

    sending = threading.Thread(target=send, name="send offsets", daemon=True)
    sending.start()
    sending.join(within_s + OVERDUE_S)
    if sending.is_alive():
        raise StuckError(f"the client did not come back within {within_s + OVERDUE_S:.1f} s from sending the offsets")
    if met:
        raise met[0]


def _within(seconds: float, call: Callable[[float], Any]) -> None:
    """Make a call again while its error is retriable and there is time; it gets the seconds left."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            call(max(0.1, deadline - time.monotonic()))
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() >= deadline:
                raise
        else:
            return


def _is_left(message: dict[str, Any]) -> bool:
    """Tell whether a batch left a message out for want of room.

    Raises:
        RetryError: it was left out for another reason.
    """
    error = message.pop("_error", None)
    if error is None:
        return False
    if error.code() != KafkaError._QUEUE_FULL:
        raise producer_fault(error)
    return True


def _serve(producer: Producer, wait_s: float) -> None:
    """Take delivery reports.

    Raises:
        RetryError: the client gave up for good, as when it was fenced; it says so here, too.
    """
    try:
        producer.poll(wait_s)
    except KafkaException as error:
        raise producer_fault(error) from error
