"""The state of a thread as rows, and the rows' values.

A row is loaded when it is first asked for and remembered until `settle`; a changed row is marked, so that a commit
writes each changed row once. Nothing here grows with the thread but what an event touches (G3).

Rows, by key: `h` header; `u/<turn number>`; `i/<turn number>/<position>`; `xt/<turn id>` the first live turn of that
id; `xi/<turn number>/<item id>` where the item is; `xo/<item key>` its ordinal, kept for ever (P5);
`d/<ordinal div 32>` digests of what was read (D22); `p/<projection>` what a projection keeps of the thread for itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from worker.model.item import Item
from worker.model.mutation import encoded

DIGESTS_PER_ROW = 32

TurnStatus = Literal["inProgress", "completed", "interrupted", "failed"]


@dataclass(slots=True)
class Header:
    """What is known of a thread as a whole.

    Attributes:
        generation: the input offset of the record that began this life of the thread.
        rollout_index: the index the next accepted line takes (R3).
        item_number: the N of the next `item-N` (R9).
        turns: turn numbers given so far; a number is never used again.
        last_turn: number of the last live turn, 0 for none.
        open_turn: number of the open turn, 0 for none (R1).
        items: live items over all live turns (R24).
        item_ordinals: item ordinals given so far (P5).
        lifecycle: lifecycle events so far (D16).
        sequence: mutations so far, over all projections.
        topic_sequences: mutations so far, by projection.
        next_ordinal: one above the highest input ordinal seen (D22).
        parked_from: offset in the topic of parked records from which on the thread's are; None when it is not parked.
        mode: its history mode, `legacy` or `paginated`; "" before the first `session_meta` and then as `legacy` (D19).
        session: id of the session whose lines are read.
        origin: thread that the session was forked or spawned from.
        own_from: the first ordinal of lines that are no copies, if the session states it (D21).
        copied: the lines that are read now are copies of the origin's.
        last_offset: the input offset of its last record, whatever became of that.
        active_ms: the latest timestamp of its records, milliseconds since the epoch; 0 if none has any.
    """

    generation: int = 0
    rollout_index: int = 0
    item_number: int = 1
    turns: int = 0
    last_turn: int = 0
    open_turn: int = 0
    items: int = 0
    item_ordinals: int = 0
    lifecycle: int = 0
    sequence: int = 0
    topic_sequences: dict[str, int] = field(default_factory=dict)
    next_ordinal: int = 0
    parked_from: int | None = None
    mode: str = ""
    session: str = ""
    origin: str | None = None
    own_from: int | None = None
    copied: bool = False
    last_offset: int = 0
    active_ms: int = 0


@dataclass(slots=True)
class Turn:
    """A turn without its items.

    Attributes:
        number: its place by creation in the thread, from 1 (`turnOrdinal`).
        started_at: seconds since the epoch; `completed_at` too.
        items: how many items it holds; their positions are 0 to items - 1.
        first_user: position of its first user message, None without one (P10).
        last_agent: position of its last agent message (P10).
        previous: number of the live turn before it, 0 for none.
        twin: an earlier live turn has the same id (D10).
        origin: the thread it was copied from, "" if that is not told, None for the thread's own.
        last_unphased: position of the last agent message of no phase, in paginated threads (5.3).
    """

    number: int
    id: str
    status: TurnStatus
    explicit: bool
    previous: int
    twin: bool
    started_at: int | None = None
    completed_at: int | None = None
    duration_ms: int | None = None
    error: dict[str, Any] | None = None
    saw_compaction: bool = False
    items: int = 0
    first_user: int | None = None
    last_agent: int | None = None
    origin: str | None = None
    last_unphased: int | None = None


@dataclass(slots=True)
class ItemRow:
    """An item in its turn. Times in milliseconds, from the lines.

    Attributes:
        value: replaced whole, never written to.
        size: bytes of its JSON, at most.
        original_bytes: bytes of its JSON before it was cut, None if it was not (design: limits).
        origin: the thread it was copied from, "" if that is not told, None for the thread's own.
    """

    ordinal: int
    created_at_ms: int | None
    updated_at_ms: int | None
    value: Item
    size: int = 0
    original_bytes: int | None = None
    origin: str | None = None


@dataclass(slots=True)
class Place:
    """Where an item id is in a turn.

    Attributes:
        position: its first position in the turn; None in the first turn of an id when only a twin holds the item.
        twins: how many items of this id the later turns of the same turn id hold; counted in the first turn's row.
        elsewhere: the topic's row shows another copy than the one at `position`; told in the first turn's row.
    """

    position: int | None
    twins: int = 0
    elsewhere: bool = False


Load = Callable[[str], Any]


def nothing(_key: str) -> None:
    """Load no row: the thread is new."""


class Thread:
    """A thread's rows, read through a loader and remembered; the reducer's and the projections' view of the state.

    Attributes:
        key: its id as row keys begin with it.
        changed: keys of the rows changed since the last commit.
    """

    __slots__ = ("_load", "_load_stored", "_rows", "changed", "header", "id", "is_new", "key")

    def __init__(self, thread_id: str, load: Load = nothing) -> None:
        self.id = thread_id
        self.key = encoded(thread_id)
        self._load_stored = load
        self._rows: dict[str, Any] = {}
        self.changed: set[str] = set()
        found = load("h")
        self.is_new = found is None
        # As long as all rows of a thread are remembered there is nothing to look for elsewhere.
        self._load = nothing if self.is_new else load
        self.header: Header = found or Header()

    def get(self, key: str) -> Any:
        """Return a row's value or None; the value may be changed by who calls `put` with it."""
        rows = self._rows
        if key in rows:
            return rows[key]
        found = self._load(key)
        rows[key] = found
        return found

    def put(self, key: str, row: Any) -> None:
        """Set a row and mark it as changed; None deletes it."""
        self._rows[key] = row
        self.changed.add(key)

    def turn(self, number: int) -> Turn:
        """Return a live turn by its number."""
        found: Turn = self.get(f"u/{number}")
        return found

    def item(self, number: int, position: int) -> ItemRow:
        """Return an item of a live turn."""
        found: ItemRow = self.get(f"i/{number}/{position}")
        return found

    def open_turn(self) -> Turn | None:
        """Return the open turn, if there is one."""
        number = self.header.open_turn
        return self.turn(number) if number else None

    def turns(self) -> Iterator[Turn]:
        """Yield the live turns, last first. Reads every turn: for views, never for an event."""
        number = self.header.last_turn
        while number:
            turn = self.turn(number)
            yield turn
            number = turn.previous

    def summary_rows(self, turn: Turn) -> list[ItemRow]:
        """Return the first user message and the last agent message of a turn, missing ones left out (P10)."""
        positions = [at for at in (turn.first_user, turn.last_agent) if at is not None]
        return [self.item(turn.number, at) for at in positions]

    def changes(self) -> Iterator[tuple[str, Any]]:
        """Yield the changed rows by key, the header with them; None for a deleted one."""
        yield "h", self.header
        for key in self.changed:
            yield key, self._rows[key]

    def rows(self) -> int:
        """Return how many rows are remembered: what this thread costs in memory."""
        return len(self._rows)

    def settle(self) -> None:
        """Take the changed rows as written: a commit has happened."""
        self.changed.clear()
        self.is_new = False

    def trim(self) -> None:
        """Remember no rows but the header and the open turn; nothing may have changed since `settle`."""
        self._load = self._load_stored
        key = f"u/{self.header.open_turn}"
        kept = self._rows.get(key)
        self._rows.clear()
        if kept is not None:
            self._rows[key] = kept
