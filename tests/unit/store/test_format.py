"""What can be told of a store's formats without opening it for use."""

from pathlib import Path

import pytest

from worker.codec.rows import FORMATS
from worker.errors import ConfigError
from worker.model.record import StateRow
from worker.runtime.formats import format_row
from worker.store.disk import DiskStore
from worker.store.folder import examine


def _store(folder: Path, rows: list[StateRow]) -> DiskStore:
    store = DiskStore(folder / "0", changelog="c", bytes_max=1 << 24, age_max_s=1.0, wall=lambda: 0.0)
    store.apply([*rows, StateRow(b"t/h", b"x"), StateRow(b"/parked/t", b"x")], 1)
    return store


def test_a_store_whose_rows_can_be_read_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _store(tmp_path, format_row(2)).close()
    monkeypatch.setitem(FORMATS, 2, {})

    assert not examine(tmp_path)


def test_rows_of_a_newer_release_are_refused(tmp_path: Path) -> None:
    _store(tmp_path, format_row(2)).close()

    with pytest.raises(ConfigError, match="rows of format 2, this release reads 1"):
        examine(tmp_path)
