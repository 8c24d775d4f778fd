"""The dashboard as Grafana takes it, made from the table of panels."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from deploy.grafana.panels import ROWS, Look, Panel

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_LABELS = ("namespace", "job", "instance")
_ALL = ",".join(f'{label}=~"${label}"' for label in _LABELS[:2])
_ON = f'{_ALL},instance=~"$instance"'
_WIDTH = 24
_HEIGHTS = {"stat": 4}


def _query(panel: Panel, number: int, legend: str, expression: str) -> dict[str, Any]:
    at_once = panel.look.kind in ("stat", "table")
    return {
        "refId": chr(ord("A") + number),
        "datasource": _SOURCE,
        "expr": expression.replace("$on", _ON).replace("$all", _ALL),
        "legendFormat": legend or "__auto",
        "instant": at_once,
        "range": not at_once,
        "format": {"heatmap": "heatmap", "table": "table"}.get(panel.look.kind, "time_series"),
    }


def _thresholds(look: Look) -> dict[str, Any]:
    if look.red is None:
        return {"mode": "absolute", "steps": [{"color": "text" if look.kind == "stat" else "green", "value": None}]}
    low, high = ("red", "green") if look.low_is_bad else ("green", "red")
    return {"mode": "absolute", "steps": [{"color": low, "value": None}, {"color": high, "value": look.red}]}


def _drawn(look: Look) -> dict[str, Any]:
    if look.kind != "timeseries":
        return {}
    custom: dict[str, Any] = {"fillOpacity": 10, "showPoints": "never"}
    if look.stacked:
        custom |= {"fillOpacity": 60, "stacking": {"mode": "normal"}}
    if look.red is not None:
        custom["thresholdsStyle"] = {"mode": "line"}
    return custom


# What each kind of panel needs told beside its queries.
_OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background", "graphMode": "none"},
    "heatmap": {"calculate": False, "yAxis": {"unit": "s"}, "color": {"mode": "scheme", "scheme": "Oranges"}},
    "state-timeline": {"mergeValues": True, "showValue": "never"},
    "table": {},
}
_PHASES = [
    {
        "type": "value",
        "options": {
            "1": {"text": "running", "color": "green"},
            "2": {"text": "restoring", "color": "blue"},
            "3": {"text": "paused", "color": "orange"},
        },
    }
]


def _panel(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "unit": panel.look.unit,
        "thresholds": _thresholds(panel.look),
        "custom": _drawn(panel.look),
    }
    if panel.look.kind == "state-timeline":
        defaults["mappings"] = _PHASES
    return {
        "id": number,
        "type": panel.look.kind,
        "title": panel.title,
        "description": panel.look.help,
        "datasource": _SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.look.width, "h": _height(panel)},
        "targets": [_query(panel, found, *query) for found, query in enumerate(panel.queries.items())],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _OPTIONS[panel.look.kind],
    }


def _height(panel: Panel) -> int:
    return _HEIGHTS.get(panel.look.kind, 8)


def _lines(panels: Sequence[Panel]) -> Iterator[list[Panel]]:
    """Yield the panels that stand beside one another."""
    line: list[Panel] = []
    for panel in panels:
        if sum(found.look.width for found in line) + panel.look.width > _WIDTH:
            yield line
            line = []
        line.append(panel)
    yield line


def _panels() -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for title, panels in ROWS.items():
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": y, "w": _WIDTH, "h": 1},
        }
        y += 1
        for line in _lines(panels):
            x = 0
            for panel in line:
                number += 1
                yield _panel(panel, number, x, y)
                x += panel.look.width
            y += max(map(_height, line))


def _variables() -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1}
    chosen: list[str] = []
    for label in _LABELS:
        query = f"label_values(rollout_build_info{{{','.join(chosen)}}}, {label})"
        yield {
            "name": label,
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": query, "refId": label},
            "definition": query,
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]},
        }
        chosen.append(f'{label}=~"${label}"')


def dashboard() -> str:
    """Return the dashboard as JSON."""
    starts = "max by (instance) (changes(process_start_time_seconds{" + _ON + "}[$__interval])) > 0"
    found = {
        "uid": "thread-history-worker",
        "title": "Thread-history worker",
        "tags": ["kafka", "thread-history"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": list(_variables())},
        "annotations": {
            "list": [
                {
                    "name": "Starts",
                    "datasource": _SOURCE,
                    "enable": True,
                    "iconColor": "blue",
                    "expr": starts,
                    "titleFormat": "{{instance}} started",
                }
            ]
        },
        "panels": list(_panels()),
    }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"
