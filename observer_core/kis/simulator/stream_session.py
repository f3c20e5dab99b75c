"""One client of the stream: its registrations and the queue of what is still to be sent to it.

Owns the order of sending and the ledger rows of what was sent or kept back; what is due is decided in `market_feed.py`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Iterable
from random import Random
from typing import Final

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import Event

from observer_core.clock import NS_PER_S
from observer_core.kis.simulator.frame_faults import DueRecord, Observed, Outgoing, Withheld, framed
from observer_core.kis.simulator.knobs import Knobs
from observer_core.kis.simulator.ledger import SentRow
from observer_core.kis.simulator.venue import Venue

MAX_QUEUED_MESSAGES: Final = 20_000
"""A client that lets this many messages wait is cut off."""
_LONGEST_HOLD_NS: Final = NS_PER_S // 2
"""A frame held back to be overtaken is sent after this, overtaken or not."""


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
        self.registered_ns = now_ns
        self.due: list[DueRecord] = []
        self.frozen = False
        self._connection = connection
        self._venue = venue
        self._random = Random(f"{venue.seed}:{receiver}")
        self._queue: deque[Outgoing] = deque()
        self._held: tuple[int, Outgoing] | None = None
        self._wake = asyncio.Event()
        self._finishing = False

    @property
    def ended_dirty(self) -> bool:
        """Tell whether the connection ended without a close frame of the client."""
        return self._connection.protocol.close_rcvd is None

    @property
    def silenced(self) -> bool:
        """Tell whether nothing is to be sent although the session stays open."""
        knobs = self._venue.faults.knobs
        return self.frozen or knobs.silence_stream or self.receiver in knobs.silent_sessions

    def post(self, message: Outgoing) -> None:
        """Queue a message, unless the session is silenced or ending."""
        if self._finishing or self.silenced:
            why = "ending" if self._finishing else "half_open" if self.frozen else "silence"
            self.withhold(Withheld(record, why) for record in message.records)
            return
        if len(self._queue) >= MAX_QUEUED_MESSAGES:
            self.abort()
            return
        self._queue.append(message)
        self._wake.set()

    def frame_due(self, monotonic_ns: int) -> None:
        """Queue frames of the records that are due, with the faults in force."""
        knobs = self._venue.faults.knobs
        if self._held is not None and monotonic_ns - self._held[0] > _LONGEST_HOLD_NS:
            self._release()
        if not self.due:
            return
        due, self.due = self.due, []
        disorderly = self._is_disorderly(knobs, monotonic_ns)
        for item in framed(due, knobs, self._random):
            if isinstance(item, Withheld):
                self.withhold((item,))
            elif disorderly:
                self._post_disorderly(item, knobs, monotonic_ns)
            else:
                self.post(item)

    def withhold(self, records: Iterable[Withheld]) -> None:
        """Account for records that traded and are not sent."""
        now_ns = self._venue.clock.now_ns()
        for observed, why in records:
            self._venue.counters.records_withheld[why] += 1
            self._venue.ledger.append(observed.kept(now_ns, self.receiver, why))

    def finish(self) -> None:
        """Send what is queued, then close."""
        self._finishing = True
        self._wake.set()

    def freeze(self) -> None:
        """Leave the connection half-open: from now on neither read nor written."""
        self.frozen = True
        self._connection.transport.pause_reading()

    def abort(self) -> None:
        """Cut the connection without a close frame; what is queued is never sent."""
        self._finishing = True
        self.leave()
        self._connection.transport.abort()

    def leave(self) -> None:
        """Account for what is still queued as never sent."""
        self._release()
        due, self.due = self.due, []
        self.withhold(Withheld(record.observed, "cut") for record in due)
        waiting, self._queue = self._queue, deque()
        for message in waiting:
            self.withhold(Withheld(record, "cut") for record in message.records)

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
                while self._queue and not self.frozen:
                    await self._send(self._queue.popleft())
                if self._finishing:
                    await self._connection.close()
                    return
        except ConnectionClosed:
            return

    async def _send(self, message: Outgoing) -> None:
        """Send one message; only then account for its records."""
        sent_ns = self._venue.clock.now_ns()
        try:
            await self._connection.send(message.text)
        except ConnectionClosed:
            self.withhold(Withheld(record, "cut") for record in message.records)
            raise
        counters = self._venue.counters
        counters.frames_sent += 1
        if message.records:
            counters.records_sent[message.tr_id] += len(message.records)
        for record in message.records:
            self._venue.ledger.append(_sent_row(record, sent_ns, self.receiver))

    def _is_disorderly(self, knobs: Knobs, monotonic_ns: int) -> bool:
        if not (knobs.duplicate_rate or knobs.reorder_rate):
            return False
        return not knobs.disorder_s or monotonic_ns - self.registered_ns < knobs.disorder_s * NS_PER_S

    def _post_disorderly(self, message: Outgoing, knobs: Knobs, monotonic_ns: int) -> None:
        """Queue a frame once or twice, or hold it until the next one has overtaken it."""
        if self._held is None and self._random.random() < knobs.reorder_rate:
            self._held = monotonic_ns, message
            return
        self.post(message)
        if self._random.random() < knobs.duplicate_rate:
            self.post(message)
        self._release()

    def _release(self) -> None:
        if self._held is not None:
            _, message = self._held
            self._held = None
            self.post(message)


def _sent_row(record: Observed, sent_ns: int, receiver: str) -> SentRow:
    return SentRow(
        record.kind,
        record.symbol,
        record.exchange_time,
        record.price,
        record.volume,
        record.cumulative_volume,
        sent_ns,
        receiver,
        record.expected,
    )
