"""What records of the mutation topics say, as typed models: the public names are those of `worker.reader`."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from worker.codec.versions import insist_on_schema, version_of
from worker.errors import FatalError, UnreadableError
from worker.model.record import InRecord


class _Model(BaseModel):
    """Fields in Python's spelling; those that a newer worker adds are in `model_extra`."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)


class Source(_Model):
    """The input record that a mutation comes from.

    Attributes:
        index: in the append.
        ordinal: the line's place in its thread.
        timestamp: the record's, milliseconds since the epoch.
    """

    topic: str
    partition: int
    offset: int
    index: int
    ordinal: int | None
    timestamp: int | None


class Value(_Model):
    """What the values of all mutation topics have.

    Attributes:
        generation: which life of the thread; only grows.
        reducer_version: raised when the same input gives other mutations than before.
    """

    schema_version: int
    thread_id: str
    generation: int
    source: Source
    reducer_version: int


class Mutation(Value):
    """What all mutations have; also what one of a projection that is not the project's own is read as.

    Attributes:
        sequence: counts the thread's mutations over all projections, from 1; with `generation` it orders them.
        topic_sequence: the same within its projection.
    """

    sequence: int
    topic_sequence: int


class ThreadItemMutation(Mutation):
    """An item of a turn: made, changed, or removed by a rollback.

    Attributes:
        turn_ordinal: orders the thread's turns.
        item_ordinal: the reference's number of the key; orders nothing.
        item_position: orders the turn's items.
        is_open: the item may still change.
        truncated: the item was cut, from `original_bytes`.
        inherited: it was copied from the thread `origin_thread_id`, where it counts.
        materialized_thread_item: the whole item, as Codex's v2 API shows it; new versions of Codex bring new types.
    """

    turn_id: str
    turn_ordinal: int
    item_key: str
    item_ordinal: int
    item_position: int
    mutation_kind: Literal["upsert", "tombstone"]
    is_open: bool
    item_type: str
    created_at_ms: int | None
    updated_at_ms: int | None
    truncated: bool = False
    original_bytes: int | None = None
    inherited: bool
    origin_thread_id: str | None = None
    materialized_thread_item: dict[str, Any]


class Summary(_Model):
    """A turn without its items.

    Attributes:
        started_at: seconds since the epoch, as `completed_at`.
        summary_items: the first user message and the last agent message, as far as there are any.
    """

    status: str
    started_at: int | None
    completed_at: int | None
    duration_ms: int | None
    error: dict[str, Any] | None
    summary_items: list[dict[str, Any]]


class TurnSummaryMutation(Mutation):
    """A turn: begun, changed, ended, or removed by a rollback.

    Attributes:
        mutation: the turn as it is now; of one that is removed, as it was last.
    """

    turn_id: str
    turn_ordinal: int
    removed: bool
    inherited: bool
    origin_thread_id: str | None = None
    mutation: Summary


class LifecycleMutation(Mutation):
    """Something that happened to a thread; none replaces another.

    Attributes:
        turn_id: the turn it is about, if it is about one.
        payload: by event type.
    """

    lifecycle_ordinal: int
    event_type: str
    turn_id: str | None
    payload: dict[str, Any]


class Git(_Model):
    """Where the thread's directory stood in Git when it began."""

    commit_hash: str | None
    branch: str | None
    repository_url: str | None


class Tokens(_Model):
    """Counts of tokens, as far as the rollout states them."""

    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    reasoning_output_tokens: int | None
    total_tokens: int | None


class ThreadRow(Value):
    """A thread as it was at a commit.

    Attributes:
        as_of_sequence: the row shows every mutation of the thread up to it; of two rows of one the later counts.
        kind: `main`, `subAgent`, `review` or `exec`; more may come.
        items: how many the thread has, by type.
        inherited_turns: how many of `turns` were copied from the thread it came from; `inherited_items` of `items`.
        tokens_used: as the rollout states them, of what was inherited too.
        parked: the worker keeps newer lines aside until a repair.
    """

    as_of_sequence: int
    parent_thread_id: str | None
    forked_from_id: str | None
    kind: str
    history_mode: str
    cwd: str | None
    model: str | None
    cli_version: str | None
    git: Git | None
    title: str | None
    name: str | None
    created_at_ms: int | None
    last_activity_at_ms: int | None
    turns: int
    inherited_turns: int
    rolled_back_turns: int
    last_turn_status: str | None
    items: dict[str, int]
    inherited_items: int
    open_items: int
    tokens_used: Tokens | None
    parked: bool


# Told by a field that only its own has.
_MODELS: tuple[tuple[str, type[Value]], ...] = (
    ("asOfSequence", ThreadRow),
    ("materializedThreadItem", ThreadItemMutation),
    ("mutation", TurnSummaryMutation),
    ("lifecycleOrdinal", LifecycleMutation),
)


class Change(NamedTuple):
    """What is to be done to a row.

    Attributes:
        key: the row's; its parts are joined by `/`.
        mutation: what the row is now; None deletes it, whatever came before.
        generation: with `sequence` the change's version: of a deletion, of the mutation before it. None on a null that
            something else than the worker wrote.
        missing: mutations of this thread and topic that should have come since the one before and did not. Only told
            between records read live; not 0 means loss, or that the reader was further behind than
            `min.compaction.lag.ms`.
    """

    key: str
    mutation: Value | None
    generation: int | None
    sequence: int | None
    topic: str
    partition: int
    offset: int
    missing: int


def change_of(record: InRecord, decode: Callable[[bytes], Any]) -> Change:
    """Return what a record of a mutation topic says.

    Args:
        decode: a value's bytes to its fields, whatever the encoding.

    Raises:
        SchemaError: it is of a schema version this release does not know.
        FatalError: it is no mutation.
    """
    insist_on_schema(record)
    mutation = None
    try:
        key = (record.key or b"").decode()
        if record.value is not None:
            mutation = _mutation(decode(record.value))
    except (UnreadableError, ValueError) as error:
        # The text of pydantic's, which is a ValueError, would hold the payload.
        why = str(error) if isinstance(error, UnreadableError) else type(error).__name__
        raise FatalError(f"{record.topic}[{record.partition}] at offset {record.offset}: no mutation: {why}") from None
    generation, sequence = _version(mutation, record)
    return Change(key, mutation, generation, sequence, record.topic, record.partition, record.offset, 0)


def _version(mutation: Value | None, record: InRecord) -> tuple[int | None, int | None]:
    if isinstance(mutation, Mutation):
        return mutation.generation, mutation.sequence
    if isinstance(mutation, ThreadRow):
        return mutation.generation, mutation.as_of_sequence
    stated = version_of(record)
    return (None, None) if stated is None else (stated.generation, stated.sequence)


def _mutation(fields: dict[str, Any]) -> Value:
    model = next((model for field, model in _MODELS if field in fields), Mutation)
    return model.model_validate(fields)


class Gaps:
    """Tells what is missing between mutations of a thread on a topic, by `topicSequence`.

    Args:
        threads_max: threads that are remembered; of the others nothing can be told.
    """

    def __init__(self, threads_max: int) -> None:
        self._threads_max = threads_max
        # Generation and topic sequence, by topic and thread; the one that came last is last.
        self._last: dict[tuple[str, str], tuple[int, int]] = {}

    def missing(self, change: Change) -> int:
        """Return how many mutations should have come before this one; take note of it."""
        mutation = change.mutation
        if not isinstance(mutation, Mutation):
            return 0
        place = change.topic, mutation.thread_id
        generation, sequence = self._last.pop(place, (mutation.generation, mutation.topic_sequence - 1))
        self._last[place] = mutation.generation, mutation.topic_sequence
        if len(self._last) > self._threads_max:
            del self._last[next(iter(self._last))]
        # A new generation counts from 1 anew.
        return max(0, mutation.topic_sequence - sequence - 1) if generation == mutation.generation else 0
