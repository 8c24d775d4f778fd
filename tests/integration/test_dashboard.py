"""Each panel of the dashboard as a real Prometheus answers it while a worker and a sink run."""

import math
import re

import pytest

from deploy.grafana.panels import ROWS
from tests.integration.harness import Deployment, interleaved, until, vector_threads
from tests.integration.prometheus import MISSING, Prometheus
from tests.integration.sinks import Sinks
from tests.integration.watching import address
from tests.tools import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

# Panels that are empty while nothing is wrong, and why.
EMPTY = {
    "Time in a rebalance": "only when partitions come or go",
    "Records to restore": "only while state is restored",
    "Restored in": "only while state is restored",
    "Unknown kinds": "only when a line of a newer Codex has come",
}


def answerable(query: str) -> str:
    """Return a query with the variables of the dashboard as they are at first, and spans that a test outlasts."""
    chosen = query.replace("$on", 'job=~".*"').replace("$all", 'job=~".*"')
    return re.sub(r"\[(?:\$__rate_interval|\d+[mhd])\]", "[20s]", chosen)


def test_every_panel_has_data(deployment: Deployment, dsn: str) -> None:
    worker = deployment.start("0", TELEMETRY__PORT=0)
    sinks = Sinks(deployment, dsn)
    sink = sinks.start(TELEMETRY__PORT=0)
    targets = {"thread-history-worker": [address(worker)], "thread-history-sink": [address(sink)]}
    wanted = {
        f"{row} / {panel.title} / {legend}": answerable(query)
        for row, panels in ROWS.items()
        for panel in panels
        for legend, query in panel.queries.items()
        if panel.title not in EMPTY
    }
    with Prometheus(targets, [ROOT / "deploy" / "prometheus" / "rules.yml"]) as prometheus:
        lines = list(interleaved(vector_threads()))
        missing = dict(wanted)

        def all_answered() -> bool:
            # In pieces, so that rates have something to show.
            deployment.publish(lines[:100])
            del lines[:100]
            for title, query in wanted.items():
                if any(not math.isnan(value) for _, value in prometheus.query(query)):
                    missing.pop(title, None)
            return not missing

        try:
            until(all_answered, 90, "data for all panels")
        except TimeoutError:
            pytest.fail(f"no data for {missing}")
        finally:
            sinks.close()
        recorded = 'count({__name__=~"rollout:stale_ratio:rate.+"})'
        until(lambda: prometheus.value(recorded) == 5, 90, "what the rules record")
        assert prometheus.query('ALERTS{severity="page"}') == []
