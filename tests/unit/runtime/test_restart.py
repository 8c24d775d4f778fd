"""A partition that is stopped, aborted, restored, its threads evicted, gives what one pass gives (G1, G2)."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories, strategies
from worker.model.record import InRecord, OutRecord
from worker.runtime.task import PartitionTask
from worker.store.memory import MemoryStore


@dataclass
class Run:
    """A partition's task over its life; only what was committed counts.

    Attributes:
        committed: what reached the topics.
        keys: every state row that was ever written.
    """

    cache_bytes: int
    store: MemoryStore = field(default_factory=MemoryStore)
    committed: list[OutRecord] = field(default_factory=list)
    keys: set[bytes] = field(default_factory=set)
    _open: list[OutRecord] = field(default_factory=list)
    _batch: list[InRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._task = self._started()

    def _started(self) -> PartitionTask:
        return factories.task(self.store, cache_bytes=self.cache_bytes)

    def take(self, record: InRecord) -> None:
        self._batch.append(record)
        self._open += self._task.process([record]).out

    def go_on(self) -> None:
        """Let the batch grow."""

    def commit(self) -> None:
        rows = self._task.changed_rows()
        self.keys |= {row.key for row in rows}
        self._task.committed(self.store.changelog_offset + len(rows), 0)
        self.committed += self._open
        self._open, self._batch = [], []

    def abort(self) -> None:
        """The transaction is aborted and its records are given again, all at once."""
        self._task.forget()
        self._open = self._task.process(self._batch).out

    def abort_late(self) -> None:
        """The transaction is aborted after its rows were sent."""
        self._task.changed_rows()
        self.abort()

    def crash(self) -> None:
        """The process dies; another reads from the last commit."""
        self._task = self._started()
        self._open = self._task.process(self._batch).out

    def restart(self) -> None:
        self.commit()
        self.crash()

    def state(self) -> dict[bytes, bytes]:
        found = {key: self.store.get(key) for key in self.keys}
        return {key: value for key, value in found.items() if value is not None}


@st.composite
def partitions(draw: st.DrawFn) -> list[InRecord]:
    """Draw the records of a partition: up to three threads, interleaved."""
    threads = {
        key: draw(strategies.threads(size_max=14) | strategies.sessions(size_max=14)) for key in (b"t", b"u/%", b"v")
    }
    keys = draw(st.permutations([key for key, lines in threads.items() for _ in lines]))
    waiting = {key: iter(lines) for key, lines in threads.items()}
    lines = [(key, next(waiting[key])) for key in keys]
    return [
        factories.record(
            line.text,
            key=key,
            offset=10 + offset,
            headers=[] if line.ordinal is None else [("rollout-ordinal", b"%d" % line.ordinal)],
        )
        for offset, (key, line) in enumerate(lines)
    ]


STEPS = st.lists(
    st.sampled_from(["go_on", "go_on", "go_on", "commit", "abort", "abort_late", "crash", "restart"]), min_size=60
)


@settings(max_examples=120)
@given(partitions(), STEPS, st.sampled_from([0, 4_000, 16_000]))
def test_neither_batches_nor_aborts_nor_restarts_nor_evictions_show(
    records: list[InRecord], steps: list[str], cache_bytes: int
) -> None:
    whole, broken = Run(cache_bytes=1 << 20), Run(cache_bytes=cache_bytes)

    for record, step in zip(records, steps, strict=False):
        whole.take(record)
        broken.take(record)
        getattr(broken, step)()
    whole.commit()
    broken.commit()

    assert broken.committed == whole.committed
    assert broken.state() == whole.state()
