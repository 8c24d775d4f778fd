"""The journal: positions that outlive the process, of one target, held by one process."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from worker.errors import ConfigError, FatalError
from worker.rollouts.follow import Position
from worker.rollouts.journal import VERSION, Journal

READING = Position(20, 2, 0xFFFFFFFF, "thread", None)
READ = Position(30, 3, 7, "thread", (30, 2**62))
UNSETTLED = Position(0, 0, 0, None, (5, 1))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "publish.sqlite"


@pytest.mark.parametrize("position", [READING, READ, UNSETTLED])
def test_a_position_comes_back_as_it_was_recorded(file: Path, position: Position) -> None:
    with Journal(file, "here") as journal:
        journal.record({"/a": position})
    with Journal(file, "here") as journal:
        assert [journal.position("/a"), journal.position("/b")] == [position, None]


def test_a_later_position_takes_an_earlier_ones_place(file: Path) -> None:
    with Journal(file, "here") as journal:
        journal.record({"/a": READ, "/b": READ})
        journal.record({"/a": READING})
        journal.record({})

        assert [journal.position("/a"), journal.position("/b")] == [READING, READ]


def test_what_went_to_one_target_is_unknown_to_another(file: Path) -> None:
    with Journal(file, "here") as journal:
        journal.record({"/a": READ})
    with Journal(file, "there") as journal:
        elsewhere = journal.position("/a")
        journal.record({"/a": READING})
    with Journal(file, "here") as journal:
        assert [elsewhere, journal.position("/a")] == [None, READ]


def test_a_second_process_is_refused_while_the_first_one_lives(file: Path) -> None:
    program = (
        f"from pathlib import Path\nfrom worker.rollouts.journal import Journal\nJournal(Path({str(file)!r}), 'a')"
    )
    with Journal(file, "here"):
        second = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    third = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (second.returncode, third.returncode) == (1, 0)
    assert f"{file} is in use by another `publish --follow`: stop that one, or name another" in second.stderr


def test_what_was_recorded_is_there_after_a_kill(file: Path) -> None:
    program = f"""
import os
from pathlib import Path
from worker.rollouts.follow import Position
from worker.rollouts.journal import Journal
journal = Journal(Path({str(file)!r}), "here")
journal.record({{"/a": Position(30, 3, 7, "thread", (30, 2**62))}})
os.kill(os.getpid(), 9)
"""
    killed = subprocess.run([sys.executable, "-c", program], check=False)
    with Journal(file, "here") as journal:
        assert (killed.returncode, journal.position("/a")) == (-9, READ)


def test_a_file_that_is_no_database_is_refused_and_left(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"my diary, volume one, of which there is no copy" * 100)
    with pytest.raises(ConfigError, match=r"cannot be used .* remove it, or name another with --state"):
        Journal(file, "here")

    assert file.read_bytes().startswith(b"my diary")


@pytest.mark.parametrize("statement", ["CREATE TABLE files (a)", "CREATE TABLE threads (a)", "PRAGMA user_version = 9"])
def test_another_programs_database_is_refused_and_left(file: Path, statement: str) -> None:
    file.parent.mkdir()
    other = sqlite3.connect(file)
    other.execute(statement)
    other.close()
    before = file.read_bytes()
    with pytest.raises(ConfigError, match="it is no journal of this version"):
        Journal(file, "here")

    assert file.read_bytes() == before


def test_a_journal_of_a_later_version_is_refused(file: Path) -> None:
    with Journal(file, "here"):
        pass
    later = sqlite3.connect(file)
    later.execute(f"PRAGMA user_version = {VERSION + 1}")
    later.close()

    with pytest.raises(ConfigError, match="it is no journal of this version"):
        Journal(file, "here")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=r"publish\.sqlite cannot be used"):
        Journal(tmp_path / "file" / "publish.sqlite", "here")


def test_a_folder_in_the_files_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be opened .*: name another file with --state"):
        Journal(tmp_path, "here")


def test_a_journal_that_fails_meanwhile_ends_the_process_and_says_how_to_go_on(file: Path) -> None:
    with Journal(file, "here") as journal:
        pass

    with pytest.raises(FatalError, match="run the same command again"):
        journal.record({"/a": READ})
