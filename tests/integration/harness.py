"""A worker group on the tests' broker: topics of its own, processes to start and kill, and an auditor."""

import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from worker import app
from worker.audit import Difference, differences, from_scratch
from worker.codec.values import ValueDecoder
from worker.config import PROJECTIONS, Settings, load
from worker.errors import RetryError
from worker.kafka.group import GroupProgress
from worker.kafka.offsets import end_offsets
from worker.kafka.publisher import Publisher
from worker.kafka.reader import read_all
from worker.kafka.topics import Topics, wanted
from worker.model.record import Headers, InRecord, OutRecord

VECTORS = Path(__file__).parents[1] / "vectors"
PARTITIONS = 4
# Much shorter than in production and in the same order, so that a killed worker's partitions move within a test.
TIMERS = {
    "KAFKA__MESSAGE_TIMEOUT_MS": 2_000,
    "LOOP__BUDGET_S": 3,
    "KAFKA__SOCKET_TIMEOUT_MS": 4_000,
    "KAFKA__TRANSACTION_TIMEOUT_MS": 5_000,
    "KAFKA__SESSION_TIMEOUT_MS": 6_000,
}

# Reads mutations in any encoding that needs no registry.
decode = ValueDecoder().decode

Lines = Iterable[tuple[str, int, bytes]]
# Key, value and headers of output records, by topic and thread.
ByThread = dict[tuple[str, str], list[tuple[bytes | None, bytes | None, Headers]]]


class Speaker(Protocol):
    """What can show its log."""

    def said(self) -> str:
        """Return what it logged."""


def until(condition: Callable[[], bool], within_s: float, what: str, *speakers: Speaker) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: it did not come true; with what the speakers logged until now.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            logs = "".join(f"\n{speaker.said()}" for speaker in speakers)
            raise TimeoutError(f"not within {within_s:g} s: {what}{logs}")
        time.sleep(0.05)


def vector_threads(copies: int = 1) -> Iterator[tuple[str, list[bytes]]]:
    """Yield threads of all kinds: the random conformance cases, under ids of their own."""
    with gzip.open(VECTORS / "legacy-random.jsonl.gz", "rt") as cases:
        texts = [(case["name"], case["input"].encode("utf-8", "surrogateescape")) for case in map(json.loads, cases)]
    for copy in range(copies):
        for name, text in texts:
            yield f"{name}-{copy}", text.removesuffix(b"\n").split(b"\n")


def interleaved(threads: Iterable[tuple[str, list[bytes]]]) -> Iterator[tuple[str, int, bytes]]:
    """Yield the lines of threads in turn, as when many conversations run at once."""
    going = [(thread_id, enumerate(lines)) for thread_id, lines in threads]
    while going:
        still = []
        for thread_id, lines in going:
            found = next(lines, None)
            if found is not None:
                yield (thread_id, *found)
                still.append((thread_id, lines))
        going = still


def thread_of(record: InRecord | OutRecord) -> str:
    """Return the thread an output record belongs to, by its key."""
    return unquote((record.key or b"").decode().partition("/")[0])


def _by_thread(records: Iterable[InRecord] | Iterable[OutRecord]) -> ByThread:
    found: ByThread = defaultdict(list)
    for record in records:
        found[record.topic, thread_of(record)].append((record.key, record.value, record.headers))
    return dict(found)


class WorkerProcess:
    """A worker, or another long command, in a process of its own; its log is kept for a failing test to show."""

    def __init__(self, environment: dict[str, str], *arguments: str, release: str = "worker") -> None:
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", release, *(arguments or ["run"])], env=environment, stdout=self.log, stderr=self.log
        )

    @property
    def pid(self) -> int:
        """The process' id."""
        return self._process.pid

    def alive(self) -> bool:
        """Tell whether it runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait(self, within_s: float) -> int:
        """Wait for its end and return the exit code."""
        return self._process.wait(within_s)

    def terminate(self, within_s: float = 10.0) -> int:
        """Ask it to end and return its exit code."""
        self._process.terminate()
        return self.wait(within_s)

    def said(self) -> str:
        """Return what it logged so far."""
        # By a read of its own place: to seek would move where the process writes, too.
        return os.pread(self.log.fileno(), os.fstat(self.log.fileno()).st_size, 0).decode()

    def told(self, message: str) -> list[dict[str, Any]]:
        """Return the facts of each line it logged under a message."""
        lines = [line for line in self.said().splitlines() if f'"message": "{message}"' in line]
        return [json.loads(line) for line in lines if line.endswith("}")]

    def error(self) -> str:
        """Return what it said of why it ended, on one line."""
        _, found, text = self.said().rpartition("error: ")
        return " ".join(text.split()) if found else ""

    def close(self) -> None:
        """Kill it if it still runs and drop its log."""
        if self.alive():
            self.kill()
        self.log.close()


class Deployment:
    """A worker group with topics of its own."""

    def __init__(
        self,
        bootstrap: str,
        name: str,
        partitions: int = PARTITIONS,
        projections: Sequence[str] = PROJECTIONS,
        **more: object,
    ) -> None:
        self._variables: dict[str, object] = {
            "KAFKA__BOOTSTRAP_SERVERS": bootstrap,
            "GROUP": name,
            "TOPICS__PREFIX": f"{name}.",
            "TOPICS__PARTITIONS": partitions,
            "PROJECTIONS": json.dumps(projections),
            **TIMERS,
            **more,
        }
        self.settings = self._settings(name, partitions, bootstrap, projections)
        self.names = app.topic_names(self.settings)
        Topics(self.settings.kafka).create(wanted(self.names), self.settings.topics)
        self._record_bytes_max = Topics(self.settings.kafka).record_bytes_max(self.names.input)
        self._progress = GroupProgress(self.settings.kafka, name, self.names.input, partitions)
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        self._workers: list[WorkerProcess] = []
        self._state = tempfile.TemporaryDirectory()

    @staticmethod
    def _settings(name: str, partitions: int, bootstrap: str, projections: Sequence[str]) -> Settings:
        topics = {"prefix": f"{name}.", "partitions": partitions}
        kafka = {"bootstrap_servers": bootstrap}
        return load(None, {"kafka": kafka, "group": name, "topics": topics, "projections": projections})

    def environment(self, **more: object) -> dict[str, str]:
        """Return the variables that a worker of this group runs with."""
        ours = {f"THW_{name}": str(found) for name, found in {**self._variables, **more}.items()}
        return {**os.environ, **ours}

    def start(self, instance: str = "0", **more: object) -> WorkerProcess:
        """Start a worker."""
        return self._start("worker", instance, more)

    def start_next(self, instance: str = "0", **more: object) -> WorkerProcess:
        """Start a worker of the next release."""
        return self._start("tests.next_release", instance, more)

    def _start(self, release: str, instance: str, more: dict[str, object]) -> WorkerProcess:
        folder = Path(self._state.name) / instance
        variables = self.environment(**{"INSTANCE": instance, "STORE__FOLDER": folder} | more)
        started = WorkerProcess(variables, release=release)
        self._workers.append(started)
        return started

    def publish(self, lines: Lines) -> int:
        """Send lines and wait until the broker has them; return how many."""
        sent = 0
        with Publisher(self.settings.kafka, self.names.input, record_bytes_max=self._record_bytes_max) as publisher:
            for thread_id, ordinal, line in lines:
                while not publisher.send(thread_id.encode(), ordinal, line):
                    pass
                sent += 1
            publisher.flush()
        return sent

    def forget(self, thread_id: str) -> None:
        """Have a thread forgotten: a null value, from the producer that any user may have."""
        producer = Producer(
            {"bootstrap.servers": self.settings.kafka.bootstrap_servers, "partitioner": "murmur2_random"}
        )
        producer.produce(self.names.input, None, thread_id)
        assert producer.flush(30) == 0

    def lag(self) -> int | None:
        """Return how far the group is behind, None when nobody can tell now."""
        try:
            return self._progress.lag()
        except RetryError:
            return None

    def members(self) -> int:
        """Return how many members the group has."""
        return self._progress.members()

    def lags(self) -> dict[int, int]:
        """Return how far the group is behind, by partition."""
        committed = self._progress.committed()
        return {partition: end - committed[partition] for partition, end in self._progress.ends().items()}

    def until_through(self, within_s: float = 60.0) -> None:
        """Wait until the group has committed everything there is, and readers of committed records see it."""
        until(lambda: self.lag() == 0, within_s, "group through its input", self)
        until(self._is_settled, within_s, "no transaction is open on the mutation topics", self)

    def _is_settled(self) -> bool:
        """Tell whether all markers are written: a commit returns before they are."""
        numbers = range(self.settings.topics.partitions)
        places = [(topic, number) for topic in self.names.projections.values() for number in numbers]
        return end_offsets(self.admin, places, committed_only=True) == end_offsets(
            self.admin, places, committed_only=False
        )

    def said(self) -> str:
        """Return what the workers logged."""
        return "\n".join(worker.said() for worker in self._workers)

    def input(self) -> list[InRecord]:
        """Return all input records."""
        return read_all(self.settings.kafka, [self.names.input])

    def published(self) -> list[InRecord]:
        """Return all mutations and dead letters that a reader sees."""
        return read_all(self.settings.kafka, [*self.names.projections.values(), self.names.dead_letters])

    def audit(self) -> list[Difference]:
        """Compare what is published with a reduction from scratch, byte for byte."""
        return differences(
            self.published(),
            from_scratch(self.input(), app.task_maker(self.settings, partitions=self.settings.topics.partitions)),
            app.latest_topics(self.settings),
        )

    def by_thread(self) -> tuple[ByThread, ByThread]:
        """Return what is published and what a reduction from scratch publishes: by topic and thread, in order."""
        scratch = from_scratch(self.input(), app.task_maker(self.settings, partitions=self.settings.topics.partitions))
        wanted = [record for records in scratch.values() for record in records]
        return _by_thread(self.published()), _by_thread(wanted)

    def rows(self) -> dict[bytes, bytes]:
        """Return the state rows that the changelog holds now."""
        found = {record.key or b"": record.value for record in read_all(self.settings.kafka, [self.names.changelog])}
        return {key: value for key, value in found.items() if value is not None}

    def state(self, instance: str = "0") -> Path:
        """Return the folder of a worker's state."""
        return Path(self._state.name) / instance

    def alter(self, topic: str, **config: object) -> None:
        """Change a topic's settings, named with `_` for `.`."""
        kind = AlterConfigOpType.SET
        entries = [
            ConfigEntry(name.replace("_", "."), str(found), incremental_operation=kind)
            for name, found in config.items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
        for future in self.admin.incremental_alter_configs([resource]).values():
            future.result()

    def committed(self) -> dict[int, int]:
        """Return the input offsets that the group has committed, by partition, 0 where it has none."""
        return self._progress.committed()

    def command(self, *arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
        """Run a command of the project for this group."""
        return subprocess.run(
            [sys.executable, "-m", "worker", *arguments],
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def close(self) -> None:
        """End all workers and remove their state."""
        for worker in self._workers:
            worker.close()
        self._state.cleanup()
