"""The registry's client against answers of every sort, from a server in this process."""

import json
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pydantic import ValidationError

from worker.config import load
from worker.connections import RegistrySettings
from worker.errors import ConfigError, RetryError, UnreadableError
from worker.kafka.registry import Registry
from worker.runtime.clock import Clock

Answer = tuple[int, object]


class Stub(ThreadingHTTPServer):
    """Answers what it is told to, in order; then with the last answer again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: deque[Answer] = deque()
        self.asked: list[tuple[str, str, str]] = []

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization") or ""))
        status, body = self.server.answers[0]
        if len(self.server.answers) > 1:
            self.server.answers.popleft()
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_GET  # noqa: N815 (the base class wants it)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class Hasty(Clock):
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.slept = 0.0

    def now(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def registry(url: str, clock: Clock | None = None, **more: object) -> Registry:
    return Registry(RegistrySettings.model_validate({"url": url, **more}), clock or Hasty())


def test_schemas_are_registered_and_their_ids_returned(stub: Stub) -> None:
    stub.answers.extend([(200, {"id": 4}), (200, {"id": 9})])

    assert registry(stub.url).ids({"a-value": '"int"', "b-value": '"long"'}) == {"a-value": 4, "b-value": 9}
    assert [(verb, path.partition("?")[0]) for verb, path, _ in stub.asked] == [
        ("POST", "/subjects/a-value/versions"),
        ("POST", "/subjects/b-value/versions"),
    ]


def test_without_the_right_to_register_they_are_only_looked_up(stub: Stub) -> None:
    stub.answers.append((200, {"subject": "a-value", "version": 1, "id": 4, "schema": '"int"'}))

    assert registry(stub.url, auto_register=False).ids({"a-value": '"int"'}) == {"a-value": 4}
    assert [path.partition("?")[0] for _, path, _ in stub.asked] == ["/subjects/a-value"]


def test_a_registry_that_is_busy_at_start_is_asked_again(stub: Stub) -> None:
    stub.answers.extend([(503, {"error_code": 503, "message": "busy"})] * 3 + [(200, {"id": 4})])

    assert registry(stub.url).ids({"a-value": '"int"'}) == {"a-value": 4}


@pytest.mark.parametrize(
    ("status", "auto_register", "told"),
    [
        (409, True, "does not take the schema of subject a-value: no (HTTP 409, code 40901); if it is said to be"),
        (422, True, "does not take the schema of subject a-value"),
        (401, True, "check registry.username, registry.password"),
        (403, False, "check registry.username, registry.password"),
        (404, False, "under subject a-value: no (HTTP 404, code 40401); register the file from schemas/ there"),
        (404, True, "does not take the schema"),
    ],
)
def test_what_the_registry_refuses_is_told_at_once_with_the_remedy(
    stub: Stub, status: int, auto_register: bool, told: str
) -> None:
    stub.answers.append((status, {"error_code": status * 100 + 1, "message": "no"}))
    clock = Hasty()

    with pytest.raises(ConfigError) as refused:
        registry(stub.url, clock, auto_register=auto_register).ids({"a-value": '"int"'})

    assert told in str(refused.value)
    assert stub.url in str(refused.value)
    assert clock.slept == 0


def test_a_registry_that_is_down_at_start_is_tried_for_a_bounded_time() -> None:
    clock = Hasty()

    with pytest.raises(ConfigError, match=r"did not answer within 3 s .+ or set encoding to avro, which needs none"):
        registry("http://127.0.0.1:1", clock, start_timeout_s=3).ids({"a-value": '"int"'})

    assert clock.slept == 4


def test_the_time_for_the_start_is_one_for_all_subjects() -> None:
    clock = Hasty()

    with pytest.raises(ConfigError):
        registry("http://127.0.0.1:1", clock, start_timeout_s=3).ids(dict.fromkeys(("a", "b", "c"), '"int"'))

    assert clock.slept == 4


@pytest.mark.parametrize(
    ("answer", "auto_register", "told"),
    [
        ((200, {"is_compatible": True}), True, None),
        ((200, {"is_compatible": False}), True, "schema of subject a-value incompatible"),
        ((404, {"error_code": 40401, "message": "no subject"}), True, None),
        ((404, {"error_code": 40401, "message": "no subject"}), False, "register the file from schemas/ there"),
        ((401, {"error_code": 40101, "message": "no"}), True, "check registry.username"),
        ((503, {"error_code": 503, "message": "busy"}), True, "does not answer"),
    ],
)
def test_whether_schemas_fit_is_asked_without_registering_any(
    stub: Stub, answer: Answer, auto_register: bool, told: str | None
) -> None:
    stub.answers.append(answer)
    asked = registry(stub.url, auto_register=auto_register)

    if told is None:
        asked.insist_on_fit({"a-value": '"int"'})
    else:
        with pytest.raises(ConfigError, match=told):
            asked.insist_on_fit({"a-value": '"int"'})
    assert [path for verb, path, _ in stub.asked if path.partition("?")[0].endswith("a-value/versions")] == []


def test_a_schema_is_found_by_its_id(stub: Stub) -> None:
    stub.answers.append((200, {"schema": '"int"'}))

    assert registry(stub.url).lookup(7) == '"int"'
    assert stub.asked[0][1].startswith("/schemas/ids/7")


@pytest.mark.parametrize(
    "answer",
    [
        (404, {"error_code": 40403, "message": "no"}),
        (200, {"schema": "{}", "schemaType": "PROTOBUF"}),
        (200, {"schema": "{}", "references": [{"name": "a", "subject": "b", "version": 1}]}),
        (200, {}),
    ],
)
def test_a_schema_that_is_not_there_or_of_no_use_is_the_records_fault(stub: Stub, answer: Answer) -> None:
    stub.answers.append(answer)

    with pytest.raises(UnreadableError) as refused:
        registry(stub.url).lookup(7)

    assert refused.value.reason == "unknown_schema"


def test_an_id_that_the_registry_lacks_is_asked_for_again_only_after_a_while(stub: Stub) -> None:
    clock = Hasty()
    found = registry(stub.url, clock)
    stub.answers += [(404, {"error_code": 40403, "message": "no"})] * 2
    asked = []
    for pause_s in (0, 1, 31):
        clock.sleep(pause_s)
        with pytest.raises(UnreadableError, match="the registry has no schema 7"):
            found.lookup(7)
        asked.append(len(stub.asked))

    assert asked == [1, 1, 2]


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_registry_that_does_not_answer_a_look_up_is_not_the_records_fault(stub: Stub, status: int) -> None:
    stub.answers.append((status, {"error_code": status, "message": "no"}))

    with pytest.raises(RetryError, match="schema 7 cannot be looked up"):
        registry(stub.url).lookup(7)


def test_a_registry_that_is_down_is_not_the_records_fault() -> None:
    with pytest.raises(RetryError, match=r"schema 7 cannot be looked up at http://127\.0\.0\.1:1: "):
        registry("http://127.0.0.1:1").lookup(7)


def test_the_credentials_go_along(stub: Stub) -> None:
    stub.answers.append((200, {"schema": '"int"'}))
    registry(stub.url, username="u", password="p:w").lookup(7)

    assert stub.asked[0][2] == "Basic dTpwOnc="


def test_a_file_that_cannot_be_used_is_told_with_the_settings(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("nothing")
    for name, file in (("ca_file", "absent.pem"), ("certificate_file", "none.pem")):
        settings = RegistrySettings.model_validate({"url": "https://127.0.0.1:1", name: tmp_path / file})
        with pytest.raises(ConfigError, match=r"check registry\.ca_file, registry\.certificate_file"):
            Registry(settings, Hasty()).lookup(7)


def test_secrets_are_masked() -> None:
    settings = RegistrySettings.model_validate(
        {"url": "http://h", "username": "u", "password": "geheim", "certificate_file": "c", "key_password": "geheim"}
    )

    assert "geheim" not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"url": "localhost:8081"}, "url"),
        ({"url": "http://u:geheim@h"}, "registry.username"),
        ({"url": "http://h", "username": "u"}, "username, and password or password_file, come together"),
        ({"url": "http://h", "key_file": "k"}, "of no use without certificate_file"),
        ({"url": "http://h", "timeout_s": 0}, "timeout_s"),
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        RegistrySettings.model_validate(given)
    with pytest.raises(ConfigError) as named:
        load(None, {"registry": given})

    assert told in str(refused.value)
    assert "geheim" not in str(named.value)


def test_the_encoding_that_needs_a_registry_says_so() -> None:
    with pytest.raises(ConfigError, match=r"encoding avro-registry needs registry\.url"):
        load(None, {"encoding": "avro-registry"})
