"""Paginated, forked and spawned threads, and the thread index, on the real broker, in the tables too (D19, D21)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from tests import factories
from tests.factories import event, line
from tests.integration.harness import Deployment, decode, interleaved, until, vector_threads
from tests.integration.sinks import Sinks, produce
from tests.unit.reducer.test_paginated import PAGINATED_TALK
from tests.unit.reducer.test_session import COPIED_META, FORKED, OLD, OWN, turn
from worker.config import PROJECTIONS
from worker.kafka.reader import read_all
from worker.model.record import InRecord

pytestmark = pytest.mark.integration

PAGINATED = [json.loads(text) | {"ordinal": at} for at, text in enumerate(PAGINATED_TALK)]
THREADS = [
    *vector_threads(),
    *((f"paginated-{number}", [json.dumps(found).encode() for found in PAGINATED]) for number in range(20)),
    *((f"forked-{number}", [FORKED, COPIED_META, *turn(OLD), *turn(OWN)]) for number in range(20)),
    ("rolled-back", [*turn("a"), *turn("b"), event("thread_rolled_back")]),
    ("session-alone", [line("session_meta", {"id": factories.UUID, "cwd": "/w"})]),
]
LINES = list(interleaved(THREADS))


@pytest.fixture
def indexed(bootstrap: str) -> Iterator[Deployment]:
    """Return a group with all projections."""
    with closing(Deployment(bootstrap, f"index-{uuid4().hex[:8]}", projections=[*PROJECTIONS, "thread"])) as made:
        yield made


@pytest.fixture
def sinks(indexed: Deployment, dsn: str) -> Iterator[Sinks]:
    with closing(Sinks(indexed, dsn)) as made:
        yield made


def _rows(deployment: Deployment) -> list[InRecord]:
    return read_all(deployment.settings.kafka, [deployment.names.projections["thread"]])


def test_the_index_is_what_a_count_from_scratch_says_through_kills_and_forgets_and_in_the_tables(
    indexed: Deployment, sinks: Sinks
) -> None:
    third = len(LINES) // 3
    worker = indexed.start("0")
    indexed.publish(LINES[:third])
    until(lambda: any(found > 0 for found in indexed.committed().values()), 30, "it works", worker)
    worker.kill()
    indexed.start("0")
    indexed.start("1")
    indexed.publish(LINES[third:])
    indexed.until_through()
    sinks.once()
    halfway = sinks.differing()
    indexed.forget("forked-0")
    indexed.until_through()
    sinks.once()
    last = {one.key: one.value for one in _rows(indexed)}
    found = {key.decode(): decode(data) for key, data in last.items() if key is not None and data is not None}

    assert indexed.audit() == []
    assert (halfway, sinks.differing()) == ([], [])
    assert last[b"forked-0"] is None
    assert set(found) == {thread_id for thread_id, _ in THREADS} - {"forked-0"}
    shown = [found["paginated-7"], found["forked-3"], found["rolled-back"], found["session-alone"]]
    assert [(one["historyMode"], one["turns"], one["inheritedTurns"], one["rolledBackTurns"]) for one in shown] == [
        ("paginated", 6, 0, 0),
        ("legacy", 2, 1, 0),
        ("legacy", 1, 0, 1),
        ("legacy", 0, 0, 0),
    ]
    assert (found["session-alone"]["cwd"], found["paginated-7"]["title"]) == ("/w", "question 1")


def test_verify_knows_the_index_and_finds_what_is_wrong_in_it(indexed: Deployment) -> None:
    indexed.publish(LINES[:2_000])
    worker = indexed.start()
    indexed.until_through()
    worker.terminate()
    right = _verified(indexed)
    row = _rows(indexed)[-1]
    wrong = decode(row.value or b"") | {"turns": 1_000}
    produce(indexed, row.topic, row.key or b"", json.dumps(wrong).encode(), partition=row.partition)
    code, printed = _verified(indexed)

    assert right[0] == 0
    assert (code, [one["kind"] for one in printed[:-1]]) == (1, ["differs"])


def _verified(deployment: Deployment) -> tuple[int, list[dict[str, object]]]:
    done = subprocess.run(
        [sys.executable, "-m", "worker", "verify", "--output", "json"],
        env=deployment.environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode, [json.loads(text) for text in done.stdout.splitlines()]
