"""One WebSocket session with the broker: connect, register, receive, answer its keep-alive, leave in good order.

Separate from the frames (`wire`), the bookkeeping (`registrations`) and the loop that lives from it (the scalp
service): this is the only module that knows the WebSocket library. It never reconnects by itself, because a connect
must be paid for from the connect budget, and it decides nothing about silence: it says how long it has lasted.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple, Self, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from observer_core.clock import NS_PER_S, Clock
from observer_core.errors import TransientFeedError
from observer_core.kis.registrations import Registrations
from observer_core.kis.wire import (
    ControlMessage,
    DataFrame,
    Ping,
    Registration,
    RejectedFrame,
    parse_frame,
    subscribe_message,
    unsubscribe_message,
)
from observer_core.settings import Secret

MESSAGE_LIMIT_BYTES = 4 * 1024 * 1024
"""The broker's messages exceed 8 KiB; a limit met in operation closed connections with 1009."""
SUBSCRIBE_SPACING_S = 0.005
OPEN_TIMEOUT_S = 5.0

_CLOSE_TIMEOUT_S = 0.5
_QUEUE_FRAMES = 1024
_BURST_MESSAGES = 256

StreamMessage: TypeAlias = DataFrame | ControlMessage | RejectedFrame


class Received(NamedTuple):
    """A message and the wall-clock time of its receipt."""

    received_ns: int
    message: StreamMessage


class _Outgoing(NamedTuple):
    text: str
    registered: Registration | None
    paced: bool


async def open_stream(
    url: str,
    approval_key: Secret,
    clock: Clock,
    *,
    spacing_s: float = SUBSCRIBE_SPACING_S,
    open_timeout_s: float = OPEN_TIMEOUT_S,
) -> "StreamSession":
    """Connect; nothing is subscribed yet.

    Args:
        url: the broker's WebSocket address, with any path.
        approval_key: a fresh one; it is used at every subscription.
        clock: for the times of receipt.
        spacing_s: pause between two subscription messages.
        open_timeout_s: for the connection and its handshake.

    Raises:
        TransientFeedError: no connection in time, or the handshake was refused.
    """
    # At its lowest level the library logs every frame, and the frames we send carry the approval key.
    logging.getLogger("websockets").setLevel(logging.WARNING)
    try:
        connection = await connect(
            url,
            # The broker answers no protocol pings (KIS protocol notes §5.1): the watchdog looks at any message.
            ping_interval=None,
            compression=None,
            max_size=MESSAGE_LIMIT_BYTES,
            max_queue=_QUEUE_FRAMES,
            open_timeout=open_timeout_s,
            close_timeout=_CLOSE_TIMEOUT_S,
            proxy=None,
        )
    except (OSError, TimeoutError, WebSocketException) as error:
        raise TransientFeedError(f"the stream cannot be opened ({type(error).__name__})", code="connect") from error
    return StreamSession(connection, approval_key, clock, spacing_s)


class StreamSession:
    """An open connection. One reader; registering is possible from anywhere in the same event loop.

    Use as an asynchronous context manager: leaving it closes the connection at once. `close` before that leaves in
    good order and brings what was still on its way.
    """

    def __init__(self, connection: ClientConnection, approval_key: Secret, clock: Clock, spacing_s: float) -> None:
        self._connection = connection
        self._approval_key = approval_key
        self._clock = clock
        self._spacing_s = spacing_s
        self._outgoing: deque[_Outgoing] = deque()
        self._something_to_send = asyncio.Event()
        self._burst: list[Received] = []
        self._last_message_ns: int = clock.monotonic_ns()
        self._sender = asyncio.create_task(self._send_all())
        self.registrations = Registrations()

    async def __aenter__(self) -> Self:
        """Return the session."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self._shut()

    def subscribe(self, registrations: Iterable[Registration]) -> None:
        """Ask for streams; the requests go out one by one, the answers come with the messages."""
        key = self._approval_key.reveal()
        for item in self.registrations.ask(registrations, self._clock.monotonic_ns()):
            self._enqueue(_Outgoing(subscribe_message(key, item), item, paced=True))

    def unsubscribe(self, registrations: Iterable[Registration]) -> None:
        """Take registrations back; requests not yet sent are sent nevertheless, in their order."""
        key = self._approval_key.reveal()
        for item in self.registrations.withdraw(registrations, self._clock.monotonic_ns()):
            self._enqueue(_Outgoing(unsubscribe_message(key, item), None, paced=True))

    def silence_s(self) -> float:
        """Return the seconds since the last message of any kind, the connect at first."""
        return (self._clock.monotonic_ns() - self._last_message_ns) / NS_PER_S

    @property
    def queue_percent(self) -> float:
        """Return how full the queue of messages is that arrived and were not read yet."""
        return 100.0 * len(self._connection.recv_messages.frames) / _QUEUE_FRAMES

    def leaving(self, not_longer_than_s: float) -> set[Registration]:
        """Return the registrations that were taken back lately without any answer: they may still bring data."""
        return self.registrations.leaving(self._clock.monotonic_ns(), not_longer_than_s)

    def unconfirmed(self, longer_than_s: float) -> set[Registration]:
        """Return the registrations whose request went out longer ago than that without any answer."""
        return self.registrations.unconfirmed(self._clock.monotonic_ns(), longer_than_s)

    async def receive(self) -> list[Received]:
        """Wait for messages and return all that have arrived, in order; keep-alives are answered and not returned.

        Cancelling loses nothing: what had arrived comes with the next call.

        Raises:
            TransientFeedError: the connection is closed and everything received has been returned.
        """
        try:
            while not self._burst:
                await self._read_burst()
        except ConnectionClosed as error:
            if not self._burst:
                code = error.rcvd.code if error.rcvd else 1006
                raise TransientFeedError(f"the stream was closed (code {code})", code="closed") from error
        burst, self._burst = self._burst, []
        return burst

    async def __aiter__(self) -> AsyncIterator[Received]:
        """Yield messages one by one until the connection closes, which raises as `receive`."""
        while True:
            for received in await self.receive():
                yield received

    async def close(self, deadline_s: float) -> list[Received]:
        """Unsubscribe everything, wait for the confirmations, close; return what arrived meanwhile.

        Args:
            deadline_s: longest wait for confirmations; the connection is closed after it in any case.
        """
        self.unsubscribe(list(self.registrations.held))
        rest: list[Received] = []
        with contextlib.suppress(TimeoutError, TransientFeedError):
            async with asyncio.timeout(deadline_s):
                while not self.registrations.settled:
                    rest += await self.receive()
        await self._shut()
        with contextlib.suppress(TransientFeedError):
            while True:
                rest += await self.receive()
        return rest

    async def _read_burst(self) -> None:
        connection = self._connection
        waiting = connection.recv_messages.frames
        await self._take(connection)
        # What has already arrived is taken in the same turn: a batch ends where the burst ends.
        while len(waiting) and len(self._burst) < _BURST_MESSAGES:
            await self._take(connection)
        if len(self._burst) >= _BURST_MESSAGES:
            # Reading does not wait while there is something to read: let the other tasks have their turn.
            await asyncio.sleep(0)

    async def _take(self, connection: ClientConnection) -> None:
        # As bytes: a text that is not UTF-8 would close the connection instead of becoming a rejection.
        text = await connection.recv(decode=False)
        received_ns = self._clock.now_ns()
        self._last_message_ns = self._clock.monotonic_ns()
        message = parse_frame(text)
        if isinstance(message, Ping):
            self._outgoing.appendleft(_Outgoing(message.text, None, paced=False))
            self._something_to_send.set()
            return
        if isinstance(message, ControlMessage):
            self.registrations.answered(message)
        self._burst.append(Received(received_ns, message))

    def _enqueue(self, outgoing: _Outgoing) -> None:
        self._outgoing.append(outgoing)
        self._something_to_send.set()

    async def _send_all(self) -> None:
        """Send what is queued, spaced; ends with the connection, of which the reader learns by itself."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._something_to_send.wait()
                while self._outgoing:
                    outgoing = self._outgoing.popleft()
                    await self._connection.send(outgoing.text)
                    if outgoing.registered is not None:
                        self.registrations.sent(outgoing.registered, self._clock.monotonic_ns())
                    if outgoing.paced:
                        await asyncio.sleep(self._spacing_s)
                self._something_to_send.clear()

    async def _shut(self) -> None:
        self._sender.cancel()
        await asyncio.wait([self._sender])
        await self._connection.close()
        if not self._sender.cancelled():
            # It ended before: with the connection, or by a fault of ours that must not pass unseen.
            self._sender.result()
