"""Paginated threads: whole items and the rules of their tables (D19, D21, U4, 5.3)."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories, strategies
from tests.factories import TIMESTAMP_MS, UUID, event, line
from tests.golden.vectors import august
from worker.codec.lines import LineDecoder
from worker.model.mutation import Mutation
from worker.reducer.turn_item_builders import BUILDERS, built, opaque
from worker.replay import Replay

META = line("session_meta", {"id": UUID, "history_mode": "paginated"})
DECODER = LineDecoder()


def item(kind: str, item_id: str = "i", *, turn_id: str = "a", started_at_ms: int | None = None, **found: Any) -> bytes:
    made = {"type": kind, "id": item_id, **found}
    return event("item_completed", thread_id=UUID, turn_id=turn_id, item=made, started_at_ms=started_at_ms)


def user(item_id: str, text: str = "hello", **more: Any) -> bytes:
    return item("UserMessage", item_id, content=[{"type": "text", "text": text}], **more)


def agent(item_id: str, phase: str | None = None, text: str = "hi", **more: Any) -> bytes:
    return item("AgentMessage", item_id, content=[{"type": "Text", "text": text}], phase=phase, **more)


def replayed(*lines: bytes) -> tuple[Replay, list[Mutation]]:
    replay = Replay("t", factories.appends())
    return replay, list(replay.mutations([META, *lines]))


def summaries(mutations: list[Mutation]) -> list[tuple[str, str, list[str]]]:
    bodies = [one.value for one in mutations if one.projection == "turn_summary"]
    return [
        (body["turnId"], body["mutation"]["status"], [shown["id"] for shown in body["mutation"]["summaryItems"]])
        for body in bodies
    ]


def events(mutations: list[Mutation]) -> list[tuple[str, str | None]]:
    return [(one.value["eventType"], one.value["turnId"]) for one in mutations if one.projection == "lifecycle"]


CASES = [case for case in august() if case["id"] != "item-command-plain-cwd"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_projection_agrees_with_the_vector(case: dict[str, Any]) -> None:
    replay = Replay("t", factories.appends(redact=case["rules"] == ["U9"]))
    list(replay.mutations([META, *map(orjson.dumps, case["input"])]))

    found = [{name: shown for name, shown in turn.items() if name != "itemsView"} for turn in replay.turns()]
    assert orjson.loads(orjson.dumps(found)) == _tables(case["expect"]["line_projection"])


def _tables(rows: list[Any]) -> list[dict[str, Any]]:
    """Return turns as rows of the line projection leave them (5.3)."""
    turns: dict[str, dict[str, Any]] = {}
    fresh = {"status": "inProgress", "error": None, "startedAt": None, "completedAt": None, "durationMs": None}
    for row in rows:
        turn = turns.setdefault(row["turn_id"], {"id": row["turn_id"], "items": {}, **fresh})
        if row["kind"] == "item":
            turn["items"][row["item"]["id"]] = row["item"]
        elif turn["status"] == "inProgress":
            turn |= {name: row[name] for name in fresh}
    return [{**turn, "items": list(turn["items"].values())} for turn in turns.values()]


@settings(max_examples=300)
@given(st.lists(strategies.whole_items() | strategies.lines(), max_size=30))
def test_turns_are_what_the_tables_of_the_line_projection_hold(lines: list[bytes]) -> None:
    replay = Replay("t", factories.appends())
    # Each line with an ordinal of its own: all count.
    list(replay.mutations([META, *lines]))

    rows = [row for text in lines for row in _projected(text)]
    found = [{name: shown for name, shown in turn.items() if name != "itemsView"} for turn in replay.turns()]
    assert orjson.dumps(found) == orjson.dumps([_in_order(turn) for turn in _tables(rows)])


def _in_order(turn: dict[str, Any]) -> dict[str, Any]:
    return {name: turn[name] for name in ("id", "items", "status", "error", "startedAt", "completedAt", "durationMs")}


def _projected(text: bytes) -> list[dict[str, Any]]:
    """Project a line by U4, with no state."""
    read = DECODER.decode(text)
    found = read.event
    match read.kind if read.status == "event" else "":
        case "task_started" | "turn_started":
            return [_turn_row(found["turn_id"], "inProgress", None, {"started_at": found.get("started_at")})]
        case "task_complete" | "turn_complete":
            error = factories.shown_error(found.get("error"))
            return [_turn_row(found["turn_id"], "failed" if error else "completed", error, found)]
        case "turn_aborted" if found.get("turn_id") is not None:
            return [_turn_row(found["turn_id"], "interrupted", None, found)]
        case "item_completed":
            shown = built(found["item"]) or opaque(found["item"])
            return [{"kind": "item", "turn_id": found["turn_id"], "item": shown}] if shown else []
        case _:
            return []


def _turn_row(turn_id: str, status: str, error: Any, times: Any) -> dict[str, Any]:
    return {
        "kind": "turn",
        "turn_id": turn_id,
        "status": status,
        "error": error,
        "startedAt": times.get("started_at"),
        "completedAt": times.get("completed_at"),
        "durationMs": times.get("duration_ms"),
    }


def test_a_turn_that_ended_stays_as_it_is_and_nothing_is_told_of_later_events() -> None:
    ending = event("task_complete", turn_id="a", started_at=1, completed_at=2, duration_ms=3)
    late = [
        event("task_complete", turn_id="a", completed_at=9, error={"message": "bad"}),
        event("turn_aborted", turn_id="a"),
        event("task_started", turn_id="a", started_at=8),
    ]
    _, first = replayed(event("task_started", turn_id="a", started_at=1), ending)
    replay, all_of_it = replayed(event("task_started", turn_id="a", started_at=1), ending, *late)

    assert [one.key for one in all_of_it] == [one.key for one in first]
    assert (replay.turns()[0]["status"], replay.turns()[0]["completedAt"]) == ("completed", 2)


def test_an_end_without_a_start_time_takes_the_start_time_away() -> None:
    replay, _ = replayed(event("task_started", turn_id="a", started_at=1), event("task_complete", turn_id="a"))

    assert (replay.turns()[0]["status"], replay.turns()[0]["startedAt"]) == ("completed", None)


def test_an_item_before_its_turn_opens_it_and_the_turns_first_event_fills_it() -> None:
    replay, mutations = replayed(user("u"), event("task_started", turn_id="a", started_at=5))

    assert summaries(mutations) == [("a", "inProgress", ["u"]), ("a", "inProgress", ["u"])]
    assert (replay.turns()[0]["startedAt"], events(mutations)) == (5, [("turn.started", "a")])


def test_items_come_into_turns_that_ended_but_do_not_frame_them_any_more() -> None:
    _, mutations = replayed(agent("x"), event("task_complete", turn_id="a"), user("u"), agent("y", "final_answer"))

    assert [one.key for one in mutations if one.projection == "thread_item"] == ["t/a/x", "t/a/u", "t/a/y"]
    assert summaries(mutations)[-1] == ("a", "completed", ["x"])


@pytest.mark.parametrize(
    ("messages", "final"),
    [
        ([("x", "final_answer"), ("y", None)], ["x"]),
        ([("x", "final_answer"), ("y", "final_answer")], ["y"]),
        ([("x", None), ("y", None), ("z", "commentary")], ["y"]),
        ([("x", "commentary")], []),
    ],
)
def test_the_final_answer_frames_a_turn_else_the_last_message_of_no_phase(messages: Any, final: list[str]) -> None:
    lines = [agent(item_id, phase) for item_id, phase in messages]
    _, mutations = replayed(*lines, event("task_complete", turn_id="a"))

    assert summaries(mutations)[-1] == ("a", "completed", final)


@pytest.mark.parametrize(
    ("lines", "framed"),
    [
        ([agent("x"), agent("x", "commentary")], []),
        ([agent("x"), agent("y"), agent("y", "commentary")], ["x"]),
        ([agent("x", "final_answer"), agent("x", "commentary")], []),
        ([agent("x", "final_answer"), agent("y", "final_answer"), agent("y", "commentary")], ["x"]),
        ([agent("x", "final_answer"), agent("y", "final_answer"), agent("x", "final_answer", "more")], ["y"]),
        ([user("x"), user("y"), agent("x", "commentary")], ["y"]),
    ],
)
def test_an_item_that_turned_into_something_else_frames_its_turn_no_more(lines: list[bytes], framed: list[str]) -> None:
    _, mutations = replayed(*lines, event("task_complete", turn_id="a"))

    assert summaries(mutations)[-1] == ("a", "completed", framed)


def test_an_item_is_made_when_it_started_and_keeps_that_and_its_place() -> None:
    _, mutations = replayed(
        user("u", started_at_ms=7), agent("x"), user("u", text="else", started_at_ms=9), agent("x", text="more")
    )

    shown = [
        (one.value["itemKey"], one.value["itemPosition"], one.value["createdAtMs"], one.value["updatedAtMs"])
        for one in mutations
        if one.projection == "thread_item"
    ]
    assert shown == [
        ("u", 0, 7, TIMESTAMP_MS),
        ("x", 1, TIMESTAMP_MS, TIMESTAMP_MS),
        ("u", 0, 7, TIMESTAMP_MS),
        ("x", 1, TIMESTAMP_MS, TIMESTAMP_MS),
    ]


def test_what_changes_no_table_is_told_all_the_same() -> None:
    replay, mutations = replayed(
        event("task_started", turn_id="a"),
        event("turn_aborted"),
        event("thread_rolled_back", num_turns=1),
        event("error", message="bad"),
    )

    assert len(replay.turns()) == 1
    assert events(mutations) == [("turn.started", "a"), ("turn.cancelled", None), ("thread.rolled_back", None)]


def test_an_end_with_an_error_fails_the_turn_and_is_told_first() -> None:
    _, mutations = replayed(event("task_complete", turn_id="a", error={"message": "bad"}))

    assert events(mutations) == [("turn.failed", "a"), ("turn.completed", "a")]
    assert summaries(mutations) == [("a", "failed", [])]


def test_what_legacy_events_say_shows_once() -> None:
    replay, _ = replayed(user("u"), event("user_message"), event("agent_message"), event("agent_reasoning"))

    assert [[found["id"] for found in turn["items"]] for turn in replay.turns()] == [["u"]]


def test_an_item_of_a_tag_that_is_not_known_is_kept_by_its_tag_and_counted() -> None:
    appends = factories.appends()
    replay = Replay("t", appends)
    odd = [item(tag, tag) for tag in ("", "x" * 65, "N\0ew", "7up")]
    list(replay.mutations([META, item("HoloCall", "h", more=5), item("userMessage", "u"), *odd]))

    assert replay.turns()[0]["items"] == [{"type": "holoCall", "id": "h"}]
    assert (appends.tally["unknown", "HoloCall"], appends.tally["unknown", "userMessage"]) == (1, 1)


def test_every_tag_is_shown() -> None:
    shape = strategies.of_shape
    assert set(BUILDERS) <= {tag for case in august() for tag in _tags(case)} | {"HookPrompt", "ContextCompaction"}
    assert shape is not None


def _tags(case: dict[str, Any]) -> list[str]:
    payloads = [found.get("payload", {}) for found in case["input"]]
    return [payload["item"]["type"] for payload in payloads if isinstance(payload.get("item"), dict)]


def test_the_mode_is_that_of_the_first_session() -> None:
    legacy, paginated = (line("session_meta", {"id": UUID, "history_mode": mode}) for mode in ("legacy", "paginated"))
    shown = {}
    for name, metas in (("legacy", [legacy, paginated]), ("paginated", [paginated, legacy]), ("none", [])):
        replay = Replay("t", factories.appends())
        list(replay.mutations([*metas, event("task_started", turn_id="a"), event("agent_message"), agent("x")]))
        shown[name] = [found["id"] for found in replay.turns()[0]["items"]]

    assert shown == {"legacy": ["item-1"], "paginated": ["x"], "none": ["item-1"]}


# One conversation, recorded in either way (5.1)

LEGACY_TALK = [
    line("session_meta", {"id": UUID}),
    *[
        text
        for number in range(1, 7)
        for text in (
            event("task_started", turn_id=f"t{number}", started_at=number),
            event("user_message", message=f"question {number}"),
            event("agent_reasoning", text="hm"),
            event("agent_message", message="working", phase="commentary"),
            event("web_search_end", call_id=f"w{number}", query="q", action={"type": "search", "query": "q"}),
            event("agent_message", message=f"answer {number}", phase="final_answer"),
            event("task_complete", turn_id=f"t{number}", started_at=number, completed_at=number + 1, duration_ms=5)
            if number % 3
            else event("turn_aborted", turn_id=f"t{number}", started_at=number, completed_at=number + 1, duration_ms=5),
        )
    ],
]
PAGINATED_TALK = [
    META,
    *[
        text
        for number in range(1, 7)
        for text in (
            event("task_started", turn_id=f"t{number}", started_at=number),
            user(f"{number}-u", f"question {number}", turn_id=f"t{number}"),
            item("Reasoning", f"{number}-r", turn_id=f"t{number}", summary_text=["hm"]),
            agent(f"{number}-c", "commentary", "working", turn_id=f"t{number}"),
            item("WebSearch", f"w{number}", turn_id=f"t{number}", query="q", action={"type": "search", "query": "q"}),
            agent(f"{number}-f", "final_answer", f"answer {number}", turn_id=f"t{number}"),
            event("task_complete", turn_id=f"t{number}", started_at=number, completed_at=number + 1, duration_ms=5)
            if number % 3
            else event("turn_aborted", turn_id=f"t{number}", started_at=number, completed_at=number + 1, duration_ms=5),
        )
    ],
]


def test_a_conversation_reads_alike_in_whichever_way_it_was_recorded() -> None:
    shown = []
    for lines in (LEGACY_TALK, PAGINATED_TALK):
        replay = Replay("t", factories.appends())
        mutations = list(replay.mutations(lines))
        assert replay.rejections == 0
        last = {one.key: one.value["mutation"] for one in mutations if one.projection == "turn_summary"}
        turns = [_without_ids(turn) for turn in replay.turns()]
        shown.append((turns, [*map(_without_ids, last.values())], events(mutations)))

    assert len(shown[0][0]) == 6
    assert shown[0] == shown[1]


def _without_ids(found: Any) -> Any:
    """Leave out ids of items, which legacy threads make up."""
    if isinstance(found, list):
        return [_without_ids(each) for each in found]
    if not isinstance(found, dict):
        return found
    return {name: _without_ids(each) for name, each in found.items() if not (name == "id" and "type" in found)}
