"""Input that is not where the group left it: never a silent reset (G5; design: lost input offsets)."""

import signal

import pytest
from confluent_kafka import TopicPartition

from tests.integration.harness import Deployment, interleaved, until, vector_threads
from worker.kafka.topics import Topics, wanted

pytestmark = pytest.mark.integration

LINES = list(interleaved(vector_threads()))
LATER = [(f"later-{thread}", at, line) for thread, at, line in LINES[:1_000]]


def _remove_before(deployment: Deployment, offsets: dict[int, int]) -> None:
    """Remove records as retention does."""
    places = [TopicPartition(deployment.names.input, partition, offset) for partition, offset in offsets.items()]
    for removed in deployment.admin.delete_records(places).values():
        removed.result(30)


def _ends(deployment: Deployment) -> dict[int, int]:
    committed = deployment.committed()
    return {partition: committed[partition] + lag for partition, lag in deployment.lags().items()}


def _run_through(deployment: Deployment) -> None:
    worker = deployment.start()
    deployment.until_through()

    assert worker.terminate() == 0


def test_records_removed_unread_stop_the_worker_with_the_choices_of_which_one_is_to_go_on(
    deployment: Deployment,
) -> None:
    deployment.publish(LINES[:2_000])
    _run_through(deployment)
    deployment.publish(LINES[2_000:4_000])
    left = deployment.committed()
    lost = {0: left[0] + 7}
    _remove_before(deployment, lost)
    stopped = deployment.start()
    code = stopped.wait(60)
    untouched = deployment.committed()
    skipping = deployment.start(ON_LOST_OFFSET="skip")
    deployment.publish(LATER)
    deployment.until_through()
    found, sound = deployment.by_thread()
    later = {place for place in sound if place[1].startswith("later-")}

    assert (code, untouched) == (1, left)
    assert f"{deployment.names.input}[0] holds offsets {lost[0]} to" in stopped.error()
    assert f"group {deployment.settings.group} is at {left[0]}: 7 records were removed unread" in stopped.error()
    assert f"--on-lost-offset skip (on_lost_offset) to go on at offset {lost[0]} without them" in stopped.error()
    assert [line["partition"] for line in skipping.told("input offset lost, skipping")] == [0]
    assert len(later) > 50
    assert {place: found.get(place) for place in later} == {place: sound[place] for place in later}


def test_records_removed_under_a_running_worker_stop_it_with_the_same_choices(deployment: Deployment) -> None:
    deployment.publish(LINES[:500])
    worker = deployment.start()
    deployment.until_through()
    worker.signal(signal.SIGSTOP)
    deployment.publish(LINES[500:4_000])
    _remove_before(deployment, _ends(deployment))
    worker.signal(signal.SIGCONT)
    deployment.publish(LATER)

    assert worker.wait(60) == 1
    assert "--on-lost-offset skip" in worker.error()


def test_a_new_group_begins_at_what_is_left_and_a_partition_where_nothing_is_left_is_no_trouble(
    deployment: Deployment,
) -> None:
    deployment.publish(LINES[:3_000])
    ends = _ends(deployment)
    _remove_before(deployment, {0: ends[0], 1: 100})
    worker = deployment.start()
    until(lambda: list(deployment.lags().values())[1:] == [0, 0, 0], 60, "the others are through", worker)
    first = worker.terminate()
    again = deployment.start()
    until(lambda: len(again.told("partition runs")) == 4, 60, "all partitions run", again)
    deployment.publish(LATER)
    deployment.until_through()

    assert first == 0
    assert deployment.audit() == []


def test_an_input_topic_that_was_made_anew_stops_the_worker(deployment: Deployment) -> None:
    deployment.publish(LINES[:2_000])
    _run_through(deployment)
    topic = deployment.names.input
    # With a topic, the brokers delete the offsets of its groups.
    deployment.admin.delete_topics([topic])[topic].result(30)
    until(lambda: _made(deployment), 30, "the topic is made anew")
    deployment.publish(LATER[:100])
    stopped = deployment.start()
    code = stopped.wait(60)
    skipping = deployment.start(ON_LOST_OFFSET="skip")
    deployment.until_through()

    assert code == 1
    assert "its offsets expired, or the input topic was made anew" in stopped.error()
    assert "--on-lost-offset skip" in stopped.error()
    assert {line["partition"] for line in skipping.told("input offset lost, skipping")} == {0, 1, 2, 3}


def _made(deployment: Deployment) -> bool:
    """Make the topics that are missing; a topic's deletion takes a moment."""
    settings = deployment.settings
    return bool(Topics(settings.kafka).create(wanted(deployment.names), settings.topics))
