"""One node of a local cluster: a Java process, to be started, stopped, killed, paused and started again."""

import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from worker.errors import FatalError
from worker.localbroker.leash import Leash
from worker.localbroker.ports import HOST, accepts
from worker.localbroker.properties import Address

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
# A killed process is gone at once, unless the kernel is stuck with its disk.
KILL_TIMEOUT_S = 10.0
POLL_S = 0.05

# What a failure quotes, and how much of the log's end is searched for it.
QUOTED_LINES_MAX = 25
SEARCHED_BYTES_MAX = 1_000_000

_ERROR = re.compile(r"^[\d:,]+ (ERROR|FATAL) ")

# Logged once the quorum has a leader, the broker is registered with it and serves clients.
_READY = b"Kafka Server started"


class LocalBroker:
    """A node, not running until started; it keeps its ports and data from one start to the next.

    Args:
        address: Who it is and where it listens.
        folder: Its own folder, formatted; it runs there.
        command: Starts it.
        detached: It may outlive us; else it is killed when we are gone.
    """

    def __init__(self, address: Address, folder: Path, command: Sequence[str], *, detached: bool = False) -> None:
        self.address = address
        self.folder = folder
        self.log = folder / "broker.log"
        self._command = list(command)
        self._detached = detached
        self._process: subprocess.Popen[bytes] | None = None
        self._leash: Leash | None = None
        self._log_start = 0

    @property
    def bootstrap_server(self) -> str:
        """Host and port for clients, of this node alone."""
        return f"{HOST}:{self.address.broker_port}"

    @property
    def running(self) -> bool:
        """Whether the process is there, ready or not, paused or not."""
        if self._process is None:
            return False
        if self._process.poll() is None:
            return True
        self._forget()
        return False

    @property
    def pid(self) -> int:
        """The process's id.

        Raises:
            FatalError: It is not running.
        """
        return self._alive().pid

    def start(self) -> None:
        """Start it, unless it runs, and wait until it serves clients.

        Raises:
            FatalError: It ended, or was not ready in time and was killed; lines of its log are in the text.
        """
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it, unless it runs, and do not wait: nodes of one quorum wait for each other."""
        if self.running:
            return
        self._forget()
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in a terminal goes to the whole group; we stop the broker ourselves, after its clients.
                start_new_session=True,
            )
        if not self._detached:
            self._leash = Leash(self._process.pid)

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until a launched node serves clients; `start` says what is raised."""
        deadline = time.monotonic() + timeout_s
        while not self._ready():
            if not self.running:
                raise self._failure("ended while starting")
            if time.monotonic() > deadline:
                self.kill()
                raise self._failure(f"was not ready within {timeout_s:.0f} s")
            time.sleep(POLL_S)

    def terminate(self) -> None:
        """Ask it to end in an orderly way and do not wait; a paused one goes on, to be able to."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.send_signal(signal.SIGCONT)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """End it in an orderly way, or by force once the time is over."""
        self.terminate()
        if self._process is not None:
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._forget()

    def kill(self) -> None:
        """End it at once, as a crash would (SIGKILL), and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
        self._forget()

    def pause(self) -> None:
        """Freeze it: its connections stay open and nothing answers.

        Raises:
            FatalError: It is not running.
        """
        self._alive().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`.

        Raises:
            FatalError: It is not running.
        """
        self._alive().send_signal(signal.SIGCONT)

    def leave(self) -> None:
        """Let go of a running detached node, which then is nobody's child to wait for."""
        assert self._detached, "a broker on a leash dies with us"
        if self._process is not None and self.running:
            # Popen warns about a child that still runs when its handle goes, unless it believes the child ended.
            self._process.returncode = 0
        self._process = None

    def quote(self) -> str:
        """Return the last lines logged since the last start, or, if there are errors, the first fatal one and on.

        A node that fails logs far more about its orderly end than about the cause; one that comes back after a kill
        logs errors that are none.
        """
        with self.log.open("rb") as log:
            log.seek(max(self._log_start, self.log.stat().st_size - SEARCHED_BYTES_MAX))
            lines = log.read().decode(errors="replace").splitlines()
        errors = [at for at, line in enumerate(lines) if _ERROR.match(line)]
        fatal = [at for at in errors if "fatal" in lines[at].lower()] or errors
        quoted = lines[fatal[0] :][:QUOTED_LINES_MAX] if fatal else lines[-QUOTED_LINES_MAX:]
        return "\n".join(quoted)

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._process is None or not self.running:
            raise FatalError(f"local broker {self.address.node_id} is not running")
        return self._process

    def _ready(self) -> bool:
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            if _READY not in log.read():
                return False
        return accepts(self.address.broker_port)

    def _forget(self) -> None:
        # A process that ended keeps its id until it is waited for, so the leash cannot hit another one. `running` may
        # just have waited for it, and then this follows at once.
        if self._leash is not None:
            self._leash.release()
            self._leash = None
        if self._process is not None:
            self._process.wait(KILL_TIMEOUT_S)
            self._process = None

    def _failure(self, what: str) -> FatalError:
        return FatalError(f"local broker {self.address.node_id} {what}; from its log:\n{self.quote()}")
