"""Programs that are measured: their processes, what they cost, and how fast they get through their input."""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.rig import PARTITIONS, ROOT, ROUND_S, Bench, note
from worker import app
from worker.config import Settings
from worker.errors import RetryError
from worker.kafka.group import GroupProgress
from worker.localbroker.leash import Leash

_POLL_S = 0.05
_LF = "\n"
_STOP_S = 20.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Program:
    """A program that is measured; it dies with us.

    Args:
        command: after the interpreter, or with a program of its own.
        variables: added to the environment.
    """

    def __init__(
        self, command: Sequence[str], log: Path, variables: Mapping[str, object], *, python: str = sys.executable
    ) -> None:
        environment = {**os.environ, **{name: str(found) for name, found in variables.items()}}
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [python, *command] if python else command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._leash = Leash(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process' id."""
        return self._process.pid

    def failed(self) -> bool:
        """Tell whether it ended with an error."""
        return bool(self._process.poll())

    def said(self) -> str:
        """Return what it wrote."""
        return self.log.read_text("utf-8", errors="replace")

    def wait(self, within_s: float) -> None:
        """Wait for its end."""
        self._process.wait(within_s)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """End it; by force when it takes too long."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._leash.release()


def worker(settings: Settings, state: Path, **variables: object) -> Program:
    """Start a worker with default settings but its names.

    Args:
        state: its folder; its log is beside it.
        variables: further settings, without their prefix.
    """
    own = {
        "KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "GROUP": settings.group,
        "TOPICS__PREFIX": settings.topics.prefix,
        "STORE__FOLDER": state,
        "INSTANCE": "0",
        **variables,
    }
    log = state.with_suffix(".log")
    return Program(["-m", "worker", "run"], log, {f"THW_{name}": found for name, found in own.items()})


def cpu_s(pid: int) -> float:
    """Return the processor time a process has taken, user's and system's, in seconds; 0 once it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace")
    except FileNotFoundError:
        return 0.0
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass(frozen=True)
class Seen:
    """One look at programs at work.

    Attributes:
        lag: input records that are not committed yet.
        cpu_s: processor time of the programs so far, summed.
        broker_s: the broker's.
    """

    at: float
    lag: int
    cpu_s: float
    broker_s: float


@dataclass(frozen=True)
class Run:
    """What programs did between the first commit seen and the last.

    Attributes:
        cpu_us: processor time of all programs for a record, microseconds; `broker_us` the broker's.
    """

    records_per_s: float
    cpu_us: float
    broker_us: float

    @classmethod
    def of(cls, seen: Sequence[Seen]) -> Self:
        """Compute it.

        Raises:
            ValueError: fewer than two commits were seen: the input is too small.
        """
        first, last = seen[0], seen[-1]
        records = first.lag - last.lag
        if records <= 0:
            raise ValueError("only one commit was seen: the input is too small to measure a rate")
        return cls(
            records / (last.at - first.at),
            (last.cpu_s - first.cpu_s) / records * 1e6,
            (last.broker_s - first.broker_s) / records * 1e6,
        )


def drain(
    made: Bench,
    settings: Settings,
    programs: Sequence[Program],
    records: int,
    topic: str = "",
    *,
    ready: bool = False,
) -> list[Seen]:
    """Watch programs work until their group has consumed all records; return a look at each commit.

    Args:
        topic: their input, by default the group's own.
        ready: they have started up before and begin now, at which the first look is taken.

    Raises:
        RuntimeError: one ended, or they took too long; the last line of its log is in the text.
    """
    progress = GroupProgress(settings.kafka, settings.group, topic or app.topic_names(settings).input, PARTITIONS)
    broker = made.cluster.nodes[0].pid

    def look(lag: int) -> Seen:
        return Seen(time.monotonic(), lag, sum(cpu_s(program.pid) for program in programs), cpu_s(broker))

    seen = [look(records)] if ready else []
    deadline = time.monotonic() + ROUND_S
    while not seen or seen[-1].lag > 0:
        lag = _lag(progress)
        if lag is not None and lag < records and (not seen or lag != seen[-1].lag):
            seen.append(look(lag))
            continue
        failed = [program for program in programs if program.failed()]
        if failed or time.monotonic() > deadline:
            said = (failed or programs)[0].said().strip()
            note(said[-2_000:])
            raise RuntimeError(f"{settings.group} did not get through, {lag} records left: {said.rpartition(_LF)[2]}")
        time.sleep(_POLL_S)
    return seen


def _lag(progress: GroupProgress) -> int | None:
    try:
        return progress.lag()
    except RetryError:
        return None


def drained(made: Bench, settings: Settings, programs: Sequence[Program], records: int, topic: str = "") -> Run:
    """Watch programs as `drain` does, stop them, and return what they did."""
    with ExitStack() as stack:
        for program in programs:
            stack.enter_context(program)
        return Run.of(drain(made, settings, programs, records, topic))


def median(values: Sequence[float], digits: int = 1) -> float:
    """Return a rounded median."""
    return round(statistics.median(values), digits)


def told(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the medians of runs, and the rates of each."""
    return {
        "records_per_s": median([run.records_per_s for run in runs], 0),
        "cpu_us": median([run.cpu_us for run in runs]),
        "broker_us": median([run.broker_us for run in runs]),
        "rounds": [round(run.records_per_s) for run in runs],
    }
