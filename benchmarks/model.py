"""What a rate takes: processes, partitions, brokers, disk and network, from the measured cost of a record.

A model, not a measurement: its assumptions are the attributes of `Assumptions`, and docs/performance.md argues them.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

RATES = (10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Assumptions:
    """What is not measured.

    Attributes:
        busy: share of a processor that may be in use at peak.
        replicas: of each partition.
        follower: what a follower costs a broker's processor, by what the leader costs.
        readers: downstream groups that read all outputs.
        broker_cores: processors of a broker.
        broker_network_mb_s: what a broker may send, MB/s: half of 10 Gbit/s.
        broker_disk_mb_s: what a broker may write, MB/s.
        broker_replicas_max: replicas of partitions that a broker may hold.
        partitions_per_process: so that processes can be added without new partitions.
        topics: that have as many partitions as the input: input, three outputs, changelog, dead letters, parked.
        topics_written: outputs and changelog, that each transaction touches.
        markers_per_s: markers of transactions that a broker may write in a second.
    """

    busy: float = 0.7
    replicas: int = 3
    follower: float = 0.3
    readers: int = 2
    broker_cores: int = 16
    broker_network_mb_s: float = 600.0
    broker_disk_mb_s: float = 400.0
    broker_replicas_max: int = 4_000
    partitions_per_process: int = 2
    topics: int = 7
    topics_written: int = 4
    markers_per_s: float = 20_000.0


@dataclass(frozen=True)
class Cost:
    """What was measured.

    Attributes:
        worker_us: processor time of a worker for a record.
        broker_us: a broker's for a record, with everything that is written and read for it, microseconds.
        input_bytes: of a record in the log, compressed; `output_bytes`, `changelog_bytes` what is written for it.
        scale: what one of many processes does, by one alone.
        interval_s: between commits.
    """

    worker_us: float
    broker_us: float
    input_bytes: float
    output_bytes: float
    changelog_bytes: float
    scale: float
    interval_s: float


def needs(rate: float, cost: Cost, given: Assumptions) -> dict[str, Any]:
    """Return what a rate takes, and which of a broker's limits sets their number.

    Args:
        rate: records per second.
    """
    processes = math.ceil(rate * cost.worker_us / 1e6 / cost.scale / given.busy)
    partitions = given.partitions_per_process * processes
    written = cost.input_bytes + cost.output_bytes + cost.changelog_bytes
    disk_mb_s = rate * written * given.replicas / 1e6
    read = cost.input_bytes + given.readers * cost.output_bytes + (given.replicas - 1) * written
    network_mb_s = rate * read / 1e6
    cores = rate * cost.broker_us / 1e6 * (1 + given.follower * (given.replicas - 1))
    markers = processes / cost.interval_s * given.topics_written * given.partitions_per_process * given.replicas
    brokers = {
        "processor": cores / given.busy / given.broker_cores,
        "network": network_mb_s / given.broker_network_mb_s,
        "disk": disk_mb_s / given.broker_disk_mb_s,
        "partitions": partitions * given.topics * given.replicas / given.broker_replicas_max,
        "transactions": markers / given.markers_per_s,
    }
    bottleneck, most = max(brokers.items(), key=lambda one: one[1])
    return {
        "records_per_s": round(rate),
        "worker_processes": processes,
        "partitions": partitions,
        "broker_cores": round(cores, 1),
        "disk_mb_s": round(disk_mb_s, 1),
        "network_mb_s": round(network_mb_s, 1),
        "transactions_per_s": round(processes / cost.interval_s),
        "input_tb_per_day": round(rate * cost.input_bytes * given.replicas * 86_400 / 1e12, 2),
        "brokers": max(given.replicas, math.ceil(most)),
        "brokers_by": {name: round(count, 2) for name, count in brokers.items()},
        "bottleneck": bottleneck if most > given.replicas else "none: as many brokers as replicas",
    }


def modelled(found: dict[str, Any], given: Assumptions = Assumptions()) -> dict[str, Any]:
    """Return the model's table for the rates, from a report's figures.

    Raises:
        KeyError: a measure that it rests on failed or was left out.
    """
    footprint = found["footprint"]
    (sizes,) = [row for row in footprint["by_codec"] if row["codec"] == "lz4"]
    records, worker = footprint["records"], found["loop"]["worker"]
    cost = Cost(
        worker_us=worker["cpu_us"],
        broker_us=worker["broker_us"],
        input_bytes=round(sizes["input_bytes"] / records, 1),
        output_bytes=round(sizes["output_bytes"] / records, 1),
        changelog_bytes=round(sizes["changelog_bytes"] / records, 1),
        scale=min(1.0, found["scale"]["scale_ratio"]),
        interval_s=0.25,
    )
    return {
        "cost": asdict(cost),
        "assumptions": asdict(given),
        "rates": [needs(rate, cost, given) for rate in RATES],
    }
