"""The port for those who watch: it answers what there is, only reads, and is refused when it is taken."""

import contextlib
import http.client
import logging
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.integration.harness import until
from worker.errors import ConfigError
from worker.telemetry import http as telemetry
from worker.telemetry.http import REQUESTS_MAX, Answer, serve


def page(accept: str) -> Answer:
    return 200, "text/plain", f"accepts {accept}".encode()


def broken(_accept: str) -> Answer:
    raise ZeroDivisionError


@pytest.fixture
def port(caplog: pytest.LogCaptureFixture) -> Iterator[int]:
    with caplog.at_level(logging.INFO):
        stop = serve("127.0.0.1", 0, {"/page": page, "/broken": broken})
    (told,) = caplog.records
    yield vars(told)["port"]
    stop()


def ask(port: int, method: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"Accept": "all"})
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def test_it_answers_what_there_is(port: int) -> None:
    assert ask(port, "GET", "/page?x=1") == (200, "accepts all")
    assert ask(port, "HEAD", "/page") == (200, "")
    assert ask(port, "GET", "/other") == (404, "there is /page /broken\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_has_no_verbs_that_write(port: int, method: str) -> None:
    assert ask(port, method, "/page") == (405, "")


def test_connections_that_say_nothing_take_no_more_than_their_share(port: int) -> None:
    threads = threading.active_count()
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(3 * REQUESTS_MAX)]
    # Those without a slot are closed at once.
    closed = [connection for connection in idle[REQUESTS_MAX:] if connection.recv(1) == b""]
    grown = threading.active_count() - threads
    for connection in idle:
        connection.close()
    until(lambda: threading.active_count() <= threads, 30, "they are gone")

    assert len(closed) == 2 * REQUESTS_MAX
    assert grown <= REQUESTS_MAX
    assert ask(port, "GET", "/page")[0] == 200


def test_connections_that_say_little_at_a_time_are_cut(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "_REQUEST_S", 2.0)
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(REQUESTS_MAX)]

    def answered() -> bool:
        for connection in slow:
            with contextlib.suppress(OSError):  # it was cut
                connection.send(b"x")
        with contextlib.suppress(OSError):  # all slots are taken
            return ask(port, "GET", "/page")[0] == 200
        return False

    assert not answered()
    until(answered, 30, "others are answered")
    for connection in slow:
        connection.close()


def test_a_fault_of_ours_is_logged_and_answers_go_on(port: int, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        ask(port, "GET", "/broken")
    until(lambda: "telemetry request failed" in caplog.messages, 30, "it is told")

    assert ask(port, "GET", "/page")[0] == 200


def test_a_port_that_is_taken_is_refused_with_its_setting(port: int) -> None:
    with pytest.raises(
        ConfigError, match=rf"telemetry\.port {port} at telemetry\.host 127\.0\.0\.1 .* name a free one"
    ):
        serve("127.0.0.1", port, {})


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"telemetry\.host 192\.0\.2\.1"):
        serve("192.0.2.1", 0, {})
