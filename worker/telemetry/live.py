"""Metrics that are read from the status when somebody asks: a partition that was given away has no series."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from worker.runtime.status import Place, Seen, Status
from worker.telemetry.definition import Role
from worker.telemetry.definitions import metrics

_Rows = Iterator[tuple[list[str], float]]


class Live(Collector):
    """Reads the status.

    Args:
        topics: those that are read; each has its count of assigned partitions, if it is 0.
    """

    def __init__(self, role: Role, status: Status, topics: list[str]) -> None:
        self._metrics = [metric for metric in metrics(role) if metric.live]
        self._status = status
        self._topics = topics

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics as they are now."""
        seen, wall = self._status.seen(), self._status.clock.wall()
        for metric in self._metrics:
            family = GaugeMetricFamily(metric.name, metric.help, labels=list(metric.labels))
            read = _READ.get(metric.name)
            rows = read(seen, wall) if read else self._of_process(metric.name, seen)
            for labels, found in rows:
                family.add_metric(labels, found)
            yield family

    def _of_process(self, name: str, seen: Mapping[Place, Seen]) -> _Rows:
        if name == "rollout_last_poll_timestamp_seconds":
            yield [], self._status.polled_at
            return
        counts = Counter(topic for topic, _ in seen)
        for topic in self._topics:
            yield [topic], counts[topic]


def _each(read: Callable[[Seen, float], float | None]) -> Callable[[Mapping[Place, Seen], float], _Rows]:
    def rows(seen: Mapping[Place, Seen], wall: float) -> _Rows:
        for (topic, partition), found in seen.items():
            value = read(found, wall)
            if value is not None:
                yield [topic, str(partition)], value

    return rows


def _phases(seen: Mapping[Place, Seen], _wall: float) -> _Rows:
    for (topic, partition), found in seen.items():
        yield [topic, str(partition), found.phase], 1


def _remaining(seen: Mapping[Place, Seen], _wall: float) -> _Rows:
    for (_, partition), found in seen.items():
        if found.remaining is not None:
            yield [str(partition)], found.remaining


_READ: dict[str, Callable[[Mapping[Place, Seen], float], _Rows]] = {
    "rollout_partition_lag_records": _each(lambda found, _wall: found.lag),
    "rollout_partition_lag_seconds": _each(lambda found, _wall: None if found.lag is None else found.lag_s),
    "rollout_partition_last_progress_timestamp_seconds": _each(lambda found, wall: wall - found.still_s),
    "rollout_partition_state": _phases,
    "rollout_restore_remaining_records": _remaining,
}
