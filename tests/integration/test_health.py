"""Health of a worker in trouble, on a real broker: what is stuck, restores or lost its broker says so."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.harness import Deployment, interleaved, until, vector_threads
from tests.integration.watching import get, status, value
from worker.localbroker.cluster import LocalCluster

pytestmark = pytest.mark.integration

LINES = list(interleaved(vector_threads()))
HALF = len(LINES) // 2

# A client that fetches one partition no more, and a changelog that is read slowly.
PLANT = """
import os, time
from worker.kafka import restore, source

start, read = source.KafkaSource.start, restore.KafkaRestorer._read

def stuck(self, partition, offset):
    start(self, partition, offset)
    if str(partition) == os.environ.get("PLANT_STUCK"):
        self._consumer.pause([source.Place(self._topic, partition)])

def slowly(self):
    time.sleep(0.02)
    read(self)

source.KafkaSource.start = stuck
if "PLANT_SLOW" in os.environ:
    restore.KafkaRestorer._read, restore._BATCH_RECORDS = slowly, 100
"""


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Have the processes that a test starts take up faults that variables name."""
    (tmp_path / "sitecustomize.py").write_text(PLANT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return monkeypatch


@pytest.fixture
def own(own_cluster: LocalCluster) -> Iterator[Deployment]:
    made = Deployment(own_cluster.bootstrap_servers, f"health-{uuid4().hex[:8]}", TELEMETRY__PORT=0)
    yield made
    made.close()


def test_a_stuck_partition_is_not_alive_and_the_idle_ones_are(own: Deployment, plant: pytest.MonkeyPatch) -> None:
    plant.setenv("PLANT_STUCK", "2")
    worker = own.start("0", TELEMETRY__STUCK_AFTER_S=3)
    until(lambda: get(worker, "/readyz")[0] == 200, 60, "it is ready", worker)
    assert get(worker, "/livez")[0] == 200
    own.publish(LINES[:HALF])
    until(lambda: get(worker, "/livez")[0] == 503, 60, "it is not alive", worker)

    failed, *others = get(worker, "/livez")[1].splitlines()
    assert failed.startswith(f"failed partition {own.names.input}[2]: stuck, ")
    assert [line for line in others if line.endswith(": idle")] == [
        f"ok partition {own.names.input}[{number}]: idle" for number in (0, 1, 3)
    ]
    assert value(worker, "rollout_partition_lag_records", partition="2") == own.lags()[2] > 0
    assert value(worker, "rollout_partition_lag_records") == own.lag()
    assert value(worker, "rollout_partition_lag_seconds", partition="2") > 3
    assert [found["lag"] for found in status(worker)["partitions"]] == [0, 0, own.lags()[2], 0]
    assert get(worker, "/readyz")[0] == 200


def test_a_restore_shows_until_it_is_done(own: Deployment, plant: pytest.MonkeyPatch) -> None:
    first = own.start("0")
    own.publish(LINES[:HALF])
    own.until_through()
    assert first.terminate() == 0
    plant.setenv("PLANT_SLOW", "1")
    worker = own.start("0", STORE__FOLDER=own.state("new"), TELEMETRY__RESTORE_WITHIN_S=0.2)
    until(lambda: value(worker, "rollout_restore_remaining_records") > 0, 60, "it restores", worker)
    until(lambda: get(worker, "/readyz")[0] == 503, 60, "it takes too long", worker)

    code, body = get(worker, "/readyz")
    assert (code, get(worker, "/livez")[0]) == (503, 200)
    assert "restoring for " in body
    assert value(worker, "rollout_partition_state", phase="restoring") > 0
    until(lambda: get(worker, "/readyz")[0] == 200, 60, "it is ready", worker)
    assert value(worker, "rollout_restore_remaining_records") == 0
    assert value(worker, "rollout_partition_state", phase="running") == 4
    assert value(worker, "rollout_restore_records_total") >= len(own.rows())
    assert value(worker, "rollout_restore_duration_seconds_count", cause="start") == 4


def test_a_lost_broker_ends_readiness_and_no_life(own: Deployment, own_cluster: LocalCluster) -> None:
    worker = own.start("0", LOOP__COMMIT_INTERVAL_S=2)
    until(lambda: get(worker, "/readyz")[0] == 200, 60, "it is ready", worker)
    own.publish(LINES[:HALF])
    # A transaction is open now, most likely: its end fails. If none is, no broker tells where the partitions end.
    own_cluster.kill()
    until(lambda: get(worker, "/readyz")[0] == 503, 60, "it is not ready any more", worker)

    failed, *_ = get(worker, "/readyz")[1].splitlines()
    assert failed.startswith(("failed output: ", "failed broker: "))
    assert get(worker, "/livez")[0] == 200
    own_cluster.start()
    until(lambda: get(worker, "/readyz")[0] == 200, 60, "it is ready again", worker)
    own.until_through()
    until(lambda: value(worker, "rollout_partition_lag_records") == 0, 30, "no lag", worker)
