"""A real schema registry on loopback: Apicurio Registry, which speaks Confluent's API; fetched once, through Maven."""

import shutil
import subprocess
import tarfile
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

from worker.errors import FatalError
from worker.localbroker.java import bundled_java
from worker.localbroker.leash import Leash
from worker.localbroker.ports import HOST, free_ports

VERSION = "3.3.3"
ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
CACHE = Path.home() / ".cache" / "thread-history-worker"
# 159 MB on a slow line.
FETCH_TIMEOUT_S = 900.0
START_TIMEOUT_S = 90.0


def registry_folder() -> Path:
    """Return the folder with the registry's jars, fetching them if they are not there yet.

    The folder appears whole or not at all, also when two processes fetch at the same time.

    Raises:
        FatalError: Maven is missing, or could not fetch them.
    """
    folder = CACHE / f"apicurio-registry-{VERSION}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise FatalError("the tests of the registry need Maven (`mvn`) once, to fetch Apicurio Registry")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}-", dir=CACHE) as scratch:
        goal = ("dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={scratch}")
        done = subprocess.run(
            [maven, "-B", "-q", *goal],
            cwd=scratch,
            capture_output=True,
            text=True,
            timeout=FETCH_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise FatalError(f"Apicurio Registry cannot be fetched: {done.stdout[-2_000:]}{done.stderr[-2_000:]}")
        (packed,) = Path(scratch).glob("*.tar.gz")
        unpacked = Path(scratch) / "unpacked"
        with tarfile.open(packed) as archive:
            archive.extractall(unpacked, filter="data")
        try:
            unpacked.rename(folder)
        except OSError:
            # Another process was faster, and its files are the same.
            if not folder.is_dir():
                raise
    return folder


class RegistryProcess:
    """A registry with everything in memory: stopped, it has forgotten all."""

    def __init__(self) -> None:
        java = bundled_java()
        if java is None:
            raise FatalError(
                "the tests of the registry need Java 21 or newer: pip install 'thread-history-worker[java]'"
            )
        self.port, management = free_ports(2)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._folder = tempfile.TemporaryDirectory()
        options = {
            "quarkus.http.host": HOST,
            "quarkus.http.port": self.port,
            "quarkus.management.host": HOST,
            "quarkus.management.port": management,
        }
        self._process = subprocess.Popen(
            [
                str(java),
                "-Xmx512m",
                "-XX:TieredStopAtLevel=1",
                *(f"-D{name}={found}" for name, found in options.items()),
                "-jar",
                str(registry_folder() / "quarkus-run.jar"),
            ],
            cwd=self._folder.name,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._leash = Leash(self._process.pid)

    @property
    def url(self) -> str:
        """Where it speaks Confluent's API."""
        return f"http://{HOST}:{self.port}/apis/ccompat/v7"

    def wait_ready(self) -> None:
        """Wait until it answers.

        Raises:
            FatalError: it ended, or did not in time.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise FatalError(f"the registry did not start: {self._said()}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=2) as answer:  # noqa: S310 (our own URL)
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-3_000:]

    def stop(self) -> None:
        """End it at once."""
        self._leash.release()
        self._process.kill()
        self._process.wait()
        self._log.close()
        self._folder.cleanup()
