"""The WebSocket port of the simulated exchange: sessions, the ticking market, keep-alive.

One task ticks for all sessions: it collects the trades that fell due, builds each record once, and hands every
session frames of up to 20 records in order of execution. Each session has its own sender, so that a
slow client delays nobody.
"""

from __future__ import annotations

import asyncio
import socket
from itertools import count
from typing import Final, Literal

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from observer_core.clock import NS_PER_S
from observer_core.kis import fields
from observer_core.kis.simulator import stream_messages as messages
from observer_core.kis.simulator.frames import MAX_RECORDS_PER_FRAME, book_record, data_frame, trade_record
from observer_core.kis.simulator.stream_desk import StreamDesk
from observer_core.kis.simulator.stream_session import (
    Observed,
    Outgoing,
    PongAwareConnection,
    StreamSession,
)
from observer_core.kis.simulator.trading_hours import timestamp_text
from observer_core.kis.simulator.venue import Venue

TICK_S: Final = 0.025
BOOK_INTERVAL_NS: Final = NS_PER_S // 5
_KEEP_UP_TICKS: Final = 400
"""Every symbol is advanced at least once in this many ticks, about ten seconds."""
_CLOSE_TIMEOUT_S: Final = 0.5


class StreamPort:
    """Serve the stream of one venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._desk = StreamDesk(venue)
        self._sessions: set[StreamSession] = set()
        self._ordinals = count(1)
        self._book_sent_ns: dict[str, int] = {}
        self._keep_up_count = len(venue.exchange.listings) // _KEEP_UP_TICKS + 1

    async def listen(self, bound: socket.socket) -> Server:
        """Serve on a bound socket, on any path."""
        return await serve(
            self._handle,
            sock=bound,
            create_connection=PongAwareConnection,
            compression=None,
            ping_interval=None,
            close_timeout=_CLOSE_TIMEOUT_S,
        )

    def drop_sessions(self, how: bool | Literal["close", "abort"]) -> int:
        """End every session, by a close frame or without one; return how many there were."""
        sessions = tuple(self._sessions)
        for session in sessions:
            if how == "abort":
                session.abort()
            else:
                session.finish()
        return len(sessions)

    async def tick_forever(self) -> None:
        """Send what falls due, every `TICK_S`, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self._tick()

    def _tick(self) -> None:
        exchange_ns = self._venue.exchange.clock.now_ns()
        monotonic_ns = self._venue.clock.monotonic_ns()
        self._send_trades(exchange_ns)
        self._send_books(exchange_ns, monotonic_ns)
        self._keep_alive(exchange_ns, monotonic_ns)
        self._venue.exchange.keep_up(exchange_ns, self._keep_up_count)

    def _send_trades(self, exchange_ns: int) -> None:
        width = self._venue.faults.knobs.trade_width
        for code, listeners in self._desk.trade_listeners.items():
            tape = self._venue.exchange.tape_at(code, exchange_ns)
            if tape is None:
                continue
            for trade in tape.drain():
                record = trade_record(tape, trade, width)
                observed = Observed(
                    "trade",
                    code,
                    timestamp_text(trade.time_ns),
                    trade.price,
                    trade.volume,
                    trade.total_volume,
                )
                for session in listeners:
                    session.due_trades.append((trade.time_ns, record, observed))
        for session in self._sessions:
            if session.due_trades:
                self._frame_trades(session)

    @staticmethod
    def _frame_trades(session: StreamSession) -> None:
        """Queue the due trades of a session, oldest first; equal times keep their order per symbol."""
        due, session.due_trades = session.due_trades, []
        due.sort(key=lambda item: item[0])
        for start in range(0, len(due), MAX_RECORDS_PER_FRAME):
            chunk = due[start : start + MAX_RECORDS_PER_FRAME]
            text = data_frame(fields.TR_TRADE, [record for _, record, _ in chunk])
            session.post(Outgoing(text, fields.TR_TRADE, tuple(observed for _, _, observed in chunk)))

    def _send_books(self, exchange_ns: int, monotonic_ns: int) -> None:
        """Queue a snapshot of every registered book, five times a second while the market is open."""
        if not self._desk.book_listeners or not self._venue.exchange.is_continuous(exchange_ns):
            return
        width = self._venue.faults.knobs.book_width
        for code, listeners in self._desk.book_listeners.items():
            if monotonic_ns - self._book_sent_ns.get(code, 0) < BOOK_INTERVAL_NS:
                continue
            tape = self._venue.exchange.tape_at(code, exchange_ns)
            if tape is None or tape.listing.halted:
                continue
            self._book_sent_ns[code] = monotonic_ns
            book = tape.book(exchange_ns)
            text = data_frame(fields.TR_BOOK, [book_record(tape, exchange_ns, book, width)])
            time = timestamp_text(exchange_ns)
            observed = Observed("book", code, time, tape.bid, book.total_bid, tape.figures.volume)
            for session in listeners:
                session.post(Outgoing(text, fields.TR_BOOK, (observed,)))

    def _keep_alive(self, exchange_ns: int, monotonic_ns: int) -> None:
        """Send PINGPONG to every session and end those that have been silent too long.

        A silenced stream asks nothing, so it does not count the missing answers either.
        """
        knobs = self._venue.faults.knobs
        for session in self._sessions:
            if session.take_pong() or knobs.silence_stream:
                session.heard_ns = monotonic_ns
            if monotonic_ns - session.heard_ns > knobs.silence_limit_s * NS_PER_S:
                session.finish()
            elif monotonic_ns - session.pinged_ns >= knobs.ping_interval_s * NS_PER_S:
                session.pinged_ns = monotonic_ns
                session.post(Outgoing(messages.pingpong(timestamp_text(exchange_ns))))

    async def _handle(self, connection: ServerConnection) -> None:
        """Serve one client until its connection ends."""
        assert isinstance(connection, PongAwareConnection)  # noqa: S101 - made by create_connection
        venue = self._venue
        session = StreamSession(connection, venue, f"ws-{next(self._ordinals)}", venue.clock.monotonic_ns())
        venue.counters.connects += 1
        self._sessions.add(session)
        pump = asyncio.create_task(session.pump())
        try:
            async for message in connection:
                session.heard_ns = venue.clock.monotonic_ns()
                self._receive(session, message)
        except ConnectionClosed:
            pass
        finally:
            self._sessions.discard(session)
            self._desk.dismiss(session, venue.clock.monotonic_ns())
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    def _receive(self, session: StreamSession, message: str | bytes) -> None:
        """Answer one message of a client."""
        request = messages.parse_request(message)
        if request is not None and request.is_pong:
            return
        tr_id = tr_key = ""
        if request is None:
            verdict = messages.MALFORMED
        else:
            verdict = self._desk.decide(session, request)
            if request.body is not None:
                tr_id, tr_key = request.body.input.tr_id, request.body.input.tr_key
        self._venue.counters.acks[verdict.code] += 1
        if verdict is messages.IN_USE:
            session.post(Outgoing(messages.in_use_notice()))
            session.finish()
            return
        cipher = session.cipher if self._venue.faults.knobs.ack_output else None
        session.post(Outgoing(messages.acknowledgement(verdict, tr_id, tr_key, cipher)))
