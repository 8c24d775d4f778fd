"""What the brokers' authorizer allows us, looked at before anything is begun."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from worker.errors import ConfigError
from worker.kafka.acls import Acl

_CALL_S = 15.0
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}
# Whoever may do one of these may describe, too; so where even that is refused, these are.
_DESCRIBING = frozenset({"Read", "Write", "Describe"})
_FORBIDDEN = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED})

HINT = "grant it; `thread-history-worker topics acls` prints all that each command needs"


def insist_on(admin: AdminClient, acls: Iterable[Acl]) -> None:
    """See that topics and groups may be used as needed; whether a transactional id may, only its first use tells.

    Raises:
        ConfigError: names every operation that is not allowed, and its resource.
    """
    wanted: dict[tuple[str, str], list[str]] = defaultdict(list)
    for acl in acls:
        if not acl.prefixed:
            wanted[acl.resource, acl.name].append(acl.operation)
    topics = [name for resource, name in wanted if resource == "Topic"]
    groups = [name for resource, name in wanted if resource == "Group"]
    missing = [
        refusal(operation, resource, name)
        for resource, name, answer in [*_topics(admin, topics), *_groups(admin, groups)]
        for operation in _refused(answer, wanted[resource, name])
    ]
    if missing:
        raise ConfigError(f"Kafka does not allow {', '.join(missing)}: {HINT}")


def refusal(operation: str, resource: str, name: str) -> str:
    """Return how a thing that is not allowed is told."""
    return f"{operation} on {resource} {name}"


def _topics(admin: AdminClient, names: Sequence[str]) -> Iterator[tuple[str, str, Any]]:
    if not names:
        return
    answers = admin.describe_topics(
        TopicCollection(list(names)), include_authorized_operations=True, request_timeout=_CALL_S
    )
    yield from (("Topic", name, answers[name]) for name in names)


def _groups(admin: AdminClient, names: Sequence[str]) -> Iterator[tuple[str, str, Any]]:
    if not names:
        return
    answers = admin.describe_consumer_groups(list(names), include_authorized_operations=True, request_timeout=_CALL_S)
    yield from (("Group", name, answers[name]) for name in names)


def _refused(answer: Any, operations: list[str]) -> list[str]:
    try:
        allowed = answer.result().authorized_operations
    except KafkaException as error:
        # That something is missing, or nobody there to ask, is for others to find.
        forbidden = error.args[0].code() in _FORBIDDEN
        return [operation for operation in operations if operation in _DESCRIBING] if forbidden else []
    # A broker without this answer leaves it out.
    return [operation for operation in operations if allowed and _OPERATIONS[operation] not in allowed]
