"""One append of a thread: from its bytes to mutations. The one path that `run` and `replay` share."""

from collections import Counter
from typing import Any

from worker.codec.appends import Append, AppendDecoder
from worker.codec.frames import is_framed
from worker.codec.lines import Line, LineDecoder
from worker.errors import UnreadableError
from worker.model.digests import admit
from worker.model.mutation import Mutation
from worker.model.scalar import I64_MAX
from worker.model.thread import Thread
from worker.pipeline import Pipeline
from worker.reducer.fold import skip
from worker.runtime.parking import Fault
from worker.runtime.watch import Watch

# How many names of unknown kinds are counted apart; the rest count as "other", so that no input can grow the tally.
UNKNOWN_NAMES_MAX = 50
_NAME_LENGTH_MAX = 64

Tally = Counter[tuple[str, ...]]
# What becomes of a record all of whose lines end alike; of any other, unless it is rejected: it was processed.
_OUTCOMES = {"blank": "blank", "repeated": "skipped_duplicate"}


class OwnFaultError(Exception):
    """Our own code failed on a valid record.

    Attributes:
        stage: `reduce`, `project` or `encode`.
        told: what failed; holds no payload.
    """

    def __init__(self, stage: str, told: str) -> None:
        super().__init__(f"{stage}: {told}")
        self.stage = stage
        self.told = told


class Appends:
    """Folds lines into threads and counts what became of them.

    Args:
        envelopes: reads records that hold several items.

    Attributes:
        tally: counts by what, then which: `lines` by status, `unknown` by kind, `ordinals` by what they told (D22);
            tasks add their own. Whoever reads it may clear it.
        outcome: what became of the record that was taken last.
        watch: of a record whose way is to be timed, None for the others.
    """

    def __init__(self, decoder: LineDecoder, pipeline: Pipeline, envelopes: AppendDecoder | None = None) -> None:
        self._decoder = decoder
        self._pipeline = pipeline
        self._envelopes = envelopes or AppendDecoder()
        self._unknown: set[str] = set()
        self.tally: Tally = Counter()
        self.outcome = ""
        self.watch: Watch | None = None
        # What became of the last line.
        self._became = ""

    def take(
        self, thread: Thread, data: bytes, ordinal: int | None, source: dict[str, Any]
    ) -> tuple[list[Mutation], Fault | None]:
        """Fold a record's value into its thread: one line, or an append of several.

        Args:
            data: the value.
            ordinal: what the record's header says.
            source: where the record is.

        Returns:
            The mutations, and why the record goes to the dead letters, None when it does not. Of an append with bad
            items the others count.

        Raises:
            OwnFaultError: as `process`.
            RetryError: the value's schema is in the registry, which does not answer.
        """
        if not is_framed(data):
            mutations, error = self.process(thread, data, ordinal, source)
            self.outcome = "rejected" if error else _OUTCOMES.get(self._became, "processed")
            return mutations, Fault("rejected", error) if error else None
        try:
            append = self._envelopes.decode(data)
        except UnreadableError as error:
            return [], self._told(set(), Fault(error.reason, str(error)))
        if append.thread_id != thread.id:
            return [], self._told(set(), Fault("bad_key", "the append names another thread than the key"))
        return self._each(thread, append, ordinal, source)

    def _told(self, became: set[str], rejected: Fault | None) -> Fault | None:
        """Take note of what became of a record by its lines; return why it goes to the dead letters."""
        outcome = "processed"
        if rejected is not None:
            outcome = "rejected"
        elif len(became) == 1:
            outcome = _OUTCOMES.get(next(iter(became)), outcome)
        self.outcome = outcome
        return rejected

    def _each(
        self, thread: Thread, append: Append, ordinal: int | None, source: dict[str, Any]
    ) -> tuple[list[Mutation], Fault | None]:
        """Fold the elements of an append in order."""
        first = append.first_ordinal if ordinal is None else ordinal
        mutations: list[Mutation] = []
        errors: list[str] = []
        became: set[str] = set()
        for index, text in enumerate(append.elements):
            # What is beyond 63 bits counts as absent (D22).
            place = None if first is None or first + index > I64_MAX else first + index
            found, error = self.process(thread, text, place, {**source, "index": index}, append.timestamp_ms)
            mutations += found
            became.add(self._became)
            if error:
                errors.append(f"element {index}: {error}")
        if not errors:
            return mutations, self._told(became, None)
        more = f" (and {len(errors) - 1} more elements)" if len(errors) > 1 else ""
        return mutations, self._told(became, Fault("rejected", errors[0] + more))

    def process(
        self, thread: Thread, text: bytes, ordinal: int | None, source: dict[str, Any], timestamp_ms: int | None = None
    ) -> tuple[list[Mutation], str]:
        """Fold one line into its thread.

        Args:
            text: the line's bytes.
            ordinal: its place in its thread, if the line does not say.
            source: where it came from; its `ordinal` is set here.
            timestamp_ms: its timestamp, if the line need not say.

        Returns:
            The mutations, and why the line was rejected ("" when it was not).

        Raises:
            OwnFaultError: our own code failed on a line that was accepted; the thread may be half changed.
        """
        line = self._decoder.decode(text, ordinal, timestamp_ms)
        if line.status != "blank" and line.ordinal is not None and self._repeated(thread, line):
            self._became = "repeated"
            return [], ""
        self._became = line.status
        self.tally["lines", line.status] += 1
        if self.watch is not None:
            self.watch.lap("decode")
        if line.status == "event":
            source["ordinal"] = line.ordinal
            return self._fold(thread, line, len(text), source), ""
        if line.status == "ignored":
            skip(thread)
        elif line.status == "unknown":
            self.tally["unknown", self._name(line.kind)] += 1
        return [], line.error

    def latest(self, thread: Thread) -> list[Mutation]:
        """Return the rows that show a thread as it is now and differ from the last commit's.

        Raises:
            OwnFaultError: our own code failed.
        """
        try:
            return self._pipeline.latest(thread)
        except Exception as error:
            raise OwnFaultError("project", f"the latest of a thread: {type(error).__name__}") from error

    def touch(self, thread: Thread, source: dict[str, Any]) -> None:
        """Have the rows that show a thread as it is count as changed, by a record."""
        self._pipeline.touch(thread, source)

    def _repeated(self, thread: Thread, line: Line) -> bool:
        assert line.ordinal is not None
        seen = admit(thread, line.ordinal, line.digest)
        if seen != "new":
            self.tally["ordinals", seen] += 1
        return seen == "repeated"

    def _fold(self, thread: Thread, line: Line, line_bytes: int, source: dict[str, Any]) -> list[Mutation]:
        assert line.handle is not None
        stage = "reduce"
        try:
            changes = self._pipeline.reduce(
                thread,
                line.handle,
                line.event,
                line.timestamp_ms,
                line_bytes,
                ordinal=line.ordinal,
                indexed=line.indexed,
            )
            if changes.unknown_item:
                self.tally["unknown", self._name(changes.unknown_item)] += 1
            stage = "project"
            mutations = self._pipeline.observe(thread, changes, source)
            if self.watch is not None:
                self.watch.lap("reduce")
        except Exception as error:
            raise OwnFaultError(stage, f"a valid {line.kind}: {type(error).__name__}") from error
        return mutations

    def _name(self, kind: str) -> str:
        name = kind[:_NAME_LENGTH_MAX]
        if name not in self._unknown and len(self._unknown) >= UNKNOWN_NAMES_MAX:
            return "other"
        self._unknown.add(name)
        return name
