"""`verify` and `inspect`: what is planted is found, what is right is not accused, a thread reads as it was reduced."""

import subprocess
import sys
from collections import defaultdict
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer

from tests.integration.harness import Deployment, interleaved, vector_threads
from worker import app
from worker.model.record import InRecord
from worker.replay import Replay

pytestmark = pytest.mark.integration


def _ran(deployment: Deployment, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-m", "worker", *arguments, "--output", "json"],
        env=deployment.environment(ENCODING="json"),
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode, [orjson.loads(line) for line in done.stdout.splitlines()]


def _plant(deployment: Deployment, like: InRecord, key: bytes, value: bytes | None) -> None:
    producer = Producer({"bootstrap.servers": deployment.settings.kafka.bootstrap_servers})
    producer.produce(like.topic, value, key, like.partition)
    producer.flush()


@pytest.fixture
def published(deployment: Deployment) -> Deployment:
    """Return a deployment whose worker is through all vectors and stopped."""
    deployment.publish(interleaved(vector_threads()))
    worker = deployment.start(ENCODING="json")
    deployment.until_through()
    worker.terminate()
    return deployment


def _versions(deployment: Deployment) -> list[list[InRecord]]:
    """Return the versions of each row that is there at the end and has more than one, on the thread item topic."""
    versions: dict[bytes, list[InRecord]] = defaultdict(list)
    for record in deployment.published():
        if record.topic == deployment.names.projections["thread_item"]:
            versions[record.key or b""].append(record)
    return [some for some in versions.values() if len(some) > 1 and all(one.value is not None for one in some)]


def test_what_a_worker_published_is_as_the_input_says(published: Deployment) -> None:
    code, rows = _ran(published, "verify")

    assert (code, rows[-1]["differences"], rows[-1]["threads"]) == (0, {}, 34)


def test_each_kind_of_fault_is_found(published: Deployment) -> None:
    (missing, *_), (first, *_, stale), (*_, sequence), (*_, differs), *_ = _versions(published)
    value = orjson.loads(sequence.value or b"")
    other = orjson.loads(differs.value or b"")
    _plant(published, missing, missing.key or b"", None)
    _plant(published, stale, stale.key or b"", first.value)
    _plant(published, sequence, sequence.key or b"", orjson.dumps(value | {"sequence": value["sequence"] + 1}))
    _plant(published, differs, differs.key or b"", orjson.dumps(other | {"isOpen": not other["isOpen"]}))
    _plant(published, missing, (missing.key or b"") + b"-extra", missing.value)
    code, rows = _ran(published, "verify")
    found = {row["key"]: row["kind"] for row in rows[:-1]}

    assert code == 1
    assert found == {
        (missing.key or b"").decode(): "missing",
        (missing.key or b"").decode() + "-extra": "extra",
        (stale.key or b"").decode(): "stale",
        (sequence.key or b"").decode(): "sequence",
        (differs.key or b"").decode(): "differs",
    }


def test_a_thread_reads_from_the_topics_as_it_was_reduced(published: Deployment) -> None:
    thread_id, lines = next((name, lines) for name, lines in vector_threads() if name == "random_050-0")
    replay = Replay(thread_id, app.appends(published.settings))
    for _ in replay.mutations(lines):
        pass
    code, rows = _ran(published, "inspect", thread_id)

    assert (code, rows) == (0, [{"threadId": thread_id, "turns": orjson.loads(orjson.dumps(replay.turns()))}])


def test_a_thread_that_is_not_there_is_told(published: Deployment) -> None:
    code, rows = _ran(published, "inspect", "nobody")

    assert (code, rows) == (1, [{"threadId": "nobody", "turns": []}])
