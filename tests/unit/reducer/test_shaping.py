"""Too large items on their way into state and mutations: cut, told, and the same after a restart (2.6)."""

from typing import Any

import orjson

from tests import factories
from tests.factories import event
from tests.fakes import ThreadRows
from worker.model.thread import Thread
from worker.pipeline import Pipeline
from worker.projections.table import PROJECTIONS
from worker.projections.turn_summaries import SUMMARY_BYTES_MAX, SUMMARY_ITEM_BYTES_MAX
from worker.replay import Replay
from worker.runtime.append import Appends

BOUND = 4_096


def told(*lines: bytes, item_bytes_max: int = BOUND) -> list[tuple[str, dict[str, Any]]]:
    pipeline = Pipeline(list(PROJECTIONS.values()), redact=False, item_bytes_max=item_bytes_max)
    replay = Replay("t", Appends(factories.DECODER, pipeline))
    return [(found.projection, found.value) for found in replay.mutations(lines)]


def test_a_larger_item_is_cut_and_says_so_beside_the_item() -> None:
    (_, value), *_ = [one for one in told(event("agent_message", message="x" * 10_000)) if one[0] == "thread_item"]

    assert (value["truncated"], value["originalBytes"] > 10_000) == (True, True)
    assert len(orjson.dumps(value["materializedThreadItem"])) <= BOUND


def test_an_item_that_fits_says_nothing_of_it() -> None:
    (_, value), *_ = [one for one in told(event("agent_message", message="x")) if one[0] == "thread_item"]

    assert "truncated" not in value


def test_reasoning_that_grows_is_cut_when_the_whole_is_too_large_and_stays_told() -> None:
    lines = [event("agent_reasoning", text=f"{number}" * 900) for number in range(9)]
    values = [value for projection, value in told(*lines) if projection == "thread_item"]

    assert [value.get("truncated", False) for value in values] == [False] * 4 + [True] * 5
    assert max(len(orjson.dumps(value["materializedThreadItem"])) for value in values) <= BOUND


def test_a_summary_of_two_large_items_carries_them_cut() -> None:
    lines = [event("user_message", message="u" * 900_000), event("agent_message", message="a" * 900_000)]
    found = told(*lines, item_bytes_max=1_000_000)
    items = [len(orjson.dumps(value["materializedThreadItem"])) for name, value in found if name == "thread_item"]
    summaries = [value["mutation"]["summaryItems"] for name, value in found if name == "turn_summary"]

    assert sum(items) > SUMMARY_BYTES_MAX
    assert [len(orjson.dumps(item)) > SUMMARY_ITEM_BYTES_MAX for item in summaries[0]] == [True]
    assert [len(orjson.dumps(item)) <= SUMMARY_ITEM_BYTES_MAX for item in summaries[-1]] == [True, True]


def test_where_a_thread_is_restored_does_not_show_in_what_is_cut() -> None:
    lines = [event("agent_reasoning", text=f"{number}" * 900) for number in range(9)]
    whole = told(*lines)
    pipeline = Pipeline(list(PROJECTIONS.values()), redact=False, item_bytes_max=BOUND)
    rows, found = ThreadRows(), list[tuple[str, dict[str, Any]]]()
    appends = Appends(factories.DECODER, pipeline)
    for at, line in enumerate(lines):
        thread: Thread = rows.thread()
        mutations, _ = appends.process(thread, line, at, {"index": 0})
        rows.keep(thread)
        found += [(one.projection, one.value) for one in mutations]

    assert found == whole
