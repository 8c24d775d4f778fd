"""What a client tells of itself, as the metrics take it."""

from typing import Any

import orjson

from tests.unit.runtime.test_report import Recording
from worker.kafka.statistics import ClientStatistics, statistics_options
from worker.runtime.report import SILENCE


def broker(trip_us: int, *, errors: int = 0, trips: int = 1) -> dict[str, Any]:
    return {"rtt": {"avg": trip_us, "cnt": trips}, "txerrs": errors, "rxerrs": 0, "req_timeouts": 2 * errors}


def told(*brokers: dict[str, Any], queued: int = 0, fetched: int = 0) -> str:
    topics = {"t": {"partitions": {"0": {"fetchq_cnt": fetched}, "1": {"fetchq_cnt": 1}}}}
    names = {str(number): found for number, found in enumerate(brokers)}
    return orjson.dumps({"brokers": names, "topics": topics, "msg_cnt": queued}).decode()


def test_round_trips_are_those_of_brokers_that_answered() -> None:
    meter = Recording()
    ClientStatistics(meter, "consumer")(told(broker(1_000), broker(3_000), broker(0, trips=0), queued=5, fetched=2))

    assert meter.gauges == {
        ("kafka_broker_rtt_seconds", "consumer"): 0.002,
        ("kafka_queue_messages", "consumer"): 8,
    }


def test_errors_grow_by_what_came_since_also_when_the_client_is_a_new_one() -> None:
    meter = Recording()
    statistics = ClientStatistics(meter, "producer")
    for errors in (3, 5, 1):  # the last is another client's, made after the first was given up
        statistics(told(broker(1, errors=errors)))

    assert meter.counts["kafka_errors", "producer", "transmit"] == 3 + 2 + 1
    assert meter.counts["kafka_errors", "producer", "request_timeout"] == 6 + 4 + 2


def test_a_client_tells_nothing_when_nobody_listens() -> None:
    assert statistics_options(SILENCE, "consumer") == {}
    assert statistics_options(Recording(), "consumer")["statistics.interval.ms"] >= 10_000
