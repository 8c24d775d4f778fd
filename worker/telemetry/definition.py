"""What a metric is: its name, its type, and the values its labels can take."""

from collections.abc import Mapping
from typing import Literal

from worker.model.value import value

Kind = Literal["counter", "gauge", "histogram"]
Role = Literal["worker", "sink"]

# Labels whose values the code does not know: bounded when the process runs, by what is said here.
OPEN = {
    "topic": "the topics that are read",
    "partition": "the partitions assigned to this process",
    "projection": "the installed projections",
    "kind": "50 names, then `other`",
    "version": "one", "librdkafka": "one", "schema_version": "one",
    "guarantee": "one", "assignor": "one", "commit_interval": "one",
}  # fmt: skip


@value
class Metric:
    """A metric.

    Attributes:
        name: the whole name; of a counter with `_total`.
        help: what it tells, for who reads it on a screen.
        labels: each with its values; none where they are in `OPEN`.
        roles: which processes have it.
        buckets: of a histogram, upper bounds in its unit.
        live: it is read when somebody asks, and has no value in between.
    """

    name: str
    kind: Kind
    help: str
    labels: Mapping[str, tuple[str, ...]]
    roles: tuple[Role, ...]
    buckets: tuple[float, ...] = ()
    live: bool = False
