"""Rollout files reduced without Kafka (R4, R26, D22)."""

from tests import factories
from tests.factories import event, turn
from worker.replay import REJECTED_MAX, Rejected, Replay


def test_a_line_without_an_ordinal_takes_its_physical_index() -> None:
    replay = Replay("t", factories.appends())

    lines = [event("task_started"), b"", b"{", event("turn_aborted")]
    sources = [mutation.value["source"] for mutation in replay.mutations(lines)]

    assert sources == [{"index": 0, "ordinal": 0}] * 2 + [{"index": 0, "ordinal": 3}] * 2


def test_equal_lines_at_different_places_are_two_lines() -> None:
    replay = Replay("t", factories.appends())

    list(replay.mutations([event("task_started"), event("agent_message"), event("agent_message")]))

    assert [item["id"] for item in replay.turns()[0]["items"]] == ["item-1", "item-2"]


def test_lines_may_come_in_parts() -> None:
    whole, parts = Replay("t", factories.appends()), Replay("t", factories.appends())
    lines = [event("task_started"), event("agent_reasoning"), event("agent_reasoning")]

    expected = list(whole.mutations(lines))
    found = [*parts.mutations(lines[:2]), *parts.mutations(lines[2:])]

    assert (found, parts.turns()) == (expected, whole.turns())


def test_turns_are_shown_in_order_the_open_one_last_and_in_progress() -> None:
    replay = Replay("t", factories.appends())

    list(replay.mutations([event("task_started"), event("task_complete"), event("task_started", turn_id="b")]))

    assert replay.turns() == [turn("a", status="completed"), turn("b")]


def test_an_empty_file_has_no_turns() -> None:
    replay = Replay("t", factories.appends())

    assert (list(replay.mutations([])), replay.turns()) == ([], [])


def test_rejected_lines_are_remembered_by_number_up_to_a_bound() -> None:
    replay = Replay("t", factories.appends())

    list(replay.mutations([event("task_started"), *[event("error", message=5)] * (REJECTED_MAX + 5)]))

    error = "error: message: Input should be a valid string"
    assert replay.rejected == [Rejected(number, error) for number in range(2, 2 + REJECTED_MAX)]
