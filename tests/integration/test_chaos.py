"""The short form of `make chaos`, and that its auditor sees what it is there to see."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.auditor import (
    Audit,
    Scratch,
    check_seen,
    check_sequences,
    compare_outputs,
    compare_state,
    compare_views,
    scratch,
)
from tests.chaos.load import records
from tests.integration.harness import thread_of
from tests.integration.postgres import binaries
from worker import app
from worker.config import Settings, load
from worker.model.murmur2 import partition_of
from worker.model.record import InRecord, OutRecord

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PARTITIONS = 3
Records = list[InRecord]


@pytest.mark.timeout(300)
def test_a_group_under_a_handful_of_faults_loses_and_doubles_nothing(tmp_path: Path) -> None:
    sink = ["--sink"] if binaries() is not None else []
    command = [sys.executable, "-m", "tests.chaos", "--short", "--folder", str(tmp_path), *sink]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-5_000:]}"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load(None, {"topics": {"partitions": PARTITIONS}})


@pytest.fixture(scope="module")
def wanted(settings: Settings) -> Scratch:
    return scratch(settings, inputs())


def inputs() -> Records:
    """Return an input as the topic would hold it."""
    found: Records = []
    offsets = [0] * PARTITIONS
    for record in records(1, 3_000, 30):
        partition = partition_of(record.key or b"", PARTITIONS)
        headers: list[tuple[str, bytes | None]] = list(record.headers)
        found.append(InRecord("input", partition, offsets[partition], record.key, record.value, headers, 0))
        offsets[partition] += 1
    return found


def published(wanted: Scratch) -> Records:
    """Return what a reader finds after a run without any trouble."""
    return [
        as_read(out, partition, offset)
        for (_, partition), some in wanted.outputs.items()
        for offset, out in enumerate(some)
    ]


def as_read(out: OutRecord, partition: int, offset: int) -> InRecord:
    return InRecord(out.topic, partition, offset, out.key, out.value, out.headers, 0)


def an_item(found: Records) -> int:
    """Return the index of an item's mutation that is followed by another one on its partition."""
    return next(at for at, record in enumerate(found) if record.topic.endswith("thread-items") and record.offset == 7)


def dropped(found: Records) -> Records:
    at = an_item(found)
    return found[:at] + found[at + 1 :]


def doubled(found: Records) -> Records:
    at = an_item(found)
    return [*found[:at], found[at], *found[at:]]


def swapped(found: Records) -> Records:
    """Let two mutations of a thread change places."""
    at = an_item(found)
    then = next(
        other
        for other in range(at + 1, len(found))
        if found[other].topic == found[at].topic and thread_of(found[other]) == thread_of(found[at])
    )
    return [*found[:at], found[then], *found[at + 1 : then], found[at], *found[then + 1 :]]


def altered(found: Records) -> Records:
    at = an_item(found)
    return [*found[:at], changed(found[at], value=(found[at].value or b"")[:-1] + b"?"), *found[at + 1 :]]


def nulled(found: Records) -> Records:
    """Add a null row that nobody asked for."""
    at = an_item(found)
    return [*found, changed(found[at], value=None)]


def misplaced(found: Records) -> Records:
    at = an_item(found)
    return [*found[:at], changed(found[at], partition=(found[at].partition + 1) % PARTITIONS), *found[at + 1 :]]


def changed(record: InRecord, **fields: object) -> InRecord:
    values = {name: getattr(record, name) for name in InRecord.__dataclass_fields__}
    return InRecord(**{**values, **fields})


def audited(settings: Settings, found: Records, wanted: Scratch) -> tuple[set[str], int, int]:
    """Return the sorts of differences in the topics, and how many records count as lost and doubled."""
    audit = Audit(app.value_decoder(settings))
    topics = app.topic_names(settings).projections.values()
    compare_outputs(audit, found, wanted.outputs)
    sorts = {told.partition(":")[0] for told in audit.differences}
    compare_views(audit, found, wanted.outputs, topics)
    return sorts, len(audit.lost), len(audit.doubled)


def test_the_auditor_finds_nothing_where_nothing_is_wrong(settings: Settings, wanted: Scratch) -> None:
    audit = Audit(app.value_decoder(settings))
    topics = set(app.topic_names(settings).projections.values())
    found = published(wanted)
    check_sequences(audit, [record for record in found if record.topic in topics])
    compare_views(audit, found, wanted.outputs, topics)

    assert len(found) > 2_000
    assert any(record.value is None for record in found)
    assert audited(settings, found, wanted) == (set(), 0, 0)
    assert audit.differences == []


@pytest.mark.parametrize(
    ("damaged", "told"),
    [
        (dropped, ({"lost"}, 1, 0)),
        (doubled, ({"doubled"}, 0, 1)),
        (swapped, ({"order"}, 0, 0)),
        (altered, ({"lost", "not wanted"}, 1, 0)),
        (nulled, ({"not wanted"}, 0, 0)),
        (misplaced, ({"lost", "not wanted"}, 1, 0)),
    ],
)
def test_the_auditor_finds_a_single_wrong_record(
    damaged: Callable[[Records], Records],
    told: tuple[set[str], int, int],
    settings: Settings,
    wanted: Scratch,
) -> None:
    assert audited(settings, damaged(published(wanted)), wanted) == told


@pytest.mark.parametrize("damaged", [dropped, doubled, swapped])
def test_sequences_alone_tell_a_lost_doubled_or_swapped_mutation(
    damaged: Callable[[Records], Records], settings: Settings, wanted: Scratch
) -> None:
    topics = set(app.topic_names(settings).projections.values())
    found = [record for record in published(wanted) if record.topic in topics and record.value is not None]
    audit = Audit(app.value_decoder(settings))
    check_sequences(audit, damaged(found))

    assert any(told.startswith("topicSequence") for told in audit.differences)


def test_the_auditor_finds_state_rows_that_are_missing_stale_or_left_over(settings: Settings, wanted: Scratch) -> None:
    def rows() -> Iterator[InRecord]:
        for partition, some in wanted.rows.items():
            for offset, (key, found) in enumerate(some.items()):
                yield InRecord("state", partition, offset, key, found, [], 0)

    whole = list(rows())
    intact, missing, stale, left_over = (Audit(app.value_decoder(settings)) for _ in range(4))
    compare_state(intact, whole, wanted.rows)
    compare_state(missing, whole[1:], wanted.rows)
    compare_state(stale, [*whole, changed(whole[0], value=b"\x01old")], wanted.rows)
    compare_state(left_over, [*whole, changed(whole[0], key=b"gone/h")], wanted.rows)

    assert intact.differences == []
    assert [len(audit.differences) for audit in (missing, stale, left_over)] == [1, 1, 1]
    assert "missing row" in missing.differences[0]
    assert "other row" in stale.differences[0]
    assert "row too many" in left_over.differences[0]


def test_the_auditor_finds_a_record_that_was_seen_and_is_gone(settings: Settings, wanted: Scratch) -> None:
    found = published(wanted)
    seen: dict[tuple[str, int], list[int]] = {}
    for record in found:
        seen.setdefault((record.topic, record.partition), []).append(record.offset)
    audit, gone = Audit(app.value_decoder(settings)), Audit(app.value_decoder(settings))
    check_seen(audit, seen, found)
    check_seen(gone, seen, found[1:])

    assert (audit.differences, len(gone.differences)) == ([], 1)
