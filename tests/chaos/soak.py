"""A worker at a steady rate for minutes: does its memory grow?

    python -m tests.chaos.soak [--minutes 10] [--rate 300] [--output FILE] [--write]

After a warm-up the anonymous memory of the worker (RssAnon) is fitted by a line. The bound of the cache is small, so
that it is full when the warm-up ends. Prints JSON; `--write` puts a line into docs/reliability.md.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from tests.chaos import report
from tests.chaos.load import records
from tests.chaos.publish import Load
from tests.chaos.rig import STARTED_S, anonymous_mb, note, rig, stop
from worker.localbroker.cluster import LocalCluster

CACHE_MIB = 8
# The share of the time that counts as warm-up.
WARM_UP = 0.3
_SAMPLE_S = 1.0
_NOTE_EVERY = 30
_TERM_S = 10.0
_THROUGH_S = 60.0


def slope(samples: list[tuple[float, float]]) -> tuple[float, float]:
    """Fit a line through (seconds, MB); return its slope and the slope's standard error, in MB an hour."""
    times, sizes = zip(*samples, strict=True)
    found = statistics.linear_regression(times, sizes)
    rest = [size - found.slope * at - found.intercept for at, size in samples]
    spread = sum((at - statistics.fmean(times)) ** 2 for at in times)
    error = (sum(one * one for one in rest) / (len(rest) - 2) / spread) ** 0.5
    return found.slope * 3_600, error * 3_600


def soak(servers: str, folder: Path, minutes: float, rate: float) -> dict[str, Any]:
    """Run a worker and return what was measured."""
    seconds = minutes * 60
    count = round(rate * seconds)
    with rig(servers, "soak", folder, STORE__CACHE_BYTES=CACHE_MIB << 20) as one:
        process = one.start()
        one.until_running(process, STARTED_S)
        load = Load(
            servers,
            one.names.input,
            records(0, count, max(100, count // 200)),
            count=count,
            seconds=seconds,
            burst=0.0,
        )
        load.start()
        began = time.monotonic()
        samples: list[tuple[float, float]] = []
        while (at := time.monotonic() - began) < seconds and process.ended() is None:
            samples.append((at, anonymous_mb(process.pid)))
            if len(samples) % _NOTE_EVERY == 0:
                note(f"{at:.0f} s of {seconds:.0f}: {samples[-1][1]:.1f} MB, lag {one.lag()}")
            time.sleep(_SAMPLE_S)
        load.done.wait(_THROUGH_S)
        deadline = time.monotonic() + _THROUGH_S
        while (lag := one.lag()) != 0 and time.monotonic() < deadline:
            time.sleep(_SAMPLE_S)
        _, code = stop(process, _TERM_S)
    warm = [(at, size) for at, size in samples if at >= seconds * WARM_UP]
    grows, error = slope(warm)
    return {
        "minutes": minutes,
        "records": load.acknowledged,
        "rate_per_s": rate,
        "warm_up_minutes": round(minutes * WARM_UP, 1),
        "cache_mib": CACHE_MIB,
        "slope_mb_per_hour": round(grows, 1),
        "slope_standard_error": round(error, 1),
        "first_mb": round(warm[0][1], 1),
        "last_mb": round(warm[-1][1], 1),
        "most_mb": round(max(size for _, size in samples), 1),
        "lag_at_the_end": lag,
        "exit_code": code,
        "machine": report.machine(),
    }


def told(found: dict[str, Any]) -> str:
    """Return the result for people."""
    grew = f"{found['slope_mb_per_hour']:g} ± {found['slope_standard_error']:g} MB an hour"
    return (
        f"{found['minutes']:g} minutes at {found['rate_per_s']:g} records/s, {found['records']:,} records, a cache of\n"
        f"{found['cache_mib']} MiB. After a warm-up of {found['warm_up_minutes']:g} minutes the worker's anonymous "
        f"memory grew by\n**{grew}**, from {found['first_mb']:g} to {found['last_mb']:g} MB. "
        f"Lag at the end {found['lag_at_the_end']}, exit code {found['exit_code']}.\n"
        f"Machine: {found['machine']}."
    )


def main() -> None:
    """Soak and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=300.0, help="records a second")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    parser.add_argument("--write", action="store_true", help="put the result into docs/reliability.md")
    args = parser.parse_args()
    with LocalCluster() as cluster, tempfile.TemporaryDirectory(prefix="soak-") as folder:
        found = soak(cluster.bootstrap_servers, Path(folder), args.minutes, args.rate)
    text = orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()
    sys.stdout.write(f"{text}\n")
    if args.output:
        args.output.write_text(f"{text}\n", "utf-8")
    if args.write:
        report.put("soak", told(found))


if __name__ == "__main__":
    main()
