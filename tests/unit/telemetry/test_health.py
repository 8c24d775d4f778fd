"""Health: what is stuck is told from what is idle, and each failure names its partition and its reason."""

import json

from tests.loop_fakes import ManualClock
from worker.runtime.status import Status
from worker.telemetry.health import LOOP_S, Limits
from worker.telemetry.service import Service

TOPIC = "codex.rollout-items"
STUCK_S, RESTORE_S = 120.0, 600.0


class Watched:
    """A status with two partitions that run, at their ends, and what is served of it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.status = Status(self.clock)
        facts = {"version": "1"}
        self._service = Service(
            "worker", self.status, Limits(STUCK_S, RESTORE_S), topics=[TOPIC], values={"projection": []}, facts=facts
        )
        self.status.take([(TOPIC, 0), (TOPIC, 1)])
        self.status.stage, self.status.ready = "running", True
        self.positions = {(TOPIC, 0): 10, (TOPIC, 1): 10}
        self.status.position = self.positions.get
        for standing in self.status.partitions.values():
            standing.enter("running", self.clock.now())
        self.ends(10, 10)
        self.turn()

    def turn(self) -> None:
        self.status.turned_at = self.clock.now()

    def ends(self, *ends: int) -> None:
        self.status.learn_ends({(TOPIC, partition): end for partition, end in enumerate(ends)})

    def wait(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.turn()

    def get(self, path: str) -> tuple[int, str]:
        code, _, body = self._service.pages()[path]("")
        return code, body.decode()


def test_an_idle_partition_is_alive_however_long_nothing_comes() -> None:
    watched = Watched()
    watched.wait(10 * STUCK_S)
    watched.ends(10, 10)

    code, body = watched.get("/livez")

    assert code == 200
    assert body.splitlines()[1:] == [f"ok partition {TOPIC}[0]: idle", f"ok partition {TOPIC}[1]: idle"]


def test_a_partition_that_has_work_and_stands_still_is_stuck_and_named() -> None:
    watched = Watched()
    watched.wait(10 * STUCK_S)
    watched.ends(10, 13)
    assert watched.get("/livez")[0] == 200, "it has only just got work"
    watched.wait(STUCK_S + 1)
    watched.ends(10, 13)

    code, body = watched.get("/livez")

    assert code == 503
    assert body.startswith(f"failed partition {TOPIC}[1]: stuck, 3 behind, last moved 121 s ago\n")
    assert f"ok partition {TOPIC}[0]: idle" in body


def test_a_partition_that_moves_is_alive_however_far_it_is_behind() -> None:
    watched = Watched()
    for _ in range(5):
        watched.ends(10, 1_000_000)
        watched.wait(STUCK_S - 1)
        standing = watched.status.partitions[TOPIC, 1]
        standing.moved_at = watched.clock.now()
    watched.wait(1)

    assert watched.get("/livez")[0] == 200


def test_what_waits_for_kafka_is_alive_and_not_ready() -> None:
    watched = Watched()
    watched.ends(10, 13)
    watched.wait(STUCK_S + 1)
    watched.status.trouble = "no broker"

    assert (watched.get("/livez")[0], watched.get("/readyz")[0]) == (200, 503)
    assert "failed output: no broker\n" in watched.get("/readyz")[1]


def test_a_loop_that_does_not_come_round_is_not_alive() -> None:
    watched = Watched()
    watched.clock.sleep(LOOP_S + 1)

    code, body = watched.get("/livez")

    assert (code, body.splitlines()[0]) == (503, "failed loop: came round 31.0 s ago")


def test_a_broker_that_tells_nothing_any_more_ends_readiness() -> None:
    watched = Watched()
    assert watched.get("/readyz")[0] == 200
    watched.wait(60)

    code, body = watched.get("/readyz")

    assert (code, body.splitlines()[0]) == (503, "failed broker: told where partitions end 60 s ago")


def test_a_restore_is_ready_until_it_takes_too_long() -> None:
    watched = Watched()
    watched.status.partitions[TOPIC, 1].enter("restoring", watched.clock.now())
    watched.status.partitions[TOPIC, 1].remaining = 77
    watched.wait(RESTORE_S - 1)
    watched.ends(10, 13)
    assert watched.get("/readyz")[0] == 200
    watched.wait(2)
    watched.ends(10, 13)

    code, body = watched.get("/readyz")

    assert (code, body.splitlines()[0]) == (
        503,
        f"failed partition {TOPIC}[1]: restoring for 601 s, 77 offsets left",
    )
    assert watched.get("/livez")[0] == 200


def test_a_process_that_starts_is_alive_and_neither_started_nor_ready() -> None:
    watched = Watched()
    watched.status.stage = "starting"
    watched.clock.sleep(10 * LOOP_S)

    assert [watched.get(path)[0] for path in ("/livez", "/startupz", "/readyz")] == [200, 503, 503]


def test_a_spare_without_partitions_is_ready() -> None:
    watched = Watched()
    watched.status.drop([(TOPIC, 0), (TOPIC, 1)])
    watched.wait(10 * STUCK_S)
    watched.ends(10)

    assert [watched.get(path)[0] for path in ("/livez", "/startupz", "/readyz")] == [200, 200, 200]


def test_a_worker_that_lost_its_partitions_with_its_broker_is_no_spare() -> None:
    watched = Watched()
    watched.status.drop([(TOPIC, 0), (TOPIC, 1)])
    watched.wait(60)

    assert watched.get("/readyz")[0] == 503


def test_status_tells_how_each_partition_stands() -> None:
    watched = Watched()
    watched.ends(10, 13)
    watched.status.partitions[TOPIC, 1].head_ms = 0

    told = json.loads(watched.get("/status")[1])

    assert (told["version"], told["role"], told["stage"], told["trouble"]) == ("1", "worker", "running", None)
    assert [(found["partition"], found["next"], found["end"], found["lag"]) for found in told["partitions"]] == [
        (0, 10, 10, 0),
        (1, 10, 13, 3),
    ]


def test_what_is_read_and_not_committed_counts_as_lag() -> None:
    watched = Watched()
    standing = watched.status.partitions[TOPIC, 1]
    standing.committed, standing.pending = 8, True

    told = json.loads(watched.get("/status")[1])

    assert [found["lag"] for found in told["partitions"]] == [0, 2]
