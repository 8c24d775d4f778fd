"""State brought back: from its disk, from the changelog, from a changelog with traps, or not at all (G2, G6)."""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb
import pytest
from confluent_kafka import Producer

from tests.factories import event
from tests.integration.harness import Deployment, WorkerProcess, interleaved, until, vector_threads
from worker.kafka.reader import read_all
from worker.kafka.topics import Topics, wanted
from worker.localbroker.cluster import LocalCluster

pytestmark = pytest.mark.integration

LINES = list(interleaved(vector_threads()))


def _rows(worker: WorkerProcess) -> dict[int, int]:
    """Return how many rows it read of the changelog, by partition restored."""
    return {line["partition"]: line["rows"] for line in worker.told("restored")}


def _restored(worker: WorkerProcess, partitions: int = 4) -> dict[int, int]:
    until(lambda: len(_rows(worker)) == partitions, 60, "all partitions restored", worker)
    return _rows(worker)


def _written(deployment: Deployment) -> int:
    return len(read_all(deployment.settings.kafka, [deployment.names.changelog]))


@contextmanager
def _foreign_transaction(deployment: Deployment, partition: int) -> Iterator[Producer]:
    """Open a transaction of another id on a partition of the changelog; whoever uses it ends it."""
    servers, name = deployment.settings.kafka.bootstrap_servers, f"{deployment.settings.group}-foreign"
    producer = Producer({"bootstrap.servers": servers, "transactional.id": name, "transaction.timeout.ms": 120_000})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(deployment.names.changelog, b"\x011", b"/foreign", partition)
    producer.flush(30)
    yield producer


def test_a_killed_worker_reads_only_the_tail_with_its_disk_and_everything_without(deployment: Deployment) -> None:
    worker = deployment.start()
    # In two, since the last transaction's rows may not be in the store yet.
    deployment.publish(LINES[:2_500])
    deployment.until_through()
    deployment.publish(LINES[2_500:3_000])
    deployment.until_through()
    worker.kill()
    shutil.copytree(deployment.state(), deployment.state("kept"))
    first = _written(deployment)
    worker = deployment.start()
    at_once = sum(_restored(worker).values())
    deployment.publish(LINES[3_000:6_000])
    deployment.until_through()
    worker.kill()
    shutil.rmtree(deployment.state())
    deployment.state("kept").rename(deployment.state())
    second = _written(deployment)
    worker = deployment.start()
    tail = sum(_restored(worker).values())
    worker.kill()
    shutil.rmtree(deployment.state())
    worker = deployment.start()
    whole = sum(_restored(worker).values())
    deployment.publish(LINES[6_000:])
    deployment.until_through()

    assert at_once < first / 2
    # What the kept copy had not, and the last transaction before the kill if its rows were not in the store yet.
    assert second - first <= tail <= second - first + at_once
    assert whole == second
    assert deployment.audit() == []


@pytest.mark.parametrize("ends", ["commit", "abort"])
def test_a_restore_waits_for_a_transaction_that_is_open_before_rows_while_other_partitions_run(
    deployment: Deployment, ends: str
) -> None:
    worker = deployment.start()
    deployment.publish(LINES[:2_000])
    deployment.until_through()
    with _foreign_transaction(deployment, 2) as foreign:
        deployment.publish(LINES[2_000:4_000])
        deployment.until_through()
        worker.kill()
        shutil.rmtree(deployment.state())
        worker = deployment.start()
        until(lambda: len(_rows(worker)) == 3, 60, "three partitions restored", worker)
        deployment.publish(LINES[4_000:])
        until(lambda: [lag for at, lag in deployment.lags().items() if at != 2] == [0] * 3, 60, "the others work")
        time.sleep(1)
        held = {line["partition"] for line in worker.told("partition runs")}
        behind = deployment.lags()[2]
        (foreign.commit_transaction if ends == "commit" else foreign.abort_transaction)(30)
    deployment.until_through()

    assert held == {0, 1, 3}
    assert behind > 0
    assert deployment.audit() == []


def test_a_transaction_marker_and_a_compacted_hole_at_the_tail_and_an_empty_partition_end_a_restore() -> None:
    with LocalCluster(extra={"log.cleaner.backoff.ms": "100"}) as cluster:
        deployment = Deployment(cluster.bootstrap_servers, "holes", 2)
        deployment.alter(
            deployment.names.changelog, segment_ms=100, min_cleanable_dirty_ratio=0.01, delete_retention_ms=100
        )
        own = [("t", at, event("agent_message", message=str(at))) for at in range(300)]
        gone = [("8", at, event("agent_message", message=str(at))) for at in range(300)]
        worker = deployment.start()
        # All on partition 1.
        deployment.publish([*own[:200], *gone])
        deployment.forget("8")
        deployment.until_through()
        worker.terminate()
        written = _written(deployment)

        def compacted() -> bool:
            with _foreign_transaction(deployment, 1) as foreign:
                foreign.abort_transaction(30)
            return _written(deployment) < written / 2

        until(compacted, 120, "compaction makes holes")
        shutil.rmtree(deployment.state())
        again = deployment.start()
        rows = _restored(again, 2)
        left = _written(deployment)
        deployment.publish(own[200:])
        deployment.until_through()

        assert {record.partition for record in deployment.input()} == {1}
        assert rows == {0: 0, 1: left}
        assert deployment.audit() == []
        deployment.close()


def _garbage(file: Path) -> None:
    file.write_bytes(random.Random(1).randbytes(file.stat().st_size))


def _cut(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)


def _flipped(file: Path) -> None:
    """Change a byte in the value of each thread's header."""
    with lmdb.open(str(file.parent), max_dbs=2) as opened:
        rows = opened.open_db(b"rows", create=False)
        with opened.begin(db=rows) as reading:
            values = [bytes(found) for key, found in reading.cursor() if key.endswith(b"/h")]
    data = file.read_bytes()
    for found in values:
        data = data.replace(found, found[:-1] + bytes([found[-1] ^ 1]))
    file.write_bytes(data)


@pytest.mark.parametrize("harm", [_garbage, _cut, _flipped])
def test_a_damaged_store_is_rebuilt_from_the_changelog_and_that_is_said(
    deployment: Deployment, harm: Callable[[Path], None]
) -> None:
    deployment.publish(LINES[:2_000])
    worker = deployment.start()
    deployment.until_through()
    worker.terminate()
    for file in deployment.state().glob("*/data.mdb"):
        harm(file)
    again = deployment.start()
    deployment.publish(LINES[2_000:4_000])
    deployment.until_through()

    assert again.alive()
    assert deployment.audit() == []
    assert "state on disk is rebuilt from the changelog" in again.said()
    assert sum(_rows(again).values()) > 0


def test_a_store_of_a_newer_format_is_refused_with_what_to_do(deployment: Deployment) -> None:
    deployment.publish(LINES[:200])
    worker = deployment.start()
    deployment.until_through()
    worker.terminate()
    with lmdb.open(str(deployment.state() / "1"), max_dbs=2) as opened, opened.begin(write=True) as writing:
        writing.put(b"format", b"99", db=opened.open_db(b"facts", txn=writing))
    again = deployment.start()

    assert again.wait(30) == 2
    assert f"{deployment.state() / '1'} has store format 99, this release reads up to 1" in again.error()
    assert "run the release that wrote it or a newer one, or remove the folder" in again.error()


def test_two_processes_on_one_folder_are_refused_with_what_to_do(deployment: Deployment) -> None:
    deployment.publish(LINES[:200])
    first = deployment.start("0")
    deployment.until_through()
    second = deployment.start("1", STORE__FOLDER=deployment.state("0"))

    assert second.wait(30) == 2
    assert f"store.folder {deployment.state('0')} is in use by another process" in second.error()
    assert first.alive()


@pytest.mark.parametrize("disk", ["with its disk", "without its disk"])
def test_a_changelog_that_was_made_anew_under_committed_offsets_stops_the_worker(
    deployment: Deployment, disk: str
) -> None:
    deployment.publish(LINES[:200])
    worker = deployment.start()
    deployment.until_through()
    worker.terminate()
    changelog = deployment.names.changelog
    deployment.admin.delete_topics([changelog])[changelog].result(30)
    missing = deployment.start()
    code = missing.wait(30)
    until(lambda: _made(deployment), 30, "the changelog is made anew")
    if disk == "without its disk":
        shutil.rmtree(deployment.state())
    again = deployment.start()

    assert (code, again.wait(30)) == (2, 1)
    assert f"topic {changelog} is missing" in missing.error()
    assert "it was deleted or made anew. Restore the topic; or let a new group derive everything again" in again.error()


def _made(deployment: Deployment) -> bool:
    """Make the topics that are missing; a topic's deletion takes a moment."""
    settings = deployment.settings
    return bool(Topics(settings.kafka).create(wanted(deployment.names), settings.topics))


def test_a_changelog_that_is_deleted_under_a_running_worker_stops_it(deployment: Deployment) -> None:
    worker = deployment.start(LOOP__GIVE_UP_AFTER_S=10)
    deployment.publish(LINES[:200])
    deployment.until_through()
    changelog = deployment.names.changelog
    deployment.admin.delete_topics([changelog])[changelog].result(30)
    deployment.publish(LINES[200:400])

    assert worker.wait(120) == 1
    # As one or the other of its clients meets it first.
    assert any(said in worker.error() for said in ("run `thread-history-worker topics check`", f"how far {changelog}"))
