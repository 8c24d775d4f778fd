"""Records that hold an append of several items: each folded for itself, all for one record (2.1, 2.5, D22)."""

from typing import Any

import orjson
import pytest
from hypothesis import given

from tests import factories, strategies
from tests.envelopes import TIMESTAMP_MS, envelope
from tests.factories import event, record, task
from tests.strategies import Given
from worker.errors import RetryError
from worker.model.record import InRecord, OutRecord
from worker.model.thread import Thread
from worker.reducer.transition import Transition
from worker.runtime.append import Appends

STARTED, MESSAGE, DONE = event("task_started"), event("user_message"), event("task_complete")
ORDINAL = "rollout-ordinal"


def out_of(*records: InRecord) -> list[OutRecord]:
    return task().process(records).out


def values(out: list[OutRecord]) -> list[Any]:
    return [orjson.loads(one.value) for one in out if one.value is not None and one.topic != "g.dead-letters"]


def letters(out: list[OutRecord]) -> list[tuple[bytes | None, bytes | None, bytes | None]]:
    """Return value, reason and error of the dead letters."""
    heads = [(one.value, dict(one.headers)) for one in out if one.topic == "g.dead-letters"]
    return [(value, head["thw-reason"], head["thw-error"]) for value, head in heads]


def places(out: list[OutRecord]) -> list[tuple[int, int | None]]:
    """Return index and ordinal of each mutation's source, each once."""
    found = [(value["source"]["index"], value["source"]["ordinal"]) for value in values(out)]
    return list(dict.fromkeys(found))


def bare(line: bytes, **more: Any) -> bytes:
    """Return a line as a store holds it: without a timestamp."""
    found = orjson.loads(line)
    del found["timestamp"]
    return orjson.dumps({**found, **more})


def placeless(out: list[OutRecord]) -> list[Any]:
    return [
        {key: found for key, found in value.items() if key not in ("source", "generation")} for value in values(out)
    ]


@given(strategies.threads(size_max=16))
def test_an_append_gives_what_its_lines_give_one_by_one(lines: list[Given]) -> None:
    texts = [line.text for line in lines if _is_text(line.text)]
    one_by_one = out_of(*(record(text, offset=at) for at, text in enumerate(texts)))

    assert placeless(out_of(record(envelope(texts)))) == placeless(one_by_one)


def _is_text(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_each_item_has_its_index_and_its_ordinal() -> None:
    found = out_of(record(envelope([STARTED, b" ", MESSAGE], first_ordinal=7), offset=3))

    assert places(found) == [(0, 7), (2, 9)]
    assert {value["source"]["offset"] for value in values(found)} == {3}


def test_an_items_own_ordinal_wins_then_the_header_then_the_append() -> None:
    own = bare(MESSAGE, ordinal=40)
    given = envelope([STARTED, own, DONE], first_ordinal=7)

    assert places(out_of(record(given))) == [(0, 7), (1, 40), (2, 9)]
    assert places(out_of(record(given, headers=[(ORDINAL, b"20")]))) == [(0, 20), (1, 40), (2, 22)]


def test_an_ordinal_beyond_63_bits_counts_as_absent() -> None:
    assert places(out_of(record(envelope([STARTED, DONE], first_ordinal=2**63 - 1)))) == [(0, 2**63 - 1), (1, None)]


def test_without_ordinals_there_are_none() -> None:
    assert places(out_of(record(envelope([STARTED, DONE])))) == [(0, None), (1, None)]


def test_an_append_that_comes_again_is_skipped_item_by_item() -> None:
    first = record(envelope([STARTED, MESSAGE], first_ordinal=0), offset=0)
    longer = record(envelope([STARTED, MESSAGE, DONE], first_ordinal=0), offset=1)
    found = out_of(first, first, longer)

    assert places(found) == [(0, 0), (1, 1), (2, 2)]
    assert placeless(found) == placeless(out_of(record(envelope([STARTED, MESSAGE, DONE], first_ordinal=0))))


def test_source_events_are_seen_instead_of_items_and_have_the_ordinals() -> None:
    given = envelope([STARTED, DONE], [STARTED, event("error"), DONE], first_ordinal=4)
    found = out_of(record(given))

    assert [value["eventType"] for value in values(found) if "eventType" in value] == [
        "turn.started",
        "turn.failed",
        "turn.completed",
    ]
    assert places(found) == [(0, 4), (1, 5), (2, 6)]


def test_the_appends_timestamp_counts_for_items_without_one() -> None:
    found = values(out_of(record(envelope([STARTED, bare(MESSAGE), event("agent_message")]))))
    items = [(value["createdAtMs"], value["itemType"]) for value in found if "itemType" in value]

    assert items == [(TIMESTAMP_MS, "userMessage"), (factories.TIMESTAMP_MS, "agentMessage")]


@pytest.mark.parametrize("timestamp", [None, 5])
def test_a_timestamp_that_is_no_text_rejects_its_item_as_in_a_line(timestamp: Any) -> None:
    given = envelope([bare(MESSAGE, timestamp=timestamp)])

    assert letters(out_of(record(given))) == [(given, b"rejected", b"element 0: timestamp: a string is required")]


def test_a_line_without_a_timestamp_stays_rejected() -> None:
    assert letters(out_of(record(bare(MESSAGE)))) == [(bare(MESSAGE), b"rejected", b"timestamp: a string is required")]


def test_bad_items_send_the_record_to_the_dead_letters_once_and_the_others_count() -> None:
    given = envelope([b"{", STARTED, b"null", MESSAGE, event("user_message", message=5)])
    found = out_of(record(given))

    told = b"element 0: not JSON: unexpected end of data at byte 1 (and 2 more elements)"
    assert letters(found) == [(given, b"rejected", told)]
    assert places(found) == [(1, None), (3, None)]


def test_bad_items_that_come_again_are_no_second_dead_letter() -> None:
    given = record(envelope([STARTED, b"{"], first_ordinal=0))

    assert len(letters(out_of(given, given))) == 1


def test_an_unknown_kind_among_the_items_is_tolerated() -> None:
    found = out_of(record(envelope([event("background_event"), STARTED])))

    assert (letters(found), places(found)) == ([], [(1, None)])


def test_an_append_that_names_another_thread_is_rejected_whole() -> None:
    given = envelope([STARTED], thread_id="u")

    assert letters(out_of(record(given))) == [(given, b"bad_key", b"the append names another thread than the key")]
    assert values(out_of(record(given))) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (envelope([STARTED])[:-1], b"bad_frame"),
        (b"\xc3\x01abcdefgh", b"unknown_schema"),
        (b"\0\0\0\0\1", b"unknown_schema"),
    ],
)
def test_bytes_that_are_no_append_go_to_the_dead_letters_and_the_thread_goes_on(data: bytes, reason: bytes) -> None:
    found = out_of(record(data, offset=0), record(STARTED, offset=1))

    assert [letter[:2] for letter in letters(found)] == [(data, reason)]
    assert len(values(found)) == 2


def test_an_empty_append_does_nothing() -> None:
    assert out_of(record(envelope())) == []


def test_our_own_failure_on_one_item_throws_the_whole_record_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Transition, **fields: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(Transition, "close_turn", fail)
    partition = task()
    given = record(envelope([STARTED, DONE]))
    with pytest.raises(RetryError, match="a valid task_complete"):
        partition.process([given])
    partition.forget()

    (parked,) = partition.process([given]).out
    assert (parked.topic, parked.value) == ("g.parked", given.value)


def test_a_line_that_begins_like_a_frame_is_still_a_line_for_replay() -> None:
    appends: Appends = factories.appends()

    assert appends.process(Thread("t"), b"\xc3\x01", None, {})[1].startswith("not JSON")
