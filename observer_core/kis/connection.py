"""One kept-alive HTTP/1.1 connection to the broker: bytes between a socket and h11, one call at a time.

Separate from the transport, which owns the set of connections. h11 knows the protocol; this knows the event loop.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, cast

import h11

from observer_core.errors import TransientFeedError


class DroppedConnectionError(TransientFeedError):
    """The broker closed an idle connection under the request: a second one, on a fresh connection, may follow."""


class Call(NamedTuple):
    """What is asked."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes = b""


class Reply(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """Made by the event loop; `send` and then `reply`, over and over while it is `open`."""

    def __init__(self) -> None:
        self.busy = False
        self.idle_since_ns = 0
        """Kept by the owner."""
        self._http = h11.Connection(h11.CLIENT)
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[Reply] | None = None
        self._status = 0
        self._body: list[bytes] = []

    @property
    def open(self) -> bool:
        """Return whether another call can be made on it."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, call: Call) -> None:
        """Write a call.

        Raises:
            DroppedConnectionError: the broker has closed the connection.
        """
        if self._transport is None or self._transport.is_closing():
            raise DroppedConnectionError("connection lost (closed while idle)", code="dropped")
        self._reply = asyncio.get_running_loop().create_future()
        self._body.clear()
        request = h11.Request(method=call.method, target=call.target, headers=list(call.headers))
        written = self._http.send(request)
        if call.body:
            written += self._http.send(h11.Data(data=call.body))
        self._transport.write(written + self._http.send(h11.EndOfMessage()))

    async def reply(self, timeout_s: float) -> Reply:
        """Wait for the whole answer to the call; anything but an answer closes the connection.

        Raises:
            DroppedConnectionError: the connection ended first.
            TimeoutError: so it did not come in time.
        """
        if self._reply is None:
            raise RuntimeError("nothing was sent")
        try:
            async with asyncio.timeout(timeout_s):
                return await self._reply
        except BaseException:
            # What is still on its way would be taken for the answer to the next call.
            self.abort()
            raise

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (called by the event loop)."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes (called by the event loop)."""
        self._feed(data)

    def eof_received(self) -> bool | None:
        """Take the end of the bytes; the event loop then closes (called by the event loop)."""
        self._feed(b"")
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the call that is on its way (called by the event loop)."""
        self._transport = None
        self._fail("closed" if exc is None else type(exc).__name__)

    def _feed(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            while self._take(self._http.next_event()):
                pass
        except h11.RemoteProtocolError:
            self._fail("not HTTP, or cut off")
            self.abort()

    def _take(self, event: object) -> bool:
        """Act on an event of the protocol; return whether more may follow."""
        if isinstance(event, h11.Data):
            self._body.append(bytes(event.data))
        elif isinstance(event, h11.Response):
            self._status = event.status_code
        elif isinstance(event, h11.EndOfMessage):
            self._answer(Reply(self._status, b"".join(self._body)))
            return False
        return isinstance(event, h11.Data | h11.Response | h11.InformationalResponse)

    def _answer(self, reply: Reply) -> None:
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            self.abort()
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(reply)

    def _fail(self, why: str) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(DroppedConnectionError(f"connection lost ({why})", code="dropped"))
