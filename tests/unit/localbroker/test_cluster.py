"""What a cluster checks before it starts anything."""

from pathlib import Path

import pytest

from worker.errors import ConfigError
from worker.localbroker.cluster import LocalCluster


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "somebody's"
    file.touch()

    with (
        pytest.raises(ConfigError, match="must be absent or empty"),
        LocalCluster(folder=tmp_path),
    ):
        pass
    assert file.exists()


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(ConfigError, match="must be absent or empty"):
        LocalCluster(folder=file).start()


def test_closing_a_cluster_that_never_started_does_nothing() -> None:
    LocalCluster().close()
