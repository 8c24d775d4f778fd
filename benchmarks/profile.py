"""Where a worker's time goes: a sampling profiler (py-spy) watches one that has always more to do.

Needs py-spy, which must be allowed to read another process' memory.
"""

import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.programs import worker
from benchmarks.rig import Bench, as_other, fill, made_up
from worker.errors import ConfigError

_SECONDS = 5
_RATE = 200
_TOP = 25
_COPIES = 3
Stack = tuple[str, ...]


def program() -> str:
    """Return where the profiler is.

    Raises:
        ConfigError: it is not installed.
    """
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.is_file() else shutil.which("py-spy")
    if found is None:
        raise ConfigError("the profile needs py-spy: pip install py-spy")
    return found


def stacks(text: str) -> dict[Stack, int]:
    """Return samples by stack, outermost first, of the main thread, from py-spy's raw output."""
    found: Counter[Stack] = Counter()
    for line in text.splitlines():
        frames, _, samples = line.rpartition(" ")
        # The line number within a function says little, and splits it.
        stack = tuple(re.sub(r":\d+\)$", ")", frame) for frame in frames.split(";"))
        if any("run" in frame for frame in stack):
            found[stack] += int(samples)
    return dict(found)


def by_function(found: dict[Stack, int]) -> list[dict[str, Any]]:
    """Return the share of each function alone, and with all it calls, largest first."""
    total = sum(found.values())
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for stack, samples in found.items():
        own[stack[-1]] += samples
        for frame in set(stack):
            whole[frame] += samples
    return [
        {"function": name, "own": round(samples / total, 4), "with_called": round(whole[name] / total, 4)}
        for name, samples in own.most_common(_TOP)
    ]


def by_part(found: dict[Stack, int]) -> dict[str, float]:
    """Return the share of each part of the project by the innermost frame of ours in a stack."""
    total = sum(found.values())
    parts: Counter[str] = Counter()
    for stack, samples in found.items():
        ours = [match.group(1) for frame in stack if (match := re.search(r"\(worker/(\w+)", frame))]
        parts[ours[-1] if ours else "other"] += samples
    return {name: round(samples / total, 4) for name, samples in parts.most_common()}


def measure(made: Bench) -> dict[str, Any]:
    """Measure."""
    spy = program()
    records = made_up(made.scale.threads, made.scale.lines)
    settings = made.settings(made.name("profile"))
    # Enough for all the time: the same lines once more, as those of other threads.
    for copy in range(_COPIES):
        further = copy * made.scale.threads
        some = [(*as_other(key, line, further), ordinal) for key, ordinal, line in records]
        fill(settings, tuple((key, ordinal, line) for key, line, ordinal in some))
    state, raw = made.folder / made.name("state"), made.folder / "profile.txt"
    with worker(settings, state) as watched:
        # Its start is none of the matter.
        time.sleep(3)
        command = [spy, "record", "--pid", str(watched.pid), "--duration", str(_SECONDS), "--rate", str(_RATE)]
        subprocess.run([*command, "--format", "raw", "--output", str(raw)], check=True, capture_output=True)
    made.remove(settings)
    found = stacks(raw.read_text("utf-8"))
    return {
        "samples": sum(found.values()),
        "by_part": by_part(found),
        "by_function": by_function(found),
        "stacks": [[list(stack), samples] for stack, samples in found.items()],
    }
