"""What `make release` wants before it makes anything."""

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
