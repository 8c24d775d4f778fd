"""Rollout files: which are found, their lines, and whose thread they are."""

import io
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import OTHER_UUID, UUID, line
from worker.rollouts.files import STDIN, RolloutFile, content, rollout_files, session_id, split, thread_id_of_name

META = line("session_meta", {"id": UUID})
OTHER_META = line("session_meta", {"id": OTHER_UUID})
NAME = f"rollout-2026-06-04T12-00-00-{OTHER_UUID}.jsonl"


def _written(folder: Path, name: str, *lines: bytes) -> Path:
    path = folder / name
    text = b"".join(found + b"\n" for found in lines)
    path.write_bytes(zstandard.compress(text) if name.endswith(".zst") else text)
    return path


def _expected(text: bytes) -> list[bytes]:
    lines = text.split(b"\n")
    return lines if lines[-1] else lines[:-1]


# Lines


@pytest.mark.parametrize("text", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"])
def test_lines_are_split_at_line_feeds_only(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(f"a{text}b\nc".encode())

    assert list(RolloutFile(path).lines()) == [f"a{text}b".encode(), b"c"]


def test_a_carriage_return_stays_in_its_line(tmp_path: Path) -> None:
    assert list(RolloutFile(_written(tmp_path, "a.jsonl", b"a\r", b"\r", b"b")).lines()) == [b"a\r", b"\r", b"b"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"\n\n", [b"", b""]),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\n\nb", [b"a", b"", b"b"]),
        (b"a\n ", [b"a", b" "]),
    ],
)
def test_blank_lines_are_lines_but_an_empty_last_one_is_none(tmp_path: Path, text: bytes, lines: list[bytes]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(text)

    assert list(RolloutFile(path).lines()) == lines


@given(st.lists(st.lists(st.sampled_from(b"ab\r\n"), max_size=5).map(bytes), max_size=8))
def test_lines_do_not_depend_on_where_chunks_end(chunks: list[bytes]) -> None:
    text = b"".join(chunks)
    lines = _expected(text)
    whole = len(lines) - (not text.endswith(b"\n"))

    assert list(split(chunks)) == [(found, len(found), at < whole) for at, found in enumerate(lines)]


@given(st.lists(st.sampled_from([b"a", b"bcd", b"\n", b"ef\ngh", b"ijklm\n"]), max_size=12), st.integers(0, 6))
def test_of_a_line_that_is_too_long_the_end_is_kept_and_the_size_told(chunks: list[bytes], longest: int) -> None:
    pieces = list(split(chunks, longest))
    lines = _expected(b"".join(chunks))

    assert [size for _, size, _ in pieces] == [len(found) for found in lines]
    assert all(found.endswith(text) for (text, _, _), found in zip(pieces, lines, strict=True))
    assert all(text == found for (text, _, _), found in zip(pieces, lines, strict=True) if len(found) <= longest)


def test_a_line_that_never_ends_takes_no_more_memory_than_two_chunks() -> None:
    chunks = itertools.chain(itertools.repeat(b"x" * 1_000, 5_000), [b"end\n"])

    assert list(split(chunks, 3_000)) == [(b"x" * 1_000 + b"end", 5_000_003, True)]


def test_a_line_longer_than_what_is_read_at_once_is_one_line(tmp_path: Path) -> None:
    long = b"x" * (3 << 20)

    assert list(RolloutFile(_written(tmp_path, "a.jsonl", b"a", long, b"b")).lines()) == [b"a", long, b"b"]


# Packed files


def test_a_packed_file_has_the_lines_of_what_was_packed(tmp_path: Path) -> None:
    lines = [b"line %d" % number for number in range(100_000)]

    assert list(RolloutFile(_written(tmp_path, "a.jsonl.zst", *lines)).lines()) == lines


def test_a_packed_file_may_be_several_put_together(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(zstandard.compress(b"a\nb") + zstandard.compress(b"c\n") + zstandard.compress(b"d\n"))

    assert list(RolloutFile(path).lines()) == [b"a", b"bc", b"d"]


def test_a_packed_file_that_lacks_its_end_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path, "a.jsonl.zst", *(b"line %d" % number for number in range(100_000)))
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(zstandard.ZstdError, match="ends within a zstd frame"):
        list(RolloutFile(path).lines())


def test_a_file_that_is_packed_by_name_only_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(b"{}\n")

    with pytest.raises(zstandard.ZstdError):
        list(RolloutFile(path).lines())


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst"])
@pytest.mark.parametrize("start", [0, 1, 999_999, 1_000_000, 1_000_001])
def test_content_can_be_read_from_any_byte_on(tmp_path: Path, name: str, start: int) -> None:
    text = bytes(number % 251 for number in range(1_000_000))
    path = tmp_path / name
    path.write_bytes(zstandard.compress(text) if name.endswith(".zst") else text)

    assert b"".join(content(path, start)) == text[start:]


# Whose thread


def test_a_thread_is_named_by_the_first_session_meta_that_can_be_read(tmp_path: Path) -> None:
    bad = b'{"type":"session_meta","payload":{"id":"none"}}'

    assert RolloutFile(_written(tmp_path, NAME, b"", b"session_meta", bad, META, OTHER_META)).thread_id() == UUID


@pytest.mark.parametrize(
    ("name", "thread_id"),
    [
        (NAME, OTHER_UUID),
        (f"{NAME}.zst", OTHER_UUID),
        (NAME.upper(), OTHER_UUID),
        (f"{UUID}-{OTHER_UUID}.jsonl", OTHER_UUID),
        (f"rollout-2026-06-04T12-00-00-{OTHER_UUID}_{UUID}.jsonl", OTHER_UUID),
        (f"notes_{UUID}.jsonl", UUID),
        ("notes.jsonl", "notes"),
        ("notes.jsonl.zst", "notes"),
        ("notes.txt", "notes.txt"),
        (".jsonl", ".jsonl"),
        ("-", "stdin"),
        ("caf\udce9.jsonl", "caf?"),
    ],
)
def test_without_a_session_meta_a_thread_is_named_by_its_file(name: str, thread_id: str) -> None:
    assert thread_id_of_name(Path(name)) == thread_id


def test_a_file_of_no_lines_is_named_by_its_name(tmp_path: Path) -> None:
    assert RolloutFile(_written(tmp_path, NAME)).thread_id() == OTHER_UUID


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"session_meta",
        b'{"type":"session_meta"}',
        b'{"type":"session_meta","payload":null}',
        b'{"type":"session_meta","payload":{"id":7}}',
        b'{"type":"session_meta","payload":{"id":"7"}}',
        b'["session_meta"]',
        line("event_msg", {"type": "session_meta", "id": UUID}),
    ],
)
def test_a_line_that_is_no_session_meta_with_a_uuid_names_no_thread(text: bytes) -> None:
    assert session_id(text) is None


@pytest.mark.parametrize("stated", [UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}", f"urn:uuid:{UUID}"])
def test_a_stated_thread_id_is_brought_into_one_form(stated: str) -> None:
    assert session_id(line("session_meta", {"id": stated})) == UUID


# Standard input


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.BytesIO]:
    stream = io.BytesIO()
    with io.TextIOWrapper(stream) as text:
        monkeypatch.setattr(sys, "stdin", text)
        yield stream


@pytest.mark.parametrize(("first", "thread_id"), [(META, UUID), (b"{}", "stdin")])
def test_standard_input_names_its_thread_and_then_gives_all_lines(
    stdin: io.BytesIO, first: bytes, thread_id: str
) -> None:
    lines = [first, *(b"x" * 1_000 for _ in range(3_000))]
    stdin.write(b"\n".join(lines))
    stdin.seek(0)
    file = RolloutFile(STDIN)

    assert (file.thread_id(), list(file.lines())) == (thread_id, lines)


def test_standard_input_is_kept_only_as_far_as_its_thread_was_looked_for(stdin: io.BytesIO) -> None:
    stdin.write(META + b"\n" + b"x" * (3 << 20))
    stdin.seek(0)
    RolloutFile(STDIN).thread_id()

    assert stdin.tell() == 1 << 20


# Which files


def test_a_thread_comes_before_those_it_spawned_and_its_first_file_before_its_others(tmp_path: Path) -> None:
    sessions, archived = tmp_path / "sessions/2026/06/04", tmp_path / "archived_sessions"
    for folder in (sessions, archived, sessions / "agents"):
        folder.mkdir(parents=True)
    child = "019b0000-9000-7000-8000-00000000000c"
    wanted = [
        _written(sessions, f"rollout-2026-06-04T12-00-00-{UUID}.jsonl"),
        _written(archived, f"rollout-2026-06-04T12-00-00-{UUID}_{OTHER_UUID}.jsonl.zst"),
        _written(sessions / "agents", f"rollout-2026-06-04T12-00-01-{child}.jsonl"),
        _written(archived, f"rollout-2026-06-04T12-00-02-{child}.jsonl"),
    ]

    assert rollout_files([tmp_path]) == wanted


def test_files_that_codex_did_not_name_come_first_by_their_paths(tmp_path: Path) -> None:
    later, earlier = tmp_path / "2026/06/05", tmp_path / "2026/06/04"
    for folder in (later, earlier):
        folder.mkdir(parents=True)
    wanted = [
        _written(earlier, "notes.jsonl"),
        _written(later, "c.jsonl"),
        _written(earlier, "rollout-a.jsonl"),
        _written(earlier, "rollout-b.jsonl.zst"),
    ]
    _written(later, "d.json")
    _written(later, "e.zst")
    (later / "f.jsonl").mkdir()

    assert rollout_files([tmp_path]) == wanted


def test_a_file_that_is_named_counts_whatever_it_is_called_and_once(tmp_path: Path) -> None:
    named, inside = _written(tmp_path, "notes.txt"), _written(tmp_path, "a.jsonl")
    absent = tmp_path / "absent.jsonl"

    assert rollout_files([named, tmp_path, inside, named, absent, STDIN]) == [named, inside, absent, STDIN]
