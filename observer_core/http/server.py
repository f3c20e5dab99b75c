"""Serving the HTTP application inside the hub's own event loop.

Separate because a port that is taken, or a server that fails, must never cost the hub anything else.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from observer_core.clock import Clock
from observer_core.http.application import Sources, create_application
from observer_core.http.symbols import CompletenessOf, OwnersOf
from observer_core.settings import Settings
from observer_core.view import SystemView

logger = logging.getLogger(__name__)

RETRY_S = 5.0
"""Pause before a port that is taken is tried again."""

_BACKLOG = 64


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process's signals are the hub's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        OSError: the address is taken or not ours.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def views_over_http(
    settings: Settings, clock: Clock, owners_of: OwnersOf, completeness_of: CompletenessOf
) -> Callable[[Callable[[], SystemView]], Awaitable[None]]:
    """Return the hub's companion that serves its view over HTTP; it ends at once where the port is 0."""

    async def companion(current_view: Callable[[], SystemView]) -> None:
        if settings.http_port:
            sources = Sources(current_view, settings.paths, owners_of, completeness_of, os.getpid(), clock)
            await serve(create_application(sources), settings.http_host, settings.http_port)

    return companion


async def serve(application: ASGIApp, host: str, port: int, retry_s: float = RETRY_S) -> None:
    """Serve until cancelled; a taken port is logged and tried again."""
    told = False
    while True:
        try:
            with listen(host, port) as listener:
                logger.info("http listens", extra={"host": host, "port": listener.getsockname()[1]})
                told = False
                await _serve_on(application, listener)
        except OSError as error:
            if not told:
                logger.error(
                    "http port not available, trying again",
                    extra={"host": host, "port": port, "error": error.strerror or str(error)},
                )
            told = True
        except Exception:
            # Edge of a side task: the hub's own work goes on whatever the server does.
            logger.exception("http server failed")
        await asyncio.sleep(retry_s)


async def _serve_on(application: ASGIApp, listener: socket.socket) -> None:
    server = _Server(
        uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            http="h11",
            loop="none",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=1,
            limit_concurrency=64,
        )
    )
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
