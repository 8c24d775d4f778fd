"""The port for those who watch: metrics, health and status; it only reads."""

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6, SHUT_RDWR, socket
from typing import Any

from worker.errors import ConfigError

log = logging.getLogger(__name__)

# Status code, content type, body.
Answer = tuple[int, str, bytes]
# Answers a request by its Accept header.
Page = Callable[[str], Answer]

# How long a connection may take for all of its request and answer, however little it says at a time.
_REQUEST_S = 5.0
# Requests that are answered at a time; further connections are closed.
REQUESTS_MAX = 16


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 4 * REQUESTS_MAX
    pages: Mapping[str, Page]

    def __init__(self, address: tuple[str, int]) -> None:
        self._slots = threading.BoundedSemaphore(REQUESTS_MAX)
        self._due: dict[socket, float] = {}
        # So that none is cut whose descriptor has been closed and is another's by now.
        self._closing = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._slots.acquire(blocking=False):
            with self._closing:
                self._due[request] = time.monotonic() + _REQUEST_S
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def service_actions(self) -> None:
        """Cut the connections that take too long; the base calls this at least twice a second."""
        now = time.monotonic()
        with self._closing:
            for request in [request for request, due in self._due.items() if due < now]:
                del self._due[request]
                with contextlib.suppress(OSError):  # who asked has gone
                    request.shutdown(SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:
        with self._closing:
            self._due.pop(request, None)
            super().shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if not isinstance(error, OSError):  # who asked has gone
            log.error("telemetry request failed", extra={"error": repr(error)})


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "thread-history-worker"
    sys_version = ""

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path.partition("?")[0])
        code, kind, body = page(self.headers.get("Accept", "")) if page else self._unknown()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 (the base's names, here and below)

    def _unknown(self) -> Answer:
        return 404, "text/plain; charset=utf-8", f"there is {' '.join(self.server.pages)}\n".encode()

    def _refuse(self) -> None:
        self.send_response(405)
        self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        """Say nothing: probes come every few seconds."""


def serve(host: str, port: int, pages: Mapping[str, Page]) -> Callable[[], None]:
    """Answer requests in threads of their own until the returned function is called.

    Args:
        host: the address to listen at.
        port: 0 takes any that is free; the log tells which.
        pages: by path.

    Raises:
        ConfigError: the port cannot be had.
    """

    class Server(_Server):
        if ":" in host:
            address_family = AF_INET6

    try:
        server = Server((host, port))
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"telemetry.port {port} at telemetry.host {host} cannot be listened at ({error}): name a free one "
            "(THW_TELEMETRY__PORT), 0 for any, or leave it out to have none"
        ) from None
    server.pages = pages
    threading.Thread(target=server.serve_forever, name="telemetry", daemon=True).start()
    log.info("telemetry served", extra={"host": host, "port": server.server_address[1]})

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop
