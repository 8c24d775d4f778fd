"""Metrics, health and status of this process on one port."""

from collections.abc import Callable, Collection, Mapping
from functools import partial

import orjson
from prometheus_client.exposition import choose_encoder

from worker.config import TelemetrySettings
from worker.runtime.status import Status
from worker.telemetry.definition import Role
from worker.telemetry.health import CHECKS, Checks, Limits
from worker.telemetry.http import Answer, Page, serve
from worker.telemetry.live import Live
from worker.telemetry.metrics import Metrics

_TEXT = "text/plain; charset=utf-8"


class Service:
    """What others may see of this process.

    Args:
        topics: those it reads.
        values: the values of labels that the definitions leave open.
        facts: what else /status tells; no payload, no secret.

    Attributes:
        meter: counts and measures.
    """

    def __init__(
        self,
        role: Role,
        status: Status,
        limits: Limits,
        *,
        topics: list[str],
        values: Mapping[str, Collection[str]],
        facts: Mapping[str, str],
    ) -> None:
        self.meter = Metrics(role, {"topic": topics, **values})
        self.meter.registry.register(Live(role, status, topics))
        self._status = status
        self._limits = limits
        self._facts = {"role": role, **facts}

    def serve(self, settings: TelemetrySettings) -> Callable[[], None]:
        """Answer over HTTP, at the port that is set, until the returned function is called.

        Raises:
            ConfigError: the port cannot be had.
        """
        assert settings.port is not None
        return serve(settings.host, settings.port, self.pages())

    def pages(self) -> dict[str, Page]:
        """Return what answers each path."""
        return {
            "/metrics": self._metrics,
            **{path: partial(self._health, checks) for path, checks in CHECKS.items()},
            "/status": self._standing,
        }

    def _metrics(self, accept: str) -> Answer:
        encode, kind = choose_encoder(accept)
        return 200, kind, encode(self.meter.registry)

    def _health(self, checks: Checks, _accept: str) -> Answer:
        found = list(checks(self._status, self._limits))
        # What failed comes first: of a long answer, who shows it may show the beginning only.
        lines = [check.line() for check in sorted(found, key=lambda check: check.ok)]
        return (200 if all(check.ok for check in found) else 503), _TEXT, "".join(lines).encode()

    def _standing(self, _accept: str) -> Answer:
        status = self._status
        partitions = [
            {
                "topic": topic,
                "partition": partition,
                "phase": seen.phase,
                "next": seen.next,
                "end": seen.end,
                "lag": seen.lag,
                "lag_s": round(seen.lag_s, 3),
                "last_progress_s_ago": round(seen.still_s, 3),
                "restore_remaining": seen.remaining,
            }
            for (topic, partition), seen in sorted(status.seen().items())
        ]
        told = {**self._facts, "stage": status.stage, "trouble": status.trouble or None, "partitions": partitions}
        return 200, "application/json", orjson.dumps(told)
