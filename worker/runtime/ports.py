"""What the loop needs from the outside. `worker.app` joins these to Kafka and to the store.

The loop calls everything here from one thread. Only a `Listener` is called back, from inside `Source.poll` and
`Source.close`, in the same thread.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from worker.model.record import InRecord, OutRecord, StateRow
from worker.model.value import value


class StateStore(Protocol):
    """The rows of one partition's state: always a prefix of the committed changelog."""

    @property
    def changelog_offset(self) -> int:
        """The next changelog offset to read: everything before it is in the store. 0 when empty."""

    def get(self, key: bytes) -> bytes | None:
        """Return a row's value, or None."""

    def scan(self, prefix: bytes) -> Iterable[tuple[bytes, bytes]]:
        """Yield the rows whose key begins with a prefix, in the order of their keys."""

    def first_from(self, key: bytes) -> bytes | None:
        """Return the first key that is not below a key, None when there is none; one above 480 bytes may be cut."""

    def apply(self, rows: Iterable[StateRow], changelog_offset: int) -> None:
        """Write rows (None deletes) and the changelog offset, both or neither."""

    def size(self) -> tuple[int, int]:
        """Return how many rows there are, and what they take, in bytes."""

    def condemn(self, why: str) -> None:
        """Have everything in the store thrown away before it is used again."""

    def close(self) -> None:
        """Release what the store holds."""


@value
class Size:
    """How much there is of a partition.

    Attributes:
        rows: of its store; `store_bytes`: what they take.
        parked: threads that are parked.
    """

    rows: int
    store_bytes: int
    parked: int


@value
class Folded:
    """What became of some records.

    Attributes:
        out: what to produce, inside the open transaction.
        resume_at: None when all records are done; else the transaction is to be committed at once, with everything
            before this input offset done, and the partition read again from there.
    """

    out: list[OutRecord]
    resume_at: int | None = None


class Task(Protocol):
    """One assigned partition: folds records and remembers what a checkpoint must write."""

    @property
    def store(self) -> StateStore:
        """The partition's rows as last committed."""

    def begin(self) -> None:
        """Look at the store, which holds everything committed now: called before the first record.

        Raises:
            ConfigError: this worker cannot go on from this state.
        """

    def process(self, records: Sequence[InRecord]) -> Folded:
        """Fold records in order.

        Raises:
            RetryError: the records are to be read again from the last commit; it goes on differently then.
            FatalError: the worker must not go on; nothing of the batch may be committed.
        """

    def latest(self) -> list[OutRecord]:
        """Return what shows the threads as they are: called once, right before `changed_rows`.

        Raises:
            FatalError: our own code failed; nothing of the transaction may be committed.
        """

    def changed_rows(self) -> list[StateRow]:
        """Return the rows changed since the last checkpoint, each once, encoded. Keeps them until `committed`."""

    def committed(self, changelog_offset: int | None, position: int) -> None:
        """Write the changed rows to the store: called after the transaction committed.

        Args:
            changelog_offset: the offset after the last changelog record of the transaction, None if it had none.
            position: the input offset that was committed.
        """

    def forget(self) -> None:
        """Drop everything since the last checkpoint: the transaction was aborted."""

    def size(self) -> Size:
        """Return how much there is."""

    def close(self) -> None:
        """Release what the task holds: its partition is another's now."""


@value
class Offsets:
    """Which input offsets a transaction commits.

    Attributes:
        positions: the next offset to read, by partition.
        group: the client's own word for the group and our place in it, taken afresh for each commit.
    """

    positions: dict[int, int]
    group: object


class Listener(Protocol):
    """Is told of partitions that come and go; raises nothing."""

    def assigned(self, partitions: Collection[int]) -> None:
        """Partitions are ours now; they are paused until `Source.start`."""

    def revoked(self, partitions: Collection[int]) -> None:
        """Partitions are about to move: commit what is theirs, then drop them."""

    def lost(self, partitions: Collection[int]) -> None:
        """Partitions were taken: drop them, commit nothing."""


class Source(Protocol):
    """The input topic's partitions that are assigned to this process."""

    def subscribe(self, listener: Listener) -> None:
        """Join the group."""

    def poll(self, records_max: int, wait_s: float) -> Mapping[int, Sequence[InRecord]]:
        """Return records by partition, at most `records_max`; waits at most `wait_s` when there is none.

        Raises:
            SupersededError: another process joined under our name.
            FatalError: the client gave up, or the committed offset is gone from the topic.
        """

    def committed(self, partitions: Collection[int]) -> dict[int, int | None]:
        """Return the group's committed offsets, None where there is none.

        Waits for transactions that still may change them.

        Raises:
            RetryError: no answer in time.
            FatalError: the topic does not hold an offset any more, and nobody said what to do.
        """

    def hold(self, partitions: Collection[int]) -> None:
        """Deliver nothing of these partitions until `start`."""

    def start(self, partition: int, offset: int | None) -> None:
        """Deliver a partition's records from an offset on; None is the beginning.

        Raises:
            RetryError: the client is not ready for it yet.
        """

    def offsets(self) -> Offsets:
        """Return the positions of the partitions that delivered something, all of it being before them."""

    def close(self) -> None:
        """Stop without leaving the group: a static member that comes back in time keeps its partitions."""


class Sink(Protocol):
    """The one producer: everything the worker writes goes through its transactions."""

    def open(self) -> None:
        """Take our name, which ends whatever transaction an earlier holder left open.

        Raises:
            ConfigError: the broker does not allow it.
            RetryError: no answer in time.
        """

    def send(self, partition: int, records: Sequence[OutRecord]) -> None:
        """Add records to the transaction, which begins if none is open.

        Raises:
            RetryError: the transaction cannot succeed any more.
        """

    def send_rows(self, partition: int, rows: Sequence[StateRow]) -> None:
        """Add rows to the transaction, for the changelog.

        Raises:
            RetryError: as `send`.
        """

    def commit(self, offsets: Offsets, within_s: float) -> Mapping[int, int]:
        """Commit the transaction with the input offsets.

        Returns:
            The changelog offset after the last row, by partition that had rows.

        Raises:
            RetryError: nothing was committed.
            DoubtError: nobody knows.
        """

    def reset(self, error: Exception | None) -> None:
        """Be ready for a new transaction after a failure: abort, or take a new producer where that will not do.

        Raises:
            RetryError: no answer in time; call again.
        """

    def close(self) -> None:
        """Give the producer up; an open transaction is aborted by its successor."""


class Meter(Protocol):
    """Counts and measures, under the names of worker/telemetry/definitions.py without prefix and `_total`.

    Takes no more than some microseconds, never waits and raises nothing for what the world does.
    """

    @property
    def on(self) -> bool:
        """Tell whether anybody reads it."""

    def add(self, name: str, amount: float, *labels: str) -> None:
        """Add to a counter."""

    def set(self, name: str, amount: float, *labels: str) -> None:
        """Set a gauge."""

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Put one value into a histogram."""

    def observe_all(self, name: str, seconds: Sequence[float], *labels: str) -> None:
        """Put many values into a histogram."""


class Tracer(Protocol):
    """Makes a span of each transaction; as quick and as quiet as a meter."""

    def saw(self, records: Sequence[InRecord]) -> None:
        """Records went into the transaction, which begins with the first."""

    def ended(self, records: int, error: str = "") -> None:
        """The transaction, of so many input records, was committed, or failed for a reason."""

    def close(self) -> None:
        """Hand over what is left; may take a moment."""


class Restorer(Protocol):
    """Reads changelog partitions into stores while the loop goes on."""

    def begin(self, partition: int, store: StateStore) -> None:
        """Bring a store up to date with what was committed before this call."""

    def drop(self, partitions: Collection[int]) -> None:
        """Forget partitions that moved away."""

    def step(self) -> Mapping[int, int | None]:
        """Read a little; return the partitions that are done, with their committed input offsets.

        Raises:
            RetryError: no answer in time; call again.
        """

    def close(self) -> None:
        """Release the client."""
