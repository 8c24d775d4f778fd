"""Pick free ports on loopback."""

import contextlib
import secrets
import socket

from worker.errors import FatalError

HOST = "127.0.0.1"

# Below the ports that Linux (from 32768) and macOS (from 49152) lend to outgoing connections. Of those, one could be
# lent while a killed broker is down; a client that keeps trying to reach the broker can even be lent that very port,
# connect to itself and so keep the broker from coming back.
PORT_MIN = 20_000
PORT_MAX = 32_000
TRIES_MAX = 1_000


def free_ports(count: int) -> list[int]:
    """Return distinct ports that nothing on loopback listens on right now.

    Raises:
        FatalError: Too few were found within a bounded number of tries.
    """
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        for _ in range(TRIES_MAX):
            # Not `random`: processes that seed it alike, as test runners do, would want the same ports.
            port = PORT_MIN + secrets.randbelow(PORT_MAX - PORT_MIN)
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise FatalError(f"found {len(ports)} of {count} free ports on {HOST} between {PORT_MIN} and {PORT_MAX}")


def accepts(port: int, timeout_s: float = 1.0) -> bool:
    """Tell whether something on loopback accepts a connection."""
    try:
        with socket.create_connection((HOST, port), timeout=timeout_s):
            return True
    except OSError:
        return False
