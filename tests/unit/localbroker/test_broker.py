"""A node's process, with a shell script in Kafka's place: it listens on nothing, so it is never ready."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from worker.errors import FatalError
from worker.localbroker.broker import QUOTED_LINES_MAX, LocalBroker
from worker.localbroker.ports import free_ports
from worker.localbroker.properties import Address

Make = Callable[[str], LocalBroker]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[LocalBroker] = []

    def with_script(script: str) -> LocalBroker:
        broker_port, controller_port = free_ports(2)
        address = Address(1, broker_port, controller_port, "directory")
        made.append(LocalBroker(address, tmp_path, ["/bin/sh", "-c", script]))
        return made[-1]

    yield with_script
    for broker in made:
        broker.kill()


def test_a_node_that_ends_while_starting_is_reported_with_the_end_of_its_log(make: Make) -> None:
    broker = make("seq 1 100; echo boom >&2; exit 3")

    with pytest.raises(FatalError) as raised:
        broker.start()

    lines = str(raised.value).splitlines()
    assert lines[0] == "local broker 1 ended while starting; from its log:"
    assert lines[-1] == "boom"
    assert len(lines) == 1 + QUOTED_LINES_MAX


def test_the_first_error_is_quoted_before_what_it_led_to(make: Make) -> None:
    errors = (
        "echo '22:03:42,378 ERROR Acceptor port taken'; echo '\tat somewhere'; echo '22:03:42,646 ERROR Kafka exiting'"
    )
    broker = make(f"echo '22:03:41,000 INFO  Kafka starting'; {errors}; seq 1 100; exit 1")

    with pytest.raises(FatalError):
        broker.start()

    lines = broker.quote().splitlines()
    assert lines[0] == "22:03:42,378 ERROR Acceptor port taken"
    assert lines[2:5] == ["22:03:42,646 ERROR Kafka exiting", "1", "2"]
    assert len(lines) == QUOTED_LINES_MAX


def test_a_node_that_is_not_ready_in_time_is_killed_and_reported(make: Make) -> None:
    broker = make("echo waiting; exec sleep 60")
    broker.launch()

    with pytest.raises(FatalError, match="was not ready within 0 s"):
        broker.wait_ready(timeout_s=0.2)
    assert not broker.running


def test_a_failure_quotes_the_last_start_alone(make: Make) -> None:
    broker = make("echo once >> starts; wc -l < starts; exit 1")
    for _ in range(2):
        with pytest.raises(FatalError):
            broker.start()

    assert broker.quote().strip() == "2"


def test_a_node_that_ignores_the_request_to_end_is_forced(make: Make) -> None:
    broker = make("trap '' TERM; echo deaf; exec sleep 60")
    broker.launch()
    while "deaf" not in broker.quote():
        pass

    broker.stop(timeout_s=0.1)

    assert not broker.running


def test_a_paused_node_can_be_stopped(make: Make) -> None:
    broker = make("exec sleep 60")
    broker.launch()
    broker.pause()

    broker.stop(timeout_s=20)

    assert not broker.running


def test_a_node_that_does_not_run_has_no_pid_and_cannot_be_paused(make: Make) -> None:
    broker = make("exec sleep 60")
    broker.launch()
    pid = broker.pid
    broker.kill()

    for use in (lambda: broker.pid, broker.pause, broker.resume):
        with pytest.raises(FatalError, match="local broker 1 is not running"):
            use()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_ending_a_node_twice_or_before_its_start_does_nothing(make: Make) -> None:
    broker = make("exec sleep 60")
    broker.stop()
    broker.kill()
    broker.launch()
    broker.kill()
    broker.kill()
    broker.stop()

    assert not broker.running
