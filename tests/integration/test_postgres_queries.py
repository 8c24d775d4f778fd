"""The queries that clients need walk indexes, in the order of the index, whatever there is of other threads."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, LiteralString

import psycopg
import pytest

from tests.integration.postgres import PostgresServer
from worker.postgres.migrations import migrate
from worker.postgres.session import Session

pytestmark = pytest.mark.integration

_ITEMS = """
    INSERT INTO thread_items
    SELECT 't' || thread, 'u' || turn, 'i' || item, turn, item, item, 'plan', false, false, NULL, NULL, NULL, '{}',
        0, turn * 10 + item, turn * 10 + item, 'i', 0, 0, 0, NULL, NULL, 1, 1
    FROM generate_series(1, 50) thread, generate_series(1, 200) turn, generate_series(0, 9) item
"""
_TURNS = """
    INSERT INTO thread_turns
    SELECT 't' || thread, 'u' || turn, turn, 'completed', NULL, NULL, NULL, NULL, '[]', false,
        0, turn * 10, turn, 'i', 0, 0, 0, NULL, NULL, 1, 1
    FROM generate_series(1, 50) thread, generate_series(1, 200) turn
"""
QUERIES: dict[str, tuple[str, LiteralString]] = {
    "a page of a thread's turns": (
        "thread_turns_by_ordinal",
        "SELECT * FROM thread_turns WHERE thread_id = 't7' AND turn_ordinal > 20 ORDER BY turn_ordinal LIMIT 5",
    ),
    "the last turns of a thread": (
        "thread_turns_by_ordinal",
        "SELECT * FROM thread_turns WHERE thread_id = 't7' ORDER BY turn_ordinal DESC LIMIT 5",
    ),
    "a page of a turn's items": (
        "thread_items_by_position",
        """SELECT * FROM thread_items WHERE thread_id = 't7' AND turn_ordinal = 3 AND item_position >= 2
        ORDER BY item_position LIMIT 5""",
    ),
    "items that changed since": (
        "thread_items_by_change",
        """SELECT * FROM thread_items WHERE thread_id = 't7' AND (generation, sequence) > (0, 400)
        ORDER BY generation, sequence LIMIT 5""",
    ),
}


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer) -> str:
    """Return a database with 50 threads of 200 turns of 10 items."""
    dsn = postgres.database("filled")
    with closing(Session(dsn)) as session:
        migrate(session)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in (_ITEMS, _TURNS, "ANALYZE thread_items, thread_turns"):
            connection.execute(statement)
    return dsn


@pytest.mark.parametrize("what", QUERIES)
def test_a_query_that_clients_need_walks_an_index_in_its_order(filled: str, what: str) -> None:
    index, query = QUERIES[what]
    with psycopg.connect(filled) as connection:
        (plan,) = connection.execute("EXPLAIN (FORMAT json) " + query).fetchone() or ()
        count = len(connection.execute(query).fetchall())

    assert list(_walks(plan[0]["Plan"])) == [("Limit", None), ("Index Scan", index)]
    assert count == 5


def _walks(node: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    yield node["Node Type"], node.get("Index Name")
    for inner in node.get("Plans", ()):
        yield from _walks(inner)
