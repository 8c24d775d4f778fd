"""Two releases with two formats of state in one group: rolled up, rolled back, and told to write the new one."""

import pytest

from tests.integration.harness import Deployment, WorkerProcess, interleaved, vector_threads
from tests.next_release import NEXT

pytestmark = pytest.mark.integration


def _formats(deployment: Deployment) -> set[int]:
    """Return the formats of the threads' rows in the changelog."""
    return {data[0] for key, data in deployment.rows().items() if not key.startswith(b"/")}


def _stopped(*workers: WorkerProcess) -> list[int]:
    return [worker.terminate() for worker in workers]


def test_an_upgrade_and_its_rollback_give_the_same_and_an_old_worker_refuses_what_it_cannot_read(
    deployment: Deployment,
) -> None:
    lines = list(interleaved(vector_threads()))
    part = len(lines) // 4 + 1
    parts = [lines[start : start + part] for start in range(0, len(lines), part)]

    def through(number: int) -> None:
        deployment.publish(parts[number])
        deployment.until_through()

    # Both releases share the group; then each takes over what the other one had, disk and all.
    old, new = deployment.start("0"), deployment.start_next("1")
    through(0)
    codes = _stopped(old, new)
    new, old = deployment.start_next("0"), deployment.start("1")
    through(1)
    codes += _stopped(old, new)
    before = _formats(deployment)

    # All are new: only now they are told to write what the old one cannot read.
    first = deployment.start_next("0", STORE__ROW_FORMAT=NEXT)
    second = deployment.start_next("1", STORE__ROW_FORMAT=NEXT)
    through(2)
    after = _formats(deployment)
    codes += _stopped(second)
    old = deployment.start("1")
    refused = old.wait(60)
    codes += _stopped(first)

    # Told to write the former one again, they read both.
    deployment.start_next("0")
    deployment.start_next("1")
    through(3)

    assert codes == [0] * 6
    assert (before, after, _formats(deployment)) == ({1}, {1, NEXT}, {1, NEXT})
    assert refused == 2
    assert f"rows of format {NEXT}, this release reads 1: run the release that wrote them" in old.error()
    assert deployment.audit() == []
