"""One broker for all integration tests: topics and groups are theirs to name apart."""

import itertools
from collections.abc import Iterator

import pytest

from tests.integration.harness import Deployment
from tests.integration.postgres import MISSING, PostgresServer, binaries
from worker.localbroker.cluster import LocalCluster

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalCluster]:
    """Run one node for the whole session; a test that stops or kills a node makes a cluster of its own."""
    with LocalCluster() as running:
        yield running


@pytest.fixture(scope="session")
def bootstrap(cluster: LocalCluster) -> str:
    """Return the bootstrap servers of the session's cluster."""
    return cluster.bootstrap_servers


@pytest.fixture(scope="module")
def made_cluster() -> Iterator[LocalCluster]:
    """Run one node for a file of tests that stop or kill it; they take it as `own_cluster`."""
    with LocalCluster() as running:
        yield running


@pytest.fixture
def own_cluster(made_cluster: LocalCluster) -> LocalCluster:
    """Return a node to stop, running also if the test before failed in between."""
    made_cluster.start()
    return made_cluster


@pytest.fixture
def deployment(bootstrap: str) -> Iterator[Deployment]:
    """Return a worker group with topics of its own; its workers end with the test."""
    made = Deployment(bootstrap, f"test-{next(_NUMBERS)}")
    yield made
    made.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run one database server for the whole session; tests make databases of their own, and may restart it."""
    folder = binaries()
    if folder is None:
        pytest.skip(MISSING)
    with PostgresServer(folder) as running:
        yield running


@pytest.fixture
def dsn(postgres: PostgresServer) -> str:
    """Return how to connect to a new, empty database."""
    return postgres.database(f"test_{next(_NUMBERS)}")
