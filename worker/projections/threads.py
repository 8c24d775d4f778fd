"""The thread index: one row a thread, the last of which counts.

It is no part of the thread's sequence: however many lines a commit holds, it shows each thread as it is then, once.
What it counts is what the turns hold, copies under one id each (D10); what a rollback took is counted no more.
"""

from collections.abc import Iterator
from typing import Any

from worker.model.change import ChangeSet, Swap
from worker.model.item import TYPES, is_open
from worker.model.mutation import Draft
from worker.model.thread import Thread, Turn

TITLE_CHARS_MAX = 200
OTHER = "other"
_ROW = "p/thread"
# Facts of the session, as the lines tell them.
_FACTS = ("parentThreadId", "forkedFromId", "cwd", "model", "cliVersion", "git", "name")


class Threads:
    """One row per thread."""

    name = "thread"
    topic = "threads"

    def observe(self, thread: Thread, changes: ChangeSet) -> Iterator[Draft]:
        """Yield nothing; take what changed into the row."""
        if _is_something(changes):
            thread.put(_ROW, _changed(_row(thread), changes))
        yield from ()

    def latest(self, thread: Thread) -> dict[str, Any] | None:
        """Return the row if it changed since the last commit."""
        if _ROW not in thread.changed:
            return None
        row, header = _row(thread), thread.header
        facts = row["facts"]
        return {
            **{name: facts.get(name) for name in _FACTS},
            "cwd": facts.get("cwd") or facts.get("contextCwd"),
            "kind": facts.get("kind", "main"),
            "historyMode": header.mode or "legacy",
            "title": row["title"],
            "createdAtMs": row["createdAtMs"],
            "lastActivityAtMs": row["lastActivityAtMs"],
            "turns": row["turns"],
            "inheritedTurns": row["inheritedTurns"],
            "rolledBackTurns": row["rolledBackTurns"],
            "lastTurnStatus": thread.turn(header.last_turn).status if header.last_turn else None,
            "items": {kind: count for kind, count in row["items"].items() if count},
            "inheritedItems": row["inheritedItems"],
            "openItems": row["openItems"],
            "tokensUsed": facts.get("tokens"),
            "source": row["source"],
        }

    def touch(self, thread: Thread, source: dict[str, Any]) -> None:
        """Have the row shown again: something changed that is not the projection's."""
        row = _row(thread)
        row["source"] = row["source"] or source
        thread.put(_ROW, row)

    def shown(self, _kind: str, _row: Any, _turn: Turn) -> Iterator[tuple[str, ...]]:
        """Yield nothing: the row goes with the thread."""
        yield from ()


def _row(thread: Thread) -> dict[str, Any]:
    """Return what is kept of a thread: the facts of its session, and counts."""
    found: dict[str, Any] | None = thread.get(_ROW)
    return found or {
        "facts": {},
        "title": None,
        "titleInherited": False,
        "createdAtMs": None,
        "lastActivityAtMs": None,
        "turns": 0,
        "inheritedTurns": 0,
        "rolledBackTurns": 0,
        "items": {},
        "inheritedItems": 0,
        "openItems": 0,
        "source": None,
    }


def _is_something(changes: ChangeSet) -> bool:
    return bool(changes.facts or changes.happenings or changes.swaps or changes.turns or changes.turns_dropped)


def _changed(row: dict[str, Any], changes: ChangeSet) -> dict[str, Any]:
    stamp = changes.timestamp_ms
    if stamp is not None:
        row["createdAtMs"] = stamp if row["createdAtMs"] is None else row["createdAtMs"]
        # Time goes back in some files.
        row["lastActivityAtMs"] = max(stamp, row["lastActivityAtMs"] or stamp)
    row["facts"] |= changes.facts
    for turns, sign in ((changes.turns_opened, 1), (changes.turns_dropped, -1)):
        row["turns"] += sign * len(turns)
        row["inheritedTurns"] += sign * sum(turn.origin is not None for turn in turns)
    row["rolledBackTurns"] += len(changes.turns_dropped)
    for swap in changes.swaps:
        _swap(row, swap)
    row["source"] = changes.source
    return row


def _swap(row: dict[str, Any], swap: Swap) -> None:
    for item, sign in ((swap.before, -1), (swap.after, 1)):
        if item is not None:
            # What is not known may have any number of names.
            kind = item["type"] if item["type"] in TYPES else OTHER
            row["items"][kind] = row["items"].get(kind, 0) + sign
            row["inheritedItems"] += sign * (swap.origin is not None)
            row["openItems"] += sign * is_open(item)
    if swap.after is not None and swap.after["type"] == "userMessage":
        _entitle(row, swap.after, inherited=swap.origin is not None)


def _entitle(row: dict[str, Any], item: Any, *, inherited: bool) -> None:
    """Take the first message of the user as the title: the thread's own first one, once there is one."""
    if row["title"] is not None and (inherited or not row["titleInherited"]):
        return
    texts = (part["text"] for part in item["content"] if part["type"] == "text")
    title = " ".join(" ".join(texts).split())
    if title:
        cut = len(title) > TITLE_CHARS_MAX
        row["title"] = title[: TITLE_CHARS_MAX - 1] + "…" if cut else title
        row["titleInherited"] = inherited


THREADS = Threads()
