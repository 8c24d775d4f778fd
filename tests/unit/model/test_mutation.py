"""Row keys: parts joined by a slash, so that no two rows share a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model.mutation import row_key


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (("t",), "t"),
        (("t", "a", "item-1"), "t/a/item-1"),
        (("t", "", ""), "t//"),
        (("a/b", "%", "%2F"), "a%2Fb/%25/%252F"),
        (("é", "a b"), "é/a b"),
    ],
)
def test_percent_and_slash_are_encoded_in_each_part(parts: tuple[str, ...], key: str) -> None:
    assert row_key(*parts) == key


@given(st.lists(st.text(alphabet="%/2Fa"), min_size=1, max_size=4), st.lists(st.text(alphabet="%/2Fa"), min_size=1))
def test_different_parts_have_different_keys(one: list[str], other: list[str]) -> None:
    assert (row_key(*one) == row_key(*other)) == (one == other)
