"""Threads derived again from their first record after the reduction has changed: what makes the topics converge."""

from collections.abc import Callable, Collection, Sequence

from worker.audit import folded
from worker.codec.rows import DEFAULT_FORMAT, encode_row
from worker.model.mutation import encoded
from worker.model.record import Headers, InRecord, OutRecord, StateRow
from worker.model.thread import Header
from worker.model.value import value
from worker.runtime.facts import fact_key
from worker.runtime.formats import format_row
from worker.runtime.headers import EXPIRE, expires, null_headers, stated
from worker.runtime.parking import MARKS
from worker.runtime.ports import Task
from worker.store.memory import MemoryStore


@value
class Existing:
    """What there is of a thread now.

    Attributes:
        rows: topic and key of its rows on the mutation topics.
        state: keys of its state rows.
    """

    rows: Collection[tuple[str, bytes]]
    state: Collection[bytes]


@value
class Rebuilt:
    """What to write for a thread, all of it in order.

    Attributes:
        out: its mutations from the first on, in a new generation, then nulls for rows that are no more.
        rows: its state rows, None for those that are no more.
    """

    out: list[OutRecord]
    rows: list[StateRow]


def rebuilt(
    thread_id: str,
    records: Sequence[InRecord],
    existing: Existing,
    *,
    generation: int,
    new_task: Callable[[MemoryStore], Task],
    topics: Collection[str],
    row_format: int = DEFAULT_FORMAT,
) -> Rebuilt:
    """Derive a thread again.

    A reader takes the new generation's mutations as newer than any it has; none of its rows is missing meanwhile.

    Args:
        records: all of the thread's, in order, up to where the group stands.
        generation: of the thread's new life; above every earlier one.
        new_task: makes a task over a store.
        topics: the mutation topics.
        row_format: of state rows, that `new_task` writes.
    """
    key = encoded(thread_id)
    store, life = MemoryStore(), _since_forgotten(records)
    if life:  # else no row may stay, neither may this one
        head = StateRow(f"{key}/h".encode(), encode_row("h", Header(generation=generation)))
        store.apply([head], 1)
    out = [one for one in folded(new_task(store), life) if one.topic in topics]
    there = {(one.topic, one.key or b"") for one in out if one.value is not None}
    last = out[-1].headers if out else _headers(generation)
    gone = sorted(set(existing.rows) - there)
    out += [OutRecord(topic, row, None, last) for topic, row in gone]
    rows = [StateRow(row, data) for row, data in store.scan(f"{key}/".encode())]
    kept = {row.key for row in rows}
    rows += [StateRow(row, None) for row in existing.state if row not in kept]
    rows += [StateRow(fact_key(MARKS, thread_id), None), *format_row(row_format)]
    return Rebuilt(out, rows)


def _headers(generation: int) -> Headers:
    return null_headers(Header(generation=generation))


def _since_forgotten(records: Sequence[InRecord]) -> list[InRecord]:
    """Return the records of the thread's present life, words to the worker left out."""
    life: list[InRecord] = []
    for record in records:
        control = stated(record.headers)[1]
        idle = control == EXPIRE and (not life or expires(record, life[-1].offset))
        if record.value is None or idle:
            life.clear()
        elif control is None:
            life.append(record)
    return life
