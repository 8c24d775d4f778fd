"""Stand-ins for programs on the search path: real scripts, in a folder of their own."""

from pathlib import Path


def script(folder: Path, name: str, body: str) -> Path:
    """Write an executable shell script; `folder` then serves as the search path."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def java_of_version(folder: Path, version: str) -> Path:
    return script(folder, "java", f"echo 'openjdk version \"{version}\" 2025-01-01' >&2")
