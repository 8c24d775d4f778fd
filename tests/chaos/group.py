"""The workers: processes by instance name, started again when they end unasked."""

import itertools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.harness import Deployment
from worker.localbroker.leash import Leash

ROOT = Path(__file__).parents[2]
_WATCH_S = 0.1
# A worker that ended unasked is started again after this.
_AGAIN_S = 1.0
STOP_S = 10.0


class Process:
    """A worker process; it dies with us.

    Attributes:
        log: what it wrote.
    """

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            # From our own tree, whatever is installed.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "worker", "run"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._leash = Leash(self._process.pid)

    @property
    def pid(self) -> int:
        """The process' id."""
        return self._process.pid

    def ended(self) -> int | None:
        """Return the exit code, None while it runs."""
        code = self._process.poll()
        if code is not None:
            self._leash.release()
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would, paused or not."""
        self._process.kill()
        self.wait(STOP_S)

    def wait(self, within_s: float) -> int | None:
        """Return the exit code, None if it still runs after a while."""
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return None
        return self.ended()

    def said(self) -> str:
        """Return what it logged."""
        return self.log.read_text("utf-8", errors="replace")


@dataclass
class Slot:
    """A place in the group, held by one process at a time.

    Attributes:
        wanted: whether a process should hold it.
        folder: where the process' state is.
        lock: held by whoever does something to the process.
    """

    instance: str
    folder: Path
    process: Process
    wanted: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)


class Group:
    """A worker group.

    Args:
        servers: where the workers find Kafka.
        folder: for their states and logs.
        note: is told what happens.

    Attributes:
        findings: what was not as promised.
        unasked: exit codes of processes that ended unasked, and their logs' last lines.
    """

    def __init__(
        self, deployment: Deployment, servers: str, folder: Path, note: Callable[[str], None], **more: object
    ) -> None:
        self._deployment = deployment
        self._more = {"KAFKA__BOOTSTRAP_SERVERS": servers, **more}
        self._folder = folder
        self._note = note
        self._numbers = itertools.count()
        self._names = itertools.count()
        self._slots: list[Slot] = []
        self._all: list[Process] = []
        self._ending = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watch workers", daemon=True)
        self.findings: list[str] = []
        self.unasked: list[tuple[int, str]] = []

    def __enter__(self) -> "Group":
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._watcher.join(STOP_S)
        for process in self._all:
            if process.ended() is None:
                process.kill()

    @property
    def slots(self) -> list[Slot]:
        """Those that should have a process."""
        return [slot for slot in self._slots if slot.wanted]

    def member(self, slot: Slot) -> str:
        """Return the name that Kafka knows a slot's process by."""
        return f"{self._deployment.settings.group}-{slot.instance}"

    def add(self) -> Slot:
        """Start a worker under a new name."""
        instance = str(next(self._names))
        folder = self._new_folder(instance)
        slot = Slot(instance, folder, self._process(instance, folder))
        self._slots.append(slot)
        return slot

    def start(self, slot: Slot, *, fresh_disk: bool = False) -> Process:
        """Start a slot's process.

        Args:
            fresh_disk: with a folder of its own, as on another machine.
        """
        if fresh_disk:
            slot.folder = self._new_folder(slot.instance)
        slot.process = self._process(slot.instance, slot.folder)
        return slot.process

    def _new_folder(self, instance: str) -> Path:
        return self._folder / f"state-{instance}-{next(self._numbers)}"

    def _process(self, instance: str, folder: Path) -> Process:
        environment = self._deployment.environment(INSTANCE=instance, STORE__FOLDER=folder, **self._more)
        process = Process(environment, self._folder / f"worker-{instance}-{next(self._numbers)}.log")
        self._all.append(process)
        return process

    @contextmanager
    def borrow(self, pick: float) -> Iterator[Slot]:
        """Have a worker to oneself that runs; wait until one is free.

        Args:
            pick: from 0 to 1, which one.
        """
        slot = self._free(pick)
        try:
            yield slot
        finally:
            slot.lock.release()

    def pick(self, pick: float) -> Slot:
        """Return a worker, whatever is done to it now."""
        slots = self.slots
        return slots[int(pick * len(slots))]

    def _free(self, pick: float) -> Slot:
        while not self._ending.is_set():
            slots = self.slots
            start = int(pick * len(slots))
            for slot in slots[start:] + slots[:start]:
                if slot.lock.acquire(blocking=False):
                    if slot.wanted and slot.process.ended() is None:
                        return slot
                    slot.lock.release()
            time.sleep(_WATCH_S)
        raise InterruptedError("the group ends")

    def _watch(self) -> None:
        while not self._ending.wait(_WATCH_S):
            for slot in self.slots:
                if slot.process.ended() is not None and slot.lock.acquire(blocking=False):
                    try:
                        self._met_end(slot)
                    finally:
                        slot.lock.release()

    def _met_end(self, slot: Slot) -> None:
        code = slot.process.ended()
        if code is None or not slot.wanted:
            return
        words = _last_words(slot.process)
        self.unasked.append((code, words))
        self._note(f"worker {slot.instance} ended unasked with {code}: {words}")
        # 2 is what a start in the middle of a broker's trouble may end with, and a supervisor tries again.
        if code != 2:
            self.findings.append(f"worker {slot.instance} ended unasked with {code}: {words}")
        if not self._ending.wait(_AGAIN_S):
            self.start(slot)

    def last_folders(self) -> list[Path]:
        """Return where the states of those are that run, or ran last."""
        return [slot.folder for slot in self._slots if slot.folder.is_dir()]

    def stop(self) -> None:
        """Ask all to end; that they do so in time and with 0 is promised."""
        slots = self.slots
        for slot in slots:
            slot.wanted = False
        for slot in slots:
            slot.process.signal(signal.SIGTERM)
        for slot in slots:
            code = slot.process.wait(STOP_S)
            if code != 0:
                self.findings.append(f"worker {slot.instance} asked to end: {_ended(code)}")


def _ended(code: int | None) -> str:
    return f"still running after {STOP_S:g} s" if code is None else f"exit code {code}"


def _last_words(process: Process) -> str:
    lines = process.said().strip().splitlines()
    return " ".join(lines[-1:])[:500]
