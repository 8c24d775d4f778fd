"""`worker.reader` on a real broker: bootstrap, follow, resume, and what it tells of loss and of newer schemas."""

from itertools import islice

import orjson
import pytest

from tests.integration.harness import Deployment, interleaved, vector_threads
from tests.integration.sinks import produce
from worker import app
from worker.compacted import Rows
from worker.reader import (
    Change,
    LifecycleMutation,
    MutationReader,
    SchemaError,
    ThreadItemMutation,
    TurnSummaryMutation,
)

pytestmark = pytest.mark.integration

State = dict[tuple[str, str], dict[str, object]]


def apply(rows: State, change: Change) -> None:
    if change.mutation is None:
        rows.pop((change.topic, change.key), None)
    else:
        rows[change.topic, change.key] = change.mutation.model_dump(by_alias=True, exclude_unset=True)


def compacted(deployment: Deployment) -> list[bytes]:
    """Return the values of all rows, told apart from those of the reader under test."""
    rows = Rows(app.value_decoder(deployment.settings))
    for record in deployment.published():
        if record.topic in deployment.names.projections.values():
            rows.apply(record)
    return sorted(orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in rows.values())


def listed(rows: State) -> list[bytes]:
    return sorted(orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in rows.values())


def test_a_reader_has_the_rows_at_the_end_of_its_bootstrap_and_keeps_them_while_it_follows(
    deployment: Deployment,
) -> None:
    lines = list(interleaved(vector_threads()))
    half = len(lines) // 2
    deployment.start()
    deployment.publish(lines[:half])
    deployment.until_through()
    rows: State = {}
    with MutationReader(deployment.settings) as reader:
        before = reader.bootstrapped
        # Whoever leaves an iteration may go on with another.
        for change in islice(reader.bootstrap(), 10):
            apply(rows, change)
        for change in reader.bootstrap():
            apply(rows, change)
        at_half, right_at_half = listed(rows), compacted(deployment)
        bootstrapped = reader.bootstrapped
        deployment.publish(lines[half:])
        deployment.until_through()
        live = list(reader.follow(idle_s=2))
        for change in live:
            apply(rows, change)

    assert (before, bootstrapped, at_half) == (False, True, right_at_half)
    assert listed(rows) == compacted(deployment)
    assert {type(change.mutation) for change in live if change.mutation} == {
        *(LifecycleMutation, ThreadItemMutation, TurnSummaryMutation)
    }
    assert any(change.mutation is None for change in live), "there are rollbacks"
    assert not any(change.missing for change in live)


def test_a_reader_goes_on_from_positions_that_were_kept(deployment: Deployment) -> None:
    deployment.start()
    deployment.publish(interleaved(vector_threads()))
    deployment.until_through()
    with MutationReader(deployment.settings) as reader:
        whole = list(reader.bootstrap())
    rows: list[Change] = []
    positions = None
    while positions is None or len(rows) < len(whole):
        with MutationReader(deployment.settings, start=positions) as reader:
            rows += islice(reader.bootstrap(), 400)
            positions = reader.positions
    with MutationReader(deployment.settings, start=positions) as reader:
        nothing = list(reader.bootstrap())

    assert nothing == []
    assert by_place(rows) == by_place(whole)


def by_place(changes: list[Change]) -> list[Change]:
    return sorted(changes, key=lambda change: (change.topic, change.partition, change.offset))


def test_a_gap_between_records_read_live_is_told_and_a_newer_schema_is_refused(deployment: Deployment) -> None:
    topic = deployment.names.projections["lifecycle"]

    def event(sequence: int) -> None:
        fields = {
            "schemaVersion": 1,
            "threadId": "t",
            "generation": 0,
            "sequence": sequence,
            "topicSequence": sequence,
            "source": {"topic": "i", "partition": 0, "offset": 0, "index": 0, "ordinal": None, "timestamp": None},
            "reducerVersion": 1,
            "lifecycleOrdinal": sequence,
            "eventType": "turn.started",
            "turnId": None,
            "payload": {},
        }
        produce(deployment, topic, f"t/{sequence}".encode(), orjson.dumps(fields), partition=2)

    for sequence in (1, 7):
        event(sequence)
    with MutationReader(deployment.settings, [topic]) as reader:
        bootstrap = [change.missing for change in reader.bootstrap()]
        for sequence in (9, 10, 14):
            event(sequence)
        live = [change.missing for change in reader.follow(idle_s=2)]
        produce(deployment, topic, b"t/15", b"\0", headers=[("thw-schema-version", b"2")], partition=2)
        with pytest.raises(SchemaError, match="has schema version 2, this release reads 1"):
            list(reader.follow(idle_s=2))
        with pytest.raises(SchemaError):
            reader.poll()
        position = reader.positions[topic, 2]

    assert (bootstrap, live, position) == ([0, 0], [0, 0, 3], 5)
