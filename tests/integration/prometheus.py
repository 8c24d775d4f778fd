"""A real Prometheus on a free port, for tests that look at the worker as an operator's does."""

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from worker.localbroker.leash import Leash
from worker.localbroker.ports import free_ports

PROGRAM = shutil.which("prometheus")
# Says why tests are skipped; "" when they are not.
MISSING = "" if PROGRAM else "no `prometheus` on this machine (Debian, Ubuntu: apt-get install prometheus)"

_READY_S = 30.0


class Prometheus:
    """A server that scrapes every second and forgets everything at its end.

    Args:
        targets: `host:port` of each process to scrape, by job.
        rules: files of rules to load.
    """

    def __init__(self, targets: dict[str, list[str]], rules: Iterable[Path] = ()) -> None:
        assert PROGRAM is not None, MISSING
        self._folder = Path(tempfile.mkdtemp(prefix="prometheus-"))
        jobs = [{"job_name": job, "static_configs": [{"targets": found}]} for job, found in targets.items()]
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(file) for file in rules],
            "scrape_configs": jobs,
        }
        # JSON is YAML.
        (self._folder / "prometheus.yml").write_text(json.dumps(config))
        self.url = f"http://127.0.0.1:{free_ports(1)[0]}"
        self._log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(
            [
                PROGRAM,
                f"--config.file={self._folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
            ],
            stdout=self._log,
            stderr=self._log,
        )
        self._leash = Leash(self._process.pid)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + _READY_S
        while not self._is_ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                said = (self._folder / "log").read_text()[-2_000:]
                self.close()
                raise TimeoutError(f"no Prometheus: {said}")
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/-/ready", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (URLError, ConnectionError, TimeoutError):
            return False

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return the series that an expression gives now: labels and value."""
        found = self._get("query", query=expression)["result"]
        return [(series["metric"], float(series["value"][1])) for series in found]

    def value(self, expression: str) -> float | None:
        """Return the value of an expression that gives one series, None if it gives none."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0][1] if found else None

    def names(self) -> set[str]:
        """Return the names of all series there are."""
        return set(self._get("label/__name__/values"))

    def _get(self, what: str, **parameters: str) -> Any:
        with urlopen(f"{self.url}/api/v1/{what}?{urlencode(parameters)}", timeout=10) as answer:  # noqa: S310
            told = json.load(answer)
        assert told["status"] == "success", told
        return told["data"]

    def close(self) -> None:
        """End it and remove its data."""
        self._leash.release()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)
