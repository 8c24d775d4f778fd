"""Projections by name: the project's own, registered ones, and those that cannot be loaded (design 5)."""

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from worker import app
from worker.config import Settings
from worker.errors import ConfigError
from worker.projections.threads import THREADS


def registered(**points: str) -> Any:
    return lambda group: [EntryPoint(name, value, group) for name, value in points.items()]


def test_the_index_is_installed_through_its_entry_point() -> None:
    settings = Settings(projections=("lifecycle", "thread"))

    assert [found.name for found in app.projections(settings)] == ["lifecycle", "thread"]
    assert app.projections(settings)[1] is THREADS
    assert app.latest_topics(settings) == {"codex.threads"}
    assert app.latest_topics(Settings()) == set()


def test_one_that_cannot_be_loaded_matters_only_if_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "entry_points", registered(mine="absent.module:IT"))

    assert len(app.projections(Settings())) == 3
    with pytest.raises(ConfigError, match=r"projections: mine not known; .+; mine \(absent.module:IT\) cannot be load"):
        app.projections(Settings(projections=("mine",)))
