"""What holds for every thread whatever its lines: laws over all kinds that the reducer reads and ignores."""

from collections import Counter
from itertools import chain
from typing import Any

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests import factories, strategies
from tests.fakes import ThreadRows
from tests.reference import Reference, text
from tests.strategies import Given
from worker.codec.rows import encode_row
from worker.model.mutation import Mutation
from worker.model.thread import Thread
from worker.reducer.redaction import redacted
from worker.replay import shown_turn
from worker.runtime.append import Appends

# Legacy threads that are nobody's copy: those the reference knows.
LEGACY = strategies.threads() | strategies.twins()
THREADS = LEGACY | strategies.sessions()
SHORT_THREADS = strategies.threads(size_max=12)


def comparable(mutation: Mutation) -> tuple[Any, ...]:
    """Return a mutation so that 1 and 1.0 are two values."""
    return (
        mutation.projection,
        mutation.key,
        mutation.generation,
        mutation.sequence,
        mutation.removes,
        text(mutation.value),
    )


def told(thread: Thread, lines: list[Given], appends: Appends) -> list[list[Mutation]]:
    """Fold lines and return the mutations of each."""
    return [appends.process(thread, line.text, line.ordinal, {"index": 0})[0] for line in lines]


def turns_of(thread: Thread) -> list[dict[str, Any]]:
    return [shown_turn(thread, turn) for turn in reversed(list(thread.turns()))]


def rows_of(thread: Thread) -> dict[str, bytes]:
    return {row: encode_row(row, found) for row, found in thread.changes() if found is not None}


@pytest.mark.parametrize(("outer", "inner"), strategies.handled_kinds())
@settings(max_examples=25)
@given(data=st.data())
def test_every_kind_that_is_read_can_be_drawn_and_is_accepted(outer: str, inner: str, data: st.DataObject) -> None:
    line = factories.decoded(data.draw(strategies.line_of(outer, inner)))

    assert (line.status, line.kind, line.error) == ("event", inner or outer, "")


@pytest.mark.parametrize(("outer", "inner"), strategies.handled_kinds())
@settings(max_examples=25)
@given(data=st.data())
def test_no_kind_of_event_is_written_to(outer: str, inner: str, data: st.DataObject) -> None:
    thread, pipeline = Thread("t"), factories.pipeline(redact=True)
    read = [factories.decoded(factories.event("task_started"))]
    read += [factories.decoded(data.draw(strategies.line_of(outer, inner))) for _ in range(2)]
    before = repr([line.event for line in read])

    for line in read:
        assert line.handle is not None
        pipeline.reduce(thread, line.handle, line.event, line.timestamp_ms)

    assert repr([line.event for line in read]) == before


@settings(max_examples=300)
@given(LEGACY)
def test_the_incremental_reduction_gives_what_comparing_whole_snapshots_gives(lines: list[Given]) -> None:
    thread, reference, appends = Thread("t"), Reference(), factories.appends()

    found = told(thread, lines, appends)
    expected = [reference.take(factories.decoded(line.text, line.ordinal), {"index": 0}) for line in lines]

    assert [list(map(comparable, each)) for each in found] == [list(map(comparable, each)) for each in expected]
    assert text(turns_of(thread)) == text(reference.shown())


@settings(max_examples=300)
@given(THREADS, st.randoms(use_true_random=False))
def test_a_stop_and_restore_between_any_two_events_never_shows(lines: list[Given], random: Any) -> None:
    appends, rows = factories.appends(), ThreadRows()
    whole, thread = Thread("t"), rows.thread()

    found = []
    for line in lines:
        thread = random.choice([lambda same: same, rows.restarted])(thread)
        found += told(thread, [line], appends)
    rows.keep(thread)
    expected = told(whole, lines, appends)

    assert list(map(comparable, chain(*found))) == list(map(comparable, chain(*expected)))
    assert rows.rows == rows_of(whole)


@given(THREADS)
def test_events_are_never_written_to_and_never_make_a_handler_raise(lines: list[Given]) -> None:
    thread, pipeline = Thread("t"), factories.pipeline(redact=True)
    events = [read for read in (factories.decoded(line.text) for line in lines) if read.handle is not None]
    before = [repr(event.event) for event in events]

    for event in events:
        assert event.handle is not None
        pipeline.observe(thread, pipeline.reduce(thread, event.handle, event.event, event.timestamp_ms), {})

    assert [repr(event.event) for event in events] == before


@given(THREADS)
def test_what_was_published_is_never_written_to(lines: list[Given]) -> None:
    thread, appends = Thread("t"), factories.appends()

    found: list[Mutation] = []
    texts: list[bytes] = []
    for line in lines:
        mutations = told(thread, [line], appends)[0]
        found += mutations
        texts += [text(mutation.value) for mutation in mutations]

    assert [text(mutation.value) for mutation in found] == texts


@settings(max_examples=300)
@given(st.lists(strategies.mangled() | strategies.lines(), max_size=8), st.booleans())
def test_no_input_however_mangled_raises(texts: list[bytes], redact: bool) -> None:
    thread, appends = Thread("t"), factories.appends(redact=redact)

    for at, line in enumerate(texts):
        appends.process(thread, line, at, {"index": 0})

    assert sum(found for (what, _), found in appends.tally.items() if what == "lines") == len(texts)


@given(THREADS)
def test_sequences_have_no_gaps_and_begin_at_one(lines: list[Given]) -> None:
    mutations = list(chain(*told(Thread("t"), lines, factories.appends())))
    by_topic = {name: [m for m in mutations if m.projection == name] for name in {m.projection for m in mutations}}

    assert [mutation.sequence for mutation in mutations] == list(range(1, len(mutations) + 1))
    assert {name: [one.value["topicSequence"] for one in found] for name, found in by_topic.items()} == {
        name: list(range(1, len(found) + 1)) for name, found in by_topic.items()
    }


@settings(max_examples=150)
@given(THREADS)
def test_every_failed_summary_has_its_turn_failed_and_the_reverse(lines: list[Given]) -> None:
    mutations = [mutation.value for mutation in chain(*told(Thread("t"), lines, factories.appends()))]

    summaries = {found["turnId"] for found in mutations if found.get("mutation", {}).get("status") == "failed"}
    lifecycle = {found["turnId"] for found in mutations if found.get("eventType") == "turn.failed"}
    assert summaries == lifecycle


@settings(max_examples=150)
@given(THREADS)
def test_the_topics_end_up_with_one_row_per_live_turn_and_item(lines: list[Given]) -> None:
    thread = Thread("t")
    rows: dict[tuple[str, str], Any] = {}
    for mutation in chain(*told(thread, lines, factories.appends())):
        rows[mutation.projection, mutation.key] = mutation.value
        rows = {row: value for row, value in rows.items() if not (mutation.removes and row[1] == mutation.key)}

    turns = turns_of(thread)
    items = {(turn["id"], item["id"]) for turn in turns for item in turn["items"]}
    shown = [value for (projection, _), value in rows.items() if projection == "thread_item"]
    summaries = [value for (projection, _), value in rows.items() if projection == "turn_summary"]
    assert Counter((value["turnId"], value["itemKey"]) for value in shown) == Counter(items)
    assert Counter(value["turnId"] for value in summaries) == Counter({turn["id"] for turn in turns})


@given(SHORT_THREADS, SHORT_THREADS)
def test_lines_that_come_again_with_their_ordinals_change_nothing(first: list[Given], second: list[Given]) -> None:
    lines = [Given(line.text, at) for at, line in enumerate([*first, *second])]
    ordinals = [factories.decoded(line.text, line.ordinal).ordinal for line in lines]
    # A line may state an ordinal of its own; where two lines state the same one, each is news to the other (D22).
    assume(len({*ordinals}) == len(ordinals))
    thread, appends = Thread("t"), factories.appends()
    told(thread, lines, appends)
    before = rows_of(thread)

    again = told(thread, lines, appends)

    assert list(chain(*again)) == []
    assert rows_of(thread) == before


@given(THREADS)
def test_redaction_changes_commands_and_nothing_else(lines: list[Given]) -> None:
    plain, clean = Thread("t"), Thread("t")
    told(plain, lines, factories.appends())
    told(clean, lines, factories.appends(redact=True))

    def masked(item: Any) -> Any:
        return {"commandExecution": redacted}.get(item["type"], lambda same: same)(item)

    expected = [{**turn, "items": list(map(masked, turn["items"]))} for turn in turns_of(plain)]
    assert text(turns_of(clean)) == text(expected)


@given(THREADS)
def test_mutations_are_json(lines: list[Given]) -> None:
    mutations = list(chain(*told(Thread("t"), lines, factories.appends())))

    assert text([orjson.loads(orjson.dumps(one.value)) for one in mutations]) == text([one.value for one in mutations])


def test_json_as_deep_as_a_line_may_hold_goes_through_state_and_mutations() -> None:
    arguments: list[Any] = []
    for _ in range(124):
        arguments = [arguments]
    lines = [
        Given(factories.event("task_started")),
        Given(factories.event("dynamic_tool_call_request", arguments=arguments)),
    ]
    appends, rows = factories.appends(), ThreadRows()
    thread = rows.thread()

    *_, (mutation,) = told(thread, lines, appends)
    (turn,) = turns_of(rows.restarted(thread))

    assert orjson.loads(orjson.dumps(mutation.value))["materializedThreadItem"]["arguments"] == arguments
    assert turn["items"][0]["arguments"] == arguments
