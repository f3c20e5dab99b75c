"""The WebSocket port of the simulated exchange: connections, the ticking market, keep-alive.

One task ticks for all sessions. Each session has its own sender, so that a slow client delays nobody.
"""

from __future__ import annotations

import asyncio
import base64
import socket
from itertools import count
from typing import Final, Literal

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from observer_core.clock import NS_PER_S
from observer_core.kis.simulator import aes
from observer_core.kis.simulator import stream_messages as messages
from observer_core.kis.simulator.frame_faults import Outgoing
from observer_core.kis.simulator.market_feed import MarketFeed
from observer_core.kis.simulator.stream_desk import BLOCKED, StreamDesk
from observer_core.kis.simulator.stream_messages import Pong, StreamRequest, Verdict
from observer_core.kis.simulator.stream_session import PongAwareConnection, StreamSession
from observer_core.kis.simulator.trading_hours import hour_text, timestamp_text
from observer_core.kis.simulator.venue import Venue

TICK_S: Final = 0.025
_KEEP_UP_TICKS: Final = 400
"""Every symbol is advanced at least once in this many ticks, about ten seconds."""
_CLOSE_TIMEOUT_S: Final = 0.5
_ORDER_NOTICE_FIELDS: Final = 26


class StreamPort:
    """Serve the stream of one venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._desk = StreamDesk(venue)
        self._feed = MarketFeed(venue, self._desk)
        self._sessions: set[StreamSession] = set()
        self._ordinals = count(1)
        self._framed_ns = 0
        self._keep_up_count = len(venue.exchange.listings) // _KEEP_UP_TICKS + 1

    async def listen(self, bound: socket.socket) -> Server:
        """Serve on a bound socket, on any path."""
        return await serve(
            self._handle,
            sock=bound,
            create_connection=PongAwareConnection,
            process_request=self._check_connect,
            compression=None,
            ping_interval=None,
            close_timeout=_CLOSE_TIMEOUT_S,
        )

    def drop_sessions(self, how: bool | Literal["close", "abort"]) -> int:
        """End every session, by a close frame or without one; return how many there were."""
        sessions = tuple(self._sessions)
        for session in sessions:
            if how == "abort" or session.frozen:
                session.abort()
            else:
                session.finish()
        return len(sessions)

    def freeze_sessions(self) -> int:
        """Leave every session half-open; return how many there were."""
        for session in self._sessions:
            session.freeze()
        return len(self._sessions)

    def push_operation(self, code: str) -> None:
        """Send a market operation code to everybody registered for market operation."""
        self._feed.push_operation(code)

    def send_order_notice(self) -> None:
        """Send one encrypted order notice to every session."""
        exchange_ns = self._venue.exchange.clock.now_ns()
        fields = ["SIMULATION", "0000000000", "0000000001", "", "02", "0", "00", "0", "005930", "1", "259000"]
        fields += [hour_text(exchange_ns), "0", "1", "1", "00000", "1"]
        fields += [""] * (_ORDER_NOTICE_FIELDS - len(fields))
        tr_id = "H0STCNI9" if self._venue.faults.knobs.virtual else "H0STCNI0"
        for session in self._sessions:
            vector, key = session.cipher
            wrapped = aes.encrypt("^".join(fields).encode(), key.encode(), vector.encode())
            session.post(Outgoing(f"1|{tr_id}|001|{base64.b64encode(wrapped).decode()}"))

    def release(self) -> None:
        """Cut what a graceful end would wait for in vain."""
        for session in tuple(self._sessions):
            if session.frozen:
                session.abort()

    async def tick_forever(self) -> None:
        """Send what falls due, every `TICK_S`, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self._tick()

    def _tick(self) -> None:
        exchange_ns = self._venue.exchange.clock.now_ns()
        monotonic_ns = self._venue.clock.monotonic_ns()
        self._feed.tick(exchange_ns, monotonic_ns)
        if monotonic_ns - self._framed_ns >= self._venue.faults.knobs.batch_wait_s * NS_PER_S:
            self._framed_ns = monotonic_ns
            for session in self._sessions:
                session.frame_due(monotonic_ns)
        self._keep_alive(exchange_ns, monotonic_ns)
        self._venue.exchange.keep_up(exchange_ns, self._keep_up_count)

    def _keep_alive(self, exchange_ns: int, monotonic_ns: int) -> None:
        """Send PINGPONG to every session and end those that have been silent too long.

        A silenced stream asks nothing, so it does not count the missing answers either; a half-open one does, and is
        cut: until then its appkey stays taken.
        """
        knobs = self._venue.faults.knobs
        for session in self._sessions:
            if session.take_pong() or (session.silenced and not session.frozen):
                session.heard_ns = monotonic_ns
            if monotonic_ns - session.heard_ns > knobs.silence_limit_s * NS_PER_S:
                if session.frozen:
                    session.abort()
                else:
                    session.finish()
            elif not session.frozen and monotonic_ns - session.pinged_ns >= knobs.ping_interval_s * NS_PER_S:
                session.pinged_ns = monotonic_ns
                session.post(Outgoing(messages.pingpong(timestamp_text(exchange_ns))))

    def _check_connect(self, connection: ServerConnection, _request: Request) -> Response | None:
        """Refuse the handshake of an address that connects too often."""
        address = str(connection.remote_address[0])
        return None if self._desk.admits_connect(address) else connection.respond(403, "blocked\n")

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
            session.leave()
            self._desk.dismiss(session, venue.clock.monotonic_ns())
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    def _receive(self, session: StreamSession, message: str | bytes) -> None:
        """Answer one message of a client."""
        request = messages.parse_request(message)
        if isinstance(request, Pong):
            return
        verdict = request if isinstance(request, Verdict) else self._desk.decide(session, request)
        self._venue.counters.acks[verdict.code] += 1
        if verdict is BLOCKED:
            session.abort()
        elif verdict is messages.IN_USE:
            session.post(Outgoing(messages.in_use_notice()))
            session.finish()
        else:
            self._acknowledge(session, request, verdict)

    def _acknowledge(self, session: StreamSession, request: StreamRequest | Verdict, verdict: Verdict) -> None:
        tr_id = tr_key = ""
        if isinstance(request, StreamRequest):
            tr_id, tr_key = request.tr_id, request.tr_key
        cipher = session.cipher if self._venue.faults.knobs.ack_output else None
        session.post(Outgoing(messages.acknowledgement(verdict, tr_id, tr_key, cipher)))
        if verdict is messages.SUBSCRIBED:
            self._feed.replay(session, tr_id, tr_key)
