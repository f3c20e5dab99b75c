"""Ports of the demo's servers: a client that tries before the server listens must not end up talking to itself."""

import socket
from pathlib import Path

from supervisor.demo import free_ports


def test_ports_are_none_of_those_that_connections_are_given() -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ports = [port for _ in range(20) for port in free_ports(3)]
    assert not [port for port in ports if first <= port <= last]
    assert min(ports) > 1_024


def test_ports_differ_and_can_be_listened_at() -> None:
    ports = free_ports(10)
    assert len(set(ports)) == 10
    for port in ports:
        with socket.create_server(("127.0.0.1", port)):
            pass
