"""The report for people."""

from collections.abc import Callable, Iterable
from typing import Any

Rows = Iterable[Iterable[object]]

# A load average above this before the first measure means that others were at work.
_QUIET = 0.8

# Main figure: what it is, and where it should be.
GOALS = {
    "null_ratio": ("worker by null loop, records/s", "at least 0.55"),
    "quix_ratio": ("worker by Quix Streams, records/s", "at least 3"),
    "faust_ratio": ("worker by Faust, records/s", "at least 20"),
    "streams_ratio": ("worker by Kafka Streams (Java, no reduction), records/s", "none"),
    "flat_ratio": ("event of a 20,000-line thread by one of a 100-line thread, µs", "at most 1.1"),
    "scale_ratio": ("processor time of a record, one process by two", "at least 0.87"),
    "write_amplification": ("log bytes written by log bytes read, before compaction", "at most 3"),
    "p99_ms": ("append to visible mutation at half load, 99th percentile, ms", "at most 550"),
}


def table(heads: Iterable[str], rows: Rows) -> str:
    """Return a table."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.10g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _headline(found: dict[str, Any]) -> str:
    rows = [(f"`{name}`", what, found.get(name), goal) for name, (what, goal) in GOALS.items()]
    return table(("figure", "what", "found", "goal"), rows)


def _warning(found: dict[str, Any]) -> list[str]:
    """Return what keeps the figures from being relied on."""
    loads = [part["load_before"] for part in found.values() if isinstance(part, dict) and "load_before" in part]
    warnings = []
    if found["settings"]["scale"] != "full":
        warnings.append("**A run of small scale, to see that all parts work: its figures mean little.**\n")
    if loads and loads[0] > _QUIET:
        warnings.append(f"**The machine was not quiet (load average {loads[0]} before the first measure).**\n")
    return warnings


def _machine(found: dict[str, Any]) -> str:
    known = {**found["machine"], "scale": found["settings"]["scale"], "rounds": found["settings"]["rounds"]}
    return table(("", ""), [(name, str(value)) for name, value in known.items()])


def _reduce(part: dict[str, Any]) -> str:
    lengths = [(row["lines"], row["us"], row["reference_us"], row["ahead"]) for row in part["by_length"]]
    return "\n".join([
        (f"Lines of {part['event_bytes']} bytes, {part['mutations_per_event']} mutations each, microseconds of "
            "processor time an event, from bytes to encoded mutations and rows in a store in memory:\n"),
        table(("lines of the thread", "µs an event", "reference (Rust), µs", "times ahead"), lengths),
        "The reference's figures were taken on threads of 350 bytes a line; 10,000 stands for more than that.\n",
        "![Cost by length](length.svg)\n",
        "Each stage alone, in threads of 100 lines; *reduce_project* is a decoded event in, mutations out:\n",
        table(("stage", "µs an event"), part["stages_us"].items()),
        f"Decode, reduce and project, encode together: {part['decode_reduce_encode_us']} µs.\n",
        table(
            ("kind", "events", "reduce and project, µs"),
            [(f"`{row['kind']}`", row["events"], row["reduce_project_us"]) for row in part["by_kind"]],
        ),
    ])  # fmt: skip


_RUN = ("records/s", "processor µs a record", "broker's µs a record", "rounds, records/s")


def _run(part: dict[str, Any]) -> list[object]:
    rounds = ", ".join(f"{rate:,}" for rate in part["rounds"])
    return [round(part["records_per_s"]), part["cpu_us"], part["broker_us"], rounds]


def _loop(part: dict[str, Any]) -> str:
    intervals = [[row["commit_interval_s"], *_run(row)] for row in part["by_interval"]]
    return "\n".join([
        (f"{part['records']:,} records of {part['record_bytes']} bytes on {part['partitions']} partitions; one "
            f"process, default settings, exactly once, state on disk; {part['mutations_per_s']:,} mutations/s.\n"),
        table(("", *_RUN), [["worker", *_run(part["worker"])], ["null loop", *_run(part["null_loop"])]]),
        (f"The null loop wrote {part['null_loop']['mutations']:,} mutations and {part['null_loop']['rows']:,} rows, "
            f"the worker {part['worker']['mutations']:,} and {part['worker']['rows']:,}. By processor time the "
            f"ratio is {part['cpu_ratio']}.\n"),
        table(("commit interval, s", *_RUN), intervals),
        "![Throughput by commit interval](interval.svg)\n",
    ])  # fmt: skip


def _peers(part: dict[str, Any]) -> str:
    rows = [["worker", *_run(part["worker"]), None, None]]
    rows += [
        [name, *_run(peer), peer["ratio"], peer["cpu_ratio"]] for name, peer in part["peers"].items() if "ratio" in peer
    ]
    told = [(name, peer["records"], peer["outputs"], peer["settings"]) for name, peer in part["peers"].items()]
    errors = [f"- {name} failed: `{peer['error']}`\n" for name, peer in part["peers"].items() if "error" in peer]
    return "\n".join([
        ("Quix Streams and Faust run this project's own reducer and projections; Kafka Streams decodes the JSON, reads "
            "a row and writes as many rows and outputs of the same sizes.\n"),
        table(("", *_RUN, "worker by it", "by processor time"), rows),
        *errors,
        table(("", "records", "outputs", "settings"), told),
    ])  # fmt: skip


def _latency(part: dict[str, Any]) -> str:
    rows = [
        (row["commit_interval_s"], f"{row['load']:.0%}", row["records_per_s"], row["p50_ms"], row["p99_ms"])
        for row in part["table"]
    ]
    return "\n".join([
        (f"Full load is {part['full_load_records_per_s']:,} records/s, what the worker reaches when there is always "
            "more to do; sender and reader take their share of the processors, too.\n"),
        table(("commit interval, s", "load", "records/s", "p50, ms", "p99, ms"), rows),
        "![Latency](latency.svg)\n",
    ])  # fmt: skip


def _scale(part: dict[str, Any]) -> str:
    rows = [["one process", *_run(part["one"])], ["two together", *_run(part["two"])]]
    return table(("", *_RUN), rows) + f"\nTwo together do {part['rate_ratio']} times the records/s of one.\n"


def _footprint(part: dict[str, Any]) -> str:
    heads = ("codec", "input, MB", "outputs, MB", "changelog, MB", "outputs by input", "changelog by input", "both")
    rows = [
        [row["codec"], *(round(row[f"{what}_bytes"] / 1e6, 1) for what in ("input", "output", "changelog")),
         row["outputs_per_input"], row["changelog_per_input"], row["write_amplification"]]
        for row in part["by_codec"]
    ]  # fmt: skip
    state = part["by_codec"][0]
    (written,) = [
        row["changelog_and_outputs_mb_per_million_items"] for row in part["by_codec"] if row["codec"] == "lz4"
    ]
    memory = [(row["records"], row["memory_mb"], row["state_disk_mb"]) for row in part["memory"]]
    return "\n".join([
        table(heads, rows),
        "For a million items, in MB:\n",
        table(
            ("what", "MB"),
            [
                ("state on the worker's disk", state["state_disk_mb_per_million_items"]),
                ("outputs and changelog in the log, lz4, before compaction", written),
                ("worker's memory, until `store.cache_bytes` is full", part["memory_mb_per_million_items"]),
            ],
        ),
        f"A worker's memory (anonymous pages) as {state['items']:,} items come into being:\n",
        table(("records", "memory, MB", "state on disk, MB"), memory),
    ])  # fmt: skip


def _profile(part: dict[str, Any]) -> str:
    functions = [
        (f"`{row['function']}`", f"{row['own']:.1%}", f"{row['with_called']:.1%}") for row in part["by_function"]
    ]
    return "\n".join([
        f"{part['samples']:,} samples of the main thread, by the innermost of our packages:\n",
        table(("package", "share"), [(name, f"{share:.1%}") for name, share in part["by_part"].items()]),
        table(("function", "alone", "with what it calls"), functions),
        "![Flame graph](flame.svg)\n",
    ])  # fmt: skip


def _model(part: dict[str, Any]) -> str:
    cost = part["cost"]
    heads = (
        "records/s", "worker processes", "partitions", "brokers", "broker processors", "disk, MB/s", "network, MB/s",
        "input, TB a day", "bottleneck",
    )  # fmt: skip
    names = (
        "records_per_s", "worker_processes", "partitions", "brokers", "broker_cores", "disk_mb_s", "network_mb_s",
        "input_tb_per_day", "bottleneck",
    )  # fmt: skip
    return "\n".join(
        [
            "## Cost model\n",
            (
                "Computed, not measured: its assumptions are argued in [docs/performance.md](../docs/performance.md). "
                f"Of a record it takes {cost['worker_us']} µs of a worker's processor and {cost['broker_us']} µs of a "
                f"broker's; {cost['input_bytes']:.0f}, {cost['output_bytes']:.0f} and {cost['changelog_bytes']:.0f} "
                "bytes of input, outputs and changelog in the log, compressed.\n"
            ),
            table(heads, [[row[name] for name in names] for row in part["rates"]]),
        ]
    )


SECTIONS: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "loop": ("End to end", _loop),
    "peers": ("Beside other stream processors", _peers),
    "reduce": ("One event without a broker", _reduce),
    "latency": ("Latency", _latency),
    "scale": ("Scale", _scale),
    "footprint": ("Memory, disk, bytes written", _footprint),
    "profile": ("Profile", _profile),
}


def _section(part: dict[str, Any], section: Callable[[dict[str, Any]], str]) -> str:
    if "error" in part:
        return f"Failed: `{part['error']}`\n"
    try:
        return section(part)
    except Exception as error:  # the figures are in the JSON
        return f"Could not be shown: `{error!r}`\n"


def markdown(found: dict[str, Any]) -> str:
    """Return the report as a page; a measure that failed is told as such."""
    parts = [
        (
            "# Benchmarks\n\nWritten by `python -m benchmarks --write`; how it measures: "
            "[docs/performance.md](../docs/performance.md). Medians of the rounds.\n"
        ),
        _headline(found),
        "## Machine and versions\n",
        _machine(found),
    ]
    for name, (title, section) in SECTIONS.items():
        part = found.get(name)
        if part is None:
            continue
        parts.append(f"## {title}\n")
        loads = f"load average before {part['load_before']}, after {part['load_after']}"
        parts.append(f"{part['at']}, {part['seconds']} s; {loads}.\n")
        parts.append(_section(part, section))
    if found.get("model"):
        parts.append(_model(found["model"]))
    return "\n".join(parts)
