"""The job that the peers do is the worker's."""

import re
import tomllib

from benchmarks.peers.job import Job, ordinal_of
from benchmarks.reduce import records
from benchmarks.rig import ROOT
from worker.app import task_maker, topic_names
from worker.config import Settings

LINES = 60


def test_peers_write_what_the_worker_writes() -> None:
    events = records(LINES, 2 * LINES)
    topics = topic_names(Settings()).projections
    job, rows = Job(), dict[tuple[bytes, str], bytes]()

    found = []
    for event in events:
        assert event.key is not None
        assert event.value is not None
        key = event.key
        source = {
            "topic": event.topic,
            "partition": event.partition,
            "offset": event.offset,
            "index": 0,
            "ordinal": None,
            "timestamp": event.timestamp_ms,
        }

        def stored(row: str, key: bytes = event.key) -> bytes | None:
            return rows.get((key, row))

        out, changed = job.fold(key, event.value, ordinal_of(event.headers), source, stored)
        found += [(topics[name], *rest) for name, *rest in out]
        for row, value in changed:
            if value is None:
                rows.pop((key, row), None)
            else:
                rows[key, row] = value

    wrote = task_maker(Settings())(0).process(events).out
    assert len(found) > LINES
    assert found == [(one.topic, one.key, one.value, one.headers) for one in wrote]


def test_the_peers_environment_has_what_the_worker_needs() -> None:
    """Else its reducer cannot be imported there; `make lock` writes it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lock = (ROOT / "benchmarks" / "peers" / "requirements.lock").read_text("utf-8")
    locked = set(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE))

    wanted = {re.split(r"[^\w.-]", dependency)[0] for dependency in project["dependencies"]}
    assert wanted - locked == set()
    assert {"quixstreams", "faust-streaming"} <= locked
