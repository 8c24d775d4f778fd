"""State rows in bulk: those of one thread that was really reduced, under the ids of many."""

from collections.abc import Iterator, Sequence

import orjson

from benchmarks.threads import thread_id
from worker import app
from worker.audit import folded
from worker.config import Settings
from worker.model.record import InRecord
from worker.store.memory import MemoryStore

Row = tuple[bytes, bytes]
_STAMP = "2026-06-04T10:00:00.000Z"


def message(number: int, turn: int) -> bytes:
    """Return a line that gives one item: by turns of five, a user message first."""
    if number % 5 == 0:
        payload = {"type": "user_message", "message": f"Question {turn}: what does the worker do with line {number}?"}
    else:
        text = f"Answer {number}: it folds the line into its thread, and the projections observe what has changed. "
        payload = {"type": "agent_message", "message": text * 2}
    return orjson.dumps({"timestamp": _STAMP, "type": "event_msg", "payload": payload})


def thread_rows(settings: Settings, items: int) -> list[Row]:
    """Return the rows of a thread of so many items, without its id."""
    store = MemoryStore()
    task = app.task_maker(settings, open_store=lambda _partition: store)(0)
    key = thread_id(0).encode()
    records = [
        InRecord("input", 0, at, key, message(at, at // 5), [("rollout-ordinal", b"%d" % at)], 0) for at in range(items)
    ]
    for _ in folded(task, records):
        pass
    return [(row[len(key) :], found) for row, found in store.scan(key)]


def copies(rows: Sequence[Row], threads: int) -> Iterator[tuple[bytes, list[Row]]]:
    """Yield a thread's rows under many ids, each with its id."""
    for number in range(threads):
        key = thread_id(number).encode()
        yield key, [(key + row, found) for row, found in rows]


def small(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that only lead to others: those of a few bytes."""
    return [(row, found) for row, found in rows if row.startswith((b"/xi/", b"/xo/", b"/xt/"))]
