"""What a measurement ran on."""

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import confluent_kafka

from worker.localbroker.jars import KAFKA_VERSION
from worker.model.mutation import REDUCER_VERSION

PACKAGES = ("orjson", "pydantic-core", "fastavro", "lmdb")
ROOT = Path(__file__).parents[1]


def load() -> float:
    """Return the load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def machine() -> dict[str, Any]:
    """Return the machine, and the versions of what was measured."""
    return {
        "cores": os.cpu_count(),
        "processor": _first("/proc/cpuinfo", r"model name\s*: (.+)"),
        "memory_gb": round(int(_first("/proc/meminfo", r"MemTotal:\s*(\d+)") or 0) * 1024 / 1e9),
        "commit": _commit(),
        "reducer_version": REDUCER_VERSION,
        "python": platform.python_version(),
        "kafka": KAFKA_VERSION,
        "confluent-kafka": _version("confluent-kafka"),
        "librdkafka": confluent_kafka.libversion()[0],
        **{name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _first(file: str, pattern: str) -> str:
    found = re.search(pattern, Path(file).read_text("utf-8"))
    return found.group(1) if found else ""


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
