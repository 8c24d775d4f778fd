"""The conformance vectors and how their inputs are read."""

import gzip
import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent.parent / "vectors"


def legacy() -> list[dict[str, Any]]:
    """Return the vectors of June 2026: one topic each, then random threads."""
    topics = (_FOLDER / "legacy.jsonl").read_bytes()
    threads = gzip.decompress((_FOLDER / "legacy-random.jsonl.gz").read_bytes())
    return [json.loads(line) for line in (topics + threads).split(b"\n") if line]


def august() -> list[dict[str, Any]]:
    """Return the vectors of August 2026."""
    found: list[dict[str, Any]] = json.loads((_FOLDER / "august.json").read_bytes())
    return found


def lines_of(text: str) -> list[bytes]:
    """Return a rollout file's lines: split at line feeds only; a few hold invalid UTF-8."""
    *lines, last = text.encode("utf-8", "surrogateescape").split(b"\n")
    return [*lines, last] if last else lines
