"""Argument lists as one line of shell (A1): Rust's quoting, not Python's."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.reducer.shell import shell_join


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], ""),
        (["ls", "-la"], "ls -la"),
        ([""], "''"),
        (["a", "", "b"], "a '' b"),
        (["+-./:@]_"], "+-./:@]_"),
        (["it's"], '"it\'s"'),
        (['a"b'], "'a\"b'"),
        (["a'b$c"], "\"a'b\"'$c'"),
        (["a^b"], "a'^b'"),
        (["^"], "'^'"),
        (["a=^b"], "'a=''^b'"),
        (["x\\y"], '"x\\\\y"'),
        (["!'a"], "'!'\"'a\""),
        (["a=b"], "'a=b'"),
        (["~"], "'~'"),
        (["é"], "'é'"),
        (["é'$"], "\"é'\"'$'"),
        (["\\`"], "\"\\\\\"'`'"),
        (["'\""], '"\'\\""'),
        (["a b"], "'a b'"),
        (["\n"], "'\n'"),
        (["a", "b\0"], "<command included NUL byte>"),
    ],
)
def test_words_are_quoted_in_chunks_by_what_their_bytes_allow(words: list[str], line: str) -> None:
    assert shell_join(words) == line


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")), max_size=5))
def test_a_shell_splits_the_line_into_the_same_words(words: list[str]) -> None:
    assert shlex.split(shell_join(words)) == words
