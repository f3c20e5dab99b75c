"""One client of the stream: its registrations and the queue of what is still to be sent to it.

Owns the order of sending and the ledger rows of what was sent; what is due is decided in `stream.py`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from typing import Final, NamedTuple

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import Event

from observer_core.kis.simulator.ledger import SentRow
from observer_core.kis.simulator.venue import Venue

MAX_QUEUED_MESSAGES: Final = 20_000
"""A client that lets this many messages wait is cut off."""


class Observed(NamedTuple):
    """The ledger's view of one record: all but the receiver and the time of sending."""

    kind: str
    symbol: str
    exchange_time: str
    price: int
    volume: int
    cumulative_volume: int


class Outgoing(NamedTuple):
    """One message to send; `tr_id` is empty for control messages, which carry no records."""

    text: str
    tr_id: str = ""
    records: tuple[Observed, ...] = ()


class PongAwareConnection(ServerConnection):
    """A connection that notices Pong frames nobody asked for: clients may answer PINGPONG by one."""

    pong_seen = False

    def process_event(self, event: Event) -> None:
        """Note an incoming Pong, then process the event as usual."""
        if isinstance(event, Frame) and event.opcode is Opcode.PONG:
            self.pong_seen = True
        super().process_event(event)


class StreamSession:
    """Send to one connection in order; `appkey` is empty until the first valid registration."""

    def __init__(self, connection: PongAwareConnection, venue: Venue, receiver: str, now_ns: int) -> None:
        self.receiver = receiver
        self.appkey = ""
        self.registrations: set[tuple[str, str]] = set()
        self.cipher = (secrets.token_hex(8), secrets.token_hex(16))
        self.heard_ns = now_ns
        self.pinged_ns = now_ns
        self.due_trades: list[tuple[int, str, Observed]] = []
        self._connection = connection
        self._venue = venue
        self._queue: deque[Outgoing] = deque()
        self._wake = asyncio.Event()
        self._finishing = False

    def post(self, message: Outgoing) -> None:
        """Queue a message, unless the stream is silenced or the session is ending."""
        if self._finishing or self._venue.faults.knobs.silence_stream:
            return
        if len(self._queue) >= MAX_QUEUED_MESSAGES:
            self.abort()
            return
        self._queue.append(message)
        self._wake.set()

    def finish(self) -> None:
        """Send what is queued, then close."""
        self._finishing = True
        self._wake.set()

    def abort(self) -> None:
        """Cut the connection without a close frame; what is queued is never sent."""
        self._finishing = True
        self._queue.clear()
        self._connection.transport.abort()

    def take_pong(self) -> bool:
        """Tell whether a Pong frame has come in since the last call."""
        seen, self._connection.pong_seen = self._connection.pong_seen, False
        return seen

    async def pump(self) -> None:
        """Send queued messages until the session finishes or the connection is gone."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    await self._send(self._queue.popleft())
                if self._finishing:
                    await self._connection.close()
                    return
        except ConnectionClosed:
            return

    async def _send(self, message: Outgoing) -> None:
        """Send one message; only then account for its records."""
        sent_ns = self._venue.clock.now_ns()
        await self._connection.send(message.text)
        counters = self._venue.counters
        counters.frames_sent += 1
        if message.records:
            counters.records_sent[message.tr_id] += len(message.records)
        for record in message.records:
            self._venue.ledger.append(_sent_row(record, sent_ns, self.receiver))


def _sent_row(record: Observed, sent_ns: int, receiver: str) -> SentRow:
    return SentRow(
        "book" if record.kind == "book" else "trade",
        record.symbol,
        record.exchange_time,
        record.price,
        record.volume,
        record.cumulative_volume,
        sent_ns,
        receiver,
    )
