"""A local cluster whose brokers send some clients to a proxy: a listener of its own that advertises the proxy's ports.

A lone broker has its controller in a process apart, as large clusters do. Where both are one process that is
killed and started again, the controller lets the new broker in only when the old one's session is over, and until then
partitions have a leader that does not answer, then none. Kafka 4.3.1 leaves out the marker of a transaction where there
is no leader (KAFKA-20734), which tears the transaction. A broker apart that comes back after its session does not meet
this; nor do three nodes, where another leader is there at once.
"""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from worker.errors import FatalError
from worker.localbroker.broker import LocalBroker
from worker.localbroker.cluster import LocalCluster
from worker.localbroker.ports import HOST, free_ports
from worker.localbroker.properties import DATA, Address, kafka_id, properties_text, server_properties
from worker.localbroker.storage import FORMAT_TIMEOUT_S, LOGGING, SERVER_PROPERTIES, node_folder

# When a silent broker is given up. Longer than the local cluster's own: on a busy machine nothing else may do that.
SESSION_S = 6.0
# What Kafka logs when it leaves out a transaction's marker.
_LEFT_OUT = "Couldn't find leader endpoint for partitions"


def markers_left_out(brokers: Iterable[LocalBroker]) -> int:
    """Return how often brokers left out transaction markers, which is Kafka's fault and breaks every promise."""
    logs = [broker.log.read_text("utf-8", errors="replace") for broker in brokers]
    return sum(log.count(_LEFT_OUT) for log in logs)


class ProxiedCluster(LocalCluster):
    """As LocalCluster; clients that begin at `proxied_servers` are sent to the proxy's ports by every answer.

    Args:
        folder: Where data and logs go and stay; None means a temporary folder.

    Attributes:
        brokers: the nodes that hold topics.
        routes: the ports that brokers listen on for the proxy, by the proxy's ports; known from the first start on.
    """

    def __init__(self, brokers: int = 1, *, folder: Path | None = None) -> None:
        settings = {"broker.session.timeout.ms": f"{SESSION_S * 1000:.0f}"}
        super().__init__(brokers, folder=folder, keep=folder is not None, extra=settings)
        self.brokers: tuple[LocalBroker, ...] = ()
        self.routes: dict[int, int] = {}

    @property
    def bootstrap_servers(self) -> str:
        """Hosts and ports of the brokers, without the proxy."""
        return ",".join(broker.bootstrap_server for broker in self.brokers)

    @property
    def proxied_servers(self) -> str:
        """Hosts and ports of the proxy."""
        return ",".join(f"{HOST}:{port}" for port in self.routes)

    def markers_left_out(self) -> int:
        """Return how often Kafka left out transaction markers."""
        return markers_left_out(self.brokers)

    def _make(self) -> tuple[LocalBroker, ...]:
        nodes = super()._make()
        self.brokers = nodes if len(nodes) > 1 else (_broker_apart(nodes[0], self._extra),)
        ports = free_ports(2 * len(self.brokers))
        for broker, inner, outer in zip(self.brokers, ports[::2], ports[1::2], strict=True):
            self.routes[outer] = inner
            _add_listener(broker, inner, outer, with_controller=len(nodes) > 1)
        return nodes if len(nodes) > 1 else (_controller(nodes[0]), *self.brokers)


def _controller(node: LocalBroker) -> LocalBroker:
    """Return a node that was made as both as a controller only."""
    listener = f"CONTROLLER://{HOST}:{node.address.controller_port}"
    _add(node, {"process.roles": "controller", "listeners": listener})
    port = node.address.controller_port
    address = Address(node.address.node_id, port, port, node.address.directory_id)
    return LocalBroker(address, node.folder, node._command)


def _broker_apart(controller: LocalBroker, extra: dict[str, str]) -> LocalBroker:
    """Return a new broker beside a controller."""
    (port,) = free_ports(1)
    address = Address(controller.address.node_id + 1, port, 0, kafka_id())
    folder = node_folder(controller.folder.parent, address)
    (folder / DATA).mkdir(parents=True)
    (folder / LOGGING).write_bytes((controller.folder / LOGGING).read_bytes())
    settings = server_properties(address, [address], extra) | {
        "process.roles": "broker",
        "controller.quorum.bootstrap.servers": f"{HOST}:{controller.address.controller_port}",
        "listeners": f"PLAINTEXT://{HOST}:{port}",
    }
    (folder / SERVER_PROPERTIES).write_text(properties_text(settings), encoding="ascii")
    _format(folder, controller)
    return LocalBroker(address, folder, controller._command)


def _format(folder: Path, controller: LocalBroker) -> None:
    meta = (controller.folder / DATA / "meta.properties").read_text("utf-8")
    cluster_id = next(line.partition("=")[2] for line in meta.splitlines() if line.startswith("cluster.id="))
    tool = ["kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config", SERVER_PROPERTIES]
    # What starts a node ends with the class and its settings.
    command = [*controller._command[:-2], *tool]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S, check=False)
    if done.returncode:
        raise FatalError(f"formatting the broker's storage failed:\n{done.stdout}{done.stderr}")


def _add_listener(broker: LocalBroker, inner: int, outer: int, *, with_controller: bool) -> None:
    direct = f"PLAINTEXT://{broker.bootstrap_server}"
    controller = [f"CONTROLLER://{HOST}:{broker.address.controller_port}"] * with_controller
    settings = {
        "listeners": ",".join([direct, f"PROXIED://{HOST}:{inner}", *controller]),
        "advertised.listeners": f"{direct},PROXIED://{HOST}:{outer}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }
    _add(broker, settings)


def _add(node: LocalBroker, settings: dict[str, str]) -> None:
    # Of two lines with one name the later counts.
    with (node.folder / SERVER_PROPERTIES).open("a", encoding="ascii") as properties:
        properties.writelines(f"{name}={value}\n" for name, value in settings.items())
