"""`sink postgres` used wrongly: exit code 2 and what to do, before it joins a group; and with few rights."""

import os
import subprocess
import sys

import psycopg
import pytest

from tests.integration.harness import Deployment
from tests.integration.postgres import PostgresServer
from tests.integration.sinks import Sinks

pytestmark = pytest.mark.integration

WITHOUT_DRIVER = """
import sys
sys.modules["psycopg"] = None
sys.argv = ["thread-history-worker", "sink", "postgres", "--dsn", "host=db"]
from worker.cli import main
main()
"""


def run(*command: str, **more: str) -> tuple[int, str]:
    """Run a program; return its exit code and what it said on standard error, on one line."""
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "COLUMNS": "200", **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, " ".join(done.stderr.split())


def test_without_a_database_it_asks_for_one() -> None:
    code, said = run("-m", "worker", "sink", "postgres")

    assert (code, "THW_SINK__DSN=postgresql://user:password@host/database" in said) == (2, True)


def test_without_the_driver_it_says_how_to_get_it() -> None:
    code, said = run("-c", WITHOUT_DRIVER)

    assert (code, "pip install 'thread-history-worker[postgres]'" in said) == (2, True)


@pytest.mark.parametrize("dsn", ["host=db hunter2", "postgresql://sink:hunter2@127.0.0.1:1/none", "user='hunter2"])
def test_a_database_that_is_not_there_is_named_without_its_password(dsn: str) -> None:
    code, said = run("-m", "worker", "sink", "postgres", THW_SINK__DSN=dsn, THW_KAFKA__START_TIMEOUT_S="0.5")

    assert (code, "THW_SINK__DSN" in said or "sink.dsn" in said) == (2, True)
    assert "hunter2" not in said


def test_topics_that_are_missing_are_named(bootstrap: str, dsn: str) -> None:
    code, said = run(
        *("-m", "worker", "sink", "postgres", "--prefix", "nowhere."),
        THW_SINK__DSN=dsn,
        THW_KAFKA__BOOTSTRAP_SERVERS=bootstrap,
    )

    assert code == 2
    assert "topic nowhere.thread-items, nowhere.turn-summaries, nowhere.thread-lifecycle is missing" in said


def test_a_user_without_the_right_to_make_tables_can_fill_those_that_are_there(
    deployment: Deployment, dsn: str, postgres: PostgresServer
) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE clerk LOGIN PASSWORD 'clerk'")
    theirs = dsn.replace(postgres.user, "clerk:clerk")
    clerk, owner = Sinks(deployment, theirs), Sinks(deployment, dsn)
    try:
        refused = clerk.start("--once")
        code, why = refused.wait(60), refused.error()
        owner.once()
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk")
        read = clerk.once()
    finally:
        clerk.close()
        owner.close()

    assert (code, read) == (2, 0)
    assert "permission denied" in why
    assert "docs/postgres.md" in why
