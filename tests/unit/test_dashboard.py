"""The dashboard: asks for what there is, and its panels do not lie upon one another."""

import json
from itertools import combinations
from typing import Any

import pytest

from deploy.grafana.panels import ROWS
from tests.promql import mistakes
from tests.tools import ROOT
from worker.telemetry.definitions import METRICS

DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "thread-history-worker.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
QUERIES = [target["expr"] for panel in PANELS for target in panel.get("targets", [])]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_what_there_is(query: str) -> None:
    assert list(mistakes(query)) == []


def test_every_metric_is_shown() -> None:
    assert [name for name in METRICS if not any(name in query for query in QUERIES)] == [
        # Shown by the lag and the last poll.
        "rollout_partition_last_progress_timestamp_seconds",
        # Shown by how far the restore is.
        "rollout_restore_duration_seconds",
    ]


def test_numbers_and_titles_are_given_once() -> None:
    titles = [(row, panel.title) for row, panels in ROWS.items() for panel in panels]

    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert len(set(titles)) == len(titles)


def test_panels_stand_beside_and_below_one_another() -> None:
    for one, other in combinations([panel["gridPos"] for panel in PANELS], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in PANELS)
