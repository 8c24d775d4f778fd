"""A broker in memory for the loop's own logic: transactions, a changelog, offsets, and faults on order.

Guarantees are tested on the real broker; here every interleaving of faults and rebalances can be tried.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from worker.errors import DoubtError, RetryError
from worker.model.record import InRecord, OutRecord, StateRow
from worker.runtime.clock import Clock
from worker.runtime.ports import Listener, Offsets, StateStore


class ManualClock(Clock):
    """Time that passes only when it is looked at, a little."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        """Return a time later than before."""
        self._now += 0.01
        return self._now

    def sleep(self, seconds: float) -> None:
        """Pass the time."""
        self._now += seconds


@dataclass
class FakeBroker:
    """What is committed."""

    inputs: dict[int, list[InRecord]]
    outputs: dict[tuple[str, int], list[OutRecord]] = field(default_factory=lambda: defaultdict(list))
    changelog: dict[int, list[StateRow]] = field(default_factory=lambda: defaultdict(list))
    committed: dict[int, int] = field(default_factory=dict)

    def through(self) -> bool:
        """Tell whether all input is committed."""
        return all(self.committed.get(number, 0) == len(records) for number, records in self.inputs.items())


class FakeSource:
    """A group member; the script says, poll by poll, what happens to its partitions."""

    def __init__(self, broker: FakeBroker, script: Iterator[Callable[["FakeSource"], None]]) -> None:
        self.broker = broker
        self.owned: set[int] = set()
        self.listener: Listener | None = None
        # The worker's, so that a script can stop it.
        self.stop: Callable[[], None] = lambda: None
        self._script = script
        self._positions: dict[int, int] = {}

    def subscribe(self, listener: Listener) -> None:
        """Join; the script assigns."""
        self.listener = listener

    def poll(self, records_max: int, wait_s: float) -> Mapping[int, Sequence[InRecord]]:
        """Let the script act, then deliver a few records of each started partition."""
        next(self._script, FakeSource.own_all)(self)
        found = {}
        for number, position in list(self._positions.items()):
            records = self.broker.inputs[number][position : position + 7]
            self._positions[number] = position + len(records)
            if records:
                found[number] = records
        return found

    def own_all(self) -> None:
        """Be assigned whatever is not owned yet."""
        self.assign(self.broker.inputs.keys() - self.owned)

    def assign(self, partitions: Collection[int]) -> None:
        """Give partitions."""
        new = set(partitions) - self.owned
        if new and self.listener is not None:
            self.owned |= new
            self.listener.assigned(sorted(new))

    def revoke(self, partitions: Collection[int]) -> None:
        """Take partitions in good order."""
        gone = set(partitions) & self.owned
        if gone and self.listener is not None:
            self.listener.revoked(sorted(gone))
            self._gone(gone)

    def lose(self, partitions: Collection[int]) -> None:
        """Take partitions without asking."""
        gone = set(partitions) & self.owned
        if gone and self.listener is not None:
            self.listener.lost(sorted(gone))
            self._gone(gone)

    def _gone(self, partitions: set[int]) -> None:
        self.owned -= partitions
        for number in partitions:
            self._positions.pop(number, None)

    def committed(self, partitions: Collection[int]) -> dict[int, int | None]:
        """Return the committed offsets."""
        return {number: self.broker.committed.get(number) for number in partitions}

    def hold(self, partitions: Collection[int]) -> None:
        """Stop delivering."""
        for number in partitions:
            self._positions.pop(number, None)

    def start(self, partition: int, offset: int | None) -> None:
        """Deliver from an offset on."""
        self._positions[partition] = offset or 0

    def offsets(self) -> Offsets:
        """Return the positions."""
        return Offsets(dict(self._positions), None)

    def close(self) -> None:
        """Leave nothing behind."""
        self.listener = None


class FakeSink:
    """A transactional producer; faults come from a list: at which call, and which."""

    def __init__(self, broker: FakeBroker, faults: Iterator[str]) -> None:
        self.broker = broker
        self._faults = faults
        self._outputs: dict[tuple[str, int], list[OutRecord]] = defaultdict(list)
        self._rows: dict[int, list[StateRow]] = defaultdict(list)

    def open(self) -> None:
        """Abort what an earlier producer left."""
        self._forget()

    def _forget(self) -> None:
        self._outputs.clear()
        self._rows.clear()

    def _fault(self) -> str:
        return next(self._faults, "")

    def send(self, partition: int, records: Sequence[OutRecord]) -> None:
        """Add records, or fail."""
        if self._fault() == "send":
            raise RetryError("send")
        for record in records:
            self._outputs[record.topic, partition].append(record)

    def send_rows(self, partition: int, rows: Sequence[StateRow]) -> None:
        """Add rows, or fail."""
        if self._fault() == "rows":
            raise RetryError("rows")
        self._rows[partition] += rows

    def commit(self, offsets: Offsets, within_s: float) -> Mapping[int, int]:
        """Commit, or fail before it, or commit and fail to say so."""
        fault = self._fault()
        if fault == "abort":
            raise RetryError("abort")
        if fault == "doubt-lost":
            raise DoubtError("nobody knows")
        for place, records in self._outputs.items():
            self.broker.outputs[place] += records
        for number, rows in self._rows.items():
            self.broker.changelog[number] += rows
        self.broker.committed |= offsets.positions
        ends = {number: len(self.broker.changelog[number]) for number in self._rows}
        self._forget()
        if fault == "doubt-kept":
            raise DoubtError("nobody knows")
        return ends

    def reset(self, error: Exception | None) -> None:
        """Be ready again, or not yet."""
        self._forget()
        if self._fault() == "reset":
            raise RetryError("reset")

    def close(self) -> None:
        """Abort."""
        self._forget()


class FakeRestorer:
    """Reads the changelog, one partition a step."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._stores: dict[int, StateStore] = {}

    def begin(self, partition: int, store: StateStore) -> None:
        """Remember what to restore."""
        self._stores[partition] = store

    def drop(self, partitions: Collection[int]) -> None:
        """Forget partitions."""
        for number in partitions:
            self._stores.pop(number, None)

    def step(self) -> Mapping[int, int | None]:
        """Restore one partition whole."""
        if not self._stores:
            return {}
        number, store = self._stores.popitem()
        rows = self._broker.changelog[number]
        store.apply(rows[store.changelog_offset :], len(rows))
        return {number: self._broker.committed.get(number)}

    def close(self) -> None:
        """Forget all."""
        self._stores.clear()
