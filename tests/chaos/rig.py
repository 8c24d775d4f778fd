"""One worker with the settings' defaults, to be measured: its topics, its process, its memory."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, Producer
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient

from tests.chaos.group import Process
from worker import app
from worker.config import load
from worker.errors import RetryError
from worker.kafka.group import GroupProgress
from worker.kafka.topics import Topics, wanted
from worker.model.murmur2 import partition_of

Row = tuple[bytes, bytes]
_FLUSH_S = 120.0
_TICK_S = 0.01
STARTED_S = 60.0


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        found: the figure, with its unit.
        target: what it should be.
        peers: what others reach, where that was measured.
        detail: how it was measured.
    """

    name: str
    found: str
    target: str
    peers: str = ""
    detail: str = ""


def note(text: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
    sys.stderr.flush()


class Rig:
    """A group of one worker.

    Args:
        folder: for its states and logs.
        more: variables beside the defaults, without their prefix.
    """

    def __init__(self, servers: str, name: str, folder: Path, partitions: int, **more: object) -> None:
        self.servers = servers
        self.partitions = partitions
        flags = {"bootstrap_servers": servers}
        self.settings = load(
            None, {"kafka": flags, "group": name, "topics": {"prefix": f"{name}.", "partitions": partitions}}
        )
        self.names = app.topic_names(self.settings)
        Topics(self.settings.kafka).create(wanted(self.names), self.settings.topics)
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        self._variables = {
            "KAFKA__BOOTSTRAP_SERVERS": servers,
            "GROUP": name,
            "TOPICS__PREFIX": f"{name}.",
            "STORE__FOLDER": self.folder / "state",
            "INSTANCE": "0",
            **more,
        }
        self._starts = 0
        self._processes: list[Process] = []
        self._progress = GroupProgress(self.settings.kafka, name, self.names.input, partitions)

    def start(self) -> Process:
        """Start the worker."""
        self._starts += 1
        environment = {**os.environ, **{f"THW_{name}": str(found) for name, found in self._variables.items()}}
        process = Process(environment, self.folder / f"worker-{self._starts}.log")
        self._processes.append(process)
        return process

    def start_again(self, *, kill: bool) -> Process:
        """End the worker that was started last and start it again.

        Args:
            kill: with SIGKILL, not SIGTERM.
        """
        last = self._processes[-1]
        if kill:
            last.kill()
        else:
            stop(last, STARTED_S)
        return self.start()

    def until_running(self, process: Process, within_s: float) -> float:
        """Wait until all partitions run, and return how long it took, in seconds."""
        return timed(lambda: process.said().count("partition runs") >= self.partitions, within_s, process)

    def lag(self) -> int | None:
        """Return how far the worker is behind, None when nobody can tell now."""
        try:
            return self._progress.lag()
        except RetryError:
            return None

    def fill_changelog(self, rows: Iterable[tuple[bytes, list[Row]]]) -> int:
        """Write rows to the changelog, each thread's to its partition; return how many."""
        producer = Producer(
            {
                "bootstrap.servers": self.servers,
                "linger.ms": 50,
                "compression.type": "lz4",
                "batch.size": 1_000_000,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        count = 0
        for key, some in rows:
            messages: list[dict[str, Any]] = [{"key": row, "value": found} for row, found in some]
            while messages:
                producer.produce_batch(self.names.changelog, messages, partition_of(key, self.partitions))
                messages = [message for message in messages if message.pop("_error", None) is not None]
                producer.poll(0.1 if messages else 0)
            count += len(some)
        if producer.flush(_FLUSH_S):
            raise TimeoutError("the changelog was not filled in time")
        self._commit_beginnings()
        return count

    def _commit_beginnings(self) -> None:
        """Commit offset 0 of the input, since state without committed input is refused."""
        places = [Place(self.names.input, partition, 0) for partition in range(self.partitions)]
        offsets = ConsumerGroupTopicPartitions(self.settings.group, places)
        admin = AdminClient({"bootstrap.servers": self.servers})
        admin.alter_consumer_group_offsets([offsets])[self.settings.group].result(_FLUSH_S)

    def close(self) -> None:
        """End what runs."""
        for process in self._processes:
            if process.ended() is None:
                process.kill()


@contextlib.contextmanager
def rig(servers: str, name: str, folder: Path, partitions: int = 4, **more: object) -> Iterator[Rig]:
    """Have a rig."""
    made = Rig(servers, name, folder, partitions, **more)
    try:
        yield made
    finally:
        made.close()


def timed(condition: Callable[[], bool], within_s: float, process: Process) -> float:
    """Wait for a condition while a process runs, and return how long it took, in seconds.

    Raises:
        TimeoutError: it did not come true.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > within_s or process.ended() is not None:
            raise TimeoutError(f"not within {within_s:g} s, exit code {process.ended()}:\n{process.said()[-2_000:]}")
        time.sleep(_TICK_S)
    return time.monotonic() - began


def anonymous_mb(pid: int) -> float:
    """Return a process' anonymous resident memory, in MB (10⁶ bytes)."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    # A process that ended and was not waited for has none.
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(sizes[0]) * 1_024 / 1e6 if sizes else 0.0


def stop(process: Process, within_s: float) -> tuple[float, int | None]:
    """Ask a process to end; return how long that took, in seconds, and the exit code, None if it still runs."""
    began = time.monotonic()
    process.signal(signal.SIGTERM)
    code = process.wait(within_s)
    return time.monotonic() - began, code
