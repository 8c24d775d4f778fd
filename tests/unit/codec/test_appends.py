"""Appends of several items: their frames, what the observers see of them, and bytes that are none (2.1)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.envelopes import SINGLE_OBJECT, TIMESTAMP_MS, envelope
from worker.codec import appends
from worker.codec.appends import Append, AppendDecoder
from worker.codec.schemas import schema
from worker.errors import RetryError, UnreadableError

SCHEMAS = {7: schema("rollout_append").text, 8: schema("lifecycle").text}


def lookup(schema_id: int) -> str:
    if schema_id not in SCHEMAS:
        raise UnreadableError("unknown_schema", f"the registry has no schema {schema_id}")
    return SCHEMAS[schema_id]


DECODER = AppendDecoder(lookup)


@pytest.mark.parametrize("header", [SINGLE_OBJECT, b"\0\0\0\0\7"])
def test_an_append_is_read_from_either_frame(header: bytes) -> None:
    data = envelope([b"{}", "é".encode()], thread_id="é/1", first_ordinal=5, header=header)

    assert DECODER.decode(data) == Append("é/1", 5, TIMESTAMP_MS, [b"{}", "é".encode()])


def test_source_events_count_instead_of_items_if_there_are_any() -> None:
    assert DECODER.decode(envelope([b"1"], [b"2", b"3"])).elements == [b"2", b"3"]
    assert DECODER.decode(envelope([b"1"])).elements == [b"1"]
    assert DECODER.decode(envelope()).elements == []


@pytest.mark.parametrize(
    ("data", "reason", "told"),
    [
        (envelope([b"{}"])[:-3], "bad_frame", "no thread_history.RolloutAppend"),
        (envelope([b"{}"]) + b"\0", "bad_frame", "1 bytes follow it"),
        (envelope(first_ordinal=-1), "bad_frame", "first_ordinal is below 0"),
        (SINGLE_OBJECT[:9], "bad_frame", "cut"),
        (b"\xc3\x01abcdefgh", "unknown_schema", "no thread_history.RolloutAppend this release knows"),
        (b"\xc3\x01" + schema("lifecycle").fingerprint, "unknown_schema", "this release knows"),
        (b"\0", "bad_frame", "cut"),
        (b"\0\0\0\0\7", "bad_frame", "EOFError"),
        (b"\0\0\0\0\x08", "unknown_schema", "schema id 8 is of another type than thread_history.RolloutAppend"),
        (b"\0\0\0\0\x09", "unknown_schema", "the registry has no schema 9"),
    ],
)
def test_what_is_no_append_is_refused_with_the_reason(data: bytes, reason: str, told: str) -> None:
    with pytest.raises(UnreadableError, match=told) as refused:
        DECODER.decode(data)

    assert refused.value.reason == reason


def test_more_elements_than_the_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appends, "ELEMENTS_MAX", 2)

    assert len(DECODER.decode(envelope([b""] * 2)).elements) == 2
    with pytest.raises(UnreadableError, match="an append of more than 2 elements"):
        DECODER.decode(envelope([b""] * 3))


def test_a_registry_that_does_not_answer_is_no_fault_of_the_record() -> None:
    def silent(_schema_id: int) -> str:
        raise RetryError("no answer")

    with pytest.raises(RetryError):
        AppendDecoder(silent).decode(envelope(header=b"\0\0\0\0\7"))


@settings(max_examples=500)
@given(st.binary(max_size=60), st.sampled_from([SINGLE_OBJECT, b"\0\0\0\0\7", b"\0", b"\xc3\x01"]))
def test_no_bytes_do_harm(body: bytes, header: bytes) -> None:
    try:
        DECODER.decode(header + body)
    except UnreadableError as error:
        assert error.reason in ("bad_frame", "unknown_schema")


@given(st.lists(st.binary(max_size=5), max_size=3), st.integers(0, 200), st.integers(0, 255))
def test_a_byte_that_was_bent_does_no_harm(items: list[bytes], at: int, byte: int) -> None:
    data = bytearray(envelope([item.hex().encode() for item in items], first_ordinal=1))
    data[10 + at % (len(data) - 10)] = byte
    try:
        DECODER.decode(bytes(data))
    except UnreadableError as error:
        assert error.reason == "bad_frame"
