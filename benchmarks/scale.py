"""One process and two that share the partitions: processor time for a record, and records per second of both.

The processes join their group first, and stand still while the input is written; so they do the same work at the same
time, with nothing beside them but the broker.
"""

import signal
import time
from contextlib import ExitStack
from typing import Any

import orjson

from benchmarks.programs import Program, Run, drain, median, told, worker
from benchmarks.rig import PARTITIONS, ROUND_S, Bench, Input, fill, made_up, note


def processes(made: Bench, records: Input, count: int) -> Run:
    """Run so many workers over input that they share."""
    settings = made.settings(made.name("scale"))
    with ExitStack() as stack:
        programs = []
        for number in range(count):
            state = made.folder / made.name("state")
            programs.append(stack.enter_context(worker(settings, state, INSTANCE=number)))
        _settled(programs)
        for program in programs:
            program.signal(signal.SIGSTOP)
        fill(settings, records)
        for program in programs:
            program.signal(signal.SIGCONT)
        run = Run.of(drain(made, settings, programs, len(records), ready=True))
    made.remove(settings)
    return run


def _settled(programs: list[Program]) -> None:
    """Wait until each has its share.

    Raises:
        TimeoutError: that does not come about.
    """
    share, deadline = PARTITIONS // len(programs), time.monotonic() + ROUND_S
    while not all(_held(program) == share for program in programs):
        if time.monotonic() > deadline:
            raise TimeoutError("the workers did not share the partitions:\n" + programs[0].said()[-2_000:])
        time.sleep(0.1)
    # Until the group is at rest.
    time.sleep(1.0)


def _held(program: Program) -> int:
    """Return how many partitions a worker runs, by its log."""
    held: set[int] = set()
    for line in program.said().splitlines():
        if line.startswith("{") and line.endswith("}"):
            told_so = orjson.loads(line)
            if told_so.get("message") == "partition runs":
                held.add(told_so["partition"])
            elif told_so.get("message") in ("partitions revoked", "partitions lost"):
                held -= set(told_so["partitions"])
    return len(held)


def measure(made: Bench) -> dict[str, Any]:
    """Measure."""
    scale = made.scale
    records = made_up(scale.threads, scale.lines)
    ones, twos = [], []
    for number in range(scale.rounds):
        ones.append(processes(made, records, 1))
        twos.append(processes(made, records, 2))
        note(f"scale {number + 1}/{scale.rounds}: {ones[-1].records_per_s:.0f}/s, two {twos[-1].records_per_s:.0f}/s")
    pairs = list(zip(ones, twos, strict=True))
    return {
        "records": len(records),
        "one": told(ones),
        "two": told(twos),
        "scale_ratio": median([one.cpu_us / two.cpu_us for one, two in pairs], 3),
        "rate_ratio": median([two.records_per_s / one.records_per_s for one, two in pairs], 3),
    }
