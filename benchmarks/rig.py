"""What all measures on a broker share: how much to do, the broker, topics, made-up input."""

import functools
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from benchmarks.threads import lines, thread_id
from worker import app
from worker.config import Settings, load
from worker.kafka.topics import Topics, wanted
from worker.localbroker.cluster import LocalCluster

ROOT = Path(__file__).parents[1]
PARTITIONS = 4
# Threads that are written at the same time, line by line.
AT_ONCE = 50
# Longest time a round may take, seconds.
ROUND_S = 240.0
# The broker compiles as in production, not as for a short test.
_JAVA_OPTIONS = ("-XX:TieredStopAtLevel=4",)

Input = tuple[tuple[bytes, int, bytes], ...]


def note(text: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
    sys.stderr.flush()


@dataclass(frozen=True)
class Scale:
    """How much the measures do.

    Attributes:
        rounds: of each measure; figures are their medians.
        threads: of the input of a round.
        lines: of each of them.
        part: records of the input of rounds that need fewer.
        slow_records: input of the slowest peer.
        events: folded in one round without a broker; also the length of the long thread.
        step_s: how long a load lasts, in seconds.
        intervals: commit intervals to compare, in seconds.
    """

    rounds: int
    threads: int
    lines: int
    part: int
    slow_records: int
    events: int
    step_s: float
    intervals: tuple[float, ...]

    @property
    def records(self) -> int:
        """Input records of a round."""
        return self.threads * self.lines


SCALES = {
    "full": Scale(5, 500, 200, 40_000, 3_000, 20_000, 5.0, (0.05, 0.1, 0.25, 0.5, 1.0)),
    "small": Scale(1, 300, 100, 30_000, 500, 20_000, 3.0, (0.1, 0.25, 0.5)),
}


@dataclass
class Bench:
    """A run of measures.

    Attributes:
        found: what the measures before found, by name.
        folder: for states and logs.
    """

    scale: Scale
    folder: Path
    found: dict[str, Any] = field(default_factory=dict)
    _cluster: LocalCluster | None = None
    _runs: int = 0

    @property
    def cluster(self) -> LocalCluster:
        """The broker, started on first use and after its end."""
        if self._cluster is None:
            self._cluster = LocalCluster(java_options=_JAVA_OPTIONS)
        self._cluster.start()
        return self._cluster

    @property
    def servers(self) -> str:
        """Where the broker is."""
        return self.cluster.bootstrap_servers

    def close(self) -> None:
        """End the broker."""
        if self._cluster is not None:
            self._cluster.close()

    def name(self, what: str) -> str:
        """Return a name that no other run has."""
        self._runs += 1
        return f"{what}-{self._runs}"

    def settings(self, name: str, **more: Any) -> Settings:
        """Return default settings of a group with topics of its own, which exist."""
        flags = {"kafka": {"bootstrap_servers": self.servers}, "group": name}
        found = load(None, flags | {"topics": {"prefix": f"{name}.", "partitions": PARTITIONS}} | more)
        Topics(found.kafka).create(wanted(app.topic_names(found)), found.topics)
        return found

    def remove(self, *groups: Settings) -> None:
        """Remove the topics of groups that are done, so that the disk does not fill up."""
        admin = AdminClient({"bootstrap.servers": self.servers})
        prefixes = tuple(start for one in groups for start in (one.topics.prefix, f"{one.group}.", f"{one.group}-"))
        known = [name for name in admin.list_topics(timeout=10).topics if name.startswith((*prefixes, "changelog__"))]
        for done in admin.delete_topics(known).values() if known else ():
            try:
                done.result()
            except KafkaException as error:
                note(f"a topic was not removed: {error}")

    def log_bytes(self, topics: Sequence[str]) -> int:
        """Return what topics take on the broker's disk, in bytes; a broker of one node alone."""
        folder = self.cluster.nodes[0].folder / "data"
        return sum(
            log.stat().st_size
            for topic in topics
            for partition in range(PARTITIONS)
            for log in (folder / f"{topic}-{partition}").glob("*.log")
        )


@contextmanager
def bench(scale: Scale) -> Iterator[Bench]:
    """Have a run; its broker starts when it is needed."""
    with tempfile.TemporaryDirectory(prefix="thread-history-bench-") as folder:
        made = Bench(scale, Path(folder))
        try:
            yield made
        finally:
            made.close()


@functools.cache
def made_up(threads: int, length: int) -> Input:
    """Return the input: key, ordinal and line of each record, many threads going on at a time."""
    found = []
    for start in range(0, threads, AT_ONCE):
        some = [
            (thread_id(number).encode(), list(lines(length, number)))
            for number in range(start, min(threads, start + AT_ONCE))
        ]
        found += [(key, ordinal, texts[ordinal]) for ordinal in range(length) for key, texts in some]
    return tuple(found)


def as_other(key: bytes, line: bytes, further: int) -> tuple[bytes, bytes]:
    """Return a made-up thread's key and line as those of the thread so many numbers further."""
    other = key[:-12] + b"%012x" % (int(key[-12:], 16) + further)
    return other, line.replace(key, other)


def fill_options(servers: str) -> dict[str, Any]:
    """Return the options of a producer of input."""
    return {
        "bootstrap.servers": servers,
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
        "linger.ms": 20,
        "batch.size": 1_000_000,
        "compression.type": "lz4",
        "queue.buffering.max.messages": 500_000,
    }


def fill(settings: Settings, records: Input, **options: Any) -> None:
    """Write the input of a group.

    Raises:
        TimeoutError: the broker did not take it.
    """
    topic = app.topic_names(settings).input
    sending = Producer(fill_options(settings.kafka.bootstrap_servers) | options)
    for key, ordinal, line in records:
        sending.produce(topic, line, key, headers=[("rollout-ordinal", b"%d" % ordinal)])
    if sending.flush(ROUND_S):
        raise TimeoutError("the input was not written in time")
