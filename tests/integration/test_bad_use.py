"""Bad use: each a message with the remedy, and the exit code that tells when it was found (design: commands)."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from worker import app
from worker.config import Settings, load
from worker.kafka.topics import Topics, wanted

pytestmark = pytest.mark.integration


def _ran(*arguments: str, **variables: str) -> tuple[int, str]:
    """Run a command and return its exit code and what it said on standard error, on one line."""
    done = subprocess.run(
        [sys.executable, "-m", "worker", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, " ".join(done.stderr.split())


@pytest.fixture
def settings(bootstrap: str) -> Settings:
    """Return settings whose topics do not exist yet."""
    name = f"bad-{uuid4().hex[:8]}"
    return load(None, {"kafka": {"bootstrap_servers": bootstrap}, "group": name, "topics": {"prefix": f"{name}."}})


def _run(settings: Settings) -> tuple[int, str]:
    return _ran(
        "run",
        *("--bootstrap-servers", settings.kafka.bootstrap_servers),
        *("--group", settings.group, "--prefix", settings.topics.prefix),
    )


def test_no_broker_is_told_with_its_address_and_what_to_set() -> None:
    code, said = _ran("run", "--bootstrap-servers", "127.0.0.1:1", THW_KAFKA__START_TIMEOUT_S="1")

    assert code == 2
    assert "no broker answered at 127.0.0.1:1 within 1 s" in said
    assert "--bootstrap-servers / THW_KAFKA__BOOTSTRAP_SERVERS" in said


def test_missing_topics_are_named_with_the_command_that_makes_them(settings: Settings) -> None:
    code, said = _run(settings)

    assert code == 2
    assert f"topic {settings.topics.prefix}rollout-items is missing: run `thread-history-worker topics create`" in said


def test_a_compacted_input_topic_is_refused(settings: Settings) -> None:
    topics = wanted(app.topic_names(settings))
    Topics(settings.kafka).create(topics, settings.topics)
    _alter(settings, topics[0].name, "cleanup.policy", "compact")
    code, said = _run(settings)

    assert code == 2
    assert f"topic {topics[0].name} has cleanup.policy=compact and must have delete" in said
    assert "kafka-configs --alter" in said


def test_a_mutation_topic_that_is_not_compacted_is_refused(settings: Settings) -> None:
    topics = wanted(app.topic_names(settings))
    Topics(settings.kafka).create(topics, settings.topics)
    _alter(settings, topics[1].name, "cleanup.policy", "delete")
    code, said = _run(settings)

    assert code == 2
    assert f"topic {topics[1].name} has cleanup.policy=delete and must have compact" in said


def test_a_topic_that_takes_too_small_records_is_refused(settings: Settings) -> None:
    topics = wanted(app.topic_names(settings))
    Topics(settings.kafka).create(topics, settings.topics)
    _alter(settings, topics[1].name, "max.message.bytes", "1000000")
    code, said = _run(settings)

    assert code == 2
    assert f"topic {topics[1].name} has max.message.bytes=1000000 and must have 2097152" in said


def test_unequal_partition_counts_are_refused(settings: Settings) -> None:
    topics = wanted(app.topic_names(settings))
    Topics(settings.kafka).create([topics[1]], settings.topics.model_copy(update={"partitions": 3}))
    Topics(settings.kafka).create(topics, settings.topics)
    code, said = _run(settings)

    assert code == 2
    assert f"topic {topics[1].name} has 3 partitions and {topics[0].name} has 4: they must be equal" in said


def _alter(settings: Settings, topic: str, setting: str, found: str) -> None:
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap_servers})
    entry = ConfigEntry(setting, found, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result()


def test_topics_check_lists_what_is_wrong_and_ends_with_two(settings: Settings) -> None:
    code, _ = _ran("topics", "check", "-b", settings.kafka.bootstrap_servers, "--prefix", settings.topics.prefix)

    assert code == 2


def test_topics_create_makes_what_check_wants_and_may_run_again(settings: Settings) -> None:
    options = ("-b", settings.kafka.bootstrap_servers, "--prefix", settings.topics.prefix, "--group", settings.group)
    codes = [_ran("topics", verb, *options)[0] for verb in ("create", "check", "create")]

    assert codes == [0, 0, 0]


def test_topics_made_later_have_the_partitions_of_the_input(settings: Settings) -> None:
    names, broker = wanted(app.topic_names(settings)), Topics(settings.kafka)
    broker.create(names[:1], settings.topics.model_copy(update={"partitions": 2}))
    options = ("-b", settings.kafka.bootstrap_servers, "--prefix", settings.topics.prefix, "--group", settings.group)
    code, said = _ran("topics", "create", *options, "--partitions", "3")

    assert code == 2
    assert f"topics.partitions is 3 and topic {names[0].name} has 2" in said
    assert not {topic.name for topic in names[1:]} & broker.partitions().keys()

    assert [_ran("topics", verb, *options)[0] for verb in ("create", "check")] == [0, 0]


def test_an_unreadable_file_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "good.jsonl").write_bytes(b"")
    code, said = _ran("replay", "--output", "json", str(tmp_path / "absent.jsonl"), str(tmp_path / "good.jsonl"))

    assert code == 2
    assert f"{tmp_path}/absent.jsonl: cannot be read: " in said
    assert "1 files" in said


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"THW_LOOP__COMMIT_INTERVAL_S": "soon"}, "loop.commit_interval_s"),
        ({"THW_LOOP": "soon"}, "set what is in a group one by one, as THW_LOOP__POLL_S"),
        ({"THW_PROJECTIONS": "thread_item"}, """lists are JSON: THW_PROJECTIONS='["thread_item"]'"""),
        ({"THW_LOOP__COMMIT_INTERVAL_S": "20"}, "loop.commit_interval_s (20000 ms) must not be above kafka"),
        ({"THW_KAFKA__OPTIONS": '{"enable.auto.commit": true}'}, "enable.auto.commit"),
        ({"THW_KAFKA__OPTIONS": '{"no.such.option": 1}'}, "no.such.option"),
        ({"THW_PROJECTIONS": '["thread_items"]'}, "thread_items"),
        ({"THW_GROUP": "no spaces"}, "group"),
    ],
)  # fmt: skip
def test_a_malformed_setting_is_named_with_what_was_found(variables: dict[str, str], told: str) -> None:
    code, said = _ran("run", "--bootstrap-servers", "127.0.0.1:1", THW_KAFKA__START_TIMEOUT_S="1", **variables)

    assert code == 2
    assert told in said


def test_a_configuration_file_with_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "worker.toml"
    file.write_text('[loop]\ncommit_every = "1s"\n')
    code, said = _ran("run", "--config", str(file))

    assert code == 2
    assert "loop.commit_every" in said


def test_a_configuration_file_that_is_absent_is_refused(tmp_path: Path) -> None:
    code, said = _ran("run", "--config", str(tmp_path / "absent.toml"))

    assert code == 2
    assert "absent.toml does not exist" in said
