"""How far partitions were read, by position: only that tells a reader that it is through."""

import logging
from typing import Any

from confluent_kafka import Consumer, KafkaError

from worker.kafka.faults import consumer_fault
from worker.kafka.offsets import Offsets
from worker.kafka.records import in_record, take
from worker.model.record import InRecord

log = logging.getLogger(__name__)


class Positions:
    """The next offset of each partition that a consumer reads.

    Transaction markers, aborted records and what compaction removed take offsets and are never delivered; the client's
    end-of-partition event is what moves the position over those at the end.

    Attributes:
        offsets: by topic and partition; what is delivered of a partition that is not in it is dropped.
    """

    def __init__(self, offsets: Offsets) -> None:
        self.offsets = offsets

    def take(self, consumer: Consumer, records_max: int, wait_s: float) -> list[InRecord]:
        """Return the next records, in order within a partition; waits only when there is none.

        Raises:
            WorkerError: the client cannot go on by itself.
        """
        records = []
        for message in take(consumer, records_max, wait_s):
            place, error = (message.topic(), message.partition()), message.error()
            if error is not None:
                self._meet(place, message.offset(), error)
                continue
            offset = message.offset()
            # What was fetched before a pause or a seek may still arrive.
            if offset >= self.offsets.get(place, offset + 1):
                self.offsets[place] = offset + 1
                records.append(in_record(message))
        return records

    def _meet(self, place: tuple[Any, Any], offset: int, error: KafkaError) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            if offset > self.offsets.get(place, offset):
                self.offsets[place] = offset
            return
        fault = consumer_fault(error, topic=place[0])
        if fault is not None:
            raise fault
        log.info("consumer", extra={"error": error.str()})
