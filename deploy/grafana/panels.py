"""What the dashboard shows: rows, each of which answers one question, and their panels, from left to right.

`$on` in a query stands for the labels by which the variables of the dashboard choose; Grafana's `$__rate_interval` is
the span of a rate that fits the screen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a panel shows what it has.

    Attributes:
        unit: as Grafana names it.
        width: of 24.
        red: from this value on, or below it where `low_is_bad`; None shows no threshold.
        help: what it tells and what is normal.
    """

    kind: Literal["timeseries", "stat", "heatmap", "state-timeline", "table"] = "timeseries"
    unit: str = "short"
    width: int = 8
    stacked: bool = False
    red: float | None = None
    low_is_bad: bool = False
    help: str = ""


@dataclass(frozen=True)
class Panel:
    """A panel: its title, and queries (PromQL) by their legends."""

    title: str
    queries: Mapping[str, str]
    look: Look = Look()


def _one(title: str, query: str, **look: object) -> Panel:
    return Panel(title, {"": query}, Look(kind="stat", **look))  # type: ignore[arg-type]


def _by(title: str, legend: str, query: str, **look: object) -> Panel:
    return Panel(title, {legend: query}, Look(**look))  # type: ignore[arg-type]


def _rate(metric: str, by: str = "", **matching: str) -> str:
    more = "".join(f',{label}="{found}"' for label, found in matching.items())
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{$on{more}}}[$__rate_interval]))"


def _rates(title: str, metric: str, by: str, **look: object) -> Panel:
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return _by(title, legend, _rate(metric, by), **{"unit": "ops", **look})


def _times(title: str, metric: str, by: str = "", **look: object) -> Panel:
    """Return the median and the 99th percentile of a histogram of seconds, by a label if one is named."""
    legend = f" {{{{{by}}}}}" if by else ""
    rates = _rate(f"{metric}_bucket", f"le, {by}" if by else "le")
    queries = {
        f"p{share:.0%}{legend}".replace("%", ""): f"histogram_quantile({share}, {rates})" for share in (0.5, 0.99)
    }
    return Panel(title, queries, Look(**{"unit": "s", **look}))  # type: ignore[arg-type]


def _late(span: str) -> str:
    age = "rollout_record_age_at_commit_seconds"
    return f'(1 - sum(increase({age}_bucket{{$on,le="5.0"}}[{span}])) / sum(increase({age}_count{{$on}}[{span}])))'


_UNOWNED = (
    "max by (job, topic) (rollout_topic_partitions{$all}) - sum by (job, topic) (rollout_assigned_partitions{$all})"
)
_AGES = "sum by (le) (increase(rollout_record_age_at_commit_seconds_bucket{$on}[$__rate_interval]))"
_LOOPS = "scalar(count(rollout_last_poll_timestamp_seconds{$on}))"
_PHASES = " or ".join(
    f'rollout_partition_state{{$on,phase="{phase}"}} * {number}'
    for number, phase in enumerate(("running", "restoring", "paused"), 1)
)
_FIRING = 'count(ALERTS{alertname=~"Rollout.+",alertstate="firing"}) or vector(0)'

ROWS: dict[str, list[Panel]] = {
    "Is it healthy?": [
        _one(
            "Fresh",
            f"1 - {_late('1h')}",
            unit="percentunit",
            width=4,
            red=0.995,
            low_is_bad=True,
            help="Share of the last hour's records committed within 5 s of their timestamp.",
        ),
        _one(
            "Budget left",
            f"1 - {_late('28d')} / 0.005",
            unit="percentunit",
            width=4,
            red=0.1,
            low_is_bad=True,
            help="Of the 0.5 % of records that may be late in 28 days.",
        ),
        _one("Oldest record to do", "max(rollout_partition_lag_seconds{$on})", unit="s", width=4, red=120),
        _one("Partitions without owner", f"sum({_UNOWNED})", width=4, red=1, help="Whichever instances are chosen."),
        _one("Threads parked", "sum(rollout_parked_threads{$on})", width=3, red=1),
        _one("Processes", "count(rollout_build_info{$on})", width=2),
        _one("Alerts", _FIRING, width=3, red=1, help="Firing now."),
    ],
    "Is it keeping up?": [
        _rates("In", "rollout_records_consumed_total", "outcome", stacked=True),
        _rates("Out", "rollout_mutations_published_total", "projection, kind", stacked=True),
        _by("Age at commit", "{{le}}", _AGES, kind="heatmap", unit="s", help="Less than 5 s is in time."),
        _by("Lag, records", "{{topic}}/{{partition}}", "topk(10, rollout_partition_lag_records{$on})", width=12),
        _by(
            "Lag, time",
            "{{topic}}/{{partition}}",
            "topk(10, rollout_partition_lag_seconds{$on})",
            unit="s",
            width=12,
            red=120,
        ),
    ],
    "Where does the time go?": [
        _by(
            "Loop by stage",
            "{{stage}}",
            f"{_rate('rollout_loop_seconds_total', 'stage')} / {_LOOPS}",
            unit="percentunit",
            width=12,
            stacked=True,
            help="Share of one process' time; `poll` and `idle` are waits.",
        ),
        _times("Reduce one record", "rollout_reduce_duration_seconds", width=6),
        _times("Commit", "rollout_commit_duration_seconds", width=6),
    ],
    "Transactions": [
        _rates("Ended", "rollout_transactions_total", "outcome", width=6),
        _times("Open for", "rollout_transaction_duration_seconds", "outcome", width=6),
        _by(
            "Records in one",
            "records",
            f"{_rate('rollout_records_consumed_total')} / {_rate('rollout_transactions_total', outcome='committed')}",
            width=6,
        ),
        _by(
            "New producers in an hour",
            "{{reason}}",
            "sum by (reason) (increase(rollout_producer_recycles_total{$on}[1h]))",
            width=6,
            help="Some at each restart of a broker are normal.",
        ),
    ],
    "Group": [
        _by("Partitions by process", "{{instance}} {{topic}}", "rollout_assigned_partitions{$on}"),
        _by(
            "State of partitions",
            "{{topic}}/{{partition}}",
            f"max by (topic, partition) ({_PHASES})",
            kind="state-timeline",
            width=16,
            help="A gap is a time without owner.",
        ),
        _by(
            "Rebalances in 15 minutes",
            "{{kind}}",
            "sum by (kind) (increase(rollout_rebalances_total{$on}[15m]))",
            width=6,
        ),
        _times("Time in a rebalance", "rollout_rebalance_duration_seconds", "kind", width=6),
        _by(
            "Since the last poll",
            "{{instance}}",
            "time() - (rollout_last_poll_timestamp_seconds{$on} > 0)",
            unit="s",
            width=6,
            red=120,
        ),
        _rates("Not reading, and why", "rollout_consumer_paused_seconds_total", "reason", unit="percentunit", width=6),
    ],
    "State": [
        _by("Entries", "{{tier}}", "sum by (tier) (rollout_state_entries{$on})"),
        _by("Bytes", "{{instance}} {{tier}}", "sum by (instance, tier) (rollout_state_bytes{$on})", unit="bytes"),
        _by(
            "Threads found in memory",
            "hits",
            f"{_rate('rollout_state_lookups_total', result='hit')} / {_rate('rollout_state_lookups_total')}",
            unit="percentunit",
        ),
        _rates("Dropped from memory", "rollout_state_evictions_total", "reason"),
        _by("Records to restore", "{{partition}}", "rollout_restore_remaining_records{$on}"),
        _by(
            "Restored in",
            "left",
            f"sum(rollout_restore_remaining_records{{$on}}) / {_rate('rollout_restore_records_total')}",
            unit="s",
            help="At the present rate.",
        ),
    ],
    "Errors": [
        _rates("Rejected", "rollout_rejected_records_total", "reason"),
        _rates("Parked", "rollout_parked_records_total", "reason"),
        _rates("Taken up again", "rollout_redriven_records_total", "outcome"),
        _rates("Ordinals out of line", "rollout_ordinal_anomalies_total", "kind"),
        Panel(
            "Misplaced threads, cut items",
            {"misplaced": _rate("rollout_misplaced_threads_total"), "cut": _rate("rollout_truncated_total")},
            Look(unit="ops"),
        ),
        _by("Unknown kinds", "{{kind}}", "sum by (kind) (rollout_unknown_total{$on})", help="Since the start."),
    ],
    "PostgreSQL sink": [
        _rates("Mutations", "rollout_sink_records_total", "topic", width=6, stacked=True),
        _rates("Batches", "rollout_sink_batches_total", "outcome", width=6),
        _times("One batch", "rollout_sink_batch_duration_seconds", "outcome", width=6),
        _times("Age when stored", "rollout_sink_record_age_seconds", width=6),
    ],
    "Kafka clients": [
        _by("Round trip", "{{client}}", "max by (client) (rollout_kafka_broker_rtt_seconds{$on})", unit="s"),
        _by(
            "Records in queues",
            "{{instance}} {{client}}",
            "sum by (instance, client) (rollout_kafka_queue_messages{$on})",
        ),
        _rates("Errors", "rollout_kafka_errors_total", "client, code"),
    ],
    "Process": [
        _by(
            "Resident memory",
            "{{instance}}",
            "process_resident_memory_bytes{$on}",
            unit="bytes",
            width=6,
            help="With pages of the store's files, which are given back when needed.",
        ),
        _by("Cores", "{{instance}}", "rate(process_cpu_seconds_total{$on}[$__rate_interval])", width=6),
        _by("Open files", "{{instance}}", "process_open_fds{$on}", width=6),
        _rates("Garbage collections", "python_gc_collections_total", "generation", width=6),
        _by("Up for", "{{instance}}", "time() - process_start_time_seconds{$on}", unit="s", width=6),
        Panel("Releases", {"": "rollout_build_info{$on}"}, Look(kind="table", width=9)),
        Panel("Settings", {"": "rollout_config_info{$on}"}, Look(kind="table", width=9)),
    ],
}
