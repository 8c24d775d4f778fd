"""`forget_after_days` on a real broker: idle threads go, through kills, and the topics are what the input says."""

import time

import pytest

from tests.factories import event
from tests.integration.harness import Deployment, thread_of, until
from worker.kafka.reader import read_all

pytestmark = pytest.mark.integration

IDLE = 60
# Enough for each partition to have some.
KEPT = {f"kept-{number}" for number in range(16)}
# Long enough for a thread that goes on to be kept on a machine that is slow.
AFTER_S = 4.0
DAY_S = 86_400.0


def _left(deployment: Deployment) -> set[str]:
    """Return the threads that still have a row on a mutation topic or in the changelog."""
    topics = [*deployment.names.projections.values(), deployment.names.changelog]
    last = {(one.topic, one.key): one for one in read_all(deployment.settings.kafka, topics)}
    return {thread_of(one) for one in last.values() if one.value is not None} - {""}


def test_idle_threads_are_forgotten_through_a_kill_and_the_input_says_so(deployment: Deployment) -> None:
    lines = [event("task_started", turn_id="a"), event("user_message", message="hello")]
    deployment.publish((f"idle/{number}", at, line) for at, line in enumerate(lines) for number in range(IDLE))
    ordinal = -1
    worker = deployment.start(FORGET_AFTER_DAYS=AFTER_S / DAY_S)

    def goes_on() -> None:
        """Have a line come on each partition: time passes where records do."""
        nonlocal ordinal
        ordinal += 1
        deployment.publish((name, ordinal, event("task_started", turn_id=f"turn-{ordinal}")) for name in KEPT)

    def words() -> int:
        return sum(one.value == b"" for one in deployment.input())

    def asked() -> bool:
        goes_on()
        return words() > 0

    until(asked, 60, "an idle thread is found", deployment)
    worker.kill()
    deployment.start(FORGET_AFTER_DAYS=AFTER_S / DAY_S)

    def forgotten() -> bool:
        goes_on()
        time.sleep(0.2)
        return not any(thread.startswith("idle") for thread in _left(deployment))

    until(forgotten, 90, "all idle threads are forgotten", deployment)
    deployment.until_through()

    assert _left(deployment) == KEPT
    assert words() >= IDLE
    assert deployment.audit() == []
    assert deployment.command("verify").returncode == 0
