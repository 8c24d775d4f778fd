"""Traces through a worker: from an input record's header to its mutations' headers and to a collector."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.factories import event
from tests.integration.harness import Deployment, until
from tests.integration.sinks import produce

pytestmark = pytest.mark.integration

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01".encode()


class Collector(HTTPServer):
    """Takes spans as a collector does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.spans: list[Span] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for of_resource in request.resource_spans:
            for of_scope in of_resource.scope_spans:
                self.server.spans += of_scope.spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.shutdown()
    running.server_close()


def test_a_trace_goes_through_a_worker_and_a_collector_that_is_away_holds_up_no_end(
    deployment: Deployment, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    worker = deployment.start("0", TELEMETRY__TRACING="true")
    headers = [("traceparent", TRACEPARENT)]
    produce(deployment, deployment.names.input, b"thread", event("task_started"), headers=headers)
    deployment.until_through()
    until(lambda: bool(collector.spans), 30, "a span comes", worker)

    span = collector.spans[0]
    assert [link.trace_id.hex() for link in span.links] == [TRACE]
    assert span.name == f"process {deployment.names.input}"
    assert {dict(record.headers)["traceparent"] for record in deployment.published()} == {TRACEPARENT}

    collector.shutdown()
    collector.server_close()
    produce(deployment, deployment.names.input, b"thread", event("task_started", turn_id="2"), headers=headers)
    deployment.until_through()
    began = time.monotonic()
    assert worker.terminate(30) == 0
    assert time.monotonic() - began < 15
