"""`rebuild`: topics and state converge to what the reduction gives now, without a hole, also over kills."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer

from tests.integration.harness import TIMERS, Deployment, interleaved, until, vector_threads
from worker.model.record import InRecord

pytestmark = pytest.mark.integration


def _command(deployment: Deployment, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "worker", *arguments],
        env=deployment.environment(ENCODING="json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _ran(deployment: Deployment, *arguments: str) -> tuple[int, str]:
    process = _command(deployment, *arguments)
    said, wrong = process.communicate(timeout=120)
    return process.returncode, (said + wrong).decode()


@pytest.fixture
def stopped(deployment: Deployment) -> Iterator[Deployment]:
    """Return a deployment whose worker is through, has ended, and is no member any more."""
    deployment.publish(interleaved(vector_threads()))
    worker = deployment.start(ENCODING="json")
    deployment.until_through()
    worker.terminate()
    until(lambda: deployment.members() == 0, 3 * TIMERS["KAFKA__SESSION_TIMEOUT_MS"] / 1_000, "no member left")
    yield deployment


def _spoil(deployment: Deployment, count: int) -> list[InRecord]:
    """Give some rows another content and others a null, as an earlier release with a fault might have."""
    last = {
        record.key: record for record in deployment.published() if record.topic in deployment.names.projections.values()
    }
    chosen = [record for record in last.values() if record.value is not None][:count]
    producer = Producer({"bootstrap.servers": deployment.settings.kafka.bootstrap_servers})
    for number, record in enumerate(chosen):
        spoilt = None if number % 2 else orjson.dumps(orjson.loads(record.value or b"") | {"turnOrdinal": 99})
        producer.produce(record.topic, spoilt, record.key, record.partition, headers=[("thw-generation", b"0")])
        producer.produce(record.topic, record.value, (record.key or b"") + b"-extra", record.partition)
    producer.flush()
    return chosen


def test_a_dry_run_counts_and_changes_nothing(stopped: Deployment) -> None:
    _spoil(stopped, 6)
    before = len(stopped.published())
    code, said = _ran(stopped, "rebuild", "--dry-run")

    assert (code, "threads would be rebuilt" in said, "6 extra" in said) == (0, True, True)
    assert len(stopped.published()) == before


def test_after_a_rebuild_nothing_differs_and_the_worker_goes_on(stopped: Deployment) -> None:
    _spoil(stopped, 40)
    code, said = _ran(stopped, "rebuild")
    verified, _ = _ran(stopped, "verify")
    more = [
        (f"{thread_id}", at + 10_000, line)
        for thread_id, lines in vector_threads()
        for at, line in enumerate(lines[:3])
    ]
    stopped.publish(more)
    stopped.start(ENCODING="json")
    stopped.until_through()
    again, told = _ran(stopped, "verify")

    assert (code, verified) == (0, 0), said
    assert again == 0, told


def test_a_rebuilt_thread_has_a_new_generation_with_its_sequence_from_one(stopped: Deployment) -> None:
    (spoilt, *_) = _spoil(stopped, 1)
    before = {(record.topic, record.partition, record.offset) for record in stopped.published()}
    _ran(stopped, "rebuild")
    new = [record for record in stopped.published() if (record.topic, record.partition, record.offset) not in before]
    values = sorted(
        (orjson.loads(one.value) for one in new if one.value is not None), key=lambda value: value["sequence"]
    )

    assert {value["threadId"] for value in values} == {orjson.loads(spoilt.value or b"")["threadId"]}
    assert [value["sequence"] for value in values] == list(range(1, len(values) + 1))
    assert {value["generation"] for value in values} > {0} or values[0]["generation"] > orjson.loads(
        spoilt.value or b""
    )["generation"]


def test_a_rebuild_that_is_killed_goes_on_when_it_is_run_again(stopped: Deployment) -> None:
    _spoil(stopped, 200)
    before = len(stopped.published())
    process = _command(stopped, "rebuild")
    until(lambda: process.poll() is not None or len(stopped.published()) > before, 60, "the rebuild writes")
    process.kill()
    process.communicate()
    code, said = _ran(stopped, "rebuild")
    verified, told = _ran(stopped, "verify")

    assert (code, verified) == (0, 0), said + told


def test_a_group_that_runs_is_not_rebuilt(deployment: Deployment, tmp_path: Path) -> None:
    deployment.publish(interleaved(vector_threads()))
    deployment.start(ENCODING="json")
    deployment.until_through()
    time.sleep(0.1)
    code, said = _ran(deployment, "rebuild")

    assert code == 2
    assert "has 1 members: stop its workers" in " ".join(said.split())
