"""What `doctor` asks the brokers beyond what a start asks: replicas, limits, names in use."""

from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource

from worker.config import KafkaSettings
from worker.errors import ConfigError, RetryError
from worker.kafka.client import client, client_options
from worker.kafka.topics import Topic

_CALL_S = 10.0


class Examination:
    """Asks questions that change nothing; each waits for a bounded time.

    Args:
        kafka: how to reach the brokers, of which one has answered before.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._admin = client(AdminClient, client_options(kafka, client_id="thread-history-doctor"))

    def short_of_replicas(self, topics: list[Topic], least: Mapping[str, int]) -> Iterator[str]:
        """Yield partitions to which nobody can write now.

        Args:
            least: `min.insync.replicas` by topic.

        Raises:
            RetryError: no broker answered.
        """
        try:
            found = self._admin.list_topics(timeout=_CALL_S).topics
        except KafkaException as error:
            raise RetryError(error.args[0].str()) from error
        for topic in topics:
            for number, place in found[topic.name].partitions.items():
                if len(place.isrs) < least[topic.name] or place.leader < 0:
                    yield (
                        f"{topic.name}[{number}] has {len(place.isrs)} of {len(place.replicas)} replicas in sync and "
                        f"needs {least[topic.name]}"
                    )

    def limits(self) -> dict[str, int]:
        """Return the brokers' own bounds in milliseconds, by the name of their setting.

        Raises:
            ConfigError: this user may not see them.
        """
        names = ("transaction.max.timeout.ms", "group.min.session.timeout.ms", "group.max.session.timeout.ms")
        broker = str(next(iter(self._admin.list_topics(timeout=_CALL_S).brokers)))
        resource = ConfigResource(ConfigResource.Type.BROKER, broker)
        answers = self._admin.describe_configs([resource], request_timeout=_CALL_S)
        found: dict[str, Any] = _told(answers[resource], f"broker {broker}")
        return {name: int(found[name].value) for name in names}

    def holder(self, group: str, member: str) -> str | None:
        """Return the address of the process that holds a name in its group, None when nobody does.

        Args:
            group: whose coordinator has answered before.

        Raises:
            ConfigError: the brokers do not tell.
        """
        answers = self._admin.describe_consumer_groups([group], request_timeout=_CALL_S)
        members = _told(answers[group], f"group {group}").members
        return next((str(found.host).lstrip("/") for found in members if found.group_instance_id == member), None)


def _told(answer: Any, what: str) -> Any:
    try:
        return answer.result(_CALL_S)
    except KafkaException as error:
        raise ConfigError(f"{what} cannot be described ({error.args[0].str()}): grant Describe on it") from None
    except TimeoutError:
        raise ConfigError(f"{what} cannot be described: no answer within {_CALL_S:g} s") from None
