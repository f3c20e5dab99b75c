"""HTTP to the broker and nothing more: kept-alive connections of one process, times stamped, failures translated.

Separate from the endpoints so that HTTP is known in one place. Calls go through h11 on the event loop's own sockets:
every layer above it costs a restarted shard milliseconds, and each call some processor time. It does not retry:
whether a second request is allowed is a question of the budget, which the caller holds.
"""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

import certifi
import h11
import msgspec

from observer_core.clock import NS_PER_S, Clock
from observer_core.errors import FeedError, TransientFeedError, UnreachableFeedError
from observer_core.kis.connection import Call, Connection
from observer_core.pacing.first_answer import FirstAnswer

_CONNECTIONS = 16
_KEEP_ALIVE_S = 30.0


class Answer(NamedTuple):
    """What came back, with the wall-clock times of sending and receipt."""

    status: int
    body: bytes
    requested_ns: int
    received_ns: int
    lost_since_ns: int | None = None
    """When an earlier attempt was made whose answer may have been lost on the way."""


@cache
def tls_context() -> ssl.SSLContext:
    """Return the process-wide TLS context; built before the fork, it is the dearest part of a client's start."""
    context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


class Transport:
    """A client for one host. Create it in the process and event loop that use it."""

    def __init__(self, base_url: str, user_agent: str, timeout_s: float, clock: Clock) -> None:
        address = urlsplit(base_url)
        self.first_sent = asyncio.Event()
        """Set when a first request is on its way or has failed: what may wait for that does not delay it."""
        self._tls = tls_context() if address.scheme == "https" else None
        self._host = address.hostname or ""
        self._port = address.port or (443 if self._tls else 80)
        self._root = address.path
        self._headers = {"host": address.netloc, "accept": "*/*", "connection": "keep-alive", "user-agent": user_agent}
        self._timeout_s = timeout_s
        self._clock = clock
        self._places = asyncio.Semaphore(_CONNECTIONS)
        self._connections: list[Connection] = []
        self._first_answer = FirstAnswer(clock.monotonic_ns())

    def awaits(self, error: FeedError) -> bool:
        """Return whether a failure says only that the host, which has never answered, may still be starting."""
        return isinstance(error, UnreachableFeedError) and self._first_answer.awaited(self._clock.monotonic_ns())

    async def get(self, path: str, headers: Mapping[str, str], before_sending: Callable[[], Awaitable[None]]) -> Answer:
        """Send a GET for a path with its query.

        Args:
            path: appended to the base address as it is.
            headers: the endpoint's own headers.
            before_sending: awaited when a connection stands and the request is about to be written.

        Raises:
            DroppedConnectionError: the connection broke without an answer.
            UnreachableFeedError: nobody listens there.
            TransientFeedError: no answer in time, or no connection in time.
        """
        call = Call("GET", self._root + path, [*self._headers.items(), *headers.items()])
        return await self._send(call, before_sending)

    async def post(self, path: str, document: Mapping[str, str]) -> Answer:
        """Send a POST with a JSON document; raises as `get`."""
        body = msgspec.json.encode(document)
        headers = {**self._headers, "content-type": "application/json", "content-length": str(len(body))}
        return await self._send(Call("POST", self._root + path, list(headers.items()), body), None)

    async def aclose(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.abort()
        # The event loop closes the sockets in its next turn.
        await asyncio.sleep(0)

    async def _send(self, call: Call, before_sending: Callable[[], Awaitable[None]] | None) -> Answer:
        try:
            async with self._places:
                connection = self._idle() or await self._connect()
                connection.busy = True
                try:
                    if before_sending is not None:
                        await before_sending()
                    requested_ns = self._clock.now_ns()
                    connection.send(call)
                    self.first_sent.set()
                    reply = await connection.reply(self._timeout_s)
                    self._first_answer.came()
                finally:
                    connection.busy = False
                    connection.idle_since_ns = self._clock.monotonic_ns()
        except TimeoutError as error:
            raise TransientFeedError("no answer in time", code="timeout") from error
        except h11.LocalProtocolError as error:
            raise TransientFeedError(f"call not sent ({type(error).__name__})", code="transport") from error
        finally:
            self.first_sent.set()
        return Answer(reply.status, reply.body, requested_ns, self._clock.now_ns())

    def _idle(self) -> Connection | None:
        """Return the connection that was used last; forget those that ended or idled for too long."""
        oldest_ns = self._clock.monotonic_ns() - int(_KEEP_ALIVE_S * NS_PER_S)
        for connection in self._connections:
            if not connection.busy and connection.idle_since_ns < oldest_ns:
                connection.abort()
        self._connections = [connection for connection in self._connections if connection.open]
        idle = [connection for connection in self._connections if not connection.busy]
        return max(idle, key=lambda connection: connection.idle_since_ns, default=None)

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                _, connection = await loop.create_connection(Connection, self._host, self._port, ssl=self._tls)
        except TimeoutError as error:
            raise TransientFeedError("no connection in time", code="timeout") from error
        except ssl.SSLError as error:
            raise TransientFeedError(f"no connection ({type(error).__name__})", code="transport") from error
        except OSError as error:
            raise UnreachableFeedError(f"no connection ({type(error).__name__})", code="transport") from error
        self._connections.append(connection)
        return connection
