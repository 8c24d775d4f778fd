"""The topics held against a reduction from scratch (G1, G2)."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from worker.model.record import InRecord, OutRecord
from worker.model.value import value
from worker.runtime.ports import Task

Place = tuple[str, int]


@value
class Difference:
    """Where a topic's partition first departs from what it should hold.

    Attributes:
        index: the record's place among the partition's records, from 0.
        found: the key that is there, None when the partition ends before.
        wanted: the key that should be there, None when the partition should have ended.
    """

    topic: str
    partition: int
    index: int
    found: bytes | None
    wanted: bytes | None


def from_scratch(records: Iterable[InRecord], new_task: Callable[[int], Task]) -> dict[Place, list[OutRecord]]:
    """Return what a worker publishes for the whole input, by topic and partition.

    Args:
        records: all input records, in order within a partition.
        new_task: makes a task without any state.
    """
    inputs: dict[int, list[InRecord]] = defaultdict(list)
    for record in records:
        inputs[record.partition].append(record)
    outputs: dict[Place, list[OutRecord]] = defaultdict(list)
    for partition, some in inputs.items():
        for out in folded(new_task(partition), some):
            outputs[out.topic, partition].append(out)
    return outputs


def folded(task: Task, records: Sequence[InRecord]) -> Iterator[OutRecord]:
    """Yield what a task makes of records, every part of them committed when it asks for it."""
    start, commits = 0, 0
    while start < len(records):
        found = task.process(records[start:])
        yield from found.out
        yield from task.latest()
        commits += 1
        task.changed_rows()
        task.committed(commits, found.resume_at or records[-1].offset + 1)
        if found.resume_at is None:
            return
        start = next(at for at in range(start, len(records)) if records[at].offset == found.resume_at)


def differences(
    found: Iterable[InRecord], wanted: dict[Place, list[OutRecord]], latest: Collection[str] = ()
) -> list[Difference]:
    """Compare published records with those wanted: keys, values and headers, byte for byte, in order, by partition.

    Args:
        latest: topics of which the last record of each key counts alone, since how many there are depends on commits.
    """
    by_place: dict[Place, list[OutRecord]] = defaultdict(list)
    for record in found:
        by_place[record.topic, record.partition].append(
            OutRecord(record.topic, record.key, record.value, record.headers)
        )
    both = ((place, by_place[place], wanted.get(place, [])) for place in sorted({*by_place, *wanted}))
    firsts = [
        _first(place, _last(ours), _last(theirs)) if place[0] in latest else _first(place, ours, theirs)
        for place, ours, theirs in both
    ]
    return [first for first in firsts if first is not None]


def _last(records: list[OutRecord]) -> list[OutRecord]:
    """Return the last record of each key, by key."""
    rows = {record.key or b"": record for record in records}
    return [rows[key] for key in sorted(rows)]


def _first(place: Place, found: list[OutRecord], wanted: list[OutRecord]) -> Difference | None:
    if found == wanted:
        return None
    same = (one == other for one, other in zip(found, wanted, strict=False))
    index = next((at for at, equal in enumerate(same) if not equal), min(len(found), len(wanted)))
    keys = [side[index].key if index < len(side) else None for side in (found, wanted)]
    return Difference(*place, index, *keys)
