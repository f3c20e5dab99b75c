"""The REST port's connections as such: which are open, and the faults that happen to them.

Separate because the web framework hides connections: here they can be ended without an answer, and idle ones after a
time that can be switched.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from observer_core.kis.simulator.faults import FaultBoard

_Address = tuple[str, int]


class Connections:
    """The open connections of one port, by the client's address."""

    def __init__(self) -> None:
        self._open: dict[_Address, asyncio.Transport] = {}

    def add(self, address: _Address, transport: asyncio.Transport) -> None:
        """Note a new connection."""
        self._open[address] = transport

    def discard(self, address: _Address) -> None:
        """Forget a connection that has ended."""
        self._open.pop(address, None)

    def is_open(self, address: _Address) -> bool:
        """Return whether the client still waits."""
        return address in self._open

    def close(self, address: _Address) -> None:
        """End one connection: its client sees it closed without an answer."""
        transport = self._open.get(address)
        if transport is not None:
            transport.close()

    def close_all(self) -> int:
        """End every connection; return how many there were."""
        transports = tuple(self._open.values())
        for transport in transports:
            transport.close()
        return len(transports)


def protocol_class(connections: Connections, faults: FaultBoard) -> type[H11Protocol]:
    """Return the protocol of a port that notes its connections in `connections`."""

    class NotedProtocol(H11Protocol):
        _address: _Address = ("", 0)

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            self._address = _address_of(transport.get_extra_info("peername"))
            connections.add(self._address, transport)
            self.timeout_keep_alive = faults.knobs.rest_keep_alive_s  # type: ignore[assignment]
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.discard(self._address)
            super().connection_lost(exc)

    return NotedProtocol


def _address_of(peer: Any) -> _Address:
    return str(peer[0]), int(peer[1])
