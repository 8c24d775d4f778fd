"""A Kafka cluster on loopback, without containers: one node, or three to lose one of."""

import atexit
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from worker.errors import ConfigError
from worker.localbroker.broker import STOP_TIMEOUT_S, LocalBroker
from worker.localbroker.jars import kafka_jars
from worker.localbroker.java import find_java
from worker.localbroker.ports import free_ports
from worker.localbroker.properties import Address, bootstrap_servers, kafka_id
from worker.localbroker.storage import LOGGING, SERVER_PROPERTIES, node_folder, prepare_nodes

# A throw-away broker is short-lived and often started: the quick compiler alone makes it ready half a second sooner
# and leaves the other cores to the clients.
JAVA_OPTIONS = ("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class LocalCluster:
    """Nodes of one new cluster; as a context manager it is started, then closed.

    Right after the start, coordinators may answer with the retriable NOT_COORDINATOR: their topics are made on
    first use.

    Args:
        nodes: How many; from three on, topics have three replicas, of which two must be in sync.
        folder: Where data and logs go, absent or empty; None means a temporary folder.
        keep: Leave the folder in place at `close`.
        detached: `close`, and our end, leave the nodes running and the folder in place; read their `pid` before.
        extra: Settings of every node (`server.properties`) that override ours.
        listeners: Security protocols of further listeners (`SSL`, `SASL_SSL`); `extra` has what they need.
        java_options: Options for Java, after ours.
        cache: The folder that holds Kafka's jars by version; None means the user's cache.

    Attributes:
        nodes: By node id, from 1, in order; empty before the first start.
        folder: The cluster's folder, None before the first start if a temporary one is used.
    """

    def __init__(
        self,
        nodes: int = 1,
        *,
        folder: Path | None = None,
        keep: bool = False,
        detached: bool = False,
        extra: Mapping[str, str] | None = None,
        listeners: Sequence[str] = (),
        java_options: Sequence[str] = (),
        cache: Path | None = None,
    ) -> None:
        self.nodes: tuple[LocalBroker, ...] = ()
        self.folder = folder
        self._size = nodes
        self._keep = keep or detached
        self._detached = detached
        self._extra = dict(extra or {})
        self._listeners = tuple(listeners)
        self._java_options = tuple(java_options)
        self._cache = cache
        self._made_folder = False

    @property
    def bootstrap_servers(self) -> str:
        """Hosts and ports of all nodes for clients, the same over restarts; known from the first start on."""
        assert self.nodes, "the first start picks the ports"
        return bootstrap_servers([node.address for node in self.nodes])

    def servers(self, listener: str) -> str:
        """Return hosts and ports of a further listener, as `bootstrap_servers` those of the plain one."""
        return bootstrap_servers([node.address for node in self.nodes], listener)

    def node(self, node_id: int) -> LocalBroker:
        """Return the node of that id, as in a partition's leader."""
        return next(node for node in self.nodes if node.address.node_id == node_id)

    def start(self) -> None:
        """Start the nodes that do not run and wait until all serve clients; the first start also makes the cluster.

        Raises:
            ConfigError: Java or the jars are missing, with the remedy, or the folder is not empty.
            FatalError: A node did not become ready; lines of its log are in the text.
        """
        if not self.nodes:
            self.nodes = self._make()
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait_ready()

    def stop(self) -> None:
        """End all nodes in an orderly way, by force those that take too long; `start` brings them back."""
        for node in self.nodes:
            node.terminate()
        for node in self.nodes:
            node.stop(STOP_TIMEOUT_S)

    def kill(self) -> None:
        """End all nodes at once, as a crash of the machine's processes would; `start` brings them back."""
        for node in self.nodes:
            node.kill()

    def restart(self) -> None:
        """Stop all nodes and start them again, on the same ports and data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End the nodes and remove the folder, as far as `keep` and `detached` allow; may be called again."""
        if self._detached:
            for node in self.nodes:
                node.leave()
            atexit.unregister(self.close)
        else:
            self._end()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            # Also when detached: nobody wants half a cluster to live on.
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make(self) -> tuple[LocalBroker, ...]:
        self._check_folder()
        java, jars = find_java(), kafka_jars(self._cache)
        folder = self._make_folder()
        command = [str(java.absolute()), *JAVA_OPTIONS, *self._java_options, "-cp", str(jars.absolute() / "*")]
        addresses = _addresses(self._size, self._listeners)
        prepare_nodes(folder, addresses, java=command, extra=self._extra)
        broker = [*command, "kafka.Kafka", SERVER_PROPERTIES]
        broker.insert(1, f"-Dlog4j2.configurationFile={LOGGING}")
        return tuple(
            LocalBroker(address, node_folder(folder, address), broker, detached=self._detached) for address in addresses
        )

    def _check_folder(self) -> None:
        if self.folder is not None and self.folder.exists() and not _is_empty(self.folder):
            raise ConfigError(
                f"The local broker's folder {self.folder} must be absent or empty: name another one, or remove it."
            )

    def _make_folder(self) -> Path:
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="thread-history-kafka-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._made_folder = True
        # For ends that pass by `close`; it does nothing after it. The leash of each node covers SIGKILL.
        atexit.register(self.close)
        return self.folder

    def _end(self) -> None:
        # Data that nobody will read need not be closed in good order.
        if self._keep:
            self.stop()
        else:
            self.kill()
        atexit.unregister(self.close)
        if self._made_folder and self.folder is not None and not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.nodes, self._made_folder = (), False


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _addresses(nodes: int, listeners: Sequence[str]) -> list[Address]:
    ports = iter(free_ports((2 + len(listeners)) * nodes))
    return [
        Address(
            node_id=at + 1,
            broker_port=next(ports),
            controller_port=next(ports),
            directory_id=kafka_id(),
            listeners={listener: next(ports) for listener in listeners},
        )
        for at in range(nodes)
    ]
