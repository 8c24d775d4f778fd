"""What the metrics cost: processor time of a worker for a record, without and with them, in pairs on a real broker.

    .venv/bin/python -m benchmarks.metrics_cost [--pairs 9] [--threads 300] [--lines 200]

Each run is a worker of a group of its own over the same input. The runs of a pair follow one another, and take turns in
which comes first. The time is taken between the first and the last commit seen. A table goes to standard error, all
that was found as JSON to standard output.
"""

import argparse
import dataclasses
import re
import statistics
import sys
import time
from typing import Any
from urllib.request import urlopen

import orjson

from benchmarks.machine import load, machine
from benchmarks.programs import Program, Run, cpu_s, drain, worker
from benchmarks.rig import SCALES, Bench, Input, bench, fill, made_up, note
from worker import app
from worker.config import Settings
from worker.config import load as settings
from worker.kafka.topics import Topics, wanted

_SCRAPES = 20
# How often Prometheus asks, unless told otherwise.
_SCRAPE_EVERY_S = 15.0


def prepared(made: Bench, group: str, prefix: str) -> Settings:
    """Return the settings of a group with its own topics, but for the input and the outputs, which all share."""
    topics = {"prefix": prefix, "partitions": 4}
    found = settings(None, {"kafka": {"bootstrap_servers": made.servers}, "group": group, "topics": topics})
    Topics(found.kafka).create(wanted(app.topic_names(found)), found.topics)
    return found


def one(made: Bench, prefix: str, records: int, *, on: bool) -> tuple[Run, float]:
    """Run a worker over the input; return what it did, and with metrics the processor time of a scrape, in seconds."""
    found = prepared(made, made.name("cost"), prefix)
    more: dict[str, object] = {"TELEMETRY__PORT": 0} if on else {}
    with worker(found, made.folder / made.name("state"), **more) as program:
        run = Run.of(drain(made, found, [program], records))
        return run, scrape_s(program) if on else 0.0


def scrape_s(program: Program) -> float:
    """Return what the worker takes to answer a scrape."""
    (port,) = re.findall(r'"telemetry served".*?"port": (\d+)', program.said())
    before = cpu_s(program.pid)
    for _ in range(_SCRAPES):
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            answer.read()
    return (cpu_s(program.pid) - before) / _SCRAPES


def measure(made: Bench, records: Input, pairs: int) -> dict[str, Any]:
    """Measure pairs."""
    prefix = "cost."
    fill(prepared(made, "cost", prefix), records)
    off: list[float] = []
    on: list[float] = []
    scrapes: list[float] = []
    for number in range(pairs + 1):
        order = (False, True) if number % 2 else (True, False)
        runs = {state: one(made, prefix, len(records), on=state) for state in order}
        if number == 0:  # warms up the broker
            continue
        off.append(runs[False][0].cpu_us)
        on.append(runs[True][0].cpu_us)
        scrapes.append(runs[True][1])
        note(f"pair {number}: {off[-1]:.1f} µs without, {on[-1]:.1f} µs with")
    ratios = [(with_them / without - 1) * 100 for without, with_them in zip(off, on, strict=True)]
    scrape = statistics.median(scrapes)
    return {
        "records": len(records),
        "pairs": pairs,
        "off_us": [round(found, 2) for found in off],
        "on_us": [round(found, 2) for found in on],
        "off_us_median": round(statistics.median(off), 2),
        "on_us_median": round(statistics.median(on), 2),
        "cost_percent_median": round(statistics.median(ratios), 2),
        "cost_percent_of_pairs": [round(found, 2) for found in ratios],
        "off_spread_percent": round((max(off) - min(off)) / statistics.median(off) * 100, 2),
        "scrape_ms": round(scrape * 1000, 2),
        "scrape_percent_of_a_core": round(scrape / _SCRAPE_EVERY_S * 100, 3),
    }


def table(found: dict[str, Any]) -> str:
    """Return the pairs as a table."""
    rows = zip(found["off_us"], found["on_us"], found["cost_percent_of_pairs"], strict=True)
    lines = [f"{number:>4} {off:>10.2f} {on:>10.2f} {cost:>+8.2f} %" for number, (off, on, cost) in enumerate(rows, 1)]
    medians = (found["off_us_median"], found["on_us_median"], found["cost_percent_median"])
    return "\n".join([
        "pair   without       with     cost   (µs of processor time a record)",
        *lines,
        f" med {medians[0]:>9.2f} {medians[1]:>10.2f} {medians[2]:>+8.2f} %",
        f"runs without metrics differ among themselves by {found['off_spread_percent']} %",
        f"a scrape takes {found['scrape_ms']} ms: {found['scrape_percent_of_a_core']} % of a core at one in 15 s",
    ])  # fmt: skip


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=300)
    parser.add_argument("--lines", type=int, default=200)
    args = parser.parse_args()
    scale = dataclasses.replace(SCALES["small"], rounds=args.pairs, threads=args.threads, lines=args.lines)
    before = load()
    with bench(scale) as made:
        found = measure(made, made_up(args.threads, args.lines), args.pairs)
    stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    found |= {"at": stamp, "load_before": before, "load_after": load(), "machine": machine()}
    note("\n" + table(found))
    sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")


if __name__ == "__main__":
    main()
