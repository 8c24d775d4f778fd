"""The least that Kafka and Python cost for the worker's traffic: consume, decode JSON, produce, commit; nothing else.

Run by the measures. It writes again, elsewhere, the very records that a worker wrote of the same input in the same
round, as the worker does: the same client settings, transaction interval, calls and bytes, spread over the input. What
it writes is read and laid ready beforehand. It consumes with the bare client.
"""

import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer
from confluent_kafka import TopicPartition as Place

from worker.app import topic_names
from worker.commands.service import settle_collector
from worker.config import Settings, load
from worker.kafka.reader import read_all
from worker.kafka.records import take
from worker.kafka.sink import KafkaSink
from worker.kafka.source import KafkaSource
from worker.model.record import OutRecord, StateRow
from worker.model.topic import TopicNames
from worker.runtime.ports import Offsets

T = TypeVar("T")
_COMMIT_S = 10.0


class Share(Generic[T]):
    """Records to write, handed out in proportion to the input consumed, all of them with the last of it."""

    def __init__(self, records: Sequence[T], inputs: int) -> None:
        self._records = iter(records)
        self._count = len(records)
        self._inputs = inputs
        self._given = self._seen = 0

    def of(self, inputs: int) -> list[T]:
        """Return the share of so many further input records."""
        self._seen += inputs
        due = self._count * self._seen // self._inputs
        found = list(islice(self._records, due - self._given))
        self._given = due
        return found


class Written:
    """What a worker wrote to the topics of its group, to be written to those of another, by partition.

    Attributes:
        inputs: how many records of input there are.
    """

    def __init__(self, settings: Settings, worker: TopicNames, own: TopicNames) -> None:
        renamed = dict(zip(worker.projections.values(), own.projections.values(), strict=True))
        inputs = Counter(record.partition for record in read_all(settings.kafka, [worker.input]))
        # By topic, too: the worker writes to all of them all the time.
        outputs: dict[tuple[int, str], list[OutRecord]] = {(at, topic): [] for at in inputs for topic in renamed}
        for record in read_all(settings.kafka, list(renamed)):
            out = OutRecord(renamed[record.topic], record.key, record.value, record.headers)
            outputs[record.partition, record.topic].append(out)
        rows: dict[int, list[StateRow]] = {number: [] for number in inputs}
        for record in read_all(settings.kafka, [worker.changelog]):
            if record.partition in rows:
                rows[record.partition].append(StateRow(record.key or b"", record.value))
        self.inputs = inputs.total()
        self.outputs = {
            number: [Share(outputs[number, topic], count) for topic in renamed] for number, count in inputs.items()
        }
        self.rows = {number: Share(rows[number], count) for number, count in inputs.items()}


class NullLoop:
    """A loop without any work of its own, alone in its group."""

    def __init__(self, settings: Settings, names: TopicNames, written: Written) -> None:
        self._loop = settings.loop
        self._topic = names.input
        # With the worker's own client settings, whatever they are.
        self._consumer = Consumer(KafkaSource(settings, names.input)._options)
        self._sink = KafkaSink(settings, names)
        self._written = written

    def run(self) -> None:
        """Loop until all input is consumed and committed."""
        self._sink.open()
        self._consumer.subscribe([self._topic], on_assign=_from_the_beginning)
        left, began, consumed = self._written.inputs, 0.0, Counter[int]()
        while left > 0 or consumed:
            counts = self._batch()
            if counts and not consumed:
                began = time.monotonic()
            for partition, count in counts.items():
                for share in self._written.outputs[partition]:
                    self._sink.send(partition, share.of(count))
            consumed.update(counts)
            left -= counts.total()
            if consumed and (left <= 0 or time.monotonic() - began >= self._loop.commit_interval_s):
                self._commit(consumed)
                consumed.clear()
        self._consumer.close()

    def _batch(self) -> Counter[int]:
        """Consume and decode a batch; return how many records of each partition."""
        counts: Counter[int] = Counter()
        for message in take(self._consumer, self._loop.batch_records_max, self._loop.poll_s):
            if message.error() is None:
                orjson.loads(message.value())
                counts[message.partition()] += 1
        return counts

    def _commit(self, consumed: Counter[int]) -> None:
        for partition, count in consumed.items():
            rows = self._written.rows[partition].of(count)
            if rows:
                self._sink.send_rows(partition, rows)
        places = self._consumer.position([Place(self._topic, partition) for partition in consumed])
        positions = {place.partition: place.offset for place in places}
        self._sink.commit(Offsets(positions, self._consumer.consumer_group_metadata()), _COMMIT_S)


def _from_the_beginning(consumer: Any, places: list[Place]) -> None:
    consumer.incremental_assign([Place(place.topic, place.partition, OFFSET_BEGINNING) for place in places])


def main() -> None:
    """Run with the settings of the environment; the argument is the name of the worker's group and topics."""
    settings = load(None, {})
    (group,) = sys.argv[1:]
    prefix = settings.topics.model_copy(update={"prefix": f"{group}."})
    worker = topic_names(settings.model_copy(update={"group": group, "topics": prefix}))
    own = topic_names(settings)
    names = TopicNames(worker.input, own.changelog, own.dead_letters, own.parked, own.projections)
    written = Written(settings, worker, names)
    # So much is laid ready: looking at it again and again would be no part of the loop's cost.
    settle_collector()
    NullLoop(settings, names, written).run()
    # Who measures reads our processor time first.
    signal.pause()


if __name__ == "__main__":
    main()
