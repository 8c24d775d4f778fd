"""Topics that are missing: how many partitions they get, and what is said of them."""

import pytest

from worker.config import TopicSettings
from worker.errors import ConfigError
from worker.kafka.topics import Finding, Topic, insist, partitions_of_new

TOPICS = [Topic("p.input", "input", {}), Topic("p.threads", "projection", {})]


def missing(name: str) -> Finding:
    return Finding(name, "topic", "missing", "present", True, f"topic {name} is missing: run it")


@pytest.mark.parametrize(
    ("there", "settings", "count"),
    [
        ({}, {}, 4),
        ({}, {"partitions": 3}, 3),
        ({"p.threads": 9}, {"partitions": 3}, 3),
        ({"p.input": 2}, {}, 2),
        ({"p.input": 2}, {"partitions": 2}, 2),
    ],
)
def test_missing_topics_get_the_partitions_of_the_input(
    there: dict[str, int], settings: dict[str, int], count: int
) -> None:
    assert partitions_of_new(TOPICS, there, TopicSettings.model_validate(settings)) == count


@pytest.mark.parametrize("partitions", [3, 4])
def test_another_number_that_was_set_is_refused(partitions: int) -> None:
    with pytest.raises(ConfigError, match=f"topics.partitions is {partitions} and topic p.input has 2") as refused:
        partitions_of_new(TOPICS, {"p.input": 2}, TopicSettings(partitions=partitions))

    assert "nothing was made" in str(refused.value)


def test_of_missing_topics_the_remedy_is_told_once() -> None:
    uneven = Finding("p.d", "partitions", "1", "2", True, "make p.d anew")
    advice = Finding("p.e", "retention.ms", "1", "2", False, "alter p.e")
    with pytest.raises(ConfigError) as refused:
        insist([missing("p.a"), uneven, missing("p.b"), advice, missing("p.c")])

    assert str(refused.value) == "topic p.a is missing: run it; it also makes p.b, p.c; make p.d anew"


def test_one_missing_topic_is_told_alone_and_advice_does_not_stop() -> None:
    with pytest.raises(ConfigError) as refused:
        insist([missing("p.a")])
    insist([Finding("p.e", "retention.ms", "1", "2", False, "alter p.e")])

    assert str(refused.value) == "topic p.a is missing: run it"
