"""Rollouts that grow: what a look finds, from where, and as whose."""

import os
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.factories import OTHER_UUID, UUID, line
from worker.rollouts.follow import Follower, Position, Step, key_of

META = line("session_meta", {"id": UUID})
OTHER_META = line("session_meta", {"id": OTHER_UUID})
NAME = f"rollout-2026-06-04T12-00-00-{OTHER_UUID}.jsonl"
DESCRIPTORS = Path("/proc/self/fd")
A, B, C = (line("event_msg", {"message": text}) for text in "abc")


class Watch:
    """A follower of a folder, with what it says and what a journal would keep of it."""

    def __init__(self, *roots: Path, kept: dict[str, Position] | None = None, longest: int = 1 << 20) -> None:
        self.kept = {} if kept is None else kept
        self.said: list[str] = []
        self.steps: list[Step] = []
        self.follower = Follower(
            roots,
            recall=self.kept.get,
            notice=lambda path, text: self.said.append(f"{path.name}: {text}"),
            unreadable=lambda path, error: self.said.append(f"{path.name}: {type(error).__name__}"),
            longest=longest,
        )

    def look(self, at_most: int = 1_000_000) -> list[tuple[str, str | None, int, bytes]]:
        """Return the new lines: file, thread, index, text."""
        found = []
        for step in self.follower.look():
            self.steps.append(step)
            self.kept[step.key] = step.position
            if step.text is not None:
                found.append((step.path.name, step.position.thread_id, step.position.lines - 1, step.text))
            if len(found) == at_most:
                break
        return found

    def restarted(self, *roots: Path) -> "Watch":
        """Return another one that knows what a journal would have kept."""
        return Watch(*roots, kept=self.kept)


def _write(path: Path, *lines: bytes, rest: bytes = b"") -> Path:
    path.write_bytes(b"".join(text + b"\n" for text in lines) + rest)
    return path


def _append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


def _pack(path: Path) -> Path:
    """Do as Codex does with files that are old."""
    packed = path.with_name(path.name + ".zst")
    packed.write_bytes(zstandard.compress(path.read_bytes()))
    path.unlink()
    return packed


def _numbered(name: str, thread_id: str, *lines: bytes, start: int = 0) -> list[Any]:
    return [(name, thread_id, index, text) for index, text in enumerate(lines, start)]


# What is new


def test_a_look_finds_all_lines_and_the_next_one_none(tmp_path: Path) -> None:
    _write(tmp_path / NAME, META, A, b"", b"  ", B)
    watch = Watch(tmp_path)

    assert [watch.look(), watch.look()] == [_numbered(NAME, UUID, META, A, b"", b"  ", B), []]


def test_lines_that_are_appended_go_on_with_the_index_of_their_file(tmp_path: Path) -> None:
    path = _write(tmp_path / NAME, META)
    watch = Watch(tmp_path)
    watch.look()
    _append(path, A + b"\n\n")
    first = watch.look()
    _append(path, B + b"\n")

    assert [first, watch.look()] == [
        _numbered(NAME, UUID, A, b"", start=1),
        _numbered(NAME, UUID, B, start=3),
    ]


def test_a_line_waits_until_its_line_feed_comes(tmp_path: Path) -> None:
    path = _write(tmp_path / NAME, META, rest=A[:10])
    watch = Watch(tmp_path)
    first = watch.look()
    _append(path, A[10:])
    second = watch.look()
    _append(path, b"\n" + B[:1])

    assert [first, second, watch.look()] == [_numbered(NAME, UUID, META), [], _numbered(NAME, UUID, A, start=1)]


def test_new_files_in_new_folders_are_found_in_path_order(tmp_path: Path) -> None:
    watch = Watch(tmp_path / "sessions")
    before = watch.look()
    for day, text in (("05", B), ("04", A)):
        (tmp_path / f"sessions/2026/06/{day}").mkdir(parents=True)
        _write(tmp_path / f"sessions/2026/06/{day}/{day}.jsonl", text)
    _write(tmp_path / "sessions/2026/notes.txt", C)

    assert [before, watch.look()] == [[], [("04.jsonl", "04", 0, A), ("05.jsonl", "05", 0, B)]]


def test_a_file_that_is_named_is_followed_whatever_it_is_called(tmp_path: Path) -> None:
    path = _write(tmp_path / "notes.txt", A)

    assert Watch(path).look() == _numbered("notes.txt", "notes.txt", A)


def test_a_file_below_two_folders_that_are_named_is_read_once(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", A)
    (tmp_path / "link").symlink_to(tmp_path)

    assert Watch(tmp_path, path, tmp_path / "link").look() == _numbered("a.jsonl", "a", A)


def test_a_file_of_a_name_that_is_no_utf8_has_a_key_that_is(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.jsonl")
    _write(path, A)
    watch = Watch(tmp_path)

    assert watch.look() == _numbered(path.name, "caf?", A)
    assert list(watch.kept) == [f"{tmp_path}/caf\\udce9.jsonl"]


def test_of_a_line_that_is_too_long_only_size_and_place_are_told(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", A, b"x" * 3_000_000, B)
    watch = Watch(tmp_path, longest=1_000)
    watch.look()
    _append(path, C + b"\n")
    watch.look()

    assert [(step.position.lines, step.size) for step in watch.steps if step.text is not None] == [
        (1, len(A)),
        (2, 3_000_000),
        (3, len(B)),
        (4, len(C)),
    ]
    assert watch.said == []


# Whose thread


def test_a_file_is_not_read_before_its_first_whole_line_tells_whose_it_is(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", b"", b" ", rest=META[:20])
    watch = Watch(tmp_path)
    first = watch.look()
    _append(path, META[20:] + b"\n")

    assert [first, watch.look()] == [[], _numbered("a.jsonl", UUID, b"", b" ", META)]


def test_without_a_session_meta_in_what_is_there_the_name_tells_and_stays(tmp_path: Path) -> None:
    path = _write(tmp_path / NAME, A)
    watch = Watch(tmp_path)
    first = watch.look()
    _append(path, META + b"\n")

    assert [first, watch.look(), watch.restarted(tmp_path).look()] == [
        _numbered(NAME, OTHER_UUID, A),
        _numbered(NAME, OTHER_UUID, META, start=1),
        [],
    ]


def test_a_session_meta_after_other_lines_names_all_of_them(tmp_path: Path) -> None:
    _write(tmp_path / "a.jsonl", A, META, OTHER_META)

    assert Watch(tmp_path).look() == _numbered("a.jsonl", UUID, A, META, OTHER_META)


# Stopped and started


def test_a_restart_goes_on_after_the_line_that_was_kept(tmp_path: Path) -> None:
    path = _write(tmp_path / NAME, META, A, B)
    watch = Watch(tmp_path)
    first = watch.look(at_most=2)
    _append(path, C + b"\n")

    assert [first, watch.restarted(tmp_path).look()] == [
        _numbered(NAME, UUID, META, A),
        _numbered(NAME, UUID, B, C, start=2),
    ]


def test_a_file_that_did_not_change_is_not_opened_after_a_restart(tmp_path: Path) -> None:
    path = _write(tmp_path / NAME, META, A)
    seen = path.stat()
    kept = {str(path): Position(1, 1, 0, UUID, (seen.st_size, seen.st_ctime_ns))}

    assert Watch(tmp_path, kept=kept).look() == []


def test_every_position_is_one_to_go_on_from(tmp_path: Path) -> None:
    lines = [META, A, b"", b"\r", B * 10, b"", C]
    path = _write(tmp_path / NAME, *lines)
    watch = Watch(path)
    watch.look()
    rests = [Watch(path, kept={str(path): step.position}).look() for step in watch.steps]

    assert rests == [_numbered(NAME, UUID, *lines[at:], start=at) for at in range(1, len(lines) + 1)] + [[]]


def test_the_end_of_a_file_is_a_step_that_says_what_was_seen(tmp_path: Path) -> None:
    path = _write(tmp_path / NAME, META, rest=A)
    watch = Watch(tmp_path)
    watch.look()
    seen = path.stat()
    first, end = watch.steps

    assert first == Step(path, str(path), META, len(META), Position(len(META) + 1, 1, first.position.mark, UUID, None))
    assert end == Step(
        path,
        str(path),
        None,
        0,
        Position(len(META) + 1, 1, first.position.mark, UUID, (seen.st_size, seen.st_ctime_ns)),
    )


# Cut, replaced, moved, packed


@pytest.mark.parametrize("lines", [[B], [B, C], [META, B, C], [OTHER_META, B, C, A]])
def test_a_file_that_is_cut_or_replaced_is_read_from_its_first_line(tmp_path: Path, lines: list[bytes]) -> None:
    path = _write(tmp_path / NAME, OTHER_META, A)
    watch = Watch(tmp_path)
    watch.look()
    _write(path, *lines)
    thread_id = UUID if lines[0] == META else OTHER_UUID

    assert watch.look() == _numbered(NAME, thread_id, *lines)
    assert watch.said == [f"{NAME}: cut or replaced after 2 lines were read: read from its first line again"]


def test_a_file_that_was_replaced_while_nobody_looked_is_read_from_its_first_line(tmp_path: Path) -> None:
    path = _write(tmp_path / NAME, META, A, B)
    watch = Watch(tmp_path)
    watch.look()
    _write(path, META, B, C, C)

    assert watch.restarted(tmp_path).look() == _numbered(NAME, UUID, META, B, C, C)


def test_a_file_cut_to_nothing_and_written_again_is_read_again(tmp_path: Path) -> None:
    path = _write(tmp_path / NAME, META, A)
    watch = Watch(tmp_path)
    watch.look()
    _write(path)
    empty = watch.look()
    _write(path, META, A)

    assert [empty, watch.look()] == [[], _numbered(NAME, UUID, META, A)]


def test_a_copy_with_more_lines_in_the_files_place_goes_on_as_the_file_would(tmp_path: Path) -> None:
    """As rsync brings a file that grew: by a new file under the old name."""
    path = _write(tmp_path / NAME, META, A)
    watch = Watch(tmp_path)
    watch.look()
    _write(tmp_path / "new", META, A, B).rename(path)

    assert (watch.look(), watch.said) == (_numbered(NAME, UUID, B, start=2), [])


def test_a_file_that_goes_and_comes_back_goes_on_where_it_was_kept(tmp_path: Path) -> None:
    path = _write(tmp_path / NAME, META, A)
    watch = Watch(tmp_path)
    watch.look()
    away = path.rename(tmp_path / "away")
    gone = watch.look()
    _append(away.rename(path), B + b"\n")

    assert [gone, watch.look()] == [[], _numbered(NAME, UUID, B, start=2)]


def test_a_file_that_is_packed_is_not_read_again(tmp_path: Path) -> None:
    path = _write(tmp_path / NAME, META, A)
    watch = Watch(tmp_path)
    watch.look()
    _pack(path)

    assert (watch.look(), watch.restarted(tmp_path).look(), watch.said) == ([], [], [])


def test_lines_that_came_just_before_a_file_was_packed_are_read(tmp_path: Path) -> None:
    path = _write(tmp_path / NAME, META, A)
    watch = Watch(tmp_path)
    watch.look()
    _append(path, B + b"\n" + C)
    _pack(path)

    assert watch.look() == _numbered(f"{NAME}.zst", UUID, B, C, start=2)


def test_a_file_that_is_unpacked_to_be_written_on_goes_on(tmp_path: Path) -> None:
    path = _write(tmp_path / NAME, META, A)
    packed = _pack(path)
    watch = Watch(tmp_path)
    first = watch.look()
    packed.unlink()
    _write(path, META, A, B)

    assert [first, watch.look()] == [
        _numbered(f"{NAME}.zst", UUID, META, A),
        _numbered(NAME, UUID, B, start=2),
    ]


def test_while_both_are_there_the_unpacked_file_is_read(tmp_path: Path) -> None:
    path = _write(tmp_path / NAME, META, A)
    path.with_name(f"{NAME}.zst").write_bytes(b"half")
    watch = Watch(tmp_path)

    assert (watch.look(), watch.said) == (_numbered(NAME, UUID, META, A), [])


def test_a_packed_file_is_read_once_it_is_whole(tmp_path: Path) -> None:
    packed = _pack(_write(tmp_path / NAME, META, *(b"%d" % number for number in range(10_000))))
    whole = packed.read_bytes()
    packed.write_bytes(whole[:-100])
    watch = Watch(tmp_path)
    looks = [watch.look(), watch.look()]
    packed.write_bytes(whole)

    assert looks == [[], []]
    assert watch.said == [f"{NAME}.zst: ZstdError"]
    assert watch.look() == _numbered(f"{NAME}.zst", UUID, META, *(b"%d" % number for number in range(10_000)))


# What cannot be read


def test_what_cannot_be_read_is_named_once_and_read_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(b"no zstd")
    _write(tmp_path / "b.jsonl", A)
    watch = Watch(tmp_path)
    looks = [watch.look(), watch.look()]
    path.write_bytes(zstandard.compress(B + b"\n"))

    assert looks == [_numbered("b.jsonl", "b", A), []]
    assert watch.said == ["a.jsonl.zst: ZstdError"]
    assert watch.look() == _numbered("a.jsonl.zst", "a", B)


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()
    os.mkfifo(tmp_path / "b.jsonl")
    (tmp_path / "c.jsonl").symlink_to(tmp_path / "absent")
    watch = Watch(tmp_path)

    assert (watch.look(), watch.said) == ([], [])


def test_a_file_that_goes_between_being_seen_and_being_read_is_passed_over(tmp_path: Path) -> None:
    _write(tmp_path / "a.jsonl", A)
    second = _write(tmp_path / "b.jsonl", B)
    watch = Watch(tmp_path)
    steps = watch.follower.look()
    first = next(steps)
    second.unlink()

    assert [first.text, *(step.text for step in steps)] == [A, None]
    assert watch.said == []


# Bounds


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="the system does not show a process' open files")
def test_one_file_is_open_at_a_time(tmp_path: Path) -> None:
    for number in range(50):
        _write(tmp_path / f"{number:02}.jsonl", A, B)
    before = len(list(DESCRIPTORS.iterdir()))
    most = max(len(list(DESCRIPTORS.iterdir())) for _ in Watch(tmp_path).follower.look())

    assert most - before <= 1


def test_only_files_that_are_there_are_remembered(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    for number in range(3):
        path = _write(tmp_path / f"{number}.jsonl", A)
        watch.look()
        path.unlink()
    watch.look()

    assert watch.follower.positions == {}


def test_a_key_is_the_path_packed_or_not() -> None:
    assert (key_of("/s/a.jsonl"), key_of("/s/a.jsonl.zst")) == ("/s/a.jsonl", "/s/a.jsonl")
