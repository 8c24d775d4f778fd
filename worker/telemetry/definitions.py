"""Every metric, in the order of docs/metrics.md, which is made from this (`python -m docs.metrics --write`).

No label has values that data can grow without bound: no ids, keys, offsets or texts of errors. Those go to the log.
"""

from typing import Any

from worker.telemetry.definition import Kind, Metric, Role

_WORKER: tuple[Role, ...] = ("worker",)
_SINK: tuple[Role, ...] = ("sink",)
_BOTH: tuple[Role, ...] = ("worker", "sink")

AGES_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_SHORT_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_REDUCE_S = (50e-6, 100e-6, 250e-6, 500e-6, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)
_LONG_S = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)

OUTCOMES = ("processed", "rejected", "blank", "skipped_duplicate", "parked", "forget", "control")
STAGES = ("poll", "decode", "reduce", "encode", "produce", "commit", "state_write", "backpressure", "rebalance", "idle")
PHASES = ("restoring", "running", "paused")
CLIENTS = ("consumer", "producer", "restore")
CODES = ("transmit", "receive", "request_timeout", "future_timestamp")
_CLIENT = {"client": CLIENTS}
_PARTITION: dict[str, tuple[str, ...]] = {"topic": (), "partition": ()}


def _metric(kind: Kind, roles: tuple[Role, ...], name: str, text: str, **more: Any) -> Metric:
    return Metric(f"rollout_{name}", kind, text, more.pop("labels", {}), roles, **more)


def _counter(roles: tuple[Role, ...], name: str, text: str, **labels: tuple[str, ...]) -> Metric:
    return _metric("counter", roles, f"{name}_total", text, labels=labels)


def _gauge(roles: tuple[Role, ...], name: str, text: str, **labels: tuple[str, ...]) -> Metric:
    return _metric("gauge", roles, name, text, labels=labels)


def _live(roles: tuple[Role, ...], name: str, text: str, **labels: tuple[str, ...]) -> Metric:
    return _metric("gauge", roles, name, text, labels=labels, live=True)


def _histogram(
    roles: tuple[Role, ...], name: str, text: str, buckets: tuple[float, ...], **labels: tuple[str, ...]
) -> Metric:
    return _metric("histogram", roles, name, text, labels=labels, buckets=buckets)


_WORK = (
    _counter(
        _WORKER, "records_consumed", "Input records by what became of them; counted when it is committed.",
        topic=(), outcome=OUTCOMES,
    ),
    _counter(
        _WORKER, "mutations_published", "Records on the mutation topics, counted when they are committed.",
        projection=(), kind=("upsert", "event", "removal", "tombstone", "null"),
    ),
    _histogram(
        _WORKER, "record_age_at_commit_seconds", "Commit time less the input record's timestamp: the service level.",
        AGES_S, topic=(),
    ),
    _counter(
        _WORKER, "loop_seconds",
        "Where the loop's time goes; all stages together are the wall time. Decode, reduce and encode share what they "
        "take together as one record in 32 does.",
        stage=STAGES,
    ),
    _histogram(
        _WORKER, "reduce_duration_seconds", "Reducing and observing one record; one record in 32 is looked at.",
        _REDUCE_S,
    ),
    _counter(_WORKER, "rejected_records", "Records sent to the dead letters, by reason.",
             reason=("rejected", "bad_frame", "unknown_schema", "bad_key")),
    _counter(_WORKER, "parked_records", "Records set aside because our own code failed on their thread.",
             reason=("reduce", "project", "encode", "behind")),
    _counter(_WORKER, "redriven_records", "Parked records taken up again, by what became of them.",
             outcome=("processed", "parked")),
    _counter(_WORKER, "unknown", "Lines and items of kinds this release does not know.", kind=()),
    _counter(_WORKER, "truncated", "Items cut to item_bytes_max."),
    _counter(_WORKER, "ordinal_anomalies", "Lines whose ordinal is not the next one of their thread.",
             kind=("repeated", "late", "conflict", "gap")),
    _counter(_WORKER, "misplaced_threads", "Threads on another partition than the default partitioner gives."),
    _gauge(_WORKER, "parked_threads", "Threads parked now, on the partitions of this process."),
)  # fmt: skip

_TRANSACTIONS = (
    _counter(
        _WORKER, "transactions", "Ended transactions; ambiguous: nobody knows how; what was in it is read again.",
        outcome=("committed", "aborted", "ambiguous"),
    ),
    _histogram(
        _WORKER, "transaction_duration_seconds", "From a transaction's first record to its end.",
        _SHORT_S, outcome=("committed", "aborted"),
    ),
    _histogram(_WORKER, "commit_duration_seconds", "Sending the offsets and committing.", _SHORT_S),
    _counter(
        _WORKER, "producer_recycles", "Producers replaced by new ones.",
        reason=("timeout", "extra_endtxn", "fenced", "fatal"),
    ),
)  # fmt: skip

_PARTITIONS = (
    _live(
        _BOTH, "partition_lag_records",
        "Offsets between the next one to process and the end of what is committed.", **_PARTITION,
    ),
    _live(
        _BOTH, "partition_lag_seconds", "Age of the oldest record that is not processed; 0 when there is none.",
        **_PARTITION,
    ),
    _live(
        _BOTH, "partition_last_progress_timestamp_seconds",
        "When the partition was last moved by a commit, or seen to have nothing to do.", **_PARTITION,
    ),
    _live(
        _BOTH, "partition_state", "1 for the phase a partition is in; the others have no series.",
        **_PARTITION, phase=PHASES,
    ),
    _live(_BOTH, "assigned_partitions", "Partitions assigned to this process.", topic=()),
    _gauge(_BOTH, "topic_partitions", "Partitions the topic has.", topic=()),
    _counter(_BOTH, "rebalances", "Times that partitions came or went.", kind=("assign", "revoke", "lost")),
    _histogram(
        _WORKER, "rebalance_duration_seconds", "Time spent on it while the group waits.",
        _SHORT_S, kind=("assign", "revoke", "lost"),
    ),
    _counter(
        _WORKER, "consumer_paused_seconds",
        "Time in which nothing was read: the producer's queue was full, a retry was due, partitions were restored.",
        reason=("backpressure", "retry", "restore"),
    ),
    _live(_BOTH, "last_poll_timestamp_seconds", "When the loop last asked the client for records."),
)  # fmt: skip

_STATE = (
    _counter(_WORKER, "restore_records", "Changelog records read into stores."),
    _live(_WORKER, "restore_remaining_records", "Changelog offsets still to be read; gone when done.", partition=()),
    _histogram(
        _WORKER, "restore_duration_seconds", "From the assignment, or the failure, to the first record.",
        _LONG_S, cause=("start", "rebalance", "retry"),
    ),
    _gauge(_WORKER, "state_entries", "memory: threads kept decoded; disk: rows.", tier=("memory", "disk")),
    _gauge(_WORKER, "state_bytes", "memory: of the threads kept decoded, roughly; disk: of the stores' pages.",
           tier=("memory", "disk")),
    _counter(_WORKER, "state_lookups", "Threads asked for, once a transaction; hit: decoded in memory.",
             result=("hit", "miss")),
    _counter(_WORKER, "state_evictions", "Threads dropped from memory to keep its bound.", reason=("size",)),
)  # fmt: skip

_STORE = (
    _counter(_SINK, "sink_records", "Mutations the store has taken, nulls included.", topic=()),
    _counter(
        _SINK, "sink_batches", "Transactions of the store; refused: another process had written these partitions.",
        outcome=("written", "refused", "failed"),
    ),
    _histogram(
        _SINK, "sink_batch_duration_seconds", "One transaction of the store.", _SHORT_S, outcome=("written", "failed")
    ),
    _histogram(
        _SINK, "sink_record_age_seconds", "Time of the store's commit less the mutation's timestamp.", AGES_S
    ),
)  # fmt: skip

_PROCESS = (
    _gauge(_BOTH, "kafka_broker_rtt_seconds", "Round trip of requests, the mean of the brokers' means.", **_CLIENT),
    _gauge(_BOTH, "kafka_queue_messages", "Records waiting in the client's queues.", **_CLIENT),
    _counter(_BOTH, "kafka_errors", "What the clients met, over all brokers.", **_CLIENT, code=CODES),
    _gauge(_BOTH, "build_info", "1; the labels tell the release.", version=(), librdkafka=(), schema_version=()),
    _gauge(_BOTH, "config_info", "1; the labels tell settings.", guarantee=(), assignor=(), commit_interval=()),
)  # fmt: skip

# Sections of docs/metrics.md.
SECTIONS: dict[str, tuple[Metric, ...]] = {
    "Records": _WORK,
    "Transactions": _TRANSACTIONS,
    "Partitions and the group": _PARTITIONS,
    "State": _STATE,
    "PostgreSQL sink": _STORE,
    "Kafka clients and process": _PROCESS,
}
METRICS: dict[str, Metric] = {metric.name: metric for some in SECTIONS.values() for metric in some}


def metrics(role: Role) -> list[Metric]:
    """Return the metrics of a process."""
    return [metric for metric in METRICS.values() if role in metric.roles]
