"""Figures of a restore without a disk, and of the memory that a large state takes."""

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.threads import thread_id
from tests.chaos.group import Process
from tests.chaos.load import Record
from tests.chaos.publish import Load
from tests.chaos.restarts import ITEMS_A_THREAD
from tests.chaos.rig import Figure, Rig, anonymous_mb, note, rig
from tests.chaos.state import copies, message, small, thread_rows
from worker.kafka.restore import KafkaRestorer
from worker.kafka.topics import Topics
from worker.model.record import InRecord
from worker.runtime.ports import Listener, Offsets
from worker.store.folder import StateFolder

_REPEATS = 3
_RESTORED_S = 3_600.0
_PUBLISHED_S = 600.0
_SAMPLE_S = 0.5
THREADS = 200_000
# What may come to the cache's bound.
MARGIN_MB = 150


class _NothingCommitted:
    """A source of which a restore asks nothing but committed offsets (implements `worker.runtime.ports.Source`)."""

    def subscribe(self, listener: Listener) -> None:
        """Do nothing."""

    def poll(self, records_max: int, wait_s: float) -> Mapping[int, Sequence[InRecord]]:
        """Return nothing."""
        return {}

    def committed(self, partitions: Collection[int]) -> dict[int, int | None]:
        """Return 0 for each."""
        return dict.fromkeys(partitions, 0)

    def hold(self, partitions: Collection[int]) -> None:
        """Do nothing."""

    def start(self, partition: int, offset: int | None) -> None:
        """Do nothing."""

    def offsets(self) -> Offsets:
        """Return none."""
        return Offsets({}, None)

    def close(self) -> None:
        """Do nothing."""


def restore(servers: str, folder: Path, scale: float) -> list[Figure]:
    """Measure how fast the changelog's small rows come into empty stores."""
    with rig(servers, "restore", folder) as one:
        rows = small(thread_rows(one.settings, ITEMS_A_THREAD))
        written = one.fill_changelog(copies(rows, round(1_000_000 * scale) // len(rows) + 1))
        rates = [written / _restored(one, folder) for _ in range(_REPEATS)]
    shown = f"{statistics.median(rates):,.0f} rows/s"
    peers = "Kafka Streams 288,000; Quix 55,000; Faust 9,100"
    sizes = sum(len(row) + len(found) for row, found in rows) // len(rows) + len(thread_id(0))
    where = f"{one.partitions} partitions, restorer and stores in one process"
    detail = f"{written:,} rows of {sizes} bytes, {where}, median of {len(rates)}"
    return [Figure("cold restore, small rows", shown, "≥ 150,000", peers, detail)]


def _restored(one: Rig, folder: Path) -> float:
    """Restore all partitions into new stores and return how long it took, in seconds."""
    identity = Topics(one.settings.kafka).identity(one.names.changelog)
    with tempfile.TemporaryDirectory(dir=folder) as state:
        stores = StateFolder(Path(state), changelog=identity, bytes_max=1 << 36, age_max_s=3_600, wall=time.time)
        opened = {partition: stores.open(partition) for partition in range(one.partitions)}
        restorer = KafkaRestorer(one.settings, one.names.changelog, _NothingCommitted())
        began = time.monotonic()
        for partition, store in opened.items():
            restorer.begin(partition, store)
        waiting = set(opened)
        while waiting:
            waiting -= restorer.step().keys()
        took_s = time.monotonic() - began
        restorer.close()
        for store in opened.values():
            store.close()
        stores.close()
    note(f"restored in {took_s:.2f} s")
    return took_s


def memory(servers: str, folder: Path, scale: float) -> list[Figure]:
    """Measure the anonymous memory of a worker with a large state: while it restores it, and while it works on it."""
    threads = round(THREADS * scale)
    with rig(servers, "memory", folder) as one:
        rows = thread_rows(one.settings, ITEMS_A_THREAD)
        written = one.fill_changelog(copies(rows, threads))
        note(f"{written:,} rows of {threads:,} threads written to the changelog")
        process = one.start()
        restoring = _sampled_until(process, lambda: process.said().count("partition runs") >= one.partitions)
        note(f"restored; at most {max(restoring):.0f} MB")
        count = max(1_000, threads)
        load = Load(servers, one.names.input, _events(threads, count), count=count, seconds=1)
        load.start()
        load.done.wait(_PUBLISHED_S)
        working = _sampled_until(process, lambda: one.lag() == 0)
        note(f"{count:,} events of random threads; at most {max(working):.0f} MB")
        cache_mb = one.settings.store.cache_bytes / 1e6
    bound = f"≤ {cache_mb + MARGIN_MB:.0f} MB"
    size = f"{threads:,} threads, {threads * ITEMS_A_THREAD:,} items, {written:,} rows"
    detail = f"{size}; cache setting {cache_mb:.0f} MB"
    return [
        Figure("memory while it restores (RssAnon)", f"{max(restoring):.0f} MB", bound, "", detail),
        Figure(
            "memory while it works (RssAnon)",
            f"{max(working):.0f} MB",
            bound,
            "",
            f"{count:,} events of threads at random; {working[-1]:.0f} MB at the end",
        ),
    ]


def _events(threads: int, count: int) -> Iterator[Record]:
    """Yield further lines of threads at random, each with its thread's next ordinal."""
    chance = random.Random(0)
    lengths = dict.fromkeys(range(threads), ITEMS_A_THREAD)
    for at in range(count):
        number = chance.randrange(threads)
        ordinal = lengths[number]
        lengths[number] += 1
        value = message(ordinal, ordinal // 5)
        yield Record(at, thread_id(number).encode(), value, (("rollout-ordinal", b"%d" % ordinal),))


def _sampled_until(process: Process, condition: Callable[[], bool]) -> list[float]:
    """Return a process' anonymous memory, in MB, every moment until a condition comes true.

    Raises:
        TimeoutError: it did not, or the process ended.
    """
    deadline = time.monotonic() + _RESTORED_S
    found = [anonymous_mb(process.pid)]
    while not condition():
        if time.monotonic() > deadline or process.ended() is not None:
            raise TimeoutError(f"exit code {process.ended()}:\n{process.said()[-2_000:]}")
        time.sleep(_SAMPLE_S)
        found.append(anonymous_mb(process.pid))
    return found
