"""Traces: a mutation carries the trace of its record, and a transaction's span is linked to those of its records."""

import subprocess
import sys

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.factories import event
from worker.app import task_maker
from worker.config import Settings, load
from worker.model.record import Headers, InRecord
from worker.runtime.headers import TRACE_BYTES_MAX, trace_headers
from worker.telemetry.tracing import LINKS_MAX, Tracer

TOPIC = "codex.rollout-items"


def traceparent(number: int) -> Headers:
    return [("traceparent", b"00-%032x-%016x-01" % (number, number))]


def record(offset: int, headers: Headers) -> InRecord:
    return InRecord(TOPIC, 0, offset, b"thread", event("task_started", turn_id=str(offset)), headers, 0)


def traced() -> tuple[Tracer, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    return Tracer(TOPIC, name="group", version="1", exporter=exporter), exporter


def test_a_transaction_is_one_span_linked_to_its_records_traces() -> None:
    tracer, exporter = traced()
    tracer.saw([record(0, traceparent(1)), record(1, [])])
    tracer.saw([record(2, traceparent(2)), record(3, traceparent(1)), record(4, [("traceparent", b"nonsense")])])
    tracer.ended(5)
    tracer.saw([record(5, [])])
    tracer.ended(1, "no broker")
    tracer.close()

    first, second = exporter.get_finished_spans()
    assert (first.name, first.resource.attributes["service.name"]) == (f"process {TOPIC}", "group")
    assert [link.context.trace_id for link in first.links] == [1, 2]
    assert dict(first.attributes or {})["messaging.batch.message_count"] == 5
    assert (first.status.is_ok or first.status.is_unset, second.status.description) == (True, "no broker")
    assert first.context.trace_id != second.context.trace_id


def test_links_are_bounded() -> None:
    tracer, exporter = traced()
    tracer.saw([record(number, traceparent(number)) for number in range(1, LINKS_MAX + 50)])
    tracer.ended(LINKS_MAX + 49)
    tracer.close()

    assert len(exporter.get_finished_spans()[0].links) == LINKS_MAX


def test_a_mutation_carries_the_trace_of_its_record_only_when_it_is_wanted() -> None:
    headers = [*traceparent(7), ("tracestate", b"vendor=1"), ("rollout-ordinal", b"0")]

    on = task_maker(load(None, {"telemetry": {"tracing": True}}))(0).process([record(0, headers)]).out
    off = task_maker(Settings())(0).process([record(0, headers)]).out

    assert [trace_headers(out.headers) for out in on] == [headers[:2]] * len(on) != []
    assert [trace_headers(out.headers) for out in off] == [[]] * len(on)


def test_a_trace_that_is_too_long_or_told_often_is_not_carried() -> None:
    longest, longer = b"v" * TRACE_BYTES_MAX, b"v" * (TRACE_BYTES_MAX + 1)

    assert trace_headers([("tracestate", longer), ("traceparent", longest)]) == [("traceparent", longest)]
    assert trace_headers([("traceparent", b"00")] * 9) == [("traceparent", b"00")]


def test_nothing_of_opentelemetry_is_imported_when_it_is_off() -> None:
    code = "import sys; from worker import app, cli; print([n for n in sys.modules if n.startswith('opentelemetry')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
