"""A worker's metrics as a real Prometheus sees them."""

import pytest

from tests.integration.harness import Deployment, interleaved, until, vector_threads
from tests.integration.prometheus import MISSING, Prometheus
from tests.integration.watching import address

pytestmark = [pytest.mark.integration, pytest.mark.skipif(bool(MISSING), reason=MISSING)]


def test_prometheus_sees_a_worker_under_load(deployment: Deployment) -> None:
    worker = deployment.start("0", TELEMETRY__PORT=0)
    with Prometheus({"worker": [address(worker)]}) as prometheus:
        sent = deployment.publish(interleaved(vector_threads()))
        deployment.until_through()
        until(
            lambda: (prometheus.value("sum(rollout_records_consumed_total)") or 0) >= sent,
            30,
            "all counted",
            deployment,
        )

        assert prometheus.value("sum(rollout_records_consumed_total)") == sent
