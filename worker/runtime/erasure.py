"""Forgetting a thread: nulls for all its rows, on every topic and in the state, a bounded number at a time (G9).

Nothing needs remembering between two steps: each deletes the state rows it has worked off, and the header goes last.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from worker.codec.rows import decode_row, encode_row, state_key
from worker.model.mutation import row_key
from worker.model.record import Headers, OutRecord, StateRow
from worker.model.thread import Header, Turn
from worker.model.value import value
from worker.projections.projection import Projection
from worker.runtime.ports import StateStore

# Rows of the state, and of the topics, that one transaction nulls at most.
ROWS_MAX = 10_000


@value
class Step:
    """What one step nulls.

    Attributes:
        out: null rows for the topics.
        rows: state rows to write.
        done: nothing of the thread is left.
    """

    out: list[OutRecord]
    rows: list[StateRow]
    done: bool


class Erasure:
    """Forgets threads of a partition.

    Args:
        topics: the topic of each projection.
        encode: encodes a row's value.
    """

    def __init__(
        self,
        store: StateStore,
        projections: Sequence[Projection],
        topics: dict[str, str],
        encode: Callable[[str, Any], bytes] = encode_row,
    ) -> None:
        self._store = store
        self._projections = projections
        self._topics = topics
        self._encode = encode

    def step(self, thread_id: str, headers: Headers) -> Step:
        """Null some more of a thread whose rows are all in the store.

        Args:
            headers: for the null rows.
        """
        out: list[OutRecord] = []
        rows: list[StateRow] = []
        prefix = state_key(thread_id, "")
        for key, data in islice(self._store.scan(prefix), ROWS_MAX + 1):
            row = key[len(prefix) :].decode()
            if row == "h":
                continue
            if len(out) >= ROWS_MAX or len(rows) >= ROWS_MAX:
                return Step(out, rows, False)
            out += self._nulls(thread_id, row, data, headers)
            rows.append(StateRow(key, None))
        return self._last(thread_id, Step(out, rows, True), headers)

    def _nulls(self, thread_id: str, row: str, data: bytes, headers: Headers) -> Iterator[OutRecord]:
        kind, _, rest = row.partition("/")
        if kind == "p" and rest in self._topics:
            yield OutRecord(self._topics[rest], row_key(thread_id).encode(), None, headers)
        if kind not in ("i", "u"):
            return
        found = decode_row(row, data)
        turn: Turn = found if kind == "u" else self._turn(thread_id, int(rest.partition("/")[0]))
        for projection in self._projections:
            for parts in projection.shown(kind, found, turn):
                yield OutRecord(self._topics[projection.name], row_key(thread_id, *parts).encode(), None, headers)

    def _turn(self, thread_id: str, number: int) -> Turn:
        row = f"u/{number}"
        data = self._store.get(state_key(thread_id, row))
        assert data is not None, "turns are nulled after their items"
        turn: Turn = decode_row(row, data)
        return turn

    def _last(self, thread_id: str, step: Step, headers: Headers) -> Step:
        """Null what the header alone knows, counting it down, and then the header."""
        key = state_key(thread_id, "h")
        data = self._store.get(key)
        if data is None:
            return step
        header: Header = decode_row("h", data)
        topic = self._topics.get("lifecycle")
        while topic is not None and header.lifecycle and len(step.out) < ROWS_MAX:
            row = row_key(thread_id, str(header.lifecycle)).encode()
            step.out.append(OutRecord(topic, row, None, headers))
            header.lifecycle -= 1
        done = topic is None or not header.lifecycle
        step.rows.append(StateRow(key, None if done else self._encode("h", header)))
        return Step(step.out, step.rows, done)
