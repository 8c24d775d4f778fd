"""The table of kinds: each handled, or ignored with a reason, and none twice (F4, F7, 1.3–1.5)."""

import pytest

from tests import factories, strategies
from worker.reducer import table
from worker.reducer.kind import IGNORED, KindTable, kind, merge
from worker.reducer.turns import TaskStarted, on_task_started

ALIASES = {"task_started": "turn_started", "task_complete": "turn_complete"}


def handled(kinds: KindTable) -> set[str]:
    return {name for name, found in kinds.items() if found.handle is not None}


def test_a_kind_is_either_handled_or_ignored_with_a_reason() -> None:
    ignored = table.IGNORED_EVENTS | table.IGNORED_LINES

    assert handled(table.EVENTS) | set(table.IGNORED_EVENTS) == set(table.EVENTS)
    assert handled(table.LINES) | set(table.IGNORED_LINES) == set(table.LINES)
    assert all(ignored.values())


def test_every_kind_that_is_handled_has_a_default_and_is_accepted_with_it() -> None:
    assert set(factories.DEFAULTS) == handled(table.EVENTS)
    assert {factories.decoded(factories.event(name)).status for name in factories.DEFAULTS} == {"event"}


def test_the_tests_draw_every_kind_that_is_handled() -> None:
    drawn = {inner or outer for outer, inner in strategies.handled_kinds()}

    assert drawn == handled(table.EVENTS) | handled(table.LINES) | handled(table.RESPONSE_ITEMS)


def test_a_shape_the_tests_cannot_draw_is_an_error() -> None:
    def parsed(found: int) -> int:
        return found

    with pytest.raises(KeyError):
        strategies.of_shape(parsed)


def test_the_read_filter_names_kinds_that_exist() -> None:
    assert table.PERSISTED_EVENTS - set(table.EVENTS) == set()


@pytest.mark.parametrize(("name", "alias"), ALIASES.items())
def test_an_alias_is_the_same_kind(name: str, alias: str) -> None:
    assert table.EVENTS[alias] == table.EVENTS[name]


def test_two_families_may_not_name_the_same_kind() -> None:
    with pytest.raises(ValueError, match="two families handle b, c"):
        merge({"a": IGNORED, "b": IGNORED, "c": IGNORED}, {"c": IGNORED, "b": IGNORED, "d": IGNORED})


def test_tables_are_joined_in_order() -> None:
    started = kind(TaskStarted, on_task_started)

    assert list(merge({"b": IGNORED}, {}, {"a": started}).items()) == [("b", IGNORED), ("a", started)]
