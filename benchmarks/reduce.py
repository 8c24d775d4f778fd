"""Cost of one event without a broker: decode, reduce, observe, encode mutations and state rows, as a worker does.

    python -m benchmarks.reduce [--rounds 5] [--json]

Short threads (100 lines) and a long one (20,000 lines) are measured in turn, in one process; the figure of each is the
median of the rounds, and the ratio is the median of the rounds' ratios. A checkpoint is taken every 5,000 events.
"""

import argparse
import gc
import os
import platform
import statistics
import sys
import time

import orjson

from benchmarks.threads import lines, thread_id
from worker.app import task_maker
from worker.config import Settings
from worker.model.record import InRecord

EVENTS = 20_000
SHORT = 100
CHECKPOINT = 5_000


def records(length: int) -> list[InRecord]:
    """Return the input records of as many threads of a length as make up the number of events."""
    return [
        InRecord("codex.rollout-items", 0, number * length + at, thread_id(number).encode(), line,
                 [("rollout-ordinal", b"%d" % at)], 1_780_000_000_000)
        for number in range(EVENTS // length)
        for at, line in enumerate(lines(length, number))
    ]  # fmt: skip


def measured(events: list[InRecord]) -> tuple[float, int, int]:
    """Fold records as a partition's task does.

    Returns:
        Microseconds of processor time an event, mutations, bytes written (mutations and state rows).
    """
    task = task_maker(Settings())(0)
    count, size = 0, 0
    gc.collect()
    began = time.process_time()
    for start in range(0, len(events), CHECKPOINT):
        for batch in range(start, start + CHECKPOINT, 1_000):
            out = task.process(events[batch : batch + 1_000]).out
            count += len(out)
            size += sum(len(record.value or b"") for record in out)
        rows = task.changed_rows()
        size += sum(len(row.value or b"") for row in rows)
        task.committed(start, start)
    return (time.process_time() - began) / len(events) * 1e6, count, size


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    short, long = records(SHORT), records(EVENTS)
    rounds = []
    for _ in range(args.rounds):
        rounds.append((measured(short), measured(long)))
        if sys.stderr.isatty():
            sys.stderr.write(f"\rround {len(rounds)} of {args.rounds}")
    short_us = statistics.median(one[0] for one, _ in rounds)
    long_us = statistics.median(other[0] for _, other in rounds)
    report = {
        "event_bytes": round(statistics.mean(len(event.value or b"") for event in short)),
        "mutations_per_event": round(rounds[0][0][1] / EVENTS, 3),
        "written_bytes_per_event": round(rounds[0][0][2] / EVENTS),
        "short_us": round(short_us, 2),
        "long_us": round(long_us, 2),
        "flat_ratio": round(statistics.median(other[0] / one[0] for one, other in rounds), 3),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
    }
    if args.json:
        sys.stdout.write(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    for name, found in report.items():
        sys.stdout.write(f"{name:>24}  {found}\n")


if __name__ == "__main__":
    main()
