"""State rows on disk: a prefix of the changelog whatever happens to the process, the machine or the disk."""

import logging
import signal
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import ConfigError, FatalError, RetryError
from worker.model.record import StateRow
from worker.store.disk import DiskStore
from worker.store.folder import StateFolder
from worker.store.memory import MemoryStore

DAY_S = 86_400.0


def _opened(
    folder: Path, *, now: float = 0.0, boot: bytes = b"boot-1", bytes_max: int = 1 << 26, changelog: str = "c"
) -> DiskStore:
    return DiskStore(
        folder, changelog=changelog, bytes_max=bytes_max, age_max_s=DAY_S / 2, wall=lambda: now, boot_id=boot
    )


def _killed(store: DiskStore) -> None:
    """Let go of the files as a process does that is killed: without a word to the store."""
    store._close_environment()


def test_what_was_applied_is_there_after_a_good_close_with_its_offset(tmp_path: Path) -> None:
    store = _opened(tmp_path / "0")
    store.apply([StateRow(b"t/h", b"one"), StateRow(b"t/u/1", b"two")], 7)
    store.close()
    again = _opened(tmp_path / "0", boot=b"boot-2")

    assert (again.get(b"t/h"), again.get(b"t/u/1"), again.changelog_offset) == (b"one", b"two", 7)


def test_pages_that_a_commit_counts_and_did_not_write_do_not_make_a_store_look_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, counted = _opened(tmp_path / "0"), DiskStore._size
    monkeypatch.setattr(DiskStore, "_size", lambda store: counted(store) + 5 * 4096)
    store.apply([StateRow(b"t/h", b"one")], 7)
    _killed(store)

    assert _opened(tmp_path / "0").changelog_offset == 7


def test_a_killed_process_loses_nothing_that_was_applied(tmp_path: Path) -> None:
    program = """
import os, sys, pathlib
from worker.store.disk import DiskStore
from worker.model.record import StateRow
folder = pathlib.Path(sys.argv[1])
store = DiskStore(folder, changelog="c", bytes_max=1 << 26, age_max_s=1e9, wall=float, boot_id=b"boot-1")
for number in range(50):
    store.apply([StateRow(b"t/i/%d" % at, b"%d" % number) for at in range(100)], number + 1)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "0")], check=False)
    store = _opened(tmp_path / "0")

    assert done.returncode == -signal.SIGKILL
    assert (store.changelog_offset, store.get(b"t/i/99")) == (50, b"49")


def test_who_dies_while_many_rows_are_written_finds_the_offset_before_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, rows = _opened(tmp_path / "0"), [StateRow(b"t/i/%04d" % at, b"new") for at in range(2_500)]
    store.apply([StateRow(b"t/i/0000", b"old")], 1)
    put, puts = DiskStore._put, iter([False, False, True])

    def dying(store: DiskStore, writing: object, some: list[tuple[bytes, bytes | None]]) -> None:
        if next(puts):
            raise SystemExit
        put(store, writing, some)

    monkeypatch.setattr(DiskStore, "_put", dying)
    with pytest.raises(SystemExit):
        store.apply(rows, 2_501)
    _killed(store)
    monkeypatch.setattr(DiskStore, "_put", put)
    again = _opened(tmp_path / "0")
    found = again.changelog_offset
    again.apply(rows, 2_501)

    assert (found, again.changelog_offset, [row.value for row in rows]) == (
        1,
        2_501,
        [again.get(row.key) for row in rows],
    )


def test_a_store_that_was_open_when_the_machine_stopped_is_rebuilt_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = _opened(tmp_path / "0")
    store.apply([StateRow(b"t/h", b"one")], 7)
    _killed(store)
    with caplog.at_level(logging.WARNING):
        again = _opened(tmp_path / "0", boot=b"boot-2")

    assert (again.get(b"t/h"), again.changelog_offset) == (None, 0)
    assert caplog.messages == ["state on disk is rebuilt from the changelog"]


@pytest.mark.parametrize("new", [False, True])
def test_a_machine_that_stops_while_many_rows_are_written_leaves_no_store_to_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: bool
) -> None:
    store, put, puts = _opened(tmp_path / "0"), DiskStore._put, iter([False, True])
    if not new:
        store.apply([StateRow(b"t/h", b"one")], 1)
        store.close()
        store = _opened(tmp_path / "0")

    def dying(store: DiskStore, writing: object, some: list[tuple[bytes, bytes | None]]) -> None:
        if next(puts):
            raise SystemExit
        put(store, writing, some)

    monkeypatch.setattr(DiskStore, "_put", dying)
    with pytest.raises(SystemExit):
        store.apply([StateRow(b"t/i/%04d" % at, b"new") for at in range(2_500)], 2_501)
    _killed(store)

    assert _opened(tmp_path / "0", boot=b"boot-2").get(b"t/i/0000") is None


def test_the_disk_has_it_that_a_store_is_open_before_rows_of_a_closed_one_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _opened(tmp_path / "0").close()
    store, put = _opened(tmp_path / "0", boot=b"boot-2"), DiskStore._put
    seen: list[tuple[object, ...]] = []

    class Watched:
        def __init__(self, environment: lmdb.Environment) -> None:
            self._environment = environment

        def __getattr__(self, name: str) -> object:
            return getattr(self._environment, name)

        def sync(self, force: bool) -> None:
            seen.append(("on the disk", store._fact(b"closed"), store._fact(b"boot")))
            self._environment.sync(force)

    def putting(store: DiskStore, writing: object, some: list[tuple[bytes, bytes | None]]) -> None:
        seen.append(("rows",))
        put(store, writing, some)

    monkeypatch.setattr(store, "_env", Watched(store._env))
    monkeypatch.setattr(DiskStore, "_put", putting)
    for offset in (1, 2):
        store.apply([StateRow(b"t/h", b"one")], offset)

    assert seen == [("on the disk", b"0", b"boot-2"), ("rows",), ("rows",)]


def test_a_store_older_than_the_tombstones_is_rebuilt(tmp_path: Path) -> None:
    store = _opened(tmp_path / "0", now=0.0)
    store.apply([StateRow(b"t/h", b"one")], 7)
    store.close()
    again = _opened(tmp_path / "0", now=DAY_S)

    assert (again.get(b"t/h"), again.changelog_offset) == (None, 0)


def test_a_store_of_another_changelog_is_rebuilt(tmp_path: Path) -> None:
    store = _opened(tmp_path / "0")
    store.apply([StateRow(b"t/h", b"one")], 7)
    store.close()
    again = _opened(tmp_path / "0", changelog="a topic of the same name, made later")

    assert (again.get(b"t/h"), again.changelog_offset) == (None, 0)


def test_files_that_are_no_store_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "data.mdb").write_bytes(b"no store at all" * 1_000)
    store = _opened(tmp_path / "0")
    store.apply([StateRow(b"t/h", b"one")], 1)

    assert (store.get(b"t/h"), store.changelog_offset) == (b"one", 1)


def test_a_damaged_row_condemns_the_store_which_begins_anew(tmp_path: Path) -> None:
    store = _opened(tmp_path / "0")
    store.apply([StateRow(b"t/h", b"precious" * 20)], 7)
    store.close()
    file = tmp_path / "0" / "data.mdb"
    file.write_bytes(file.read_bytes().replace(b"precious", b"previous"))
    again = _opened(tmp_path / "0")
    with pytest.raises(RetryError, match=r"is damaged .* and will be rebuilt"):
        again.get(b"t/h")

    assert (again.changelog_offset, again.get(b"t/h")) == (0, None)


def test_a_store_of_a_newer_format_is_refused_with_the_remedy(tmp_path: Path) -> None:
    _opened(tmp_path / "0").close()
    with lmdb.open(str(tmp_path / "0"), max_dbs=2) as environment, environment.begin(write=True) as writing:
        writing.put(b"format", b"2", db=environment.open_db(b"facts", txn=writing))
    with pytest.raises(ConfigError, match="store format 2, this release reads up to 1: run the release that wrote it"):
        _opened(tmp_path / "0")


def test_a_full_store_says_which_setting_bounds_it(tmp_path: Path) -> None:
    store = _opened(tmp_path / "0", bytes_max=1 << 17)
    with pytest.raises(FatalError, match=r"has reached its bound of 131072 bytes: raise store.partition_bytes_max"):
        store.apply([StateRow(b"t/i/%d" % at, bytes(1_000)) for at in range(1_000)], 1)

    assert store.changelog_offset == 0


def test_a_full_disk_is_told_with_the_remedy(tmp_path: Path) -> None:
    program = """
import pathlib, resource, signal, sys
from worker.errors import FatalError
from worker.store.disk import DiskStore
from worker.model.record import StateRow
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
store = DiskStore(pathlib.Path(sys.argv[1]), changelog="c", bytes_max=1 << 26, age_max_s=1e9, wall=lambda: 0.0)
try:
    store.apply([StateRow(b"t/i/%d" % at, bytes(1_000)) for at in range(1_000)], 1)
except FatalError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "0")], capture_output=True, text=True, check=True
    )

    assert "make room or mend the disk and start again; nothing is lost" in done.stdout


def test_the_folder_of_the_state_is_its_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "state"
    StateFolder(path, changelog="c", bytes_max=1 << 26, age_max_s=DAY_S, wall=lambda: 0.0).close()

    assert path.stat().st_mode & 0o777 == 0o700


def test_two_processes_cannot_share_a_folder(tmp_path: Path) -> None:
    first = StateFolder(tmp_path, changelog="c", bytes_max=1 << 26, age_max_s=DAY_S, wall=lambda: 0.0)
    with pytest.raises(ConfigError, match="is in use by another process: give each worker a folder of its own"):
        StateFolder(tmp_path, changelog="c", bytes_max=1 << 26, age_max_s=DAY_S, wall=lambda: 0.0)
    first.close()

    StateFolder(tmp_path, changelog="c", bytes_max=1 << 26, age_max_s=DAY_S, wall=lambda: 0.0).close()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"store.folder .* cannot be used"):
        StateFolder(tmp_path / "file" / "state", changelog="c", bytes_max=1 << 26, age_max_s=DAY_S, wall=lambda: 0.0)


keys = st.one_of(
    st.binary(min_size=1, max_size=3),
    st.integers(470, 1_200).map(lambda size: b"k" * size),
    st.integers(0, 3).map(lambda end: b"k" * 600 + b"%d" % end),
)
batches = st.lists(st.lists(st.tuples(keys, st.none() | st.binary(max_size=40)), max_size=8), max_size=6)


@given(batches)
def test_a_store_on_disk_is_a_dictionary_whatever_the_keys(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[bytes, bytes | None]]]
) -> None:
    disk, memory = _opened(tmp_path_factory.mktemp("store")), MemoryStore()
    for number, batch in enumerate(batches):
        rows = [StateRow(key, found) for key, found in batch]
        disk.apply(rows, number + 1)
        memory.apply(rows, number + 1)
    seen = {key for batch in batches for key, _ in batch}

    assert {key: disk.get(key) for key in seen} == {key: memory.get(key) for key in seen}
    assert dict(disk.scan(b"k")) == {
        key: found for key in seen if key.startswith(b"k") and (found := memory.get(key)) is not None
    }
    assert dict(disk.scan(b"k" * 600)) == {
        key: found for key in seen if key.startswith(b"k" * 600) and (found := memory.get(key)) is not None
    }
    disk.close()
