"""What each command does with the brokers' resources, as the least that their authorizer must allow.

Describe is not listed where Read or Write is: Kafka takes either for it. Nor is IdempotentWrite: brokers since
2.8 do not ask for it where a topic may be written.
"""

from collections.abc import Callable, Iterable, Iterator

from worker.config import Settings
from worker.model.topic import TopicNames
from worker.model.value import value
from worker.projections.table import PROJECTIONS

# The group that readers name; they never join it, and the client looks for its coordinator all the same.
READER_GROUP = "thread-history-reader"
# What the group of a sink is called that was given no name.
SINK_GROUPS = "thread-history-postgres-"


@value
class Acl:
    """One thing to allow.

    Attributes:
        role: what it is for, a key of `ROLES`.
        resource: `Topic`, `Group` or `TransactionalId`, as Kafka's tools spell them.
        name: the resource's, or how its name begins.
        prefixed: `name` is how names begin.
        operation: `Read`, as Kafka's tools spell it.
    """

    role: str
    resource: str
    name: str
    prefixed: bool
    operation: str


Grant = tuple[str, str, bool, str]


def _topics(names: Iterable[str], *operations: str) -> Iterator[Grant]:
    yield from (("Topic", name, False, operation) for name in names for operation in operations)


def _all(names: TopicNames) -> list[str]:
    return [names.input, *names.projections.values(), names.changelog, names.dead_letters, names.parked]


def _worker(settings: Settings, names: TopicNames) -> Iterator[Grant]:
    yield from _topics([names.input], "Read", "DescribeConfigs")
    yield from _topics([*names.projections.values(), names.dead_letters], "Write", "DescribeConfigs")
    yield from _topics([names.changelog, names.parked], "Read", "Write", "DescribeConfigs")
    if settings.forget_after_days is not None:
        yield from _topics([names.input], "Write")
    yield "Group", settings.group, False, "Read"
    yield "TransactionalId", f"{settings.group}-", True, "Write"


def _sink(settings: Settings, names: TopicNames) -> Iterator[Grant]:
    tables = [topic for name, topic in names.projections.items() if name in PROJECTIONS]
    yield from _topics(tables, "Read", "DescribeConfigs")
    yield "Group", settings.sink.group or SINK_GROUPS, settings.sink.group is None, "Read"


def _publish(_settings: Settings, names: TopicNames) -> Iterator[Grant]:
    yield from _topics([names.input], "Write", "DescribeConfigs")


def _inspect(settings: Settings, names: TopicNames) -> Iterator[Grant]:
    yield from _topics(_all(names), "Read", "DescribeConfigs")
    yield from (("Group", group, False, "Describe") for group in (settings.group, READER_GROUP))


def _repair(settings: Settings, names: TopicNames) -> Iterator[Grant]:
    yield from _inspect(settings, names)
    yield from _topics([names.input, *names.projections.values(), names.changelog], "Write")
    yield "TransactionalId", f"{settings.group}-rebuild", False, "Write"


def _create(_settings: Settings, names: TopicNames) -> Iterator[Grant]:
    yield from _topics(_all(names), "Create", "Describe", "DescribeConfigs")


_GRANTS: dict[str, Callable[[Settings, TopicNames], Iterator[Grant]]] = {
    "worker": _worker,
    "sink": _sink,
    "publish": _publish,
    "inspect": _inspect,
    "repair": _repair,
    "create": _create,
}
ROLES = {
    "worker": "run",
    "sink": "sink postgres",
    "publish": "publish",
    "inspect": "inspect, verify, dead-letters list and show, worker.reader",
    "repair": "rebuild, dead-letters replay, and what inspect is for",
    "create": "topics create and check",
}


def acls(role: str, settings: Settings, names: TopicNames) -> list[Acl]:
    """Return everything that a role needs, and nothing that it can do without.

    Args:
        role: a key of `ROLES`.
    """
    return [Acl(role, *grant) for grant in _GRANTS[role](settings, names)]
