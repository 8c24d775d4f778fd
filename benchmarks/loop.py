"""Records per second of one worker process beside a null loop, and by commit interval.

Each round publishes its input to topics of its own, runs a worker over it, then the null loop (`benchmarks.null_loop`)
over the same topic, which writes what that worker wrote in that round to topics of its own. Then a worker for each
commit interval. Rates and processor time are taken between the first and the last commit seen.
"""

from pathlib import Path
from typing import Any

from benchmarks.programs import Program, Run, drained, median, told, worker
from benchmarks.rig import PARTITIONS, Bench, Input, fill, made_up, note
from worker import app
from worker.config import Settings
from worker.kafka.reader import read_all


def one_worker(made: Bench, records: Input, state: Path, **variables: object) -> tuple[Settings, Run]:
    """Run a worker over input of its own; return its settings, whose topics stay, and what it did."""
    settings = made.settings(made.name("worker"))
    fill(settings, records)
    return settings, drained(made, settings, [worker(settings, state, **variables)], len(records))


def null_loop(made: Bench, of: Settings, records: int) -> tuple[Settings, Run]:
    """Run the null loop over what a worker has read and written."""
    settings = made.settings(made.name("null"))
    variables = {
        "THW_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "THW_GROUP": settings.group,
        "THW_TOPICS__PREFIX": settings.topics.prefix,
    }
    log = made.folder / f"{settings.group}.log"
    program = Program(["-m", "benchmarks.null_loop", of.group], log, variables)
    return settings, drained(made, settings, [program], records, app.topic_names(of).input)


def written(settings: Settings) -> dict[str, float]:
    """Return what a worker wrote, in records and bytes a record before compression."""
    names = app.topic_names(settings)
    mutations = read_all(settings.kafka, list(names.projections.values()))
    rows = read_all(settings.kafka, [names.changelog])
    return {
        "mutations": len(mutations),
        "mutation_bytes": round(sum(len(one.value or b"") for one in mutations) / len(mutations)),
        "rows": len(rows),
        "row_bytes": round(sum(len(one.value or b"") for one in rows) / len(rows)),
    }


def measure(made: Bench) -> dict[str, Any]:
    """Measure."""
    scale = made.scale
    records = made_up(scale.threads, scale.lines)
    # A broker that has just started compiles its code first.
    settings, _ = one_worker(made, records[: scale.part], made.folder / made.name("state"))
    made.remove(settings)
    workers: list[Run] = []
    nulls: list[Run] = []
    counts: list[dict[str, float]] = []
    for number in range(scale.rounds):
        settings, run = one_worker(made, records, made.folder / made.name("state"))
        other, null = null_loop(made, settings, len(records))
        counts = counts or [written(settings), written(other)]
        made.remove(settings, other)
        workers.append(run)
        nulls.append(null)
        note(f"loop {number + 1}/{scale.rounds}: {run.records_per_s:.0f}/s, null loop {null.records_per_s:.0f}/s")
    worker_wrote, null_wrote = counts
    rate = median([run.records_per_s for run in workers], 0)
    return {
        "records": len(records),
        "record_bytes": round(sum(len(line) for _, _, line in records) / len(records)),
        "partitions": PARTITIONS,
        "worker": told(workers) | worker_wrote,
        "mutations_per_s": round(rate * worker_wrote["mutations"] / len(records)),
        "null_loop": told(nulls) | null_wrote,
        "null_ratio": median(
            [one.records_per_s / null.records_per_s for one, null in zip(workers, nulls, strict=True)], 3
        ),
        "cpu_ratio": median([null.cpu_us / one.cpu_us for one, null in zip(workers, nulls, strict=True)], 3),
        "by_interval": by_interval(made, records),
    }


def by_interval(made: Bench, records: Input) -> list[dict[str, Any]]:
    """Return the rate of a worker for each commit interval, in seconds."""
    runs: dict[float, list[Run]] = {interval: [] for interval in made.scale.intervals}
    for number in range(made.scale.rounds):
        for interval, found in runs.items():
            state = made.folder / made.name("state")
            settings, run = one_worker(made, records, state, LOOP__COMMIT_INTERVAL_S=interval)
            made.remove(settings)
            found.append(run)
        note(
            f"commit intervals {number + 1}/{made.scale.rounds}: {[round(r[-1].records_per_s) for r in runs.values()]}"
        )
    return [{"commit_interval_s": interval, **told(found)} for interval, found in runs.items()]
