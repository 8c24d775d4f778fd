"""Brokers that restart, go away, stand still, die, are full or slow: the worker goes on by itself (G1, G2, G5)."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from tests.chaos.cluster import markers_left_out
from tests.integration.harness import Deployment, WorkerProcess, interleaved, until, vector_threads
from worker.localbroker.cluster import LocalCluster
from worker.localbroker.jars import kafka_jars
from worker.localbroker.java import find_java

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

LINES = list(interleaved(vector_threads(copies=3)))
HALF = len(LINES) // 2


@contextmanager
def _working(cluster: LocalCluster, *instances: str) -> Iterator[tuple[Deployment, list[WorkerProcess]]]:
    """Run workers in the middle of their work; afterwards they must be the same processes, through all input."""
    deployment = Deployment(cluster.bootstrap_servers, f"trouble-{uuid4().hex[:8]}")
    try:
        deployment.publish(LINES[:HALF])
        workers = [deployment.start(instance) for instance in instances]
        until(lambda: any(found > 0 for found in deployment.committed().values()), 60, "they work")
        yield deployment, workers
        until(lambda: deployment.lag() is not None, 60, "the brokers answer")
        _see_that_all_is_well(deployment, workers)
    except (AssertionError, TimeoutError):
        if markers_left_out(cluster.nodes):
            pytest.skip("Kafka left out markers of a transaction (KAFKA-20734): nobody could keep a promise")
        raise
    finally:
        deployment.close()


def _see_that_all_is_well(deployment: Deployment, workers: list[WorkerProcess]) -> None:
    deployment.publish(LINES[HALF:])
    deployment.until_through(120)

    assert [worker.alive() for worker in workers] == [True] * len(workers)
    assert deployment.audit() == []


def test_a_broker_that_restarts_under_load(own_cluster: LocalCluster) -> None:
    with _working(own_cluster, "0", "1"):
        own_cluster.restart()


def test_a_broker_that_is_killed_under_load(own_cluster: LocalCluster) -> None:
    with _working(own_cluster, "0"):
        own_cluster.kill()
        own_cluster.start()


def test_a_broker_that_is_away_for_longer_than_transactions_and_sessions_last(own_cluster: LocalCluster) -> None:
    with _working(own_cluster, "0", "1"):
        own_cluster.kill()
        time.sleep(15)
        own_cluster.start()


def test_a_broker_that_stands_still(own_cluster: LocalCluster) -> None:
    with _working(own_cluster, "0", "1"):
        own_cluster.nodes[0].pause()
        time.sleep(12)
        own_cluster.nodes[0].resume()


def test_three_nodes_of_which_the_leader_of_a_partition_dies() -> None:
    with LocalCluster(3) as cluster, _working(cluster, "0", "1") as (deployment, _):
        cluster.node(_leader(deployment)).kill()


def _leader(deployment: Deployment) -> int:
    topic = deployment.names.changelog
    leader: int = deployment.admin.list_topics(topic, timeout=30).topics[topic].partitions[0].leader
    return leader


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """Mount a small disk, which takes root on Linux."""
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["/bin/umount", "--lazy", folder], check=True)


def _fill(folder: Path) -> Path:
    """Fill a disk to its last byte."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 10, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return filler


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="a small disk is mounted by root alone")
def test_a_broker_whose_disk_is_full(tmp_path: Path) -> None:
    with _small_disk(tmp_path), LocalCluster(folder=tmp_path / "cluster") as cluster, _working(cluster, "0"):
        filler = _fill(tmp_path)
        until(lambda: not cluster.nodes[0].running, 120, "the broker ends")
        filler.unlink()
        cluster.start()


def _quota(bootstrap: str, *change: str) -> None:
    """Change how many bytes a second each client may produce and consume."""
    command = [find_java(), "-cp", f"{kafka_jars()}/*", "kafka.admin.ConfigCommand", "--bootstrap-server", bootstrap]
    entity = ["--alter", "--entity-type", "clients", "--entity-default"]
    subprocess.run([*map(str, command), *entity, *change], check=True, capture_output=True)


def test_a_broker_that_throttles_and_then_no_more(own_cluster: LocalCluster) -> None:
    with _working(own_cluster, "0") as (deployment, (worker,)):
        deployment.until_through()
        worker.signal(signal.SIGSTOP)
        deployment.publish((f"throttled-{thread}", at, line) for thread, at, line in LINES[:HALF])
        _quota(own_cluster.bootstrap_servers, "--add-config", "producer_byte_rate=20000,consumer_byte_rate=20000")
        worker.signal(signal.SIGCONT)
        time.sleep(8)
        throttled = max(deployment.lags().values())
        _quota(own_cluster.bootstrap_servers, "--delete-config", "producer_byte_rate,consumer_byte_rate")

        assert throttled > 0
