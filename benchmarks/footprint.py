"""Memory and disk for items, and bytes written for a byte read, by compression.

A worker runs over the same input with each codec, which the input has, too. Sizes are those of the broker's log files
before any compaction.
"""

from pathlib import Path
from typing import Any

import orjson

from benchmarks.programs import drain, worker
from benchmarks.rig import Bench, Input, fill, made_up, note
from worker import app
from worker.config import Settings
from worker.kafka.reader import read_all

CODECS = ("none", "lz4", "zstd")
DEFAULT = "lz4"


def on_disk(folder: Path) -> int:
    """Return what the files of a folder take on the disk, in bytes; a file may be larger than that."""
    return sum(found.stat().st_blocks * 512 for found in folder.rglob("*") if found.is_file())


def anonymous(pid: int) -> int:
    """Return a process' anonymous resident memory, in bytes; pages of files that the kernel may drop are none."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def sizes(made: Bench, settings: Settings) -> dict[str, Any]:
    """Return the log bytes of a group's topics by role, and what they are to a byte of input."""
    names = app.topic_names(settings)
    read = made.log_bytes([names.input])
    by_topic = {name: made.log_bytes([topic]) for name, topic in names.projections.items()}
    changelog = made.log_bytes([names.changelog])
    outputs = sum(by_topic.values())
    return {
        "input_bytes": read,
        "output_bytes": outputs,
        "changelog_bytes": changelog,
        "by_projection": by_topic,
        "outputs_per_input": round(outputs / read, 2),
        "changelog_per_input": round(changelog / read, 2),
        "write_amplification": round((outputs + changelog) / read, 2),
    }


def one(made: Bench, records: Input, codec: str) -> dict[str, Any]:
    """Return what a worker with a codec leaves."""
    settings = made.settings(made.name("footprint"))
    fill(settings, records, **{"compression.type": codec})
    state = made.folder / made.name("state")
    options = orjson.dumps({"compression.type": codec}).decode()
    with worker(settings, state, KAFKA__OPTIONS=options) as program:
        drain(made, settings, [program], len(records))
        memory = anonymous(program.pid)
    names = app.topic_names(settings)
    items = len({record.key for record in read_all(settings.kafka, [names.projections["thread_item"]])})
    found = {
        "codec": codec,
        "items": items,
        "worker_memory_mb": round(memory / 1e6, 1),
        "state_disk_mb": round(on_disk(state) / 1e6, 1),
        "state_disk_mb_per_million_items": round(on_disk(state) / items),
        "changelog_and_outputs_mb_per_million_items": 0,
        **sizes(made, settings),
    }
    found["changelog_and_outputs_mb_per_million_items"] = round(
        (found["output_bytes"] + found["changelog_bytes"]) / items
    )
    made.remove(settings)
    return found


def measure(made: Bench) -> dict[str, Any]:
    """Measure, once for each codec: sizes do not vary."""
    records = made_up(made.scale.threads, made.scale.lines)
    found = []
    for codec in CODECS:
        found.append(one(made, records, codec))
        note(f"footprint: {codec}: {found[-1]['write_amplification']} bytes written for one read")
    (default,) = [some for some in found if some["codec"] == DEFAULT]
    return {
        "records": len(records),
        "by_codec": found,
        "write_amplification": default["write_amplification"],
        **memory_by_items(made, default["items"]),
    }


def memory_by_items(made: Bench, items: int) -> dict[str, Any]:
    """Return a worker's memory as its items grow in number: more threads, one worker.

    Args:
        items: how many all of them are.
    """
    scale = made.scale
    settings = made.settings(made.name("memory"))
    state = made.folder / made.name("state")
    whole = made_up(scale.threads, scale.lines)
    parts = 4
    found = []
    with worker(settings, state) as program:
        for part in range(parts):
            some = whole[part * len(whole) // parts : (part + 1) * len(whole) // parts]
            fill(settings, some)
            drain(made, settings, [program], (part + 1) * len(whole) // parts + 1)
            found.append(
                {
                    "records": (part + 1) * len(whole) // parts,
                    "memory_mb": round(anonymous(program.pid) / 1e6, 1),
                    "state_disk_mb": round(on_disk(state) / 1e6, 1),
                }
            )
    made.remove(settings)
    return {"memory": found, "memory_mb_per_million_items": per_million(found, items)}


def per_million(memory: list[dict[str, Any]], items: int) -> int:
    """Return by how much memory grew for a million items, in MB, from the first look to the last.

    Args:
        memory: looks at a worker.
        items: how many there are at the last, in proportion to the records.
    """
    first, last = memory[0], memory[-1]
    grown: float = items * (last["records"] - first["records"]) / last["records"]
    growth: float = last["memory_mb"] - first["memory_mb"]
    return round(growth / grown * 1e6)
