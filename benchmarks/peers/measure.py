"""The worker beside other stream processors that do its work on the same input, in turn, in one run.

Quix Streams and Faust run this project's own reducer and projections (`benchmarks.peers.job`) over their state store,
with their strongest guarantee; Kafka Streams, in Java, writes as many state rows and outputs of the same sizes. All
commit as often as the worker. `make bench` makes the environment of the Python peers, `.venv/peers`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.loop import one_worker, written
from benchmarks.peers import streams
from benchmarks.programs import Program, Run, drained, median, told
from benchmarks.rig import ROOT, Bench, Input, fill, made_up, note
from worker import app
from worker.config import Settings
from worker.errors import ConfigError
from worker.kafka.reader import read_all

# An environment variable a setting of the peers' programs.
_PREFIX = "PEER_"
SETTINGS = {
    "quix": "Application(processing_guarantee='exactly-once', commit_interval=ours), state.get_bytes/set_bytes "
    "(RocksDB, changelog topics), producer: lz4, linger 20 ms, batches of 1 MB",
    "faust": "App(processing_guarantee='exactly_once', broker_commit_interval=ours, store='rocksdb://' by rocksdict), "
    "one Table with changelog, producer: lz4, linger 20 ms, batches of 1 MB",
    "streams": "exactly_once_v2, commit.interval.ms=ours, one thread, persistent store (RocksDB) with changelog and "
    "cache, producer: lz4, linger 20 ms, batches of 1 MB",
}


def variables(settings: Settings, topic: str, state: Path) -> dict[str, object]:
    """Return what a peer's program is told."""
    names = app.topic_names(settings)
    own = {
        "SERVERS": settings.kafka.bootstrap_servers,
        "GROUP": settings.group,
        "INPUT": topic,
        "INTERVAL_S": settings.loop.commit_interval_s,
        "STATE": state,
        **{f"OUT_{name.upper()}": found for name, found in names.projections.items()},
    }
    return {f"{_PREFIX}{name}": found for name, found in own.items()}


def _python_peer(program: str) -> Callable[[dict[str, object], Path, dict[str, float]], Program]:
    def start(told_so: dict[str, object], log: Path, _: dict[str, float]) -> Program:
        python = ROOT / ".venv" / "peers" / "bin" / "python"
        if not python.exists():
            raise ConfigError("the peers' environment is missing: make .venv/peers/.made")
        return Program(["-m", f"benchmarks.peers.{program}"], log, told_so, python=str(python))

    return start


# In this order within a round.
PEERS = {"quix": _python_peer("quix"), "faust": _python_peer("faust_app"), "streams": streams.start}


def one(made: Bench, name: str, records: Input, wrote: dict[str, float]) -> tuple[Run, int]:
    """Run a peer over input of its own.

    Args:
        wrote: what the worker wrote of as much.

    Returns:
        What it did, and how many output records it wrote.
    """
    settings = made.settings(made.name(name))
    fill(settings, records)
    topic = app.topic_names(settings).input
    told_so = variables(settings, topic, made.folder / settings.group)
    program = PEERS[name](told_so, made.folder / f"{settings.group}.log", wrote)
    run = drained(made, settings, [program], len(records))
    count = len(read_all(settings.kafka, list(app.topic_names(settings).projections.values())))
    made.remove(settings)
    return run, count


def measure(made: Bench) -> dict[str, Any]:
    """Measure; a peer that fails is told and does not stop the others."""
    scale = made.scale
    records = made_up(scale.threads, scale.lines)
    sizes = {"faust": scale.slow_records, "streams": scale.records}
    some = {name: records[: sizes.get(name, scale.part)] for name in PEERS}
    workers: list[Run] = []
    runs: dict[str, list[Run]] = {name: [] for name in PEERS}
    outputs: dict[str, int] = {}
    errors: dict[str, str] = {}
    wrote: dict[str, float] = {}
    for number in range(scale.rounds):
        settings, run = one_worker(made, records[: scale.part], made.folder / made.name("state"))
        wrote = wrote or {**written(settings), "records": scale.part}
        made.remove(settings)
        workers.append(run)
        for name, found in runs.items():
            if name not in errors:
                try:
                    run, outputs[name] = one(made, name, some[name], wrote)
                    found.append(run)
                except Exception as error:
                    errors[name] = f"{type(error).__name__}: {error}"
                    note(f"peers: {name} failed: {error}")
        rates = {name: round(found[-1].records_per_s) for name, found in runs.items() if found}
        note(f"peers {number + 1}/{scale.rounds}: worker {workers[-1].records_per_s:.0f}/s, {rates}")
    peers = {
        name: {"settings": SETTINGS[name], "records": len(some[name]), "outputs": outputs.get(name)}
        | ({"error": errors[name]} if name in errors else {})
        | (_beside(found, workers) if found else {})
        for name, found in runs.items()
    }
    ratios = {f"{name}_ratio": found.get("ratio") for name, found in peers.items()}
    return {"worker": told(workers) | wrote, "peers": peers, **ratios}


def _beside(found: list[Run], workers: list[Run]) -> dict[str, Any]:
    """Return what a peer did, and the worker of the same rounds by it."""
    pairs = list(zip(workers, found, strict=False))
    return {
        **told(found),
        "ratio": median([one.records_per_s / other.records_per_s for one, other in pairs], 2),
        "cpu_ratio": median([other.cpu_us / one.cpu_us for one, other in pairs], 2),
    }
