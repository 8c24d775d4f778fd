"""A PostgreSQL server on loopback for the tests, with data of its own; ended by its process id."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from worker.localbroker.leash import Leash
from worker.localbroker.ports import free_ports

MISSING = (
    "no PostgreSQL server on this machine: install one (Debian, Ubuntu: `apt-get install postgresql`), or name the "
    "folder of its programs in POSTGRES_BIN"
)
_VERSION_MIN = 15
_READY_S = 60.0
# Debian's layout, Red Hat's, Homebrew's; a server's programs are often not on the PATH.
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


def binaries() -> Path | None:
    """Return the folder of the newest server's programs, None if there is none of version 15 or newer."""
    named = os.environ.get("POSTGRES_BIN") or shutil.which("postgres")
    folders = [Path(named) if Path(named).is_dir() else Path(named).parent] if named else []
    folders += [found for place in _PLACES for found in Path("/").glob(place[1:])]
    known = {folder: _version(folder) for folder in folders if (folder / "initdb").is_file()}
    newest = max(known, key=lambda folder: known[folder], default=None)
    return newest if newest is not None and known[newest] >= _VERSION_MIN else None


def _version(folder: Path) -> int:
    # "postgres (PostgreSQL) 15.10 (Debian …)"; "17beta1" counts as 17.
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    digits = "".join(char if char.isdigit() else " " for char in said).split()
    return int(digits[0]) if digits else 0


def _unprivileged() -> dict[str, Any]:
    """Return how to run a server, which refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


class PostgresServer:
    """One server of one new cluster of databases; a context manager.

    Args:
        folder: of the server's programs, as `binaries` finds it.
        options: settings of the server, `name=value`.
    """

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self._programs = folder
        self._options = options
        self._data = Path(tempfile.mkdtemp(prefix="thread-history-postgres-"))
        self._password = secrets.token_hex(8)
        self._port = free_ports(1)[0]
        self._as = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        self._leash: Leash | None = None

    @property
    def user(self) -> str:
        """The name and the password of the server's owner, as they stand in a connection string."""
        return f"sink:{self._password}"

    @property
    def version(self) -> int:
        """The server's major version."""
        return _version(self._programs)

    def dsn(self, database: str = "postgres") -> str:
        """Return how to connect."""
        return f"postgresql://{self.user}@127.0.0.1:{self._port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """Return a connection that commits each statement."""
        return psycopg.connect(self.dsn(database), autocommit=True)

    def database(self, name: str) -> str:
        """Make an empty database; return how to connect to it."""
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.dsn(name)

    def start(self) -> None:
        """Start it and wait until it answers; the first start also makes the cluster.

        Raises:
            TimeoutError: it does not answer; lines of its log are in the text.
        """
        if not (self._data / "db").exists():
            self._make()
        options = [part for option in ("max_connections=40", *self._options) for part in ("-c", option)]
        where = ["-D", str(self._data / "db"), "-p", str(self._port), "-h", "127.0.0.1", "-k", ""]
        with (self._data / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(self._programs / "postgres"), *where, *options], stdout=log, stderr=log, cwd=self._data, **self._as
            )
        self._process, self._leash = process, Leash(process.pid)
        self._wait()

    def _make(self) -> None:
        secret = self._data / "password"
        secret.write_text(self._password)
        for path in (self._data, secret):
            if self._as:
                os.chown(path, self._as["user"], self._as["group"])
        subprocess.run(
            [
                *(self._programs / "initdb", "-D", self._data / "db", "-U", "sink", "--pwfile", secret),
                *("-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=self._data,
            **self._as,
        )

    def _wait(self) -> None:
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or not self.running:
                    raise TimeoutError(f"no PostgreSQL: {(self._data / 'log').read_text()[-2_000:]}") from None
                time.sleep(0.05)
            else:
                return

    @property
    def running(self) -> bool:
        """Tell whether the server's process lives."""
        return self._process is not None and self._process.poll() is None

    def stop(self, *, immediately: bool = False) -> None:
        """End it: orderly, or immediately, so that the next start recovers from the log as after a crash."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if immediately else signal.SIGINT)
        # Before the wait: a process that was waited for may give its id to another, which the leash must not hit.
        if self._leash is not None:
            self._leash.release()
        if self._process is not None:
            self._process.wait(30)
        self._process = self._leash = None

    def close(self) -> None:
        """End it and remove its data."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop(immediately=True)
        shutil.rmtree(self._data, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
