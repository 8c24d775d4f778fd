"""What a process tells over HTTP, for tests."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from tests.integration.harness import WorkerProcess, until


def address(process: WorkerProcess) -> str:
    """Return the `host:port` that a process serves, as soon as it does."""
    until(lambda: bool(process.told("telemetry served")), 60, "the port is open", process)
    (told,) = process.told("telemetry served")
    return f"{told['host']}:{told['port']}"


def get(process: WorkerProcess, path: str) -> tuple[int, str]:
    """Return status code and body of a path."""
    try:
        with urlopen(f"http://{address(process)}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def status(process: WorkerProcess) -> Any:
    """Return what /status tells."""
    return json.loads(get(process, "/status")[1])


def value(process: WorkerProcess, name: str, **labels: str) -> float:
    """Return the sum of a metric's series with these labels; 0 when there is none."""
    families = text_string_to_metric_families(get(process, "/metrics")[1])
    samples = [sample for family in families for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items())
