"""The scalars of rollout lines: what is accepted and what becomes of it (F6, A2, A3, A5, U7, U8, U10)."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from worker.model import scalar
from worker.model.scalar import Parsed, Tagged, joined, normalised, only

HYPHENATED = "019b0000-0000-7000-8000-00000000000a"


def read(shape: Any, found: Any) -> Any:
    """Check a value as the decoder does."""
    return TypeAdapter(shape).validate_python(found, strict=True)


REFUSED = [
    (scalar.I32, 2**31),
    (scalar.I32, -(2**31) - 1),
    (scalar.I32, 1.0),
    (scalar.I32, True),
    (scalar.I32, "1"),
    (scalar.I32, None),
    (scalar.I64, 2**63),
    (scalar.I64, -(2**63) - 1),
    (scalar.U32, -1),
    (scalar.U32, 2**32),
    (scalar.U64, -1),
    (scalar.U64, 2**64),
    (scalar.Uuid, ""),
    (scalar.Uuid, "x"),
    (scalar.Uuid, HYPHENATED[:-1]),
    (scalar.Uuid, HYPHENATED + "\n"),
    (scalar.Uuid, HYPHENATED.replace("-", "") + "0"),
    (scalar.Uuid, "{" + HYPHENATED),
    (scalar.Uuid, HYPHENATED.replace("a", "\u0660")),
    (scalar.Uuid, 5),
    (scalar.AbsolutePath, "a"),
    (scalar.AbsolutePath, ""),
    (scalar.AbsolutePath, "~/a"),
    (scalar.AbsolutePath, "file:///a"),
    (scalar.Location, "a"),
    (scalar.Location, "C:\\a"),
    (scalar.Location, "http://x/a"),
    (scalar.Location, "file:///a?b"),
    (scalar.Location, "file:///a#b"),
    (scalar.Location, "file:///%FF"),
    (scalar.DurationMs, {"secs": 1}),
    (scalar.DurationMs, {"secs": 1, "nanos": 0, "more": 0}),
    (scalar.DurationMs, {"secs": -1, "nanos": 0}),
    (scalar.DurationMs, {"secs": 1, "nanos": -1}),
    (scalar.DurationMs, {"secs": 1, "nanos": 2**32}),
    (scalar.DurationMs, {"secs": 1.0, "nanos": 0}),
    (scalar.DurationMs, {"secs": True, "nanos": 0}),
    (scalar.DurationMs, {"secs": 2**64 - 1, "nanos": 10**9}),
    (scalar.DurationMs, {"secs": 2**64, "nanos": 0}),
    (scalar.DurationMs, [1]),
    (scalar.DurationMs, [1, 2, 3]),
    (scalar.DurationMs, 5),
    (scalar.DurationMs, None),
    (scalar.Effort, ""),
    (scalar.Effort, None),
]


@pytest.mark.parametrize(("shape", "found"), REFUSED)
def test_what_is_out_of_range_or_of_another_form_is_refused(shape: Any, found: Any) -> None:
    with pytest.raises(ValidationError):
        read(shape, found)


@pytest.mark.parametrize(
    ("shape", "low", "high"),
    [
        (scalar.I32, -(2**31), 2**31 - 1),
        (scalar.I64, -(2**63), 2**63 - 1),
        (scalar.U32, 0, 2**32 - 1),
        (scalar.U64, 0, 2**64 - 1),
    ],
)
def test_integers_are_accepted_up_to_their_bounds(shape: Any, low: int, high: int) -> None:
    assert [read(shape, low), read(shape, high)] == [low, high]


@pytest.mark.parametrize(
    "written",
    [
        HYPHENATED,
        HYPHENATED.upper(),
        HYPHENATED.replace("-", ""),
        "{" + HYPHENATED + "}",
        "urn:uuid:" + HYPHENATED,
    ],
)
def test_a_uuid_in_any_form_is_written_hyphenated_in_lower_case(written: str) -> None:
    assert read(scalar.Uuid, written) == HYPHENATED


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/", "/"),
        ("//", "/"),
        ("/a/", "/a"),
        ("/a//b/./c", "/a/b/c"),
        ("/a/../b", "/b"),
        ("/../../a", "/a"),
        ("/a/..", "/"),
        ("/a/...", "/a/..."),
        ("/~/a", "/~/a"),
    ],
)
def test_absolute_paths_are_normalised_without_a_look_at_the_disk(written: str, meant: str) -> None:
    assert (read(scalar.AbsolutePath, written), read(scalar.Location, written), normalised(written)) == (meant,) * 3


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///w", "/w"),
        ("FILE:///w", "/w"),
        ("file:/w", "/w"),
        ("file:///w%20x/%C3%A9", "/w x/é"),
        ("file:///100%", "/100%"),
        ("file:///%zz", "/%zz"),
        ("file://localhost/w", "/w"),
        ("file://LOCALHOST/w", "/w"),
        ("file://host/share/w", "\\\\host\\share\\w"),
        ("file:///C:/x/y", "C:\\x\\y"),
        ("file:///c:", "c:"),
        ("file:///C:x", "/C:x"),
        ("file:///a//b/", "/a//b/"),
        ("file:///a/./b/../c", "/a/c"),
        ("file:///a/%2e%2E/c", "/c"),
        ("file:///a/b/..", "/a/"),
        ("file:///a/.", "/a/"),
        ("file:///..", "/"),
        ("file:///a\\b", "/a/b"),
        ("file://", "/"),
    ],
)
def test_file_uris_become_native_paths(uri: str, path: str) -> None:
    assert read(scalar.Location, uri) == path


@pytest.mark.parametrize(
    ("cwd", "path", "whole"),
    [
        ("/w", "a/b", "/w/a/b"),
        ("/w", "../a", "/a"),
        ("/w", "/a/./b", "/a/b"),
        ("/w", "", "/w"),
        ("/w", ".", "/w"),
        ("/w//x/", "a", "/w/x/a"),
        ("/w", "~", "/w/~"),
        ("/w", "~/a", "/w/~/a"),
        ("/w", "~b", "/w/~b"),
        ("/w", "C:\\a", "/w/C:\\a"),
        ("C:\\w", "a/b", "C:\\w\\a\\b"),
        ("C:\\w", "..\\a", "C:\\a"),
        ("C:\\w", "../../..", "C:\\"),
        ("C:\\w", "", "C:\\w"),
        ("C:", "a", "C:\\a"),
        ("C:\\w", "D:\\a", "D:\\a"),
        ("C:\\w", "\\\\host\\a", "\\\\host\\a"),
        ("C:\\w", "/a", "/a"),
        ("\\\\host\\share", "../../a", "\\\\host\\a"),
    ],
)
def test_a_path_is_joined_to_its_working_directory(cwd: str, path: str, whole: str) -> None:
    assert joined(cwd, path) == whole


def test_a_path_with_nul_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="NUL"):
        joined("/w", "a\0")


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    [
        ({"secs": 0, "nanos": 0}, 0),
        ({"secs": 1, "nanos": 2_999_999}, 1002),
        ({"nanos": 999_999, "secs": 0}, 0),
        ({"secs": 1, "nanos": 2_500_000_000}, 3500),
        ([2, 1_000_000], 2001),
        ({"secs": 2**64 - 1, "nanos": 999_999_999}, (2**64 - 1) * 1000 + 999),
        ({"secs": 2**64 - 2, "nanos": 10**9}, (2**64 - 1) * 1000),
    ],
)
def test_durations_are_whole_milliseconds_rounded_down(written: Any, milliseconds: int) -> None:
    assert read(scalar.DurationMs, written) == milliseconds


def test_any_effort_that_is_not_empty_is_accepted() -> None:
    assert [read(scalar.Effort, found) for found in ("high", "mega", " ")] == ["high", "mega", " "]


def test_white_space_is_unicodes_and_not_pythons() -> None:
    trimmed = ["\u0085x\u2029", "\u3000x\u1680", "\x1cx\x1f", "\u200bx", "\ufeffx"]

    assert [text.strip(scalar.WHITE_SPACE) for text in trimmed] == ["x", "x", "\x1cx\x1f", "\u200bx", "\ufeffx"]


class Circle(TypedDict):
    tag: Literal["circle", "disc"]
    radius: int


class Square(TypedDict):
    tag: Literal["square"]
    side: int


class Other(TypedDict):
    tag: str


CLOSED = Annotated[Circle | Square, Tagged("tag")]
OPEN = Annotated[Circle | Square, Tagged("tag", otherwise=Other)]
NESTED = Annotated[Circle, Tagged("tag", otherwise=Other, nested={"square": CLOSED})]


@pytest.mark.parametrize("shape", [CLOSED, OPEN])
@pytest.mark.parametrize("found", [{"tag": "disc", "radius": 1}, {"tag": "square", "side": 1}])
def test_a_union_is_told_apart_by_its_tag(shape: Any, found: Any) -> None:
    assert read(shape, found) == found


def test_an_open_union_takes_unknown_tags_and_keeps_nothing_else_of_them() -> None:
    assert read(OPEN, {"tag": "", "radius": "x"}) == {"tag": ""}


def test_a_nested_union_is_checked_as_such() -> None:
    assert read(NESTED, {"tag": "square", "side": 1}) == {"tag": "square", "side": 1}


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        (CLOSED, {"tag": "star"}),
        (CLOSED, {"radius": 1}),
        (CLOSED, {"tag": "circle", "radius": "1"}),
        (OPEN, {"tag": "circle", "radius": "1"}),
        (OPEN, {"tag": 5}),
        (OPEN, {"tag": ["circle"]}),
        (OPEN, {}),
        (OPEN, "circle"),
        (NESTED, {"tag": "square", "side": "1"}),
    ],
)
def test_a_union_refuses_what_its_tag_does_not_allow(shape: Any, found: Any) -> None:
    with pytest.raises(ValidationError):
        read(shape, found)


@pytest.mark.parametrize("found", [{}, {"a": 1, "b": 2}, {"c": 1}, [], None])
def test_an_object_of_one_key_has_exactly_one_of_those_named(found: Any) -> None:
    with pytest.raises(ValidationError):
        read(Annotated[Any, Parsed(only({"a": None, "b": None}))], found)


def test_an_object_of_one_key_is_returned_as_it_is() -> None:
    assert only({"a": None, "b": None})({"b": 1}) == {"b": 1}
