"""Spans by OpenTelemetry: one for each transaction, linked to those of the records in it.

An extra: this module is imported only when `telemetry.tracing` is on. Where spans go, how many, and what the service is
called say OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`).
"""

from collections.abc import Sequence

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from worker.model.record import InRecord
from worker.runtime.headers import trace_headers

# Traces that one span is linked to; further ones are counted, not linked.
LINKS_MAX = 128
# A collector that is away must not hold up the end of the process.
_EXPORT_S = 2.0
_PROPAGATOR = TraceContextTextMapPropagator()


class Tracer:
    """Makes a span of each transaction (implements `worker.runtime.ports.Tracer`).

    Args:
        name: the service's, unless OpenTelemetry's variables name it.
        exporter: takes the spans; by default one for the OTLP of OpenTelemetry's variables.
    """

    def __init__(self, topic: str, *, name: str, version: str, exporter: SpanExporter | None = None) -> None:
        resource = Resource.create({"service.version": version})
        if str(resource.attributes["service.name"]).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": name}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter(timeout=_EXPORT_S)))
        self._tracer = self._provider.get_tracer("thread-history-worker", version)
        self._topic = topic
        self._span: trace.Span | None = None
        self._linked: set[str] = set()

    def saw(self, records: Sequence[InRecord]) -> None:
        """Records went into the transaction, which begins with the first."""
        if self._span is None:
            self._span = self._tracer.start_span(
                f"process {self._topic}",
                context=context.Context(),
                kind=trace.SpanKind.CONSUMER,
                attributes={
                    "messaging.system": "kafka",
                    "messaging.operation.type": "process",
                    "messaging.destination.name": self._topic,
                },
            )
        for record in records:
            if len(self._linked) < LINKS_MAX:
                self._link(self._span, record)

    def _link(self, span: trace.Span, record: InRecord) -> None:
        carrier = {name: (found or b"").decode("ascii", "replace") for name, found in trace_headers(record.headers)}
        told = carrier.get("traceparent", "")
        if not told or told in self._linked:
            return
        found = trace.get_current_span(_PROPAGATOR.extract(carrier, context.Context())).get_span_context()
        if found.is_valid:
            self._linked.add(told)
            span.add_link(found)

    def ended(self, records: int, error: str = "") -> None:
        """The transaction ended.

        Args:
            records: how many input records it held.
            error: why it failed, "" when it was committed.
        """
        span, self._span = self._span, None
        self._linked.clear()
        if span is None:
            return
        span.set_attribute("messaging.batch.message_count", records)
        if error:
            span.set_status(trace.StatusCode.ERROR, error)
        span.end()

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
