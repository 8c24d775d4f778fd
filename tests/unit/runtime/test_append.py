"""One append: from its bytes to mutations, and what is counted of it (F5, D1, D3, D22)."""

from collections import Counter
from typing import Any

import pytest

from tests import factories
from tests.factories import event
from worker.codec.lines import LineDecoder
from worker.model.thread import Thread
from worker.reducer.transition import Transition
from worker.runtime.append import UNKNOWN_NAMES_MAX, Appends, OwnFaultError

STARTED = event("task_started")


def test_each_line_is_counted_by_what_became_of_it() -> None:
    thread, appends = Thread("t"), factories.appends()

    lines = [
        STARTED,
        event("stream_error"),
        event("background_event"),
        b"{",
        b"",
        factories.line("response_item", {"type": "ghost_snapshot"}),
    ]
    found = [appends.process(thread, line, None, {}) for line in lines]

    assert [(len(mutations), error) for mutations, error in found] == [
        (2, ""),
        (0, ""),
        (0, ""),
        (0, "not JSON: unexpected end of data at byte 1"),
        (0, ""),
        (0, ""),
    ]
    assert appends.tally == Counter({
        ("lines", "event"): 1,
        ("lines", "ignored"): 1,
        ("lines", "unknown"): 1,
        ("lines", "rejected"): 1,
        ("lines", "blank"): 1,
        ("lines", "skipped"): 1,
        ("unknown", "background_event"): 1,
    })  # fmt: skip


def test_only_accepted_lines_take_an_index() -> None:
    thread, appends = Thread("t"), factories.appends()

    for line in (STARTED, event("stream_error"), event("background_event"), b"{", b""):
        appends.process(thread, line, None, {})

    assert thread.header.rollout_index == 2


def test_the_source_gets_the_ordinal() -> None:
    source: dict[str, Any] = {"index": 0, "ordinal": None}

    (mutation, _), _ = factories.appends().process(Thread("t"), STARTED, 5, source)

    assert mutation.value["source"] == {"index": 0, "ordinal": 5}


def test_a_line_that_comes_again_is_skipped_and_counted_whatever_it_is() -> None:
    thread, appends = Thread("t"), factories.appends()
    lines = [STARTED, b"{", event("stream_error"), event("background_event")]
    for ordinal, line in enumerate(lines):
        appends.process(thread, line, ordinal, {})
    appends.tally.clear()

    found = [appends.process(thread, line, ordinal, {}) for ordinal, line in enumerate(lines)]

    assert (found, appends.tally) == ([([], "")] * 4, Counter({("ordinals", "repeated"): 4}))


def test_gaps_late_lines_and_conflicts_are_counted_and_processed() -> None:
    thread, appends = Thread("t"), factories.appends()

    found = [
        len(appends.process(thread, event("turn_aborted", reason=reason), ordinal, {})[0])
        for ordinal, reason in ((0, "replaced"), (5, "replaced"), (2, "replaced"), (2, "interrupted"))
    ]

    assert found == [1, 1, 1, 1]
    assert {name: count for (what, name), count in appends.tally.items() if what == "ordinals"} == {
        "gap": 1,
        "late": 1,
        "conflict": 1,
    }


def test_a_blank_line_takes_no_ordinal() -> None:
    thread, appends = Thread("t"), factories.appends()

    appends.process(thread, b"", 0, {})
    found, _ = appends.process(thread, STARTED, 0, {})

    assert len(found) == 2


def test_without_ordinals_equal_lines_are_all_processed() -> None:
    thread, appends = Thread("t"), factories.appends()

    found = [len(appends.process(thread, event("turn_aborted"), None, {})[0]) for _ in range(2)]

    assert (found, thread.changed) == ([1, 1], set())


def test_unknown_names_are_bounded_in_number_and_length() -> None:
    thread, appends = Thread("t"), factories.appends()

    for number in [*range(UNKNOWN_NAMES_MAX + 5), 0]:
        appends.process(thread, event(f"kind-{number}"), None, {})
    appends.process(Thread("u"), factories.line("x" * 1000, {}), None, {})
    names = {name: count for (what, name), count in appends.tally.items() if what == "unknown"}

    assert names == {**{f"kind-{number}": 1 for number in range(UNKNOWN_NAMES_MAX)}, "kind-0": 2, "other": 6}


def test_a_long_unknown_name_is_cut() -> None:
    appends = factories.appends()

    appends.process(Thread("t"), factories.line("x" * 1000, {}), None, {})

    assert appends.tally["unknown", "x" * 64] == 1


def test_our_own_failure_on_a_valid_line_is_told_with_its_stage_and_no_payload(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Transition, turn_id: str, **fields: Any) -> None:
        raise RuntimeError(turn_id)

    monkeypatch.setattr(Transition, "open_turn", fail)
    appends = Appends(LineDecoder(), factories.pipeline())

    with pytest.raises(OwnFaultError, match=r"^reduce: a valid task_started: RuntimeError$"):
        appends.process(Thread("t"), STARTED, None, {})
