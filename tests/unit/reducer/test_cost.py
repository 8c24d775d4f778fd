"""What an event costs does not depend on how long its thread is (G3): rows read and rows written are counted."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random

import pytest

from tests import factories, strategies
from tests.fakes import ThreadRows
from worker.replay import shown_turn
from worker.runtime.append import Appends

# No event may touch more rows than this, whatever came before it; rollbacks apart, which cost what they remove.
ROWS_MAX = 16
SIZES = (100, 5_000)


def many_turns(size: int) -> list[bytes]:
    """Return a thread of so many events: some turn ids twice, items that complete late, repeated hook prompts."""
    random = Random(7)
    lines: list[bytes] = []
    turn = 0
    while len(lines) < size:
        turn += 1
        old = random.randint(1, turn)
        lines += [
            factories.event("task_started", turn_id=f"t{random.choice([turn, turn, turn, old])}"),
            factories.event("user_message"),
            factories.event("agent_reasoning"),
            factories.event("agent_message"),
            factories.event("exec_command_begin", turn_id=f"t{turn}", call_id=f"c{turn}"),
            factories.event("mcp_tool_call_begin", call_id=f"m{random.randint(1, turn)}"),
            factories.hook_prompt(f"{turn}", id=f"h{old}"),
            factories.event("exec_command_end", turn_id=f"t{old}", call_id=f"c{old}"),
            factories.event("error", message=f"{turn}"),
            factories.event("task_complete", turn_id=f"t{old}"),
        ]
    return lines[: size - len(TAIL)]


def one_turn(size: int) -> list[bytes]:
    """Return a thread of so many events before its tail, all in one turn."""
    lines = [
        line
        for at in range(size)
        for line in (
            factories.event("user_message"),
            factories.event("exec_command_begin", turn_id="t1", call_id=f"c{at}"),
            factories.event("agent_message"),
            factories.event("exec_command_end", turn_id="t1", call_id=f"c{at // 2}"),
            factories.hook_prompt(f"{at}", id=f"h{at // 3}"),
        )
    ]
    return [factories.event("task_started", turn_id="t1"), *lines][: size - len(TAIL)]


# The end of each thread is the same, so that what a probe touches there is the same too.
TAIL = [
    factories.event("task_started", turn_id="a"),
    factories.event("user_message"),
    factories.event("exec_command_begin", turn_id="a", call_id="c"),
    factories.event("agent_reasoning"),
]


@dataclass
class Told:
    """The rows of a thread, and the most rows that one of its events touched."""

    rows: ThreadRows
    most: int


@cache
def told(history: Callable[[int], list[bytes]], size: int) -> Told:
    """Fold a thread of so many events, nothing of it being in memory when an event comes."""
    appends, rows = factories.appends(), ThreadRows()
    costs = [cost(rows, line, at, appends) for at, line in enumerate([*history(size), *TAIL])]
    return Told(rows, max(found[0] + found[1] for found in costs))


def cost(rows: ThreadRows, line: bytes, ordinal: int, appends: Appends) -> tuple[int, int, int]:
    """Fold one event into a thread of which nothing is in memory; return rows read and written, and bytes written."""
    rows.loads, rows.written = 0, []
    thread = rows.thread()
    appends.process(thread, line, ordinal, {"index": 0})
    rows.keep(thread)
    return rows.loads, len(rows.written), sum(rows.written)


PROBES = {
    **{kind: factories.event(kind) for kind in factories.DEFAULTS},
    "message": factories.hook_prompt(id="new"),
    "compacted": factories.compacted(),
    "session_meta": factories.line("session_meta", {"id": factories.UUID}),
    "turn_context": factories.line("turn_context", {"model": "m"}),
    "ignored": factories.event("stream_error"),
    "late completion": factories.event("exec_command_end", turn_id="t1", call_id="c1"),
    "late item": factories.event("exec_command_end", turn_id="t1", call_id="new"),
    "late turn": factories.event("task_complete", turn_id="t1", completed_at=9),
    "twin": factories.event("task_started", turn_id="t1"),
    "repeated hook prompt": factories.hook_prompt(id="h1"),
    "review of an old turn": factories.event("entered_review_mode", turn_id="t1"),
    "review of an unknown turn": factories.event("entered_review_mode", turn_id="new"),
    "plan of an old turn": factories.turn_item("Plan", turn_id="t1", id="p", text="x"),
}


@pytest.mark.parametrize("history", [many_turns, one_turn])
@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES.keys())
def test_an_event_costs_the_same_in_a_long_thread_as_in_a_short_one(
    probe: bytes, history: Callable[[int], list[bytes]]
) -> None:
    # Ordinals with the same place in their rows of 32, so that both begin a new row of digests.
    (*few, few_bytes), (*many, many_bytes) = (
        cost(ThreadRows(told(history, size).rows.rows), probe, 64 * size, factories.appends()) for size in SIZES
    )

    assert few == many
    # Only numbers may have more digits.
    assert abs(many_bytes - few_bytes) < 64


def test_there_is_a_probe_for_every_kind() -> None:
    kinds = {inner or outer for outer, inner in strategies.handled_kinds()}

    assert kinds - PROBES.keys() == set()


@pytest.mark.parametrize("history", [many_turns, one_turn])
def test_no_event_of_a_long_thread_touches_many_rows(history: Callable[[int], list[bytes]]) -> None:
    assert told(history, SIZES[1]).most <= ROWS_MAX


def test_a_rollback_costs_what_it_removes() -> None:
    rows, appends = ThreadRows(told(many_turns, SIZES[1]).rows.rows), factories.appends()

    one = cost(rows, factories.event("thread_rolled_back", num_turns=1), 10**6, appends)
    none = cost(rows, factories.event("thread_rolled_back", num_turns=0), 10**6 + 1, appends)

    # The turn and its three items with their indexes, the header, digests.
    assert (one[:2], none[:2]) == ((6, 10), (2, 2))


def test_the_long_threads_are_what_the_tests_say() -> None:
    def shape(history: Callable[[int], list[bytes]]) -> tuple[bool, bool, bool]:
        thread = told(history, SIZES[1]).rows.thread()
        turns = [shown_turn(thread, turn) for turn in thread.turns()]
        ids = {turn["id"] for turn in turns}
        return len(turns) > 450, len(ids) < len(turns), max(len(turn["items"]) for turn in turns) > 3000

    assert {history.__name__: shape(history) for history in (many_turns, one_turn)} == {
        "many_turns": (True, True, False),
        "one_turn": (False, False, True),
    }
