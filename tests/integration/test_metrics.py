"""Every metric, of a worker and a sink at work, as a real Prometheus sees it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.factories import event
from tests.integration.harness import Deployment, interleaved, until, vector_threads
from tests.integration.prometheus import MISSING, Prometheus
from tests.integration.sinks import Sinks, forget, produce
from tests.integration.watching import address
from worker.telemetry.definitions import METRICS

pytestmark = [pytest.mark.integration, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

# Lines of a thread whose ordinals tell something: a repetition, a gap, a late one, another under the same number.
ORDINALS = [
    ("odd", ordinal, event("turn_aborted", reason=reason))
    for ordinal, reason in ((0, "replaced"), (0, "replaced"), (5, "replaced"), (2, "replaced"), (2, "interrupted"))
]
LONG = ("long", 0, event("user_message", message="x" * 10_000))
# What each metric must come to, `{sent}` being the input records. What needs a fault of our own is there, at 0.
PLAUSIBLE = {
    "records_consumed_total": "sum(rollout_records_consumed_total) == {sent}",
    "mutations_published_total": "sum(rollout_mutations_published_total) > {sent} / 4",
    "record_age_at_commit_seconds": "sum(rollout_record_age_at_commit_seconds_count) == {sent}",
    "loop_seconds_total": (
        "abs(sum by (job) (rollout_loop_seconds_total) - on (job) (time() - process_start_time_seconds)) < 10"
    ),
    "reduce_duration_seconds": "rollout_reduce_duration_seconds_count > {sent} / 80",
    "rejected_records_total": "sum(rollout_rejected_records_total) > 1",
    "parked_records_total": "sum(rollout_parked_records_total) == 0",
    "redriven_records_total": "sum(rollout_redriven_records_total) == 0",
    "unknown_total": "sum(rollout_unknown_total) > 0",
    "truncated_total": "rollout_truncated_total > 0",
    "ordinal_anomalies_total": "min(rollout_ordinal_anomalies_total) > 0",
    "misplaced_threads_total": "rollout_misplaced_threads_total == 1",
    "parked_threads": "rollout_parked_threads == 0",
    "transactions_total": 'rollout_transactions_total{{outcome="committed"}} > 0',
    "transaction_duration_seconds": 'rollout_transaction_duration_seconds_sum{{outcome="committed"}} > 0',
    "commit_duration_seconds": "rollout_commit_duration_seconds_sum > 0",
    "producer_recycles_total": "sum(rollout_producer_recycles_total) == 0",
    "partition_lag_records": "sum by (job) (rollout_partition_lag_records) == 0",
    "partition_lag_seconds": "max(rollout_partition_lag_seconds) == 0",
    "partition_last_progress_timestamp_seconds": "max(time() - rollout_partition_last_progress_timestamp_seconds) < 20",
    "partition_state": 'sum(rollout_partition_state{{job="worker", phase="running"}}) == 4',
    "assigned_partitions": 'sum(rollout_assigned_partitions{{job="sink"}}) == 12',
    "topic_partitions": 'sum(rollout_topic_partitions{{job="worker"}}) == 4',
    "rebalances_total": 'min by (kind) (rollout_rebalances_total{{kind="assign"}}) > 0',
    "rebalance_duration_seconds": 'rollout_rebalance_duration_seconds_count{{kind="assign"}} > 0',
    "consumer_paused_seconds_total": "count(rollout_consumer_paused_seconds_total) == 3",
    "last_poll_timestamp_seconds": "max(time() - rollout_last_poll_timestamp_seconds) < 10",
    "restore_records_total": "rollout_restore_records_total == 0",
    "restore_remaining_records": "absent(rollout_restore_remaining_records)",
    "restore_duration_seconds": 'rollout_restore_duration_seconds_count{{cause="start"}} == 4',
    "state_entries": "min(rollout_state_entries) > 0",
    "state_bytes": "min(rollout_state_bytes) > 0",
    "state_lookups_total": "sum(rollout_state_lookups_total) > 0",
    "state_evictions_total": "sum(rollout_state_evictions_total) > 0",
    "sink_records_total": "sum(rollout_sink_records_total) == scalar(sum(rollout_mutations_published_total))",
    "sink_batches_total": 'rollout_sink_batches_total{{outcome="written"}} > 0',
    "sink_batch_duration_seconds": 'rollout_sink_batch_duration_seconds_sum{{outcome="written"}} > 0',
    "sink_record_age_seconds": "rollout_sink_record_age_seconds_count == scalar(sum(rollout_sink_records_total))",
    "kafka_broker_rtt_seconds": 'min(rollout_kafka_broker_rtt_seconds{{client!="restore", job="worker"}}) > 0',
    "kafka_queue_messages": "min(rollout_kafka_queue_messages) >= 0",
    "kafka_errors_total": "sum(rollout_kafka_errors_total) >= 0",
    "build_info": 'count(rollout_build_info{{version!="", librdkafka!=""}}) == 2',
    "config_info": 'count(rollout_config_info{{guarantee="exactly_once"}}) == 2',
}


@pytest.fixture
def sinks(deployment: Deployment, dsn: str) -> Iterator[Sinks]:
    made = Sinks(deployment, dsn)
    yield made
    made.close()


def _load(deployment: Deployment) -> int:
    """Have all outcomes happen that need no fault of our own; return how many input records that takes."""
    topic, threads = deployment.names.input, list(vector_threads())
    sent = deployment.publish([*interleaved(threads), *ORDINALS, LONG, ("blank", 0, b"")])
    produce(deployment, topic, b"", b"{}")
    produce(deployment, topic, b"framed", b"\xc3\x01cut")
    for number in range(2):  # one of them is where it does not belong
        produce(deployment, topic, b"placed", event("task_started"), partition=number)
    return sent + 4


def test_every_metric_is_seen_with_a_plausible_value(deployment: Deployment, sinks: Sinks) -> None:
    worker = deployment.start("0", TELEMETRY__PORT=0, ITEM_BYTES_MAX=4_096, STORE__CACHE_BYTES=1 << 20)
    sink = sinks.start(TELEMETRY__PORT=0)
    with Prometheus({"worker": [address(worker)], "sink": [address(sink)]}) as prometheus:
        sent = _load(deployment)
        deployment.until_through()
        forget(deployment, ["odd"])
        deployment.until_through()
        told: dict[str, Any] = {"sent": sent + 1}
        wanted = {name: expression.format_map(told) for name, expression in PLAUSIBLE.items()}

        def implausible() -> dict[str, Any]:
            return {text: prometheus.query(text) for text in wanted.values() if not prometheus.query(text)}

        until(lambda: not implausible(), 40, "all is plausible", _Told(implausible))
        assert {f"rollout_{name}" for name in PLAUSIBLE} == METRICS.keys()
        assert _not_defined(prometheus) == []
        outcomes = {labels["outcome"] for labels, _ in prometheus.query("rollout_records_consumed_total > 0")}
        assert outcomes == {"processed", "rejected", "blank", "skipped_duplicate", "forget"}


def _not_defined(prometheus: Prometheus) -> list[tuple[str, str, str]]:
    """Return label values that are not among those that the definitions say a label has."""
    return [
        (name, label, found[label])
        for name, metric in METRICS.items()
        for found, _ in prometheus.query(f"{name}{'_count' if metric.kind == 'histogram' else ''}")
        for label, values in metric.labels.items()
        if values and found[label] not in values
    ]


class _Told:
    """Shows what is not as it should be."""

    def __init__(self, look: Any) -> None:
        self._look = look

    def said(self) -> str:
        return "\n".join(self._look())
