"""Ids and JSON in the forms that PostgreSQL takes."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.integration.sinks import without_nul
from worker.postgres.storable import ID_BYTES_MAX, stored_id, stored_json

# Dense in what matters.
IDS = st.text(st.sampled_from("\0%025a/é"), max_size=12)
LONG_IDS = st.builds(
    lambda text, times: text * times, st.text(st.sampled_from("abé\0"), min_size=1, max_size=5), st.integers(50, 600)
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.sampled_from('\0\\u0aé"\n\ufffd'), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(IDS | LONG_IDS, IDS | LONG_IDS)
def test_different_ids_stay_different(one: str, other: str) -> None:
    assert (stored_id(one) == stored_id(other)) == (one == other)


@given(IDS | LONG_IDS)
def test_an_id_is_stored_without_nul_and_in_few_bytes(text: str) -> None:
    stored = stored_id(text)

    assert "\0" not in stored
    assert len(stored.encode()) <= ID_BYTES_MAX + 80


def test_ids_as_they_come_are_stored_as_they_are() -> None:
    for text in (
        "0199f00d-0001-7000-8000-000000000001",
        "call_1/2 %41 é",
        "x" * ID_BYTES_MAX,
        "é" * (ID_BYTES_MAX // 2),
    ):
        assert stored_id(text) == text


def test_nul_is_escaped_and_what_looks_like_that_too() -> None:
    assert [stored_id(text) for text in ("a\0b", "a%00b", "a%2500b", "%25", "%0", "%2501")] == [
        *("a%00b", "a%2500b", "a%252500b", "%25", "%0", "%2501")
    ]


@given(JSON)
def test_json_is_stored_with_nul_replaced_and_otherwise_as_it_is(found: object) -> None:
    stored = stored_json(found)

    assert "\\u0000" not in stored.replace("\\\\", "")
    assert json.loads(stored) == without_nul(found)
