"""The metrics of this process, as prometheus_client keeps them (implements `worker.runtime.ports.Meter`)."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from worker.telemetry.definition import Metric, Role
from worker.telemetry.definitions import metrics

_PREFIX = "rollout_"
_MAKERS: dict[str, type[Any]] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


class Metrics:
    """Counts and measures.

    Every series whose labels are known is there from the start, at 0: so that the first event is an increase.

    Args:
        values: the values that labels take here, where the definitions leave them open.

    Attributes:
        registry: what is read over HTTP.
    """

    on = True

    def __init__(self, role: Role, values: Mapping[str, Collection[str]]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=False)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._metrics: dict[str, Any] = {}
        # Resolved once: finding a child by its labels costs more than adding to it.
        self._children: dict[tuple[str, tuple[str, ...]], Any] = {}
        for metric in metrics(role):
            if not metric.live:
                self._make(metric, values)

    def _make(self, metric: Metric, values: Mapping[str, Collection[str]]) -> None:
        name = metric.name.removeprefix(_PREFIX).removesuffix("_total")
        more = {"buckets": metric.buckets} if metric.buckets else {}
        self._metrics[name] = _MAKERS[metric.kind](
            metric.name, metric.help, tuple(metric.labels), registry=self.registry, **more
        )
        known = [found or values.get(label, ()) for label, found in metric.labels.items()]
        for labels in product(*known):
            self._child(name, labels)

    def _child(self, name: str, labels: tuple[str, ...]) -> Any:
        child = self._children.get((name, labels))
        if child is None:
            metric = self._metrics[name]
            child = self._children[name, labels] = metric.labels(*labels) if labels else metric
        return child

    def add(self, name: str, amount: float, *labels: str) -> None:
        """Add to a counter."""
        self._child(name, labels).inc(amount)

    def set(self, name: str, amount: float, *labels: str) -> None:
        """Set a gauge."""
        self._child(name, labels).set(amount)

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Put one value into a histogram."""
        self._child(name, labels).observe(seconds)

    def observe_all(self, name: str, seconds: Sequence[float], *labels: str) -> None:
        """Put many values into a histogram, a bucket at a time."""
        child = self._child(name, labels)
        ordered = sorted(seconds)
        done = 0
        # prometheus_client has no call for this; its buckets hold counts that are summed up when they are read.
        for bound, bucket in zip(child._upper_bounds, child._buckets, strict=True):
            reached = bisect_right(ordered, bound)
            if reached > done:
                bucket.inc(reached - done)
                done = reached
        child._sum.inc(sum(ordered))
