"""Where partitions begin and end."""

from collections.abc import Iterable
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient, OffsetSpec

from worker.errors import RetryError
from worker.kafka.faults import consumer_fault

_CALL_S = 5.0

Offsets = dict[tuple[str, int], int]


def begin_offsets(admin: AdminClient, places: Iterable[tuple[str, int]]) -> Offsets:
    """Return the offset of the first record that is still there, by topic and partition.

    Raises:
        RetryError: no answer in time.
        FatalError: Kafka refuses.
    """
    return _asked(admin, places, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)  # type: ignore[no-untyped-call]


def end_offsets(admin: AdminClient, places: Iterable[tuple[str, int]], *, committed_only: bool) -> Offsets:
    """Return the offset after the last record, by topic and partition, in one request to each broker.

    Args:
        committed_only: stop before the first open transaction, as a `read_committed` reader does (the last stable
            offset); otherwise the high watermark.

    Raises:
        RetryError: no answer in time.
        FatalError: Kafka refuses.
    """
    level = IsolationLevel.READ_COMMITTED if committed_only else IsolationLevel.READ_UNCOMMITTED
    return _asked(admin, places, OffsetSpec.latest(), level)  # type: ignore[no-untyped-call]


def _asked(admin: AdminClient, places: Iterable[tuple[str, int]], spec: Any, level: IsolationLevel) -> Offsets:
    wanted = {Place(*place): spec for place in places}
    answers = admin.list_offsets(wanted, isolation_level=level, request_timeout=_CALL_S)
    try:
        return {(place.topic, place.partition): future.result().offset for place, future in answers.items()}
    except KafkaException as error:
        raise consumer_fault(error.args[0]) or RetryError(error.args[0].str()) from error
