"""Free ports on loopback."""

import socket

import pytest

from worker.errors import FatalError
from worker.localbroker import ports
from worker.localbroker.ports import HOST, PORT_MAX, PORT_MIN, accepts, free_ports


def test_ports_are_distinct_and_below_those_of_outgoing_connections() -> None:
    picked = free_ports(6)

    assert len(set(picked)) == 6
    assert all(PORT_MIN <= port < PORT_MAX for port in picked)


def test_a_picked_port_can_be_listened_on() -> None:
    (port,) = free_ports(1)

    with socket.create_server((HOST, port)):
        assert accepts(port)
    assert not accepts(port)


def test_a_port_in_use_is_not_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    (taken,) = free_ports(1)
    monkeypatch.setattr(ports, "PORT_MIN", taken)
    monkeypatch.setattr(ports, "PORT_MAX", taken + 1)
    monkeypatch.setattr(ports, "TRIES_MAX", 10)

    with socket.create_server((HOST, taken)), pytest.raises(FatalError, match="found 0 of 1 free ports"):
        free_ports(1)


def test_the_search_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "TRIES_MAX", 3)

    with pytest.raises(FatalError, match="found 3 of 4 free ports"):
        free_ports(4)
