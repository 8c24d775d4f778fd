"""What `make release` wants before it makes anything."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from deploy import release
from worker import __version__

ENTRY = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-12-01\n\n### Added\n\n- A thing.\n"


@pytest.mark.parametrize(
    ("text", "to_do"),
    [
        (ENTRY, 0),
        (ENTRY.replace("1.2.0", "1.1.0"), 1),
        (ENTRY.replace(" - 2026-12-01", ""), 1),
        (ENTRY.replace("- A thing.\n", ""), 1),
        (ENTRY.replace("[Unreleased]\n", "[Unreleased]\n\n- Another.\n"), 1),
    ],
)
def test_the_changelog_has_an_entry_of_the_version_and_nothing_above(text: str, to_do: int) -> None:
    assert len(list(release.changelog("1.2.0", text))) == to_do


@pytest.mark.parametrize(
    ("found", "project", "to_do"),
    [("1.2.0", "1.2.0", 0), ("1.2.0rc1", "1.2.0rc1", 0), ("1.2.0", "1.1.0", 1), ("1.2", "1.2", 1)],
)
def test_the_version_is_one_and_the_same(found: str, project: str, to_do: int) -> None:
    assert len(list(release.version(found, f'[project]\nversion = "{project}"\n'))) == to_do


def test_version_and_notice_are_as_a_release_has_them() -> None:
    assert [*release.version(), *release.notice()] == []


def test_the_example_runs_this_release() -> None:
    text = (release.ROOT / "deploy" / "kubernetes" / "overlays" / "example" / "kustomization.yaml").read_text("utf-8")

    assert f"newTag: {__version__}\n" in text


def test_schemas_and_the_bill_of_materials_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "DIST", tmp_path)
    made = [step() for step in (release.stored_schemas, release.bill_of_materials, release.sums)]

    with tarfile.open(tmp_path / f"thread-history-schemas-{__version__}.tar.gz") as archive:
        names = set(archive.getnames())
    assert {f"schemas/{name}.avsc" for name in ("thread_item", "thread", "released/1/thread_item")} <= names
    bill = json.loads((tmp_path / f"thread-history-worker-{__version__}.cdx.json").read_text("utf-8"))
    assert bill["metadata"]["component"]["name"] == "thread-history-worker"
    assert {"confluent-kafka", "lmdb"} <= {component["name"] for component in bill["components"]}
    assert made[-1] == "SHA256SUMS of 2 files"
    for line in (tmp_path / "SHA256SUMS").read_text("utf-8").splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
