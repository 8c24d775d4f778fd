"""Reduce, then observe: one checked line of a thread becomes mutations (D12: one reduction feeds all observers)."""

from collections.abc import Sequence
from typing import Any

from worker.model.change import ChangeSet
from worker.model.mutation import REDUCER_VERSION, SCHEMA_VERSION, Draft, Mutation, row_key
from worker.model.thread import Thread
from worker.projections.projection import Latest, Projection
from worker.reducer.fold import fold
from worker.reducer.kind import Handler
from worker.reducer.shaping import ITEM_BYTES_MAX, Shaping


class Pipeline:
    """The installed projections over one reduction.

    Args:
        projections: in the order in which they observe.
        redact: replace secrets in commands (U9).
        item_bytes_max: larger items are cut to this size, as JSON.
    """

    def __init__(
        self, projections: Sequence[Projection], *, redact: bool, item_bytes_max: int = ITEM_BYTES_MAX
    ) -> None:
        self._projections = projections
        self._latest = [found for found in projections if isinstance(found, Latest)]
        self._shaping = Shaping(redact, item_bytes_max)

    def reduce(
        self,
        thread: Thread,
        handle: Handler,
        event: Any,
        timestamp_ms: int | None,
        line_bytes: int = 0,
        *,
        ordinal: int | None = None,
        indexed: bool = True,
    ) -> ChangeSet:
        """Fold a checked event into its thread.

        Args:
            timestamp_ms: the line's own timestamp.
            line_bytes: how long the line is.
            ordinal: its place in its thread, if known.
            indexed: it takes a rollout index (F5).
        """
        return fold(
            thread,
            handle,
            event,
            timestamp_ms,
            shaping=self._shaping,
            line_bytes=line_bytes,
            ordinal=ordinal,
            indexed=indexed,
        )

    def observe(self, thread: Thread, changes: ChangeSet, source: dict[str, Any]) -> list[Mutation]:
        """Observe what changed.

        Args:
            source: where the item came from, as every mutation states it (D11).

        Returns:
            The mutations in the order of D17, numbered.
        """
        changes.source = source
        return [
            _placed(thread, projection.name, draft, source)
            for projection in self._projections
            for draft in projection.observe(thread, changes)
        ]

    def latest(self, thread: Thread) -> list[Mutation]:
        """Return the rows that show a thread as it is now and differ from the last commit's."""
        found = [(projection.name, projection.latest(thread)) for projection in self._latest]
        return [_current(thread, name, body) for name, body in found if body is not None]

    def touch(self, thread: Thread, source: dict[str, Any]) -> None:
        """Have the rows that show a thread as it is count as changed, by a record."""
        for projection in self._latest:
            projection.touch(thread, source)


def _current(thread: Thread, projection: str, body: dict[str, Any]) -> Mutation:
    header = thread.header
    common = {
        "schemaVersion": SCHEMA_VERSION,
        "threadId": thread.id,
        "generation": header.generation,
        "asOfSequence": header.sequence,
        "reducerVersion": REDUCER_VERSION,
    }
    return Mutation(projection, thread.key, header.generation, header.sequence, common | body, removes=False)


def _placed(thread: Thread, projection: str, draft: Draft, source: dict[str, Any]) -> Mutation:
    header = thread.header
    header.sequence += 1
    topic_sequence = header.topic_sequences.get(projection, 0) + 1
    header.topic_sequences[projection] = topic_sequence
    body = {
        "schemaVersion": SCHEMA_VERSION,
        "threadId": thread.id,
        "generation": header.generation,
        "sequence": header.sequence,
        "topicSequence": topic_sequence,
        "source": source,
        "reducerVersion": REDUCER_VERSION,
        **draft.body,
    }
    key = f"{thread.key}/{row_key(*draft.key)}"
    return Mutation(projection, key, header.generation, header.sequence, body, draft.removes)
