"""Read the mutation topics from Python: typed mutations of any encoding, from the beginning and then as they come.

    from worker.config import load
    from worker.reader import MutationReader

    settings = load(None, {"kafka": {"bootstrap_servers": "localhost:9092"}})
    rows = {}
    with MutationReader(settings, ["codex.thread-items"]) as reader:
        for change in reader.bootstrap():  # what is there now
            apply(rows, change)
        for change in reader.follow():  # what comes
            apply(rows, change)

`docs/downstream.md` says what a reader may rely on. A row is its key; a change whose `mutation` is None deletes it, if
it is there.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from worker import app
from worker.changes import (
    Change,
    Gaps,
    Git,
    LifecycleMutation,
    Mutation,
    Source,
    Summary,
    ThreadItemMutation,
    ThreadRow,
    Tokens,
    TurnSummaryMutation,
    Value,
    change_of,
)
from worker.config import Settings, load
from worker.errors import SchemaError
from worker.kafka.reader import TopicReader
from worker.model.record import InRecord

__all__ = [
    "Change",
    "Git",
    "LifecycleMutation",
    "Mutation",
    "MutationReader",
    "Positions",
    "SchemaError",
    "Source",
    "Summary",
    "ThreadItemMutation",
    "ThreadRow",
    "Tokens",
    "TurnSummaryMutation",
    "Value",
]

# The next offset to read, by topic and partition.
Positions = dict[tuple[str, int], int]

_WAIT_S = 0.5


class MutationReader:
    """Reads all partitions of mutation topics, committed records alone; a context manager.

    Args:
        settings: how to reach Kafka, and the registry if there is one; by default of the `THW_…` variables.
        topics: by default those of the settings' projections.
        start: positions of an earlier reader to go on from; not older than `delete.retention.ms` of the topics.
        threads_max: of so many threads it is remembered what came last, to tell what is missing.

    Raises:
        ConfigError: a topic is missing, or no broker answers.

    Attributes:
        bootstrapped: whether what there was at the start is read.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        topics: Sequence[str] | None = None,
        *,
        start: Mapping[tuple[str, int], int] | None = None,
        threads_max: int = 100_000,
    ) -> None:
        found = settings or load(None, {})
        names = list(topics or app.topic_names(found).projections.values())
        self.bootstrapped = False
        self._decode = app.value_decoder(found)
        self._gaps = Gaps(threads_max)
        self._reader = TopicReader(found.kafka, names, dict(start or {}))
        self._ends = self._reader.ends()
        self._positions = self._reader.positions()
        # Read and not yet yielded: whoever leaves an iteration may begin another.
        self._pending: deque[InRecord] = deque()

    @property
    def positions(self) -> Positions:
        """Where to go on: past everything that was returned or yielded. Keep them with the rows."""
        return dict(self._positions)

    def bootstrap(self) -> Iterator[Change]:
        """Yield what there was when this reader was made, from its start on.

        Versions of rows that were replaced since may come or not. When it ends, the rows are a consistent whole.

        Raises:
            SchemaError: a record is of a schema version this release does not know; nothing was skipped.
            FatalError: a record is no mutation, or Kafka cannot be read.
        """
        yield from self._delivered([])
        for records in self._reader.batches_to(self._ends):
            yield from self._delivered(records)
        self.bootstrapped = True

    def poll(self, wait_s: float = _WAIT_S) -> list[Change]:
        """Return the next changes, for those who work in batches; waits at most so long. Raises as `bootstrap`."""
        return list(self._delivered([] if self._pending else self._reader.read(wait_s)))

    def follow(self, idle_s: float | None = None) -> Iterator[Change]:
        """Yield what comes, after what `bootstrap` would yield if that was not done. Raises as `bootstrap`.

        Args:
            idle_s: end when nothing came for so long; by default never.
        """
        yield from self.bootstrap()
        waited_s = 0.0
        while idle_s is None or waited_s < idle_s:
            wait_s = _WAIT_S if idle_s is None else min(_WAIT_S, idle_s - waited_s)
            records = self._reader.read(wait_s)
            waited_s = 0.0 if records else waited_s + wait_s
            yield from self._delivered(records)

    def close(self) -> None:
        """Release the client."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _delivered(self, records: list[InRecord]) -> Iterator[Change]:
        self._pending.extend(records)
        live = self.bootstrapped
        while self._pending:
            record = self._pending[0]
            change = change_of(record, self._decode)
            missing = self._gaps.missing(change) if live else 0
            self._pending.popleft()
            self._positions[record.topic, record.partition] = record.offset + 1
            yield change._replace(missing=missing) if missing else change
        self._positions = self._reader.positions()
        self.bootstrapped = live or all(self._positions[place] >= end for place, end in self._ends.items())
