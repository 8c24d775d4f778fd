"""The metrics: how many series there are, what is in them, and what a revoked partition leaves behind."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families

from tests.loop_fakes import ManualClock
from worker.app import known_projections
from worker.runtime.append import UNKNOWN_NAMES_MAX
from worker.runtime.status import Status
from worker.telemetry.definition import OPEN
from worker.telemetry.definitions import AGES_S, METRICS
from worker.telemetry.health import Limits
from worker.telemetry.service import Service

TOPIC = "codex.rollout-items"
# More than a worker should be given; the dashboard's queries add up over all of them.
PARTITIONS_MAX = 48
SERIES_MAX = 600
UNKNOWN_USUAL = 10


def service(status: Status) -> Service:
    values = {"projection": list(known_projections())}
    return Service("worker", status, Limits(120, 600), topics=[TOPIC], values=values, facts={})


def samples(made: Service) -> Iterator[tuple[str, dict[str, str], float]]:
    _, _, body = made.pages()["/metrics"]("")
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def test_a_worker_with_all_partitions_has_a_bounded_number_of_series() -> None:
    status = Status(ManualClock())
    made = service(status)
    places = [(TOPIC, number) for number in range(PARTITIONS_MAX)]
    status.take(places)
    status.position = lambda _place: 7
    status.learn_ends(dict.fromkeys(places, 9))
    for kind in range(UNKNOWN_USUAL):
        made.meter.add("unknown", 1, f"kind-{kind}")

    found = list(samples(made))

    assert len([name for name, labels, _ in found if name == "rollout_partition_lag_records"]) == PARTITIONS_MAX
    assert len(found) + UNKNOWN_NAMES_MAX - UNKNOWN_USUAL <= SERIES_MAX
    assert [name for name, _, _ in found if name.endswith("_created")] == []


def test_a_partition_that_went_has_no_series() -> None:
    status = Status(ManualClock())
    made = service(status)
    status.take([(TOPIC, 1), (TOPIC, 2)])
    status.drop([(TOPIC, 1)])

    assert {labels["partition"] for _, labels, _ in samples(made) if "partition" in labels} == {"2"}
    assert ("rollout_assigned_partitions", {"topic": TOPIC}, 1) in samples(made)


def test_ages_put_in_together_are_those_put_in_one_by_one() -> None:
    ages = [0.0, 0.05, 0.06, 5.0, 5.0, 5.1, 4000.0]
    single = Histogram("single", "", buckets=AGES_S, registry=CollectorRegistry())
    for age in ages:
        single.observe(age)
    made = service(Status(ManualClock()))
    made.meter.observe_all("record_age_at_commit_seconds", ages, TOPIC)

    wanted = [(sample.labels.get("le"), sample.value) for family in single.collect() for sample in family.samples]
    found = [
        (labels.get("le"), value)
        for name, labels, value in samples(made)
        if name.startswith("rollout_record_age_at_commit_seconds")
    ]
    assert found == wanted


def test_every_label_is_a_closed_list_or_said_to_be_bounded() -> None:
    told = {label for metric in METRICS.values() for label, values in metric.labels.items() if not values}

    assert told <= OPEN.keys()
    assert not {"thread_id", "item_id", "turn_id", "key", "offset", "error"} & {
        label for metric in METRICS.values() for label in metric.labels
    }


def test_names_follow_the_conventions() -> None:
    for name, metric in METRICS.items():
        assert name.startswith("rollout_")
        assert name.endswith("_total") == (metric.kind == "counter"), name
        assert metric.help.endswith("."), name
