"""Where partitions end is told of those whose leader answers, whatever the others do."""

from collections.abc import Collection
from concurrent.futures import Future
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import ListOffsetsResultInfo

from tests.integration.harness import until
from tests.loop_fakes import ManualClock
from worker.config import KafkaSettings
from worker.errors import RetryError
from worker.kafka import ends, offsets
from worker.kafka.ends import EndsWatch
from worker.kafka.offsets import end_offsets
from worker.runtime.status import Status

TOPIC = "codex.rollout-items"
PLACES = [(TOPIC, 0), (TOPIC, 1), (TOPIC, 2)]
# What the client tells of a partition without a leader.
NO_LEADER = -1001


class Leaders:
    """An admin client: an offset or an error of each partition; counts how often it asks anew who leads."""

    def __init__(self, *told: int | KafkaError) -> None:
        self.refreshed = 0
        self._told = told

    def list_offsets(self, wanted: Collection[TopicPartition], **_options: Any) -> dict[TopicPartition, Future[Any]]:
        return {place: self._answer(self._told[place.partition]) for place in wanted}

    @staticmethod
    def _answer(told: int | KafkaError) -> Future[Any]:
        future: Future[Any] = Future()
        if isinstance(told, int):
            future.set_result(ListOffsetsResultInfo(told, -1, 0))
        else:
            future.set_exception(KafkaException(told))
        return future

    def list_topics(self, _topic: str, timeout: float) -> None:
        self.refreshed += 1


FAILING: list[tuple[int | KafkaError, ...]] = [
    (NO_LEADER, NO_LEADER, NO_LEADER),
    (KafkaError(KafkaError._TIMED_OUT), NO_LEADER, KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)),
]


def watched(leaders: Leaders, monkeypatch: pytest.MonkeyPatch) -> Status:
    """Return a status after a few looks."""
    monkeypatch.setattr(ends, "client", lambda *_: leaders)
    monkeypatch.setattr(ends, "_SOON_S", 0.01)
    status = Status(ManualClock())
    status.take(PLACES)
    watch = EndsWatch(KafkaSettings(), status, TOPIC)
    until(lambda: leaders.refreshed > 2, 30, "it goes on asking who leads")
    watch.close()
    return status


@pytest.mark.parametrize("lacking", [NO_LEADER, KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION)])
def test_a_partition_without_a_leader_hides_no_other(
    lacking: int | KafkaError, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = watched(Leaders(lacking, 7, 0), monkeypatch)

    assert [status.partitions[place].end for place in PLACES] == [None, 7, 0]
    assert status.asked_at is not None


@pytest.mark.parametrize("told", FAILING)
def test_without_any_answer_no_broker_has_told(
    told: tuple[int | KafkaError, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watched(Leaders(*told), monkeypatch).asked_at is None


class Late(Leaders):
    """Knows who leads the second partition only when it was asked anew."""

    def list_topics(self, _topic: str, timeout: float) -> None:
        self.refreshed += 1
        self._told = (3, 4, 5)


def test_others_get_all_ends_when_brokers_know_who_leads() -> None:
    leaders = Late(3, KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION), 5)

    assert end_offsets(cast(Any, leaders), PLACES, committed_only=True) == dict(zip(PLACES, (3, 4, 5), strict=True))


def test_others_get_all_ends_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offsets, "_LEADER_S", 0.2)
    leaders = Leaders(3, NO_LEADER, 5)
    with pytest.raises(RetryError, match=r"no leader told the offsets of codex\.rollout-items\[1\]"):
        end_offsets(cast(Any, leaders), PLACES, committed_only=True)

    assert leaders.refreshed > 1
