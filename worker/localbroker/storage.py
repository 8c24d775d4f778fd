"""Lay out the nodes' folders: settings, logging, formatted storage."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from worker.errors import FatalError
from worker.localbroker.properties import (
    DATA,
    Address,
    initial_controllers,
    kafka_id,
    properties_text,
    server_properties,
)

FORMAT_TIMEOUT_S = 60.0

# Paths relative to the node's folder, where its programs run: an absolute one may hold what Kafka or log4j would
# read as a separator.
SERVER_PROPERTIES = "server.properties"
LOGGING = "log4j2.properties"

_LOGGING_SOURCE = Path(__file__).with_name("log4j2.properties")


def node_folder(folder: Path, address: Address) -> Path:
    """Return a node's own folder within its cluster's."""
    return folder / f"node-{address.node_id}"


def prepare_nodes(
    folder: Path, addresses: Sequence[Address], *, java: Sequence[str], extra: Mapping[str, str] | None = None
) -> None:
    """Write each node's settings and format its storage, for a new cluster.

    Args:
        folder: The cluster's folder.
        addresses: All nodes of the cluster.
        java: The command that runs a class of Kafka, up to the class's name.
        extra: Settings of every node that override ours.

    Raises:
        FatalError: Kafka's storage tool refused.
    """
    cluster_id, controllers = kafka_id(), initial_controllers(addresses)
    for address in addresses:
        own = node_folder(folder, address)
        (own / DATA).mkdir(parents=True)
        shutil.copy(_LOGGING_SOURCE, own / LOGGING)
        text = properties_text(server_properties(address, addresses, extra))
        (own / SERVER_PROPERTIES).write_text(text, encoding="ascii")
    tool = [
        *(*java, "kafka.tools.StorageTool", "format", "--cluster-id", cluster_id),
        *("--initial-controllers", controllers, "--config", SERVER_PROPERTIES),
    ]
    _run_everywhere(tool, [node_folder(folder, address) for address in addresses])


def _run_everywhere(command: Sequence[str], folders: Sequence[Path]) -> None:
    # At the same time, as each spends its second on starting Java.
    tools = [
        subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for folder in folders
    ]
    try:
        for tool in tools:
            _check(tool)
    finally:
        for tool in tools:
            tool.kill()
            tool.communicate()


def _check(tool: subprocess.Popen[bytes]) -> None:
    try:
        output, _ = tool.communicate(timeout=FORMAT_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise FatalError(f"formatting the local broker's storage took over {FORMAT_TIMEOUT_S:.0f} s") from error
    if tool.returncode != 0:
        raise FatalError(f"formatting the local broker's storage failed:\n{output.decode(errors='replace').strip()}")
