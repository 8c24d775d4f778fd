"""The programs of others that check what is in deploy/."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_PLACES = os.pathsep.join([str(ROOT / ".venv" / "tools"), str(ROOT / ".venv" / "bin"), os.environ.get("PATH", "")])
_SOURCES = {
    "compose": "make tools (needs Go)",
    "kustomize": "make tools (needs Go)",
    "hadolint": "make .venv/.dev",
    "promtool": "the Debian package prometheus",
    "prometheus": "the Debian package prometheus",
}


def tool(name: str) -> str:
    """Return the path of a program; without it the test skips, and in CI it fails."""
    found = shutil.which(name, path=_PLACES)
    if found is None:
        missing = f"needs {name}: {_SOURCES[name]}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found
