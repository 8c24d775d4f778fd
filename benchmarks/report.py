"""What was found, as JSON with the main figures at the top, as Markdown, and as pictures."""

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from benchmarks import model, pages, plot

LOG = logging.getLogger(__name__)
FOLDER = Path(__file__).parent
REPORT = FOLDER / "report.json"
# Stacks of the profile make the flame graph, and are too many to keep.
_DROPPED = "stacks"

# The main figures: where each is found.
HEADLINE: dict[str, tuple[str, str]] = {
    "null_ratio": ("loop", "null_ratio"),
    "quix_ratio": ("peers", "quix_ratio"),
    "faust_ratio": ("peers", "faust_ratio"),
    "streams_ratio": ("peers", "streams_ratio"),
    "flat_ratio": ("reduce", "flat_ratio"),
    "scale_ratio": ("scale", "scale_ratio"),
    "write_amplification": ("footprint", "write_amplification"),
    "p99_ms": ("latency", "p99_ms"),
}


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the least of some values that so many per cent of them do not exceed (nearest rank).

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


def with_headline(found: dict[str, Any]) -> dict[str, Any]:
    """Return the report: main figures first, None for one that was not found, then all that was."""
    figures = {name: found.get(part, {}).get(figure) for name, (part, figure) in HEADLINE.items()}
    errors = {name: part["error"] for name, part in found.items() if isinstance(part, dict) and "error" in part}
    return {
        **figures,
        "errors": errors,
        **{name: part for name, part in found.items() if name not in figures},
    } | _model(found)


def _model(found: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"model": model.modelled(found)}
    except (KeyError, ValueError, ZeroDivisionError):  # a measure that it rests on failed or was left out
        return {"model": None}


def earlier() -> dict[str, Any]:
    """Return what the committed report says, without its main figures; empty if there is none."""
    if not REPORT.is_file():
        return {}
    found: dict[str, Any] = orjson.loads(REPORT.read_bytes())
    return {name: part for name, part in found.items() if name not in {*HEADLINE, "errors", "model"}}


def _by_length(found: dict[str, Any]) -> str:
    rows = found["reduce"]["by_length"]
    ours = [(row["lines"], row["us"]) for row in rows]
    theirs = [(row["lines"], row["reference_us"]) for row in rows]
    return plot.chart(
        "Cost of an event by length of its thread",
        "lines of the thread",
        "microseconds an event",
        {"this worker: decode to encoded mutations and rows": ours, "the reference's observers (Rust)": theirs},
        log_y=True,
    )


def _by_interval(found: dict[str, Any]) -> str:
    rows = found["loop"]["by_interval"]
    points = [(row["commit_interval_s"], row["records_per_s"]) for row in rows]
    return plot.chart(
        "Throughput of one worker by commit interval", "seconds", "records/s", {"exactly once, state on disk": points}
    )


def _latency(found: dict[str, Any]) -> str:
    rows = found["latency"]["table"]
    lines = {
        f"p99, {load:.0%} load": [
            (row["commit_interval_s"], row["p99_ms"])
            for row in rows
            if row["load"] == load and row["p99_ms"] is not None
        ]
        for load in sorted({row["load"] for row in rows})
    }
    return plot.chart("Append to visible mutation", "commit interval, seconds", "milliseconds", lines)


def _flame(found: dict[str, Any]) -> str:
    stacks = {tuple(stack): samples for stack, samples in found["profile"][_DROPPED]}
    return plot.flame("Main thread of a worker at full load", stacks)


PICTURES: dict[str, Callable[[dict[str, Any]], str]] = {
    "length": _by_length,
    "interval": _by_interval,
    "latency": _latency,
    "flame": _flame,
}
# The measure that each shows.
PICTURED = {"length": "reduce", "interval": "loop", "latency": "latency", "flame": "profile"}


def write(found: dict[str, Any], folder: Path = FOLDER) -> None:
    """Write the report, figures first; a picture that cannot be drawn stays as it was."""
    (folder / REPORT.name).write_bytes(orjson.dumps(trimmed(found), option=orjson.OPT_INDENT_2) + b"\n")
    (folder / "report.md").write_text(pages.markdown(found), "utf-8")
    for name, picture in PICTURES.items():
        part = found.get(PICTURED[name], {"error": "left out"})
        # An earlier run's flame graph was drawn then.
        if "error" in part or (name == "flame" and _DROPPED not in part):
            continue
        try:
            text = picture(found)
        except Exception as error:
            # After half an hour of measuring, no picture may keep the others from being written.
            LOG.warning("%s.svg was not drawn: %r", name, error)
            continue
        (folder / f"{name}.svg").write_text(text, "utf-8")


def trimmed(found: dict[str, Any]) -> dict[str, Any]:
    """Return a report without what only a picture needs."""
    return {
        name: {key: value for key, value in part.items() if key != _DROPPED} if isinstance(part, dict) else part
        for name, part in found.items()
    }
