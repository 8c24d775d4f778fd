"""What a rate takes, by the cost of a record."""

from benchmarks.model import Assumptions, Cost, modelled, needs

COST = Cost(
    worker_us=70.0,
    broker_us=30.0,
    input_bytes=200.0,
    output_bytes=250.0,
    changelog_bytes=200.0,
    scale=0.9,
    interval_s=0.25,
)


def test_a_rate_takes_processes_by_their_processor_time() -> None:
    found = needs(100_000, COST, Assumptions(busy=0.7))

    # 7 seconds of processor time a second, by 0.9 and 0.7.
    assert found["worker_processes"] == 12
    assert found["partitions"] == 24
    assert found["transactions_per_s"] == 48


def test_disk_and_network_count_replicas_and_readers() -> None:
    found = needs(100_000, COST, Assumptions(replicas=3, readers=2))

    assert found["disk_mb_s"] == 195.0
    assert found["network_mb_s"] == 200.0


def test_the_scarcest_thing_tells_how_many_brokers() -> None:
    given = Assumptions(broker_network_mb_s=10.0)

    found = needs(100_000, COST, given)

    assert (found["bottleneck"], found["brokers"]) == ("network", 20)
    assert needs(1_000, COST, given)["brokers"] == given.replicas


def test_the_model_takes_its_costs_from_the_report() -> None:
    sizes = {"codec": "lz4", "input_bytes": 2_000, "output_bytes": 2_500, "changelog_bytes": 2_000}
    found = modelled(
        {
            "footprint": {"by_codec": [sizes], "records": 10},
            "loop": {"worker": {"cpu_us": 70.0, "broker_us": 30.0}},
            "scale": {"scale_ratio": 0.9},
        }
    )

    assert found["cost"]["input_bytes"] == 200.0
    assert found["rates"][1] == needs(100_000, COST, Assumptions())
