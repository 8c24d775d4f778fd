"""How far a consumer group has come."""

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient

from worker.config import KafkaSettings
from worker.errors import RetryError
from worker.kafka.client import client, client_options
from worker.kafka.offsets import begin_offsets, end_offsets

_CALL_S = 5.0


class GroupProgress:
    """Asks where a group stands on a topic."""

    def __init__(self, kafka: KafkaSettings, group: str, topic: str, partitions: int) -> None:
        name = "thread-history-progress"
        self._admin = client(AdminClient, client_options(kafka, client_id=name))
        # It never joins. The admin client's own call ends the process with SIGSEGV where the group's coordinator is
        # not up yet or has moved (librdkafka issue 5040).
        self._member = client(
            Consumer,
            client_options(
                kafka, client_id=name, group_id=group, enable_auto_commit=False, isolation_level="read_uncommitted"
            ),
        )
        self._group = group
        self._places = [(topic, number) for number in range(partitions)]

    def lag(self) -> int:
        """Return how many offsets lie between what is committed and the topic's end, over all partitions.

        Raises:
            RetryError: no answer in time.
        """
        ends = end_offsets(self._admin, self._places, committed_only=True)
        committed = self.committed()
        return sum(end - committed[partition] for (_, partition), end in ends.items())

    def committed(self) -> dict[int, int]:
        """Return the group's committed offsets, 0 where there is none.

        Raises:
            RetryError: no answer in time.
        """
        return {partition: offset or 0 for partition, offset in self.offsets().items()}

    def offsets(self) -> dict[int, int | None]:
        """Return the group's committed offsets, None where there is none.

        Raises:
            RetryError: no answer in time.
        """
        try:
            found = self._member.committed([Place(*place) for place in self._places], _CALL_S)
        except KafkaException as error:
            raise RetryError(error.args[0].str()) from error
        for place in found:
            if place.error is not None:
                raise RetryError(place.error.str())
        return {place.partition: place.offset if place.offset >= 0 else None for place in found}

    def ends(self) -> dict[int, int]:
        """Return where each partition of the topic ends now.

        Raises:
            RetryError: no answer in time.
        """
        ends = end_offsets(self._admin, self._places, committed_only=False)
        return {partition: offset for (_, partition), offset in ends.items()}

    def begins(self) -> dict[int, int]:
        """Return the first offset that each partition of the topic still has.

        Raises:
            RetryError: no answer in time.
        """
        begins = begin_offsets(self._admin, self._places)
        return {partition: offset for (_, partition), offset in begins.items()}

    def members(self) -> int:
        """Return how many members the group has now; a killed one counts until its session ends.

        Raises:
            RetryError: no answer in time.
        """
        answer = self._admin.describe_consumer_groups([self._group], request_timeout=_CALL_S)[self._group]
        try:
            return len(answer.result().members)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return 0
            raise RetryError(error.args[0].str()) from error
