"""What the Kafka clients tell of themselves, into the metrics."""

from collections import Counter
from typing import Any

import orjson

from worker.runtime.ports import Meter

# A client tells when it is polled; what it has told and nobody took piles up in it.
STATISTICS_MS = 10_000
# How a broker's totals are called, by our code.
_TOTALS = {"txerrs": "transmit", "rxerrs": "receive", "req_timeouts": "request_timeout"}


def statistics_options(meter: Meter, name: str) -> dict[str, Any]:
    """Return the options of a client that tells of itself, if anybody listens.

    Args:
        name: what the metrics call the client.
    """
    if not meter.on:
        return {}
    return {"statistics.interval.ms": STATISTICS_MS, "stats_cb": ClientStatistics(meter, name)}


class ClientStatistics:
    """Takes a client's statistics, as the client gives them: one JSON text after another."""

    def __init__(self, meter: Meter, name: str) -> None:
        self._meter = meter
        self._name = name
        # A broker's total falls when the client is made anew, or forgets the broker.
        self._totals: Counter[tuple[str, str]] = Counter()

    def __call__(self, text: str) -> None:
        """Take one text."""
        self.take(orjson.loads(text))

    def take(self, told: dict[str, Any]) -> None:
        """Take what one text told."""
        brokers = told["brokers"]
        trips = [found["rtt"]["avg"] for found in brokers.values() if found["rtt"]["cnt"]]
        if trips:
            self._meter.set("kafka_broker_rtt_seconds", sum(trips) / len(trips) / 1e6, self._name)
        self._meter.set("kafka_queue_messages", told["msg_cnt"] + _fetched(told["topics"]), self._name)
        for name, broker in brokers.items():
            for total, code in _TOTALS.items():
                more = broker[total] - self._totals[name, total]
                self._totals[name, total] = broker[total]
                self._meter.add("kafka_errors", more if more >= 0 else broker[total], self._name, code)


def _fetched(topics: dict[str, Any]) -> int:
    """Return how many records wait to be taken."""
    return sum(place["fetchq_cnt"] for topic in topics.values() for place in topic["partitions"].values())
