"""The least that Kafka and Python cost for the worker's traffic: consume, decode JSON, produce, commit; nothing else.

Run by `benchmarks.loop`. It writes again, elsewhere, the very records a worker wrote, as the worker does: the same
client settings, transaction interval, calls and bytes, spread evenly over the input.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Collection
from itertools import islice
from typing import Generic, TypeVar

import orjson

from worker.app import topic_names
from worker.config import Settings, load
from worker.kafka.reader import read_all
from worker.kafka.sink import KafkaSink
from worker.kafka.source import KafkaSource
from worker.model.record import OutRecord, StateRow
from worker.model.topic import TopicNames

T = TypeVar("T")


class Share(Generic[T]):
    """Records to write, handed out in proportion to the input consumed."""

    def __init__(self, records: list[T], inputs: int) -> None:
        self._records = iter(records)
        self._rate = len(records) / max(1, inputs)
        self._owed = 0.5

    def of(self, inputs: int) -> list[T]:
        """Return the share of so many input records."""
        self._owed += inputs * self._rate
        count = int(self._owed)
        self._owed -= count
        return list(islice(self._records, count))


class NullLoop:
    """A loop without any work of its own."""

    def __init__(self, settings: Settings, names: TopicNames) -> None:
        self._loop = settings.loop
        self._source = KafkaSource(settings, names.input)
        self._sink = KafkaSink(settings, names)
        self._outputs: dict[int, Share[OutRecord]] = {}
        self._rows: dict[int, Share[StateRow]] = {}
        self._left = 0
        self._new: list[int] = []

    def load(self, settings: Settings, worker: TopicNames, names: TopicNames) -> None:
        """Read what a worker wrote, to be written to topics of other names."""
        inputs: dict[int, int] = defaultdict(int)
        for record in read_all(settings.kafka, [worker.input]):
            inputs[record.partition] += 1
        renamed = dict(zip(worker.projections.values(), names.projections.values(), strict=True))
        outputs: dict[int, list[OutRecord]] = defaultdict(list)
        for record in read_all(settings.kafka, list(renamed)):
            out = OutRecord(renamed[record.topic], record.key, record.value, record.headers)
            outputs[record.partition].append(out)
        rows: dict[int, list[StateRow]] = defaultdict(list)
        for record in read_all(settings.kafka, [worker.changelog]):
            rows[record.partition].append(StateRow(record.key or b"", record.value))
        self._outputs = {number: Share(outputs[number], count) for number, count in inputs.items()}
        self._rows = {number: Share(rows[number], count) for number, count in inputs.items()}
        self._left = sum(inputs.values())

    def assigned(self, partitions: Collection[int]) -> None:
        """Read partitions from their beginning."""
        self._new += partitions

    def revoked(self, partitions: Collection[int]) -> None:
        """Nobody else is in the group."""

    lost = revoked

    def run(self) -> None:
        """Loop until all input is consumed and committed."""
        self._sink.open()
        self._source.subscribe(self)
        began, consumed = 0.0, defaultdict[int, int](int)
        while self._left > 0 or consumed:
            while self._new:
                self._source.start(self._new.pop(), None)
            for partition, records in self._source.poll(self._loop.batch_records_max, self._loop.poll_s).items():
                began = began if consumed else time.monotonic()
                for record in records:
                    orjson.loads(record.value or b"null")
                self._sink.send(partition, self._outputs[partition].of(len(records)))
                consumed[partition] += len(records)
                self._left -= len(records)
            if consumed and (self._left <= 0 or time.monotonic() - began >= self._loop.commit_interval_s):
                for partition, count in consumed.items():
                    rows = self._rows[partition].of(count)
                    if rows:
                        self._sink.send_rows(partition, rows)
                self._sink.commit(self._source.offsets(), 10.0)
                consumed.clear()
        self._source.close()


def main() -> None:
    """Run with the settings of the environment; arguments: the worker's group and the outputs' prefix."""
    worker_group, prefix = sys.argv[1:3]
    settings = load(None, {})
    worker = topic_names(settings.model_copy(update={"group": worker_group}))
    own = topic_names(settings.model_copy(update={"topics": settings.topics.model_copy(update={"prefix": prefix})}))
    names = TopicNames(worker.input, own.changelog, own.dead_letters, own.parked, own.projections)
    loop = NullLoop(settings, names)
    loop.load(settings, worker, names)
    loop.run()


if __name__ == "__main__":
    main()
