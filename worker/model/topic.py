"""The names of the topics, by role."""

from collections.abc import Mapping

from worker.model.value import value


@value
class TopicNames:
    """What each topic is called.

    Attributes:
        projections: the topic of each projection's mutations, by the projection's name.
    """

    input: str
    changelog: str
    dead_letters: str
    parked: str
    projections: dict[str, str]

    @classmethod
    def of(cls, *, prefix: str, group: str, projections: Mapping[str, str]) -> "TopicNames":
        """Build the names.

        Args:
            prefix: before each public topic's name.
            group: the consumer group, before each of its own topics' names.
            projections: topic without prefix, by projection.
        """
        return cls(
            input=f"{prefix}rollout-items",
            changelog=f"{group}.state",
            dead_letters=f"{group}.dead-letters",
            parked=f"{group}.parked",
            projections={name: f"{prefix}{topic}" for name, topic in projections.items()},
        )
