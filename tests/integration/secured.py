"""A broker as in earnest: TLS, SCRAM, client certificates, and an authorizer that allows what it was told to."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.integration.guard import KEY_PASSWORD, certificates
from tests.integration.harness import until
from worker.kafka.acls import Acl
from worker.localbroker.cluster import LocalCluster

PASSWORD = "p:ss, wörd=\"'"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
# Of the one user that the node's own settings know.
PLAIN_USER, PLAIN_PASSWORD = "plain", "told as it is"
_ITERATIONS = 4_096
_CALL_S = 15
_RESOURCES = {
    "Topic": ResourceType.TOPIC,
    "Group": ResourceType.GROUP,
    "TransactionalId": ResourceType.TRANSACTIONAL_ID,
}
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}


def _properties(folder: Path) -> dict[str, str]:
    """Return what a node needs for its secured listeners; who comes by the plain one may do anything."""
    (folder / "broker.pem").write_bytes((folder / "server.key").read_bytes() + (folder / "server.pem").read_bytes())
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "listener.name.ssl.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{_SCRAM} required;",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": (f'{_PLAIN} required user_{PLAIN_USER}="{PLAIN_PASSWORD}";'),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:ANONYMOUS;User:CN=client;User:{PLAIN_USER}",
    }


class SecuredBroker:
    """A node, its users and what they may do; what it is told of them comes by the plain listener.

    Args:
        cluster: one node with the listeners `SASL_SSL` and `SSL`.
        folder: has certificates.
    """

    def __init__(self, cluster: LocalCluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self._admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})

    def add_user(self, name: str) -> None:
        """Add a user of SCRAM, with the password of all, and wait until it may come in."""
        user = UserScramCredentialUpsertion(
            name, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS), PASSWORD.encode()
        )
        for future in self._admin.alter_user_scram_credentials([user]).values():
            future.result(_CALL_S)
        until(lambda: name in self._users(), 30, f"user {name} is known")

    def _users(self) -> Any:
        answer: Any = self._admin.describe_user_scram_credentials()
        return answer.result(_CALL_S)

    def allow(self, user: str, acls: Iterable[Acl]) -> None:
        """Allow something, and wait until it is."""
        wanted = [_binding(user, acl) for acl in acls]
        for future in self._admin.create_acls(wanted, request_timeout=_CALL_S).values():
            future.result(_CALL_S)
        until(lambda: set(map(str, wanted)) <= self._allowed(user), 30, f"{user} is allowed {wanted}")

    def forbid(self, user: str, acl: Acl) -> None:
        """Take back one thing that was allowed, and wait until it is."""
        gone = _binding(user, acl)
        only = AclBindingFilter(
            gone.restype,
            gone.name,
            gone.resource_pattern_type,
            gone.principal,
            "*",
            gone.operation,
            gone.permission_type,
        )
        for future in self._admin.delete_acls([only], request_timeout=_CALL_S).values():
            assert len(future.result(_CALL_S)) == 1
        until(lambda: str(gone) not in self._allowed(user), 30, f"{user} is forbidden {gone}")

    def _allowed(self, user: str) -> set[str]:
        everything = AclBindingFilter(
            ResourceType.ANY,
            None,  # type: ignore[arg-type]
            ResourcePatternType.ANY,
            f"User:{user}",
            None,  # type: ignore[arg-type]
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        return set(map(str, self._admin.describe_acls(everything, request_timeout=_CALL_S).result(_CALL_S)))

    def by_password(self, user: str) -> dict[str, object]:
        """Return the settings of a user with a password."""
        return {
            "KAFKA__BOOTSTRAP_SERVERS": self.cluster.servers("SASL_SSL"),
            "KAFKA__SECURITY__PROTOCOL": "sasl_ssl",
            "KAFKA__SECURITY__USERNAME": user,
            "KAFKA__SECURITY__PASSWORD": PASSWORD,
            "KAFKA__SECURITY__CA_FILE": self.folder / "ca.pem",
        }

    def by_certificate(self) -> dict[str, object]:
        """Return the settings of one with a certificate, who may do anything."""
        return {
            "KAFKA__BOOTSTRAP_SERVERS": self.cluster.servers("SSL"),
            "KAFKA__SECURITY__PROTOCOL": "ssl",
            "KAFKA__SECURITY__CA_FILE": self.folder / "ca.pem",
            "KAFKA__SECURITY__CERTIFICATE_FILE": self.folder / "client.pem",
            "KAFKA__SECURITY__KEY_FILE": self.folder / "client.key",
            "KAFKA__SECURITY__KEY_PASSWORD": KEY_PASSWORD,
        }


def _binding(user: str, acl: Acl) -> AclBinding:
    pattern = ResourcePatternType.PREFIXED if acl.prefixed else ResourcePatternType.LITERAL
    return AclBinding(
        _RESOURCES[acl.resource],
        acl.name,
        pattern,
        f"User:{user}",
        "*",
        _OPERATIONS[acl.operation],
        AclPermissionType.ALLOW,
    )


@contextmanager
def secured(folder: Path) -> Iterator[SecuredBroker]:
    """Run a node whose listeners `SASL_SSL` and `SSL` are as in earnest.

    Args:
        folder: gets the certificates, and in `other` those of somebody else.
    """
    (folder / "other").mkdir()
    certificates(folder)
    certificates(folder / "other")
    with LocalCluster(listeners=("SASL_SSL", "SSL"), extra=_properties(folder)) as cluster:
        yield SecuredBroker(cluster, folder)
