"""The measures, all in one run, with a report.

    python -m benchmarks [--only reduce,loop,…] [--rounds N] [--scale full|small] [--write]

A measure that fails is told in the report and does not stop the others. With `--write` the report is written to
`benchmarks/`; what `--only` leaves out is kept there as an earlier run found it, each measure with its own time.
"""

import argparse
import dataclasses
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import orjson

from benchmarks import footprint, latency, loop, profile, reduce, report, scale
from benchmarks.machine import load, machine
from benchmarks.peers import measure as peers
from benchmarks.rig import SCALES, Bench, bench, note

# In this order: latency takes its loads from the rate that `loop` finds.
MEASURES: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "reduce": reduce.measure,
    "loop": loop.measure,
    "peers": peers.measure,
    "latency": latency.measure,
    "scale": scale.measure,
    "footprint": footprint.measure,
    "profile": profile.measure,
}


def chosen(text: str) -> list[str]:
    """Return the measures of a comma-separated list, in our order.

    Raises:
        argparse.ArgumentTypeError: one is not known.
    """
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} not known; choose of {', '.join(MEASURES)}")
    return [name for name in MEASURES if name in names]


def attempt(made: Bench, name: str) -> dict[str, Any]:
    """Run a measure; return what it found, or why it failed."""
    note(f"{name}: begins")
    began, before = time.monotonic(), load()
    try:
        found = MEASURES[name](made)
    except Exception as error:
        note(f"{name}: failed\n{traceback.format_exc()}")
        found = {"error": f"{type(error).__name__}: {error}"}
    seconds = time.monotonic() - began
    note(f"{name}: {seconds:.0f} s")
    stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return {"at": stamp, "seconds": round(seconds), "load_before": before, "load_after": load(), **found}


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=chosen, default=list(MEASURES), help="comma-separated: " + ",".join(MEASURES))
    parser.add_argument("--rounds", type=int, help="of each measure")
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument("--write", action="store_true", help="write benchmarks/report.json, report.md and plots")
    args = parser.parse_args()
    size = SCALES[args.scale]
    if args.rounds:
        size = dataclasses.replace(size, rounds=args.rounds)
    found = report.earlier() if args.write and args.only != list(MEASURES) else {}
    found["machine"] = machine()
    found["settings"] = {"scale": args.scale, **dataclasses.asdict(size)}
    whole: dict[str, Any] = {}
    with bench(size) as made:
        for name in args.only:
            made.found[name] = found[name] = attempt(made, name)
            whole = report.with_headline(found)
            # After each measure: what was found is not lost with what comes after.
            if args.write:
                report.write(whole)
    sys.stdout.write(orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode() + "\n")
    if any("error" in whole.get(name, {}) for name in args.only):
        sys.exit(1)


if __name__ == "__main__":
    main()
