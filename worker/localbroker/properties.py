"""What a node's `server.properties` says.

Source: Apache Kafka 4.3, broker configuration and KRaft operations.
"""

import base64
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from worker.localbroker.ports import HOST

# Where a node keeps its log segments, relative to its own folder, in which it runs.
DATA = "data"

# Short enough for the tests: a broker that was killed is back, or missed by the others, after its session's end.
# Long enough, with six heartbeats in it, that a busy machine of two cores does not lose a live one.
SESSION_TIMEOUT_MS = 3_000
HEARTBEAT_INTERVAL_MS = 500


@dataclass(frozen=True)
class Address:
    """Who a node is and where it listens.

    Attributes:
        node_id: From 1.
        directory_id: The identity of its data folder, a Kafka id.
        listeners: Ports of further listeners, by security protocol, which is also the listener's name.
    """

    node_id: int
    broker_port: int
    controller_port: int
    directory_id: str
    listeners: Mapping[str, int] = field(default_factory=dict)


def kafka_id() -> str:
    """Return a new id in Kafka's spelling: 22 characters of URL-safe base64."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # Kafka's tools would take it for an option.
        if not text.startswith("-"):
            return text


def bootstrap_servers(addresses: Sequence[Address], listener: str | None = None) -> str:
    """Return the brokers as a Kafka client wants them.

    Args:
        listener: One of `Address.listeners`; None means the plain one.
    """
    ports = [address.listeners[listener] if listener else address.broker_port for address in addresses]
    return ",".join(f"{HOST}:{port}" for port in ports)


def initial_controllers(addresses: Sequence[Address]) -> str:
    """Return the first quorum as the storage tool wants it."""
    return ",".join(
        f"{address.node_id}@{HOST}:{address.controller_port}:{address.directory_id}" for address in addresses
    )


def server_properties(
    address: Address, addresses: Sequence[Address], extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the settings of one node, broker and controller in one.

    Args:
        address: The node.
        addresses: All nodes of its cluster.
        extra: Added last, so it overrides.
    """
    listeners = {"PLAINTEXT": address.broker_port, "CONTROLLER": address.controller_port, **address.listeners}
    protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **{name: name for name in address.listeners}}
    return {
        "process.roles": "broker,controller",
        "node.id": str(address.node_id),
        "controller.quorum.bootstrap.servers": ",".join(f"{HOST}:{each.controller_port}" for each in addresses),
        "listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in listeners.items()),
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "log.dirs": DATA,
        **_replication(len(addresses)),
        "auto.create.topics.enable": "false",
        "num.partitions": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "broker.session.timeout.ms": str(SESSION_TIMEOUT_MS),
        "broker.heartbeat.interval.ms": str(HEARTBEAT_INTERVAL_MS),
        # So that a lone member need not wait for others, and tests may use short timers.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        **(extra or {}),
    }


def properties_text(properties: Mapping[str, str]) -> str:
    """Spell settings as Java's `Properties` reads them: ISO 8859-1, the backslash escapes."""
    return "".join(f"{name}={_escaped(value)}\n" for name, value in properties.items())


def _replication(nodes: int) -> dict[str, str]:
    factor, in_sync_min = (3, 2) if nodes >= 3 else (1, 1)
    return {
        "default.replication.factor": str(factor),
        "min.insync.replicas": str(in_sync_min),
        "offsets.topic.replication.factor": str(factor),
        "transaction.state.log.replication.factor": str(factor),
        "transaction.state.log.min.isr": str(in_sync_min),
        "share.coordinator.state.topic.replication.factor": str(factor),
        "share.coordinator.state.topic.min.isr": str(in_sync_min),
    }


def _escaped(value: str) -> str:
    units = value.encode("utf-16-be")
    codes = [int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2)]
    return "".join(chr(code) if 32 < code < 127 and code != 92 else f"\\u{code:04x}" for code in codes)
