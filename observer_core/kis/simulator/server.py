"""Composition of the simulated exchange: three ports over one venue, in one event loop.

Usable in-process (`async with running(...)`) and by the command line. Sockets are bound before anything is
served, so that port 0 is known at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from observer_core.clock import Clock
from observer_core.errors import ConfigError
from observer_core.kis.simulator.control import ControlPort
from observer_core.kis.simulator.ledger import FLUSH_INTERVAL_S
from observer_core.kis.simulator.rest import RestPort
from observer_core.kis.simulator.rest_connections import Connections, protocol_class
from observer_core.kis.simulator.stream import StreamPort
from observer_core.kis.simulator.venue import Venue, VenueOptions, build_venue

_STOP_TIMEOUT_S: Final = 0.8
_KEEP_ALIVE_S: Final = 75


@dataclass(frozen=True, slots=True)
class Addresses:
    """Host and ports to bind; port 0 lets the system choose."""

    host: str = "127.0.0.1"
    rest_port: int = 0
    ws_port: int = 0
    control_port: int = 0


@dataclass(frozen=True, slots=True)
class RunningExchange:
    """A simulated exchange that is serving."""

    venue: Venue
    stream: StreamPort
    rest_url: str
    ws_url: str
    control_url: str


class _EmbeddedServer(uvicorn.Server):
    """A web server that leaves the process's signals to the composition."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers as they are."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as usual, then say so."""
        await super().startup(sockets)
        self.ready.set()


@asynccontextmanager
async def running(options: VenueOptions, addresses: Addresses, clock: Clock) -> AsyncIterator[RunningExchange]:
    """Serve a simulated exchange for the duration of the block; the ledger is complete afterwards.

    Raises:
        ConfigError: an address cannot be bound or the ledger cannot be written.
    """
    venue = build_venue(options, clock)
    stream = StreamPort(venue)
    connections = Connections()
    with (
        contextlib.closing(venue.ledger),
        _bind(addresses.host, addresses.rest_port) as rest_socket,
        _bind(addresses.host, addresses.control_port) as control_socket,
        _bind(addresses.host, addresses.ws_port) as ws_socket,
    ):
        protocol = protocol_class(connections, venue.faults)
        rest = _web_server(RestPort(venue, connections).application(), protocol)
        control = _web_server(ControlPort(venue, stream, connections).application(), H11Protocol)
        served = (
            asyncio.create_task(rest.serve(sockets=[rest_socket])),
            asyncio.create_task(control.serve(sockets=[control_socket])),
        )
        ticking = (asyncio.create_task(stream.tick_forever()), asyncio.create_task(_flush_forever(venue)))
        ws_server = await stream.listen(ws_socket)
        try:
            await rest.ready.wait()
            await control.ready.wait()
            rest_url, control_url = _url("http", rest_socket), _url("http", control_socket)
            yield RunningExchange(venue, stream, rest_url, _url("ws", ws_socket), control_url)
        finally:
            rest.should_exit = control.should_exit = True
            stream.release()
            ws_server.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_TIMEOUT_S):
                    await ws_server.wait_closed()
                    await asyncio.gather(*served, return_exceptions=True)
            await _cancel(*served, *ticking)


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _flush_forever(venue: Venue) -> None:
    while True:
        await asyncio.sleep(FLUSH_INTERVAL_S)
        venue.ledger.flush()


def _bind(host: str, port: int) -> socket.socket:
    # The protocol is named, or asyncio leaves Nagle's algorithm on: answers then wait 40 ms for an acknowledgement.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return bound


def _url(scheme: str, bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"{scheme}://{host}:{port}"


def _web_server(application: Starlette, protocol: type[H11Protocol]) -> _EmbeddedServer:
    return _EmbeddedServer(
        uvicorn.Config(
            application,
            http=protocol,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
        )
    )
