"""A release with another reduction: rows stay as they are until their thread changes them, or `rebuild` does."""

from collections.abc import Sequence

import orjson
import pytest

from tests import factories
from tests.factories import event, record
from worker.audit import folded
from worker.model.record import OutRecord
from worker.rebuild import Existing, rebuilt
from worker.store.memory import MemoryStore

LINES = [
    event("task_started", turn_id="a"),
    event("user_message", message="first"),
    event("task_complete", turn_id="a"),
    event("task_started", turn_id="b"),
    event("agent_message", message="second"),
]
RECORDS = [record(line, offset=at) for at, line in enumerate(LINES)]


def _versions(out: Sequence[OutRecord]) -> dict[bytes | None, int]:
    """Return the reducer version that the last value of each row carries."""
    return {one.key: orjson.loads(one.value)["reducerVersion"] for one in out if one.value is not None}


def test_a_newer_reduction_changes_what_comes_and_rebuild_changes_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    before = list(folded(factories.task(store), RECORDS[:3]))
    monkeypatch.setattr("worker.pipeline.REDUCER_VERSION", 2)
    after = list(folded(factories.task(store), RECORDS[3:]))
    existing = Existing([(one.topic, one.key or b"") for one in before + after], [key for key, _ in store.scan(b"t/")])
    again = rebuilt(
        "t", RECORDS, existing, generation=9, new_task=factories.task, topics=factories.TOPICS.projections.values()
    )

    assert set(_versions(before).values()) == {1}
    assert set(_versions(after).values()) == {2}
    assert not [key for key in _versions(after) if b"/a" in (key or b"")]
    assert set(_versions(again.out)) == set(_versions(before)) | set(_versions(after))
    assert set(_versions(again.out).values()) == {2}
