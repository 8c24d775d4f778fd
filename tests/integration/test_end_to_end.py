"""From input records to mutations on a real broker: exactly once, in order, on the right partitions (G1, G2, G7)."""

import random
import time
from collections import defaultdict
from typing import Any

import orjson
import pytest

from tests.integration.harness import Deployment, decode, interleaved, until, vector_threads
from worker import app
from worker.model.record import InRecord
from worker.replay import Replay

pytestmark = pytest.mark.integration


def _replayed(deployment: Deployment) -> dict[str, list[dict[str, Any]]]:
    """Return what `replay` gives for each thread, place in the log aside."""
    shared = app.appends(deployment.settings)
    return {
        thread_id: [
            _placeless(orjson.loads(orjson.dumps(mutation.value))) for mutation in _mutations(thread_id, lines, shared)
        ]
        for thread_id, lines in vector_threads()
    }


def _mutations(thread_id: str, lines: list[bytes], shared: Any) -> Any:
    return Replay(thread_id, shared).mutations(lines)


def _placeless(value: dict[str, Any]) -> dict[str, Any]:
    return {name: found for name, found in value.items() if name not in ("source", "generation")}


def _by_thread(published: list[InRecord], topics: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the mutations of each thread in the order of their sequence; within a topic they must come in it."""
    values: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in published:
        if record.topic in topics and record.value is not None:
            value = decode(record.value)
            values[value["threadId"]].append(_placeless(value))
    return {thread_id: sorted(some, key=lambda value: value["sequence"]) for thread_id, some in values.items()}


def test_two_workers_of_which_one_is_replaced_publish_what_replay_gives(deployment: Deployment) -> None:
    threads = list(vector_threads())
    lines = list(interleaved(threads))
    third = len(lines) // 3
    first = deployment.start("0")
    second = deployment.start("1")
    deployment.publish(lines[:third])
    deployment.until_through()
    deployment.publish(lines[third : 2 * third])
    code = first.terminate()
    third_worker = deployment.start("2")
    deployment.publish(lines[2 * third :])
    deployment.until_through()

    assert (code, second.alive(), third_worker.alive()) == (0, True, True)
    assert deployment.audit() == []
    assert _by_thread(deployment.published(), set(deployment.names.projections.values())) == _replayed(deployment)


def test_a_threads_records_are_on_the_partition_of_its_input_in_every_topic(deployment: Deployment) -> None:
    deployment.publish(interleaved(vector_threads()))
    deployment.start()
    deployment.until_through()
    partitions = {(record.key or b"").decode(): record.partition for record in deployment.input()}
    places = {
        (decode(record.value)["threadId"], record.partition)
        for record in deployment.published()
        if record.value is not None and record.topic in deployment.names.projections.values()
    }

    assert places <= set(partitions.items())
    assert {partition for _, partition in places} == {0, 1, 2, 3}


@pytest.mark.timeout(240)
def test_a_worker_killed_five_times_at_random_moments_loses_and_doubles_nothing(deployment: Deployment) -> None:
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    deployment.publish(interleaved(vector_threads(copies=12)))
    killed = 0
    while killed < 5:
        worker = deployment.start(KAFKA__SESSION_TIMEOUT_MS=6_000, LOOP__COMMIT_INTERVAL_S=0.1)
        until(lambda: "partition runs" in worker.said(), 30, "the worker runs")  # noqa: B023 (called at once)
        time.sleep(chance.uniform(0.0, 0.5))
        worker.kill()
        killed += 1
    deployment.start()
    deployment.until_through(120)

    assert deployment.audit() == [], f"seed {seed}"


def test_sigterm_ends_a_worker_with_exit_code_zero_and_its_successor_goes_on(deployment: Deployment) -> None:
    lines = list(interleaved(vector_threads(copies=4)))
    deployment.publish(lines[:10])
    worker = deployment.start()
    deployment.until_through()
    deployment.publish(lines[10:])
    began = time.monotonic()
    code = worker.terminate()
    took_s = time.monotonic() - began
    deployment.start()
    deployment.until_through()

    assert (code, took_s < 10) == (0, True)
    assert deployment.audit() == []
