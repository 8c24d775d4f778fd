"""Metrics, health and status of this process on one port."""

from collections.abc import Callable, Collection, Mapping

from prometheus_client.exposition import choose_encoder

from worker.runtime.status import Status
from worker.telemetry.definition import Role
from worker.telemetry.http import Answer, Page, serve
from worker.telemetry.live import Live
from worker.telemetry.metrics import Metrics


class Service:
    """What others may see of this process.

    Args:
        topics: those it reads.
        values: the values of labels that the definitions leave open.

    Attributes:
        meter: counts and measures.
    """

    def __init__(self, role: Role, status: Status, topics: list[str], values: Mapping[str, Collection[str]]) -> None:
        self.meter = Metrics(role, {"topic": topics, **values})
        self.meter.registry.register(Live(role, status, topics))
        self._status = status

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Answer over HTTP until the returned function is called.

        Raises:
            ConfigError: the port cannot be had.
        """
        return serve(host, port, self.pages())

    def pages(self) -> dict[str, Page]:
        """Return what answers each path."""
        return {"/metrics": self._metrics}

    def _metrics(self, accept: str) -> Answer:
        encode, kind = choose_encoder(accept)
        return 200, kind, encode(self.meter.registry)
