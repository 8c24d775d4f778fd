"""Where partitions begin and end."""

import contextlib
import time
from collections.abc import Iterable
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient, OffsetSpec

from worker.errors import RetryError, WorkerError
from worker.kafka.faults import consumer_fault

_CALL_S = 5.0
_LEARN_S = 2.0
# How long to go on asking brokers that do not know a leader, and how soon again.
_LEADER_S = 2.0
_LEADER_PAUSE_S = 0.1

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


def known_ends(admin: AdminClient, places: Iterable[tuple[str, int]]) -> Offsets:
    """Return the last stable offsets of those partitions whose leader tells them.

    Raises:
        RetryError: none did in time.
        FatalError: Kafka refuses all.
    """
    found, fault = _answers(admin, places, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)  # type: ignore[no-untyped-call]
    if fault and not found:
        raise fault
    return found


def _asked(admin: AdminClient, places: Iterable[tuple[str, int]], spec: Any, level: IsolationLevel) -> Offsets:
    places, deadline = list(places), time.monotonic() + _LEADER_S
    while True:
        found, fault = _answers(admin, places, spec, level)
        if fault is None:
            return found
        # Brokers that answer, but have not heard yet who leads a partition, as just after a topic was made.
        if not isinstance(fault, RetryError) or time.monotonic() > deadline:
            raise fault
        time.sleep(_LEADER_PAUSE_S)


def _answers(
    admin: AdminClient, places: Iterable[tuple[str, int]], spec: Any, level: IsolationLevel
) -> tuple[Offsets, WorkerError | None]:
    """Return the offsets that were told, and why others were not."""
    wanted = {Place(*place): spec for place in places}
    found: Offsets = {}
    faults: list[WorkerError] = []
    silent = []
    for place, future in admin.list_offsets(wanted, isolation_level=level, request_timeout=_CALL_S).items():
        try:
            offset = future.result().offset
        except KafkaException as error:
            faults.append(consumer_fault(error.args[0]) or RetryError(error.args[0].str()))
            continue
        if offset < 0:  # a leader that is gone gives neither an offset nor an error
            silent.append(f"{place.topic}[{place.partition}]")
        else:
            found[place.topic, place.partition] = offset
    if silent:
        faults.append(RetryError(f"no leader told the offsets of {', '.join(silent)}"))
    if faults:
        _learn_leaders(admin, wanted)
    return found, faults[0] if faults else None


def _learn_leaders(admin: AdminClient, places: Iterable[Place]) -> None:
    """Have the client ask anew who leads, as far as somebody answers.

    It asks the leaders it knows, in the epoch it knows, and does not doubt them by itself: after a restart of brokers
    every further answer would be that the epoch is over (librdkafka 2.16, `list_offsets`).
    """
    for topic in {place.topic for place in places}:
        with contextlib.suppress(KafkaException):
            admin.list_topics(topic, timeout=_LEARN_S)


def lost_offset(group: str, place: tuple[str, int], offset: int, begin: int, end: int) -> str | None:
    """Return how a committed offset is not in its topic any more, None when it is.

    Args:
        begin: the first offset that the topic still holds.
    """
    if begin <= offset <= end:
        return None
    what = f"{begin - offset} records were removed unread" if offset < begin else "the topic was made anew"
    topic, partition = place
    return f"{topic}[{partition}] holds offsets {begin} to {end}, group {group} is at {offset}: {what}"


def lost_changelog(changelog: str, partition: int, committed: int | None, stored: int, end: int) -> str | None:
    """Return how a changelog does not hold what was committed with it, None when it does.

    Args:
        committed: the input offset that the group has committed.
        stored: the changelog offset of the state on disk, 0 without one.
    """
    if stored <= end and not (committed and end == 0):
        return None
    return (
        f"the changelog {changelog}[{partition}] ends at {end}, and there must be more of it (the input is committed "
        f"up to {committed}, the state on disk up to {stored}): it was deleted or made anew. Restore the topic; or let "
        "a new group derive everything again (another --group), then switch to it"
    )


def lost_group_offset(changelog: str, partition: int) -> str:
    """Return how it is told that a partition has state and its group knows of no input."""
    return (
        f"the group has no committed offset for input partition {partition}, and its state in {changelog} is of "
        "records it has read: its offsets expired, or the input topic was made anew"
    )


# What to do then.
LOST_GROUP_OFFSET_REMEDY = (
    "Set the offset with kafka-consumer-groups --reset-offsets; or start with --on-lost-offset skip (on_lost_offset) "
    "to go on at the topic's beginning, where lines that come again count once if they state their ordinal; or let a "
    "new group derive everything again (another --group)"
)
