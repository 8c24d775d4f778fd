"""State rows to bytes and back: every kind of row, and the format's version."""

from typing import Any

import pytest
from hypothesis import given

from tests import factories, strategies
from tests.reference import text
from tests.strategies import Given
from worker.codec.rows import FORMATS, decode_row, encode_row, state_key
from worker.errors import FatalError
from worker.model.thread import Header, ItemRow, Place, Thread, Turn

ROWS: list[tuple[str, Any, bytes]] = [
    (
        "h",
        Header(7, 1, 2, 3, 4, 5, 6, 8, 9, 10, {"lifecycle": 3}, 11, None, "legacy", "s", "o", 12, True, 13, 14),
        b'[7,1,2,3,4,5,6,8,9,10,{"lifecycle":3},11,null,"legacy","s","o",12,true,13,14]',
    ),
    (
        "u/4",
        Turn(4, "a", "failed", True, 3, False, 1, 2, 3, {"message": "m"}, True, 9, 0, 8, "o", 7),
        b'[4,"a","failed",true,3,false,1,2,3,{"message":"m"},true,9,0,8,"o",7]',
    ),
    (
        "i/4/0",
        ItemRow(5, 6, None, {"type": "plan", "id": "p", "text": "é"}, 3, 4, "o"),
        '[5,6,null,{"type":"plan","id":"p","text":"é"},3,4,"o"]'.encode(),
    ),
    ("xi/4/a/b", Place(None, 2, True), b"[null,2,true]"),
    ("xt/a/b", 12, b"12"),
    ("xo/item-1", 0, b"0"),
    ("d/0", bytearray(b"\x01\0\0\0aaaaaaaa"), b"\x01\0\0\0aaaaaaaa"),
]


@pytest.mark.parametrize(("row", "found", "data"), ROWS, ids=[row for row, _, _ in ROWS])
def test_a_row_is_written_as_documented_and_reads_back(row: str, found: Any, data: bytes) -> None:
    encoded = encode_row(row, found)
    read = decode_row(row, encoded)

    assert (encoded, read, type(read)) == (b"\x01" + data, found, type(found))


@given(strategies.threads())
def test_all_rows_that_threads_have_read_back(lines: list[Given]) -> None:
    thread, appends = Thread("t"), factories.appends()
    for line in lines:
        appends.process(thread, line.text, line.ordinal, {})
    rows = {row: found for row, found in thread.changes() if found is not None}

    read = {row: decode_row(row, encode_row(row, found)) for row, found in rows.items()}

    assert read == rows
    assert {row: encode_row(row, found) for row, found in read.items()} == {
        row: encode_row(row, found) for row, found in rows.items()
    }


@pytest.mark.parametrize("value", [1, 1.0, -0.0, 2**64 - 1, -(2**63), 1e300, 5e-324, True, None, "\0\u2028\U0001f600"])
def test_json_inside_an_item_keeps_its_types(value: Any) -> None:
    item: Any = {"type": "mcpToolCall", "arguments": {"k": [value]}}
    row = ItemRow(1, None, None, item)

    read = decode_row("i/1/0", encode_row("i/1/0", row))

    assert text(read.value) == text(row.value)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x02[]", b"[]"])
def test_a_row_of_another_format_is_refused(data: bytes) -> None:
    with pytest.raises(FatalError, match="this release reads 1"):
        decode_row("h", data)


def test_versions_fit_their_byte_and_zero_is_none() -> None:
    assert all(0 < version < 256 for version in FORMATS)


def test_keys_are_told_apart_by_thread_whatever_its_name() -> None:
    keys = [state_key("t", "u/1"), state_key("t/u", "1"), state_key("é%", "xi/1/a/b")]

    assert keys == [b"t/u/1", b"t%2Fu/1", "é%25/xi/1/a/b".encode()]
