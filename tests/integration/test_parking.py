"""Threads on which our own code fails, on a real broker: parked, looked at, taken up again (G5, 2.5)."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.factories import event
from tests.integration.harness import ByThread, Deployment, WorkerProcess, decode, interleaved, until, vector_threads
from worker.kafka.reader import read_all
from worker.model.record import InRecord

pytestmark = pytest.mark.integration

# Takes the place of a projection of the project's, fails on the turns that a variable names, and else does its work, as
# slowly as another says.
PLUGIN = """
import os, time
from worker.projections.lifecycle import Lifecycle

class Faulty(Lifecycle):
    def observe(self, thread, changes):
        for happening in changes.happenings:
            time.sleep(float(os.environ["FAULTY_PAUSE_S"]))
            if happening.turn_id in os.environ["FAULTY_TURNS"].split(","):
                raise ZeroDivisionError(f"secret text of {happening.turn_id}")
        yield from super().observe(thread, changes)

faulty = Faulty()
"""
T = "thread/with 100% of its own"


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with the projection for the processes that a test starts."""
    info = tmp_path / "faulty-1.0.dist-info"
    info.mkdir()
    (tmp_path / "faulty.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[thread_history_worker.projections]\nfaulty = faulty:faulty\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("FAULTY_TURNS", "")
    monkeypatch.setenv("FAULTY_PAUSE_S", "0")
    monkeypatch.setenv("COLUMNS", "200")  # of tables


@pytest.fixture
def one_partition(bootstrap: str) -> Iterator[Deployment]:
    made = Deployment(bootstrap, f"parking-{uuid4().hex[:8]}", 1)
    yield made
    made.close()


def _start(deployment: Deployment, monkeypatch: pytest.MonkeyPatch, *faulty: str, **more: object) -> WorkerProcess:
    monkeypatch.setenv("FAULTY_TURNS", ",".join(faulty))
    return deployment.start("0", **more)


def _turns(*turns: str, thread: str = T, first: int = 0) -> list[tuple[str, int, bytes]]:
    return [(thread, first + at, event("task_started", turn_id=turn)) for at, turn in enumerate(turns)]


def _told(deployment: Deployment, thread: str = T) -> list[str]:
    """Return the turns of a thread as its lifecycle tells them, checking that nothing is missing between them."""
    records = read_all(deployment.settings.kafka, [deployment.names.projections["lifecycle"]])
    values = [decode(record.value) for record in records if record.value is not None]
    own = [value for value in values if value["threadId"] == thread]

    assert [value["topicSequence"] for value in own] == [*range(1, len(own) + 1)]
    return [value["turnId"] for value in own]


def _parked(deployment: Deployment) -> list[InRecord]:
    return read_all(deployment.settings.kafka, [deployment.names.parked])


def _json(deployment: Deployment, *arguments: str) -> list[dict[str, Any]]:
    done = deployment.command("dead-letters", *arguments, "--output", "json")

    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _replay(deployment: Deployment, thread: str = T) -> None:
    done = deployment.command("dead-letters", "replay", "--thread", thread)

    assert done.returncode == 0, done.stderr


def _differing(deployment: Deployment) -> set[tuple[str, str]]:
    """Return topic and thread of everything that a sound release would have published otherwise."""
    found, wanted = deployment.by_thread()
    return _unequal(found, wanted)


def _unequal(found: ByThread, wanted: ByThread) -> set[tuple[str, str]]:
    return {place for place in found.keys() | wanted.keys() if found.get(place) != wanted.get(place)}


def _threads(places: Iterable[tuple[str, str]]) -> set[str]:
    return {thread for _, thread in places}


def test_the_thread_is_parked_with_all_that_follows_and_the_others_go_on(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = list(interleaved(vector_threads()))[:3_000]
    own = _turns("a", "bad", "b", "c")
    deployment.publish([*own[:1], *others[:1_000], *own[1:2], *others[1_000:2_000], *own[2:3]])
    worker = _start(deployment, monkeypatch, "bad")
    deployment.until_through()
    worker.kill()
    deployment.publish([*others[2_000:], *own[3:]])
    _start(deployment, monkeypatch, "bad")
    deployment.until_through()
    inputs = [record for record in deployment.input() if record.key == T.encode()]
    parked = _parked(deployment)

    assert _told(deployment) == ["a"]
    assert _threads(_differing(deployment)) == {T}
    assert [(one.key, one.value, one.partition) for one in parked] == [
        (one.key, one.value, one.partition) for one in inputs[1:]
    ]
    assert [dict(one.headers) for one in parked] == [
        {
            "thw-reason": reason,
            "thw-error": error,
            "thw-topic": deployment.names.input.encode(),
            "thw-partition": b"%d" % one.partition,
            "thw-offset": b"%d" % one.offset,
            "thw-timestamp": b"%d" % (one.timestamp_ms or 0),
            "thw-worker-version": b"0.1.0",
            "rollout-ordinal": b"%d" % ordinal,
        }
        for ordinal, one, reason, error in zip(
            (1, 2, 3),
            inputs[1:],
            (b"project", b"behind", b"behind"),
            (
                b"a valid task_started: ZeroDivisionError",
                b"an earlier record of this thread is parked",
                b"an earlier record of this thread is parked",
            ),
            strict=True,
        )
    ]


def test_what_is_parked_is_listed_and_shown_for_people_and_for_programs(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.publish([*_turns("bad", "b"), ("other", 0, b"{"), ("other", 1, b"[")])
    _start(deployment, monkeypatch, "bad")
    deployment.until_through()
    marks, *letters = _json(deployment, "list")
    shown = _json(deployment, "show", "--thread", T)
    table = deployment.command("dead-letters", "list")
    for_people = deployment.command("dead-letters", "show")
    unknown = deployment.command("dead-letters", "replay", "--thread", "other")

    assert {name: marks["parked"][name] for name in ("thread_id", "offset", "reason", "error", "records")} == {
        "thread_id": T,
        "offset": 0,
        "reason": "project",
        "error": "a valid task_started: ZeroDivisionError",
        "records": 2,
    }
    assert sum(row["dead_letters"]["records"] for row in letters) == 2
    assert [(row["thread"], row["reason"], json.loads(row["value"])["payload"]["turn_id"]) for row in shown] == [
        (T, "project", "bad"),
        (T, "behind", "b"),
    ]
    assert all(word in table.stdout for word in (T, "project", "ZeroDivisionError", "not JSON"))
    assert all(word in for_people.stdout for word in ("behind", "rejected"))
    assert "secret" not in table.stdout + for_people.stdout + deployment.said()
    assert (unknown.returncode, "thread other is not parked" in unknown.stderr) == (2, True)


def test_after_a_repair_the_thread_becomes_what_a_sound_release_publishes_through_kills_and_newer_input(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [f"turn-{number}" for number in range(3_000)]
    others = list(interleaved(vector_threads()))[:6_000]
    deployment.publish(_turns("a", "bad", *turns[:2_000]))
    broken = _start(deployment, monkeypatch, "bad")
    deployment.until_through()
    deployment.publish([*others[:3_000], *_turns(*turns[2_000:], first=2_002)])
    broken.terminate()
    monkeypatch.setenv("FAULTY_PAUSE_S", "0.001")
    repaired = _start(deployment, monkeypatch)
    deployment.until_through()
    _replay(deployment)
    deployment.publish([*_turns("new", first=3_002), *others[3_000:]])
    until(lambda: len(_told(deployment)) > 1, 60, "it is being taken up")
    repaired.kill()
    halfway = len(_told(deployment))
    _start(deployment, monkeypatch)
    deployment.until_through()

    assert 500 <= halfway < len(turns)
    assert _told(deployment) == ["a", "bad", *turns, "new"]
    assert _differing(deployment) == set()
    assert [row for row in _json(deployment, "list") if "parked" in row] == []


def test_a_thread_that_fails_again_is_parked_again_from_that_record_on(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.publish(_turns("a", "bad", "b", "worse", "c"))
    first = _start(deployment, monkeypatch, "bad", "worse")
    deployment.until_through()
    first.terminate()
    second = _start(deployment, monkeypatch, "worse")
    _replay(deployment)
    deployment.until_through()
    halfway = _told(deployment)
    deployment.publish(_turns("d", first=5))
    deployment.until_through()
    second.terminate()
    _start(deployment, monkeypatch)
    _replay(deployment)
    deployment.until_through()

    assert halfway == ["a", "bad", "b"]
    assert _told(deployment) == ["a", "bad", "b", "worse", "c", "d"]
    assert _differing(deployment) == set()


def test_a_take_up_waits_for_what_is_parked_in_the_same_transaction(
    one_partition: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_partition.publish([*_turns("bad", "b"), *_turns("bad", thread="u")])
    first = _start(one_partition, monkeypatch, "bad")
    one_partition.until_through()
    first.terminate()
    one_partition.publish(_turns("x", thread="u", first=1))
    _replay(one_partition)
    repaired = _start(one_partition, monkeypatch, LOOP__BATCH_RECORDS_MAX=1)
    one_partition.until_through()
    _replay(one_partition, "u")
    one_partition.until_through()

    assert repaired.told("transaction failed, trying again from the last commit") == []
    assert _differing(one_partition) == set()


def test_a_forget_unparks_and_the_thread_begins_anew(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment.publish(_turns("a", "bad", "b"))
    _start(deployment, monkeypatch, "bad")
    deployment.until_through()
    deployment.forget(T)
    deployment.publish(_turns("fresh"))
    deployment.until_through()
    values = [decode(one.value) for one in deployment.published() if one.value is not None]
    fresh = [one for one in values if one["turnId"] == "fresh"]

    assert _json(deployment, "list") == []
    assert {one["generation"] for one in fresh}.isdisjoint(
        one["generation"] for one in values if one["turnId"] != "fresh"
    )
    assert sorted(one["sequence"] for one in fresh) == [*range(1, len(fresh) + 1)]


def test_too_many_parked_threads_stop_the_worker_which_says_why_also_after_a_restart(
    one_partition: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_partition.publish([*_turns("bad", thread="u"), *_turns("bad", thread="v")])
    worker = _start(one_partition, monkeypatch, "bad", PARKING__THREADS_MAX=2)
    one_partition.until_through()
    worker.terminate()
    one_partition.publish([*_turns("a", "bad"), *_turns("b", thread="w")])
    again = _start(one_partition, monkeypatch, "bad", PARKING__THREADS_MAX=2)
    code = again.wait(60)
    before = len(one_partition.published())
    _start(one_partition, monkeypatch)
    one_partition.until_through()

    assert (code, before) == (1, 0)
    assert again.error().startswith(
        "2 threads of partition 0 were parked within 10 minutes, the next one by a valid task_started: "
        "ZeroDivisionError: the worker stops instead of parking the whole topic."
    )
    assert "raise parking.threads_max (it is 2)" in again.error()
    assert _threads(_differing(one_partition)) == {"u", "v"}
