"""The figures of reliability: how soon, how fast, how much memory; on a real broker, with the default settings.

    python -m tests.chaos.figures [--only silence,restore,warm,sigterm,memory] [--scale 1.0] [--output FILE] [--write]

Prints a table and JSON; `--write` puts the table into docs/reliability.md. Measurements, not tests: nothing fails.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import orjson

from tests.chaos import report
from tests.chaos.restarts import sigterm, silence, warm
from tests.chaos.restores import memory, restore
from tests.chaos.rig import Figure, note
from worker.localbroker.cluster import LocalCluster

MEASURES: dict[str, Callable[[str, Path, float], list[Figure]]] = {
    "silence": silence,
    "restore": restore,
    "warm": warm,
    "sigterm": sigterm,
    "memory": memory,
}


def table(figures: list[Figure]) -> str:
    """Return the figures as Markdown."""
    rows = ["| figure | measured | target | peers |", "|---|---|---|---|"]
    rows += [f"| {found.name} | {found.found} | {found.target} | {found.peers} |" for found in figures]
    details = [f"- {found.name}: {found.detail}." for found in figures if found.detail]
    return "\n".join([*rows, "", *details, f"- {report.machine()}."])


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(MEASURES), help="some of them, with commas between")
    parser.add_argument("--scale", type=float, default=1.0, help="smaller states, for a try")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    args = parser.parse_args()
    figures: list[Figure] = []
    for name in args.only.split(","):
        # A broker for each: a large state's log is not in the way of the next.
        with LocalCluster() as cluster, tempfile.TemporaryDirectory(prefix="figures-") as folder:
            note(f"measuring {name}")
            figures += MEASURES[name](cluster.bootstrap_servers, Path(folder), args.scale)
    text = table(figures)
    sys.stdout.write(f"{text}\n")
    found = orjson.dumps([asdict(figure) for figure in figures], option=orjson.OPT_INDENT_2).decode()
    sys.stdout.write(f"{found}\n")
    if args.output:
        args.output.write_text(f"{found}\n", "utf-8")
    if args.write:
        report.put("figures", text)


if __name__ == "__main__":
    main()
