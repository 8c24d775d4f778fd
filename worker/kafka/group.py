"""How far a consumer group has come."""

from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient

from worker.config import KafkaSettings
from worker.errors import RetryError
from worker.kafka.client import client, client_options
from worker.kafka.offsets import end_offsets

_CALL_S = 5.0


class GroupProgress:
    """Asks for a group's lag on a topic."""

    def __init__(self, kafka: KafkaSettings, group: str, topic: str, partitions: int) -> None:
        self._admin = client(AdminClient, client_options(kafka, client_id="thread-history-progress"))
        self._group = group
        self._places = [(topic, number) for number in range(partitions)]

    def lag(self) -> int:
        """Return how many offsets lie between what is committed and the topic's end, over all partitions.

        Raises:
            RetryError: no answer in time.
        """
        ends = end_offsets(self._admin, self._places, committed_only=True)
        wanted: Any = ConsumerGroupTopicPartitions(self._group, [Place(*place) for place in self._places])
        answer = self._admin.list_consumer_group_offsets([wanted], request_timeout=_CALL_S)[self._group]
        try:
            found = answer.result().topic_partitions
        except KafkaException as error:
            raise RetryError(error.args[0].str()) from error
        return sum(ends[place.topic, place.partition] - max(place.offset, 0) for place in found)
