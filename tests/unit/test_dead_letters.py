"""What `dead-letters show` shows of values: lines as they are, appends by their elements, else bytes."""

import pytest

from tests.envelopes import envelope
from worker.codec.appends import AppendDecoder
from worker.commands.dead_letters import _readable


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b'{"type": "x"}', '{"type": "x"}'),
        (b"\xff{", "\ufffd{"),
        (envelope([b"{", b'{"a": 1}']), '{\n{"a": 1}'),
        (b"\0\0\0\0\7\1", "00 00 00 00 07 01"),
        (b"\xc3\x01\1", "c3 01 01"),
    ],
)
def test_a_value_is_shown_as_far_as_it_can_be_read(value: bytes, shown: str) -> None:
    assert _readable(value, AppendDecoder()) == shown
