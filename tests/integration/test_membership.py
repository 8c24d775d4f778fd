"""Processes of a group: fenced, superseded, stopped in good order and in bad (G7, G8; design: identity)."""

import signal
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import NewPartitions

from tests.integration.harness import TIMERS, Deployment, WorkerProcess, interleaved, until, vector_threads
from tests.integration.watching import get, value
from worker.localbroker.cluster import LocalCluster

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[LocalCluster]:
    """Run a node that tests may pause; each resumes it."""
    with LocalCluster() as running:
        yield running


def _runs(worker: WorkerProcess) -> None:
    until(lambda: len(worker.told("partition runs")) >= 4, 60, "all partitions run", worker)


def test_a_zombie_publishes_nothing_more_and_takes_its_place_again(deployment: Deployment) -> None:
    lines = list(interleaved(vector_threads(copies=3)))
    third = len(lines) // 3
    zombie = deployment.start("0")
    _runs(zombie)
    deployment.publish(lines[:third])
    time.sleep(0.1)  # in the middle of its work
    zombie.signal(signal.SIGSTOP)
    heir = deployment.start("1")
    deployment.publish(lines[third : 2 * third])
    deployment.until_through()
    zombie.signal(signal.SIGCONT)
    deployment.publish(lines[2 * third :])
    deployment.until_through()
    until(lambda: len(zombie.told("partition runs")) > 4, 60, "it has partitions again", zombie)
    deployment.publish(("late", at, line) for at, (_, _, line) in enumerate(lines[:100]))
    deployment.until_through()

    assert (zombie.alive(), heir.alive()) == (True, True)
    assert deployment.audit() == []


def test_a_second_process_of_one_name_supersedes_the_first_which_says_so(deployment: Deployment) -> None:
    lines = list(interleaved(vector_threads()))
    first = deployment.start(TELEMETRY__PORT=0)
    _runs(first)
    deployment.publish(lines[: len(lines) // 2])
    second = deployment.start(STORE__FOLDER=deployment.state("second"))
    until(lambda: get(first, "/readyz")[0] == 503, 60, "it is not ready while it looks for its successor", first)
    live, readiness = get(first, "/livez")[0], get(first, "/readyz")[1]
    lost, owned = value(first, "rollout_rebalances_total", kind="lost"), value(first, "rollout_assigned_partitions")
    code = first.wait(30)
    deployment.publish(lines[len(lines) // 2 :])
    deployment.until_through()

    assert (code, live, lost, owned) == (0, 200, 1, 0)
    assert "failed output: fenced" in readiness
    assert "superseded: another process joined the group under this worker's name" in first.said()
    assert second.alive()
    assert "fenced" not in second.said()
    assert deployment.audit() == []


def test_a_worker_whose_name_was_taken_by_nobody_who_stays_joins_anew(deployment: Deployment) -> None:
    lines = list(interleaved(vector_threads()))
    worker = deployment.start()
    _runs(worker)
    deployment.publish(lines[: len(lines) // 2])
    _join_and_go(deployment, "0")
    deployment.publish(lines[len(lines) // 2 :])
    until(lambda: len(worker.told("partition runs")) == 8, 60, "all partitions run again", worker)
    deployment.until_through()

    assert worker.alive()
    assert len(worker.told("nobody else holds the name: joining anew")) == 1
    assert deployment.audit() == []


def _join_and_go(deployment: Deployment, instance: str) -> None:
    """Take a worker's name in the group; a static member that closes does not leave."""
    settings = deployment.settings
    ghost = Consumer(
        {
            "bootstrap.servers": settings.kafka.bootstrap_servers,
            "group.id": settings.group,
            "group.instance.id": f"{settings.group}-{instance}",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": TIMERS["KAFKA__SESSION_TIMEOUT_MS"],
        }
    )
    ghost.subscribe([deployment.names.input])
    until(lambda: ghost.poll(0.1) is not None or bool(ghost.assignment()), 30, "it took the name")
    ghost.close()


def _six_partitions(deployment: Deployment, *topics: str) -> None:
    for grown in deployment.admin.create_partitions([NewPartitions(topic, 6) for topic in topics]).values():
        grown.result(30)


def test_more_partitions_of_the_input_stop_the_worker_with_the_steps_of_a_migration(deployment: Deployment) -> None:
    deployment.publish(interleaved(vector_threads()))
    worker = deployment.start(KAFKA__OPTIONS='{"topic.metadata.refresh.interval.ms": 500}')
    deployment.until_through()
    _six_partitions(deployment, deployment.names.input)
    ended = worker.wait(60)
    again = deployment.start()

    assert (ended, again.wait(30)) == (2, 2)
    assert "had 4 partitions when this state was made and has more now" in worker.error()
    assert f"{deployment.names.changelog} has 4 partitions and {deployment.names.input} has 6" in again.error()
    assert "new set of topics" in worker.error()
    assert "new set of topics" in again.error()


def test_a_state_made_with_fewer_partitions_stops_the_worker_with_the_steps_of_a_migration(
    deployment: Deployment,
) -> None:
    deployment.publish(interleaved(vector_threads()))
    worker = deployment.start()
    deployment.until_through()
    worker.terminate()
    names = deployment.names
    _six_partitions(
        deployment, names.input, names.changelog, names.dead_letters, names.parked, *names.projections.values()
    )
    again = deployment.start()

    assert again.wait(30) == 2
    assert "had 4 partitions when this state was made and has 6 now" in again.error()
    assert "new set of topics" in again.error()


def test_sigterm_under_full_load_ends_a_worker_in_time_with_exit_code_zero(deployment: Deployment) -> None:
    lines = list(interleaved(vector_threads(copies=8)))
    deployment.publish(lines)
    worker = deployment.start()
    until(lambda: any(found > 0 for found in deployment.committed().values()), 30, "it works")
    began = time.monotonic()
    code = worker.terminate()
    took_s = time.monotonic() - began
    left = deployment.lag()
    deployment.start()
    deployment.until_through()

    assert (code, took_s < 10, left is not None and left > 0) == (0, True, True)
    assert deployment.audit() == []


@pytest.mark.parametrize("when", ["working", "failing", "starting"])
def test_sigterm_while_the_broker_does_not_answer_ends_a_worker_in_time_with_exit_code_one(
    own_cluster: LocalCluster, when: str
) -> None:
    # Transactions long enough to be met in the middle.
    made = Deployment(
        own_cluster.bootstrap_servers, f"deaf-{when}", LOOP__GIVE_UP_AFTER_S=60, LOOP__COMMIT_INTERVAL_S=1.5
    )
    with closing(made) as deployment:
        _stopped_while_the_broker_is_deaf(own_cluster, deployment, when)


def _stopped_while_the_broker_is_deaf(own_cluster: LocalCluster, deployment: Deployment, when: str) -> None:
    deployment.publish(interleaved(vector_threads(copies=8)))
    worker = deployment.start()
    until(lambda: "worker starts" in worker.said(), 30, "it starts")
    if when != "starting":
        until(lambda: any(found > 0 for found in deployment.committed().values()), 30, "it works")
        time.sleep(0.3)
    own_cluster.nodes[0].pause()
    try:
        if when != "working":
            until(lambda: bool(worker.told("transaction failed, trying again from the last commit")), 60, "it fails")
        began = time.monotonic()
        code = worker.terminate(within_s=30)
        took_s = time.monotonic() - began
    finally:
        own_cluster.nodes[0].resume()
    deployment.start()
    deployment.until_through()

    assert (code, took_s < 10) == (1, True), worker.said()
    assert "a successor goes on" in worker.error()
    assert deployment.audit() == []
