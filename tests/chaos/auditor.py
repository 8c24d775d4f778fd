"""What the topics and the stores hold, against a reduction of the whole input from scratch (G1, G2)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.watch import Decode, moment
from worker import app
from worker.audit import from_scratch
from worker.config import Settings
from worker.model.record import InRecord, OutRecord
from worker.runtime.ports import StateStore
from worker.store.memory import MemoryStore

Place = tuple[str, int]
Rows = dict[bytes, bytes]
_Identity = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]

# Of each sort of difference, so many are listed.
LISTED_MAX = 5


@dataclass(frozen=True)
class Scratch:
    """What a worker without any trouble makes of an input.

    Attributes:
        outputs: by topic and partition, in order.
        rows: of the state, by partition.
    """

    outputs: dict[Place, list[OutRecord]]
    rows: dict[int, Rows]


@dataclass
class Audit:
    """What was found.

    Args:
        decode: reads a mutation's value.

    Attributes:
        differences: for people; empty when all is as it should be.
        lost: when the input of each missing output record was written, None where it does not say.
        doubled: the same of output records that are there more often than they should be.
    """

    decode: Decode
    differences: list[str] = field(default_factory=list)
    lost: list[float | None] = field(default_factory=list)
    doubled: list[float | None] = field(default_factory=list)

    def add(self, sort: str, found: Iterable[str]) -> None:
        """List differences of a sort, the first few in full."""
        whole = list(found)
        self.differences += [f"{sort}: {one}" for one in whole[:LISTED_MAX]]
        if len(whole) > LISTED_MAX:
            self.differences.append(f"{sort}: … and {len(whole) - LISTED_MAX:,} more")


def scratch(settings: Settings, records: Iterable[InRecord]) -> Scratch:
    """Reduce an input from scratch, in one go."""
    stores: dict[int, MemoryStore] = {}

    def open_store(partition: int) -> StateStore:
        return stores.setdefault(partition, MemoryStore())

    maker = app.task_maker(settings, partitions=settings.topics.partitions, open_store=open_store)
    outputs = from_scratch(records, maker)
    return Scratch(dict(outputs), {partition: dict(store.scan(b"")) for partition, store in stores.items()})


def compare_outputs(audit: Audit, found: Sequence[InRecord], wanted: Mapping[Place, list[OutRecord]]) -> None:
    """Compare published records with those wanted: nothing lost, nothing doubled, nothing else, and in order."""
    by_place: dict[Place, list[OutRecord]] = defaultdict(list)
    for record in found:
        by_place[record.topic, record.partition].append(
            OutRecord(record.topic, record.key, record.value, record.headers)
        )
    for place in sorted({*by_place, *wanted}):
        _compare_place(audit, place, by_place[place], wanted.get(place, []))


def _compare_place(audit: Audit, place: Place, found: list[OutRecord], wanted: list[OutRecord]) -> None:
    if found == wanted:
        return
    there, due = Counter(map(_identity, found)), Counter(map(_identity, wanted))
    lost, surplus = due - there, there - due
    doubled = Counter({one: times for one, times in surplus.items() if one in due})
    foreign = surplus - doubled
    where = f"{place[0]}[{place[1]}]"
    audit.add("lost", (f"{where} {_told(one)}" for one in lost.elements()))
    audit.add("doubled", (f"{where} {_told(one)}" for one in doubled.elements()))
    audit.add("not wanted", (f"{where} {_told(one)}" for one in foreign.elements()))
    audit.lost += [moment(one[1], list(one[2]), audit.decode) for one in lost.elements()]
    audit.doubled += [moment(one[1], list(one[2]), audit.decode) for one in doubled.elements()]
    if not lost and not surplus:
        index = next(at for at, (one, other) in enumerate(zip(found, wanted, strict=True)) if one != other)
        audit.add(
            "order", [f"{where} record {index}: {_told(_identity(found[index]))} instead of {wanted[index].key!r}"]
        )


def _identity(record: OutRecord) -> _Identity:
    return record.key, record.value, tuple(record.headers)


def _told(one: _Identity) -> str:
    key, value, headers = one
    heads = {name: found for name, found in headers if found is not None}
    place = "/".join(
        heads[name].decode() for name in ("thw-generation", "thw-sequence", "thw-reason", "thw-offset") if name in heads
    )
    return f"{key!r} {'null' if value is None else f'{len(value)} bytes'} {place}"


def check_sequences(audit: Audit, found: Iterable[InRecord]) -> None:
    """Check what a record says of its own place, without any reduction.

    In a topic each thread's `topicSequence` counts from 1 without a gap, its generations only grow; over the topics
    each `sequence` of a generation comes once, from 1 without a gap.
    """
    last: dict[tuple[str, str], tuple[int, int]] = {}
    sequences: dict[tuple[str, int], list[int]] = defaultdict(list)
    places: dict[str, int] = {}
    broken, moved = [], []
    for record in found:
        if record.value is None:
            continue
        value: dict[str, Any] = audit.decode(record.value)
        thread, generation, sequence = value["threadId"], value["generation"], value["topicSequence"]
        before, count = last.get((record.topic, thread), (-1, 0))
        if not (sequence == count + 1 if generation == before else generation > before and sequence == 1):
            broken.append(f"{record.topic} {thread} generation {generation}: {sequence} after {before}:{count}")
        last[record.topic, thread] = (generation, sequence)
        sequences[thread, generation].append(value["sequence"])
        if places.setdefault(thread, record.partition) != record.partition:
            moved.append(f"{thread} on partitions {places[thread]} and {record.partition}")
    audit.add("topicSequence", broken)
    audit.add("partition", moved)
    audit.add("sequence", _gaps(sequences))


def _gaps(sequences: Mapping[tuple[str, int], list[int]]) -> Iterator[str]:
    for (thread, generation), found in sequences.items():
        if sorted(found) != list(range(1, len(found) + 1)):
            yield f"{thread} generation {generation}: {len(found)} mutations, sequences {min(found)} to {max(found)}"


def compacted(records: Iterable[InRecord | OutRecord], topic: str | None = None) -> Rows:
    """Return what compaction leaves: the last value of each key."""
    rows: dict[bytes, bytes | None] = {}
    for record in records:
        if record.key is not None and topic in (None, record.topic):
            rows[record.key] = record.value
    return {key: found for key, found in rows.items() if found is not None}


def compare_views(
    audit: Audit, found: Sequence[InRecord], wanted: Mapping[Place, list[OutRecord]], topics: Iterable[str]
) -> None:
    """Compare what compaction leaves of some topics with what it leaves of those wanted."""
    for topic in topics:
        due = [record for place, some in wanted.items() if place[0] == topic for record in some]
        compare_rows(audit, f"view of {topic}", compacted(found, topic), compacted(due))


def compare_state(audit: Audit, changelog: Iterable[InRecord], wanted: Mapping[int, Rows]) -> dict[int, Rows]:
    """Compare the changelog's compacted view with the rows of a reduction from scratch, and return it."""
    by_partition: dict[int, list[InRecord]] = defaultdict(list)
    for record in changelog:
        by_partition[record.partition].append(record)
    views = {partition: compacted(some) for partition, some in by_partition.items()}
    for partition in sorted({*views, *wanted}):
        compare_rows(audit, f"state of partition {partition}", views.get(partition, {}), wanted.get(partition, {}))
    return views


def compare_rows(audit: Audit, what: str, found: Rows, wanted: Rows) -> None:
    """Compare rows by key."""
    if found == wanted:
        return
    audit.add(f"{what}, missing row", (repr(key) for key in sorted(wanted.keys() - found.keys())))
    audit.add(f"{what}, row too many", (repr(key) for key in sorted(found.keys() - wanted.keys())))
    differing = [key for key in sorted(found.keys() & wanted.keys()) if found[key] != wanted[key]]
    audit.add(
        f"{what}, other row", (f"{key!r}: {found[key][:80]!r} instead of {wanted[key][:80]!r}" for key in differing)
    )


def check_seen(audit: Audit, seen: Mapping[Place, Sequence[int]], found: Iterable[InRecord]) -> None:
    """Check that a reader who followed saw the same records as one who reads afterwards, each once and in order."""
    offsets: dict[Place, list[int]] = defaultdict(list)
    for record in found:
        offsets[record.topic, record.partition].append(record.offset)
    for place in sorted(seen):
        if list(seen[place]) != offsets[place]:
            gone = sorted(set(seen[place]) - set(offsets[place]))[:3]
            missed = sorted(set(offsets[place]) - set(seen[place]))[:3]
            told = f"{place[0]}[{place[1]}]: saw {len(seen[place])} of {len(offsets[place])} records"
            audit.add("live reader", [f"{told}; seen and not there: {gone}, there and not seen: {missed}"])


def check_input(audit: Audit, records: Iterable[InRecord], header: str, count: int) -> None:
    """Check that the topic holds each record that was published, once."""
    there = Counter(found for record in records for name, found in record.headers if name == header and found)
    wanted = {b"%d" % number for number in range(count)}
    audit.add("input lost", (repr(found) for found in sorted(wanted - there.keys())))
    audit.add("input doubled", (repr(found) for found, times in there.items() if times > 1))
