"""Figures of a worker that ends and comes back."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.threads import lines, thread_id
from tests.chaos.faults import Injection
from tests.chaos.load import Record
from tests.chaos.publish import Load
from tests.chaos.rig import STARTED_S, Figure, Rig, note, rig, stop
from tests.chaos.state import copies, small, thread_rows
from tests.chaos.watch import Watch, silences
from worker import app

ITEMS_A_THREAD = 25
_REPEATS = 5
_PUBLISHED_S = 300.0
_RESTORED_S = 600.0
_TERM_S = 30.0


def one_thread(count: int) -> Iterator[Record]:
    """Yield records of a single thread."""
    key = thread_id(0).encode()
    for at, line in enumerate(lines(count)):
        yield Record(at, key, line, (("rollout-ordinal", b"%d" % at),))


def many_threads(threads: int, length: int) -> Iterator[Record]:
    """Yield records of threads that grow together."""
    making = [(thread_id(number).encode(), lines(length, number)) for number in range(threads)]
    number = 0
    for at in range(length):
        for key, made in making:
            yield Record(number, key, next(made), (("rollout-ordinal", b"%d" % at),))
            number += 1


def silence(servers: str, folder: Path, _scale: float) -> list[Figure]:
    """Measure how long a reader sees nothing after `kill -9` and restart of the only worker."""
    found: list[float] = []
    with rig(servers, "silence", folder, partitions=1) as one:
        load = Load(servers, one.names.input, one_thread(50 * 300), count=50 * 300, seconds=300, burst=0.0)
        topics = list(one.names.projections.values())
        with Watch(servers, topics, 1, app.value_decoder(one.settings)) as watch:
            process = one.start()
            one.until_running(process, STARTED_S)
            load.start()
            for _ in range(_REPEATS):
                time.sleep(25)
                killed_at = time.time()
                process.kill()
                time.sleep(0.75)
                process = one.start()
                one.until_running(process, STARTED_S)
                time.sleep(3)
                found += silences(watch.gaps, [Injection("kill", killed_at, True)], time.time())
                note(f"silence of {found[-1]:.2f} s")
            load.stop()
    shown = f"{max(found):.1f} s, median {statistics.median(found):.1f} s of {len(found)}"
    peers = "Quix 68.4 s, Kafka Streams 43.6 s"
    detail = "one partition, 50 records/s, started again after 0.75 s"
    return [Figure("longest silence after kill -9 and restart", shown, "≤ 5 s", peers, detail)]


def warm(servers: str, folder: Path, scale: float) -> list[Figure]:
    """Measure how soon a worker with its disk runs again, from the start of its process."""
    with rig(servers, "warm", folder) as one:
        rows = small(thread_rows(one.settings, ITEMS_A_THREAD))
        written = one.fill_changelog(copies(rows, round(1_000_000 * scale) // len(rows) + 1))
        process = one.start()
        cold_s = one.until_running(process, _RESTORED_S)
        note(f"{written:,} rows restored by a worker within {cold_s:.1f} s of its start")
        stopped = [_again(one, kill=False) for _ in range(_REPEATS)]
        killed = [_again(one, kill=True) for _ in range(_REPEATS)]
    size = f"{written:,} rows"
    return [
        Figure(
            "warm restart after SIGTERM", _spread(stopped), "≤ 2 s", "", f"{size}; from process start to all running"
        ),
        Figure(
            "warm restart after kill -9", _spread(killed), "≤ 2 s", "", f"{size}; from process start to all running"
        ),
        Figure(
            "cold start of a worker, small rows", f"{written / cold_s:,.0f} rows/s", "", "", f"{size}, whole process"
        ),
    ]


def _again(one: Rig, *, kill: bool) -> float:
    """End the worker, start it, and return how long it took until all partitions ran."""
    process = one.start_again(kill=kill)
    took_s = one.until_running(process, STARTED_S)
    note(f"warm restart after {'kill -9' if kill else 'SIGTERM'} in {took_s:.2f} s")
    return took_s


def sigterm(servers: str, folder: Path, scale: float) -> list[Figure]:
    """Measure how long a worker with more input than it can take needs to end when asked."""
    found: list[float] = []
    codes: set[int | None] = set()
    with rig(servers, "sigterm", folder) as one:
        count = round(150_000 * scale)
        load = Load(servers, one.names.input, many_threads(500, count // 500), count=count // 500 * 500, seconds=1)
        load.start()
        load.done.wait(_PUBLISHED_S)
        for _ in range(_REPEATS):
            process = one.start()
            one.until_running(process, STARTED_S)
            time.sleep(2)
            took_s, code = stop(process, _TERM_S)
            found.append(took_s)
            codes.add(code)
            note(f"SIGTERM to exit {took_s:.2f} s, exit code {code}, {one.lag() or 0:,} records left")
        busy = (one.lag() or 0) > 0
    shown = f"{_spread(found)}, exit {', '.join(map(str, sorted(codes, key=str)))}"
    detail = "input waiting all the time" if busy else "input ran out: not under full load"
    return [Figure("SIGTERM to exit under full load", shown, "≤ 10 s", "", detail)]


def _spread(seconds: list[float]) -> str:
    return f"{max(seconds):.1f} s, median {statistics.median(seconds):.1f} s of {len(seconds)}"
