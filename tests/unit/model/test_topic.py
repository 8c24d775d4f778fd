"""What the topics are called."""

from worker.model.topic import TopicNames


def test_public_topics_take_the_prefix_and_private_ones_the_group() -> None:
    names = TopicNames.of(prefix="p.", group="g", projections={"lifecycle": "thread-lifecycle"})

    assert names == TopicNames(
        input="p.rollout-items",
        changelog="g.state",
        dead_letters="g.dead-letters",
        parked="g.parked",
        projections={"lifecycle": "p.thread-lifecycle"},
    )
