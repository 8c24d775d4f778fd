"""Time from append to visible mutation for a `read_committed` reader, by load and commit interval.

A worker runs; input comes at a steady rate from a program of its own (`benchmarks.steady`), so many seconds at each
load; a reader in this process notes when a mutation arrives, and looks into every so-many-th for when its input was
appended (`source.timestamp`, set by the producer as it takes the record, milliseconds). A load is a share of the rate
that a worker reaches when there is always more to do.
"""

import time
from collections import defaultdict
from typing import Any

from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Place

from benchmarks.loop import one_worker
from benchmarks.programs import Program, median, worker
from benchmarks.report import percentile
from benchmarks.rig import PARTITIONS, Bench, made_up, note
from worker import app
from worker.codec.values import ValueDecoder
from worker.config import Settings

LOADS = (0.1, 0.5, 0.9)
INTERVALS_S = (0.1, 0.25, 1.0)
DEFAULT_S = 0.25
HALF = 0.5
# One mutation of so many is looked into, to leave the processors to the worker.
_EVERY = 10
# What comes at the beginning of a load belongs to the change.
_SETTLE_S = 1.0
_QUIET_S = 1.5
_LATE_S = 20.0

# When it was appended, and how long that was ago when it was read, both in milliseconds.
Sample = tuple[float, float]


def _reader(settings: Settings) -> Consumer:
    options = {
        "bootstrap.servers": settings.kafka.bootstrap_servers,
        "group.id": "latency",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "fetch.wait.max.ms": 10,
    }
    reader = Consumer(options)
    topics = app.topic_names(settings).projections.values()
    reader.assign([Place(topic, partition, 0) for topic in topics for partition in range(PARTITIONS)])
    return reader


def samples(settings: Settings, sender: Program, seconds: float) -> list[Sample]:
    """Read what becomes visible while a program sends, and a little longer."""
    decode, reader = ValueDecoder().decode, _reader(settings)
    found: list[Sample] = []
    count = 0
    began = came = time.monotonic()
    # A worker that cannot keep up is waited for: what it does last took longest.
    while time.monotonic() < max(began + seconds, min(came + _QUIET_S, began + seconds + _LATE_S)):
        for message in reader.consume(500, 0.002):
            now, came = time.time() * 1000, time.monotonic()
            if message.error() is not None or message.value() is None:
                continue
            count += 1
            if count % _EVERY == 0:
                appended = decode(message.value() or b"")["source"]["timestamp"]
                found.append((appended, now - appended))
        if sender.failed():
            raise RuntimeError(f"input stopped:\n{sender.said()[-2_000:]}")
    reader.close()
    return found


def one(made: Bench, rate: float, interval_s: float) -> dict[float, list[float]]:
    """Return latencies by load, in milliseconds, with a commit interval."""
    step = made.scale.step_s
    settings = made.settings(made.name("latency"))
    names = app.topic_names(settings)
    steps = [str(each) for load in LOADS for each in (load * rate, step)]
    state = made.folder / made.name("state")
    with worker(settings, state, LOOP__COMMIT_INTERVAL_S=interval_s) as program:
        _until_running(program)
        log = made.folder / f"{settings.group}.log"
        command = ["-m", "benchmarks.steady", settings.kafka.bootstrap_servers, names.input, *steps]
        with Program(command, log, {}) as sender:
            found = samples(settings, sender, len(LOADS) * step)
    made.remove(settings)
    return by_load(found, step)


def by_load(found: list[Sample], step_s: float) -> dict[float, list[float]]:
    """Sort latencies by the load under which their input was appended."""
    began = min(appended for appended, _ in found)
    latencies: dict[float, list[float]] = defaultdict(list)
    for appended, took in found:
        step, into = divmod((appended - began) / 1000, step_s)
        if into >= _SETTLE_S and step < len(LOADS):
            latencies[LOADS[int(step)]].append(took)
    return latencies


def _until_running(program: Program) -> None:
    deadline = time.monotonic() + 60
    while program.said().count('"partition runs"') < PARTITIONS:
        if time.monotonic() > deadline or program.failed():
            raise RuntimeError(f"the worker does not run:\n{program.said()[-2_000:]}")
        time.sleep(0.1)


def _median(rounds: list[list[float]], percent: float) -> float | None:
    """Return the median of a percentile over the rounds that have any latencies."""
    values = [percentile(found, percent) for found in rounds if found]
    return median(values, 0) if values else None


def measure(made: Bench) -> dict[str, Any]:
    """Measure."""
    rate = made.found.get("loop", {}).get("worker", {}).get("records_per_s")
    if rate is None:
        settings, run = one_worker(made, made_up(made.scale.threads, made.scale.lines), made.folder / "rate")
        made.remove(settings)
        rate = run.records_per_s
    rounds: dict[float, list[dict[float, list[float]]]] = {interval: [] for interval in INTERVALS_S}
    for number in range(made.scale.rounds):
        for interval, found in rounds.items():
            found.append(one(made, rate, interval))
        shown = [_median([found[-1][HALF]], 99) for found in rounds.values()]
        note(f"latency {number + 1}/{made.scale.rounds}: p99 at half load {shown} ms")
    table = [
        {
            "commit_interval_s": interval,
            "load": load,
            "records_per_s": round(load * rate),
            "p50_ms": _median([one[load] for one in found], 50),
            "p99_ms": _median([one[load] for one in found], 99),
            "samples": sum(len(one[load]) for one in found),
        }
        for interval, found in rounds.items()
        for load in LOADS
    ]
    (half,) = [row for row in table if row["commit_interval_s"] == DEFAULT_S and row["load"] == HALF]
    return {
        "full_load_records_per_s": round(rate),
        "table": table,
        "p99_ms": half["p99_ms"],
        "p50_ms": half["p50_ms"],
        "goal_ms": 2 * DEFAULT_S * 1000 + 50,
    }
