"""Formats of state rows side by side: read each by its own, and refused before anything when one is not known."""

from collections.abc import Iterator

import pytest

from tests import factories
from tests.factories import event, record
from tests.next_release import NEXT, layouts
from worker.audit import folded
from worker.codec.rows import FORMATS
from worker.config import load
from worker.errors import ConfigError
from worker.model.record import InRecord, OutRecord
from worker.runtime.ports import StateStore
from worker.store.memory import MemoryStore

LINES = [
    event("task_started", turn_id="a"),
    event("user_message"),
    event("agent_reasoning", text="hm"),
    event("exec_command_begin", turn_id="a"),
    event("task_started", turn_id="gone"),
    event("agent_message"),
    event("thread_rolled_back", num_turns=1),
    event("exec_command_end", turn_id="a"),
    event("task_complete", turn_id="a"),
]
RECORDS: list[InRecord] = [record(line, offset=at) for at, line in enumerate(LINES)]


@pytest.fixture(autouse=True)
def next_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a further format, as the next release."""
    monkeypatch.setitem(FORMATS, NEXT, layouts())


def _folded(store: StateStore, records: list[InRecord], row_format: int) -> list[OutRecord]:
    return list(folded(factories.task(store, row_format=row_format), records))


def _states(store: StateStore) -> Iterator[int]:
    return (data[0] for key, data in store.scan(b"") if not key.startswith(b"/"))


@pytest.mark.parametrize("first", [1, NEXT])
@pytest.mark.parametrize("at", range(1, len(RECORDS)))
def test_the_format_may_change_at_any_commit_either_way(first: int, at: int) -> None:
    store, other = MemoryStore(), MemoryStore()
    second = 1 + NEXT - first
    out = _folded(store, RECORDS[:at], first) + _folded(store, RECORDS[at:], second)

    assert out == _folded(other, RECORDS, 1)
    assert {first, second} >= set(_states(store))
    assert set(_states(other)) == {1}


def test_a_release_that_does_not_know_a_format_refuses_before_the_first_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = MemoryStore()
    _folded(store, RECORDS, NEXT)
    monkeypatch.delitem(FORMATS, NEXT)

    with pytest.raises(ConfigError, match="rows of format 2, this release reads 1: run the release that wrote them"):
        factories.task(store).begin()


def test_a_format_that_was_written_once_is_never_forgotten() -> None:
    store = MemoryStore()
    _folded(store, RECORDS[:3], NEXT)
    _folded(store, RECORDS[3:], 1)

    assert store.get(b"/formats/2") is not None


def test_it_is_told_in_the_transaction_of_the_first_row_and_again_if_that_is_no_more() -> None:
    task = factories.task(row_format=NEXT)
    task.process(RECORDS[:1])
    first = {row.key for row in task.changed_rows()}
    task.forget()
    task.begin()
    task.process(RECORDS[:1])

    assert b"/formats/2" in first & {row.key for row in task.changed_rows()}


def test_only_known_formats_can_be_set() -> None:
    assert load(None, {"store": {"row_format": NEXT}}).store.row_format == NEXT
    with pytest.raises(ConfigError, match=r"store\.row_format.*this release writes formats 1, 2"):
        load(None, {"store": {"row_format": 3}})
