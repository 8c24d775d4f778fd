"""`verify --store postgres`: the tables against a reduction of the input from scratch."""

import json
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import psycopg
import pytest

from tests import factories
from tests.integration.harness import Deployment, interleaved, vector_threads
from tests.integration.sinks import Sinks
from worker.config import PROJECTIONS

pytestmark = pytest.mark.integration

ODD = [
    ("odd", at, factories.event("agent_message", message=text))
    for at, text in enumerate(("a\0b", "\\u0000", "🙂", "1e3"))
]
ODD += [("a\0/%00", 0, factories.event("task_started", turn_id="x" * 600))]
ODD += [
    ("numbers", at, factories.event("dynamic_tool_call_request", turnId="a", arguments=found))
    for at, found in enumerate([[1.0, 1e300, 1e17, -0.0, 0.1, 2**63, 123456789012345.5]])
]


@pytest.fixture
def filled(bootstrap: str, dsn: str) -> Iterator[tuple[Deployment, Sinks]]:
    """Return a group with all projections that is through, and tables that have everything."""
    name = f"stored-{uuid4().hex[:8]}"
    with closing(Deployment(bootstrap, name, projections=[*PROJECTIONS, "thread"])) as deployment:
        deployment.publish(interleaved(vector_threads()))
        deployment.publish(
            [("numbers", 0, factories.event("task_started")), *[(k, at + 1, text) for k, at, text in ODD]]
        )
        deployment.start()
        deployment.until_through()
        with closing(Sinks(deployment, dsn)) as sinks:
            sinks.once()
            yield deployment, sinks


def _verified(deployment: Deployment, dsn: str) -> tuple[int, list[dict[str, object]], str]:
    done = deployment.command("verify", "--store", "postgres", "--output", "json", SINK__DSN=dsn)
    return done.returncode, [json.loads(text) for text in done.stdout.splitlines()], done.stderr


def test_tables_that_are_right_are_not_accused_and_each_fault_in_them_is_found(
    filled: tuple[Deployment, Sinks], dsn: str
) -> None:
    deployment, _ = filled
    right = _verified(deployment, dsn)
    with psycopg.connect(dsn) as connection:
        for statement in (
            "DELETE FROM thread_items WHERE ctid = (SELECT min(ctid) FROM thread_items)",
            "UPDATE thread_turns SET sequence = sequence + 1 WHERE ctid = (SELECT min(ctid) FROM thread_turns)",
            "UPDATE thread_items SET sequence = 0 WHERE ctid = (SELECT max(ctid) FROM thread_items)",
            "UPDATE thread_lifecycle SET turn_id = 'x' WHERE ctid = (SELECT min(ctid) FROM thread_lifecycle)",
            "UPDATE threads SET turns = turns + 1 WHERE ctid = (SELECT min(ctid) FROM threads)",
            """INSERT INTO thread_turns
            SELECT (jsonb_populate_record(t, '{"turn_id": "extra"}')).* FROM thread_turns t LIMIT 1""",
        ):
            assert connection.execute(statement).rowcount == 1
    code, found, _ = _verified(deployment, dsn)

    assert right[0] == 0, right
    assert code == 1
    assert sorted(str(one["kind"]) for one in found[:-1]) == [
        *("differs", "differs", "extra", "missing", "sequence", "stale")
    ]


def test_tables_that_lag_are_not_compared(filled: tuple[Deployment, Sinks], dsn: str) -> None:
    deployment, _ = filled
    deployment.publish([("late", 0, factories.event("agent_message"))])
    deployment.until_through()
    code, _, told = _verified(deployment, dsn)

    assert code == 1
    assert "records behind the topics: does `sink postgres` run?" in told
