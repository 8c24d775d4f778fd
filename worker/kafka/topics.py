"""Topics: made and checked from the one definition in deploy/topics.toml (design: topics and records)."""

import time
import tomllib
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import ConfigResource, NewTopic

from worker.config import KafkaSettings, TopicSettings
from worker.errors import ConfigError
from worker.kafka.acls import Acl
from worker.kafka.contact import Contact
from worker.kafka.permissions import insist_on
from worker.model.topic import TopicNames
from worker.model.value import value
from worker.packaged import packaged
from worker.runtime.placement import MIGRATION

_CALL_S = 15.0
_LOOK_S = 0.1


@value
class Topic:
    """A topic as it should be.

    Attributes:
        role: its table in the definition.
        config: Kafka's topic settings.
    """

    name: str
    role: str
    config: dict[str, str]


@value
class Finding:
    """How a topic differs from its definition.

    Attributes:
        blocks: the worker does not start with it.
        remedy: what to do, as a sentence.
    """

    topic: str
    setting: str
    found: str
    wanted: str
    blocks: bool
    remedy: str


def definition() -> dict[str, dict[str, str]]:
    """Return the settings of each role's topics: from the package, or from the checkout it runs in."""
    source = packaged("topics.toml", "deploy/topics.toml")
    found: dict[str, dict[str, str]] = tomllib.loads(source.read_text("utf-8"))
    return found


def wanted(names: TopicNames) -> list[Topic]:
    """Return all topics of a worker, the input first."""
    roles = definition()
    by_role = [
        ("input", names.input),
        *(("projection", name) for name in names.projections.values()),
        ("changelog", names.changelog),
        ("dead_letters", names.dead_letters),
        ("parked", names.parked),
    ]
    return [Topic(name, role, roles[role]) for role, name in by_role]


class Topics:
    """Makes and checks topics.

    Args:
        kafka: how to reach the brokers.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._contact = Contact(kafka, "thread-history-worker-admin")
        self._admin = self._contact.admin

    def partitions(self) -> dict[str, int]:
        """Return the partition count of every topic there is.

        Raises:
            ConfigError: no broker answered in time, or they do not trust us, or we not them.
        """
        topics = self._contact.metadata().topics
        return {name: len(found.partitions) for name, found in topics.items() if found.error is None}

    def insist_on(self, acls: Iterable[Acl]) -> None:
        """See that we may do what we are about to.

        Raises:
            ConfigError: something is not allowed, or no broker answered.
        """
        self._contact.metadata()
        insist_on(self._admin, acls)

    def create(self, topics: Iterable[Topic], settings: TopicSettings) -> list[str]:
        """Make the topics that are missing, with the partitions of the input topic; leave the others as they are.

        Returns:
            The names of those that were made.

        Raises:
            ConfigError: a broker refused, or none answered; or the input topic has another number of partitions than
                was set, and nothing was made.
        """
        all_topics, there = list(topics), self.partitions()
        missing = [topic for topic in all_topics if topic.name not in there]
        if not missing:
            return []
        count = partitions_of_new(all_topics, there, settings)
        new = [_new(topic, count, settings.replication_factor) for topic in missing]
        made = self._admin.create_topics(new, request_timeout=_CALL_S)
        names = [name for name, future in made.items() if _made(name, future)]
        self._wait_for(names)
        return names

    def _wait_for(self, names: list[str]) -> None:
        """Wait until every broker can tell of new topics, so that whoever uses them next finds them."""
        deadline = time.monotonic() + self._kafka.start_timeout_s
        while not self._have_leaders(names) and time.monotonic() < deadline:
            time.sleep(_LOOK_S)

    def _have_leaders(self, names: list[str]) -> bool:
        topics = self._admin.list_topics(timeout=self._kafka.start_timeout_s).topics
        return all(
            name in topics and all(place.leader >= 0 for place in topics[name].partitions.values()) for name in names
        )

    def insist_on_sight(self, absent: Iterable[str]) -> None:
        """See that topics which are not shown to us are missing indeed.

        Raises:
            ConfigError: one may not be described, so that nobody knows.
        """
        insist_on(self._admin, [Acl("", "Topic", name, False, "Describe") for name in absent])

    def check(self, topics: list[Topic]) -> list[Finding]:
        """Compare the topics with their definition.

        Raises:
            ConfigError: no broker answered, or a topic may not be described.
        """
        there = self.partitions()
        self.insist_on_sight(topic.name for topic in topics if topic.name not in there)
        configs = self._configs([topic.name for topic in topics if topic.name in there])
        count = there.get(topics[0].name, 0)
        findings: list[Finding] = []
        for topic in topics:
            if topic.name not in there:
                findings.append(_missing(topic.name))
                continue
            if count and there[topic.name] != count:
                findings.append(_uneven(topic, there[topic.name], topics[0].name, count))
            findings += _differing(topic, configs[topic.name])
        return findings

    def identity(self, name: str) -> str:
        """Return what tells a topic from every other, also from an earlier one of the same name.

        Raises:
            ConfigError: no broker answered, or it does not let us look.
        """
        try:
            answer = self._admin.describe_topics(TopicCollection([name]), request_timeout=_CALL_S)[name].result()
        except KafkaException as error:
            raise ConfigError(
                f"topic {name} at {self._kafka.bootstrap_servers} cannot be described ({error.args[0].str()}): "
                "the worker needs Describe on it"
            ) from None
        return str(answer.topic_id)

    def record_bytes_max(self, name: str) -> int:
        """Return the largest record batch a topic takes, in bytes.

        Raises:
            ConfigError: the topic is missing or no broker answered.
        """
        if name not in self.partitions():
            raise ConfigError(_missing(name).remedy)
        return int(self._configs([name])[name]["max.message.bytes"])

    def least_replicas(self, names: list[str]) -> dict[str, int]:
        """Return how many replicas must be in sync for a write, by topic.

        Raises:
            ConfigError: no broker answered, or it does not let us look.
        """
        return {name: int(found["min.insync.replicas"]) for name, found in self._configs(names).items()}

    def delete_retention_s(self, name: str) -> float:
        """Return how long a topic keeps its null rows for readers that were away, in seconds.

        Raises:
            ConfigError: no broker answered.
        """
        return int(self._configs([name])[name]["delete.retention.ms"]) / 1_000

    def _configs(self, names: list[str]) -> dict[str, dict[str, str]]:
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        if not resources:
            return {}
        try:
            answers = self._admin.describe_configs(resources, request_timeout=_CALL_S)
            return {
                resource.name: {name: entry.value for name, entry in future.result().items()}
                for resource, future in answers.items()
            }
        except KafkaException as error:
            raise ConfigError(
                f"the settings of the topics cannot be read ({error.args[0].str()}); "
                "the worker needs DescribeConfigs on its topics"
            ) from None


def partitions_of_new(topics: Iterable[Topic], there: dict[str, int], settings: TopicSettings) -> int:
    """Return how many partitions missing topics get: as many as the input topic has if it is there, else as set.

    Args:
        there: the partition count of every topic there is.

    Raises:
        ConfigError: another number than the input topic's was set, not left at its default.
    """
    source = next((topic.name for topic in topics if topic.role == "input"), "")
    count = there.get(source) or settings.partitions
    if count != settings.partitions and "partitions" in settings.model_fields_set:
        raise ConfigError(
            f"topics.partitions is {settings.partitions} and topic {source} has {count}: all topics need its number, "
            f"nothing was made. Leave --partitions / THW_TOPICS__PARTITIONS out, or set it to {count}"
        )
    return count


def _new(topic: Topic, partitions: int, replicas: int) -> NewTopic:
    config = dict(topic.config)
    if replicas >= 3:
        config["min.insync.replicas"] = "2"
    return NewTopic(topic.name, num_partitions=partitions, replication_factor=replicas, config=config)


def _made(name: str, future: Any) -> bool:
    try:
        future.result()
    except KafkaException as error:
        found = error.args[0]
        if found.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise ConfigError(f"topic {name} cannot be made: {found.str()}") from None
    return True


def _missing(name: str) -> Finding:
    remedy = f"topic {name} is missing: run `thread-history-worker topics create`"
    return Finding(name, "topic", "missing", "present", True, remedy)


def _uneven(topic: Topic, found: int, reference: str, count: int) -> Finding:
    remedy = (
        f"topic {topic.name} has {found} partitions and {reference} has {count}: they must be equal, since a thread "
        "keeps its partition number. While nothing is in them, delete and re-create the one that is wrong, or name "
        f"another with --prefix; once there are threads, their number cannot change. {MIGRATION}"
    )
    return Finding(topic.name, "partitions", str(found), str(count), True, remedy)


def _differing(topic: Topic, config: dict[str, str]) -> list[Finding]:
    findings = []
    for setting, value_wanted in topic.config.items():
        found = config.get(setting, "")
        if _agrees(setting, found, value_wanted):
            continue
        blocks = setting in ("cleanup.policy", "max.message.bytes")
        remedy = (
            f"topic {topic.name} has {setting}={found} and {'must have' if blocks else 'should have'} {value_wanted}: "
            f"alter it with kafka-configs --alter --topic {topic.name} --add-config {setting}={value_wanted}"
        )
        findings.append(Finding(topic.name, setting, found, value_wanted, blocks, remedy))
    return findings


def _agrees(setting: str, found: str, value_wanted: str) -> bool:
    if setting == "max.message.bytes":  # larger is fine
        return int(found or 0) >= int(value_wanted)
    return found == value_wanted


def insist(findings: list[Finding]) -> None:
    """Refuse topics the worker cannot run on.

    Raises:
        ConfigError: names each blocking difference and its remedy.
    """
    missing = [found for found in findings if found.setting == "topic"]
    blocking = [found.remedy for found in findings if found.blocks and found not in missing]
    if missing:  # one command makes them all
        others = ", ".join(found.topic for found in missing[1:])
        blocking.insert(0, missing[0].remedy + (f"; it also makes {others}" if others else ""))
    if blocking:
        raise ConfigError("; ".join(blocking))
