"""`doctor` on a real broker: nothing is wrong with a sound worker, and each planted fault is named by its check."""

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from typer.testing import CliRunner

from tests.integration.harness import Deployment, until
from worker.cli import app
from worker.kafka.client import heartbeat_ms

pytestmark = pytest.mark.integration

Told = dict[str, tuple[str, str]]
NOWHERE = "127.0.0.1:1"


@pytest.fixture(scope="module")
def sound(bootstrap: str) -> Iterator[Deployment]:
    """Return a group that nothing is wrong with; tests set it up wrongly and leave its topics alone."""
    made = Deployment(bootstrap, "doctor")
    yield made
    made.close()


def examined(deployment: Deployment, **settings: object) -> tuple[int, Told]:
    """Run `doctor` for a worker of a group; return its exit code, and result and text by check."""
    variables = deployment.environment(**{"STORE__FOLDER": deployment.state(), "KAFKA__START_TIMEOUT_S": 1} | settings)
    ours = {name: found for name, found in variables.items() if name.startswith("THW_")}
    done = CliRunner().invoke(app, ["doctor", "--output", "json"], env=ours, catch_exceptions=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return done.exit_code, {row["check"]: (row["result"], row["told"]) for row in rows}


def insist_on_one_fault(found: tuple[int, Told], check: str, *words: str) -> None:
    """See that a fault is told by its check alone, in these words, and that all other checks had their say."""
    code, told = found
    failed = {name: text for name, (result, text) in told.items() if result == "fail"}

    assert code == 2
    assert list(failed) == [check], failed
    assert [word for word in words if word not in failed[check]] == [], failed[check]
    assert len(told) >= 14


def test_nothing_is_wrong_with_a_sound_worker_before_and_while_it_runs(deployment: Deployment) -> None:
    member = deployment.settings.member
    before = examined(deployment)
    deployment.start()
    until(lambda: '"partition runs"' in deployment.said(), 60, "a worker runs", deployment)
    beside = examined(deployment)

    assert before[0] == beside[0] == 0
    assert {result for result, _ in before[1].values()} == {"pass", "skipped"}
    assert before[1]["instance name"] == ("pass", f"nobody in the group is called {member}")
    assert beside[1]["instance name"] == ("pass", f"{member} runs on this machine")


@pytest.mark.parametrize(
    ("settings", "check", "words"),
    [
        ({"KAFKA__SOCKET_TIMEOUT_MS": 1_000}, "settings", ["loop.budget_s", "must not be above"]),
        ({"LOG_LEVEL": "LOUD"}, "settings", ["log_level", "LOUD"]),
        ({"PROJECTIONS": '["none"]'}, "settings", ["projections", "none not known"]),
        ({"KAFKA__BOOTSTRAP_SERVERS": NOWHERE}, "broker", [NOWHERE]),
        ({"KAFKA__OPTIONS": '{"no.such": 1}'}, "broker", ["kafka.options", "no.such"]),
        (
            {
                "KAFKA__SECURITY__PROTOCOL": "sasl_plaintext",
                "KAFKA__SECURITY__USERNAME": "u",
                "KAFKA__SECURITY__PASSWORD": "hidden",
            },
            "broker",
            ["kafka.security.protocol"],
        ),
        ({"KAFKA__SECURITY__PROTOCOL": "ssl"}, "broker", ["kafka.security.protocol"]),
        (
            {"KAFKA__SESSION_TIMEOUT_MS": 1_900_000, "KAFKA__MAX_POLL_INTERVAL_MS": 2_000_000},
            "timers",
            ["kafka.session_timeout_ms", "1800000"],
        ),
        ({"TOPICS__PREFIX": "absent."}, "topics", ["absent.rollout-items is missing", "topics create"]),
        (
            {"ENCODING": "avro-registry", "REGISTRY__URL": f"http://{NOWHERE}"},
            "registry",
            [NOWHERE, "registry.url"],
        ),
        ({"STORE__FOLDER": "/dev/null/state"}, "state folder", ["store.folder /dev/null/state"]),
        ({"SINK__DSN": f"postgresql://u:hidden@{NOWHERE}/d"}, "database", ["THW_SINK__DSN"]),
    ],
)
def test_what_is_set_up_wrongly_is_named(
    sound: Deployment, settings: dict[str, object], check: str, words: list[str]
) -> None:
    found = examined(sound, INSTANCE="1", **{"STORE__FOLDER": sound.state("1")} | settings)

    insist_on_one_fault(found, check, *words)
    assert "hidden" not in str(found)


@pytest.mark.parametrize(
    ("setting", "value", "check"),
    [
        ("cleanup_policy", "delete", "topics"),
        ("max_message_bytes", 1_000_000, "topics"),
        ("min_insync_replicas", 2, "replicas"),
    ],
)
def test_a_topic_that_is_not_as_it_must_be_is_named(
    deployment: Deployment, setting: str, value: object, check: str
) -> None:
    topic = deployment.names.projections["turn_summary"]
    deployment.alter(topic, **{setting: value})

    seen: list[tuple[int, Told]] = []

    def is_found() -> bool:
        seen.append(examined(deployment))
        return seen[-1][1][check][0] == "fail"

    # Brokers take a moment to learn of it.
    until(is_found, 30, "the fault is found")

    insist_on_one_fault(seen[-1], check, topic, setting.replace("_", "."))


def _commit(deployment: Deployment, offset: int) -> None:
    servers = deployment.settings.kafka.bootstrap_servers
    consumer = Consumer({"bootstrap.servers": servers, "group.id": deployment.settings.group})
    consumer.commit(offsets=[TopicPartition(deployment.names.input, 0, offset)], asynchronous=False)
    consumer.close()


def test_an_input_that_retention_took_is_named(deployment: Deployment) -> None:
    names = deployment.names
    producer = Producer({"bootstrap.servers": deployment.settings.kafka.bootstrap_servers})
    for topic, count in ((names.input, 5), (names.changelog, 1)):
        for _ in range(count):
            producer.produce(topic, b"x", b"k", partition=0)
    assert producer.flush(30) == 0
    _commit(deployment, 2)
    for future in deployment.admin.delete_records([TopicPartition(names.input, 0, 4)]).values():
        future.result()

    insist_on_one_fault(examined(deployment), "input offsets", "2 records were removed unread", "on_lost_offset")
    assert examined(deployment, ON_LOST_OFFSET="skip")[0] == 0


def test_a_changelog_that_was_made_anew_is_named(deployment: Deployment) -> None:
    producer = Producer({"bootstrap.servers": deployment.settings.kafka.bootstrap_servers})
    producer.produce(deployment.names.input, b"x", b"k", partition=0)
    assert producer.flush(30) == 0
    _commit(deployment, 1)

    insist_on_one_fault(examined(deployment), "changelog", deployment.names.changelog, "deleted or made anew")


def test_a_name_that_another_process_holds_is_named(deployment: Deployment) -> None:
    settings, session_ms = deployment.settings, 6_000
    options = {
        "bootstrap.servers": settings.kafka.bootstrap_servers,
        "group.id": settings.group,
        "group.instance.id": settings.member,
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": heartbeat_ms(session_ms),
    }
    other = Consumer(options)
    other.subscribe([deployment.names.input])
    until(lambda: bool(other.consume(1, 0.1) or other.assignment()), 60, "the other one has joined")
    found = examined(deployment)
    other.close()

    insist_on_one_fault(found, "instance name", settings.member, "THW_INSTANCE")


def test_a_folder_that_another_worker_uses_is_named(sound: Deployment, tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = examined(sound, INSTANCE="2", STORE__FOLDER=tmp_path)

    insist_on_one_fault(found, "state folder", str(tmp_path), "in use by another process")


def test_state_of_a_newer_release_is_named(sound: Deployment, tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    with lmdb.open(str(tmp_path / "0"), max_dbs=2) as environment:
        facts = environment.open_db(b"facts")
        with environment.begin(write=True, db=facts) as writing:
            writing.put(b"format", b"99")

    found = examined(sound, INSTANCE="3", STORE__FOLDER=tmp_path)
    insist_on_one_fault(found, "state folder", "store format 99", "newer")


def test_a_port_that_is_taken_is_named(sound: Deployment) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        found = examined(sound, INSTANCE="4", STORE__FOLDER=sound.state("4"), TELEMETRY__PORT=port)

    insist_on_one_fault(found, "metrics port", str(port))


def test_a_full_disk_is_named(sound: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(os.sep)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1 << 20))

    insist_on_one_fault(
        examined(sound, INSTANCE="5", STORE__FOLDER=sound.state("5")), "free disk", "1 MiB", "make room"
    )
