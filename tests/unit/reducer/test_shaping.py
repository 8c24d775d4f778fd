"""Too large items on their way into state and mutations: cut, told, and the same after a restart (2.6)."""

from typing import Any

import orjson
import pytest

from tests import factories
from tests.factories import event
from tests.fakes import ThreadRows
from worker.model.thread import Thread
from worker.pipeline import Pipeline
from worker.projections.table import PROJECTIONS
from worker.projections.turn_summaries import SUMMARY_BYTES_MAX, SUMMARY_ITEM_BYTES_MAX
from worker.reducer.shaping import ITEM_BYTES_MAX
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


EXPANDING = {
    "images of empty names": event("user_message", images=[""] * 100_000),
    "local images of empty names": event("user_message", local_images=[""] * 100_000),
    "a command that is quoted all over": event(
        "guardian_assessment",
        action={"type": "execve", "source": "shell", "program": "'$" * 150_000, "argv": [], "cwd": "/"},
    ),
    "a long working directory that is read in often": event(
        "exec_command_end",
        turn_id="rollout-0",
        cwd="/" + "w" * 20_000,
        parsed_cmd=[{"type": "read", "cmd": "", "name": "", "path": ""}] * 500,
    ),
    "numbers in short form": event("dynamic_tool_call_request", turnId="", arguments=[]).replace(
        b'"arguments":[]', b'"arguments":[%s]' % b",".join([b"9e15"] * 60_000)
    ),
    "agents": event("collab_waiting_end", statuses={f"{number:032x}": "running" for number in range(9_000)}),
    "line feeds of a finding": event(
        "exited_review_mode",
        review_output={
            **factories.REVIEW,
            "findings": [
                {
                    "title": "t",
                    "body": "\n" * 150_000,
                    "confidence_score": 1,
                    "priority": 1,
                    "code_location": {"absolute_file_path": "/", "line_range": {"start": 1, "end": 1}},
                }
            ],
        },
    ),
    "control characters": event("agent_message", message="\1" * 100_000),
}


@pytest.mark.parametrize("line", EXPANDING.values(), ids=EXPANDING.keys())
def test_an_item_is_within_its_bound_however_much_more_it_says_than_its_line(line: bytes) -> None:
    found = told(event("agent_message"), line, item_bytes_max=ITEM_BYTES_MAX)
    sizes = [len(orjson.dumps(value["materializedThreadItem"])) for name, value in found if name == "thread_item"]

    assert (len(sizes), max(sizes) <= ITEM_BYTES_MAX, len(line) < ITEM_BYTES_MAX) == (2, True, True)


@pytest.mark.parametrize("line", EXPANDING.values(), ids=EXPANDING.keys())
def test_the_size_that_is_kept_of_an_item_is_never_too_low(line: bytes) -> None:
    story = factories.Story(event("agent_message"), line)
    turn = next(story.thread.turns())
    row = story.thread.item(turn.number, turn.items - 1)

    assert row.size >= len(orjson.dumps(row.value))


def test_the_message_of_an_error_is_cut() -> None:
    error = event("error", message="a" + "x" * 3_000_000 + "z")
    _, (_, summary), (_, lifecycle) = told(event("agent_message"), error)[-3:]
    message = summary["mutation"]["error"]["message"]

    assert (message[0], message[-1], len(message) < 33_000) == ("a", "z", True)
    assert lifecycle["payload"]["message"] == message


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
