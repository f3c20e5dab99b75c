"""What the market gives the stream at a tick: executions, books, expected executions, market operation.

Separate from the sessions: it decides what is due to whom, they decide how and whether it goes out. Each record is
built once, whoever listens.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from observer_core.clock import NS_PER_S
from observer_core.kis import fields
from observer_core.kis.simulator import stream_messages as messages
from observer_core.kis.simulator.auctions import expected_price
from observer_core.kis.simulator.executions import Trade
from observer_core.kis.simulator.frame_faults import DueRecord, Observed, Outgoing, Withheld
from observer_core.kis.simulator.frames import (
    EXPECTED_WIDTH,
    book_record,
    data_frame,
    expected_trade_record,
    operation_record,
    trade_record,
)
from observer_core.kis.simulator.stream_desk import TRADE_STREAMS, StreamDesk
from observer_core.kis.simulator.stream_session import StreamSession
from observer_core.kis.simulator.tape import SymbolTape
from observer_core.kis.simulator.trading_hours import AUCTION_PHASES, CONTINUOUS_PHASES, Phase, timestamp_text
from observer_core.kis.simulator.venue import Venue

BOOK_INTERVAL_NS: Final = NS_PER_S // 5
_AUCTION_INTERVAL_NS: Final = NS_PER_S
_OPERATION_BEGINS: Final[dict[Phase, str]] = {
    "opening_auction": "110",
    "continuous": "112",
    "closing_auction": "121",
    "closing_price": "140",
}
_OPERATION_ENDS: Final[dict[Phase, str]] = {"closing_auction": "129", "closing_price": "149"}
_IN_SESSION: Final = "112"


class MarketFeed:
    """Hand what falls due to the sessions registered for it."""

    def __init__(self, venue: Venue, desk: StreamDesk) -> None:
        self._venue = venue
        self._desk = desk
        self._book_sent_ns: dict[str, int] = {}
        self._expected_sent_ns: dict[str, int] = {}
        self._phase: Phase = venue.exchange.hours.phase(venue.exchange.clock.now_ns())

    def tick(self, exchange_ns: int, monotonic_ns: int) -> None:
        """Give every session what fell due until an exchange time; books and executions go out separately."""
        self._give_trades(exchange_ns, monotonic_ns)
        self._send_books(exchange_ns, monotonic_ns)
        self._give_expected(exchange_ns, monotonic_ns)
        self._send_operations(exchange_ns)

    def replay(self, session: StreamSession, tr_id: str, code: str) -> None:
        """Give a session the latest executions of a symbol again."""
        count = self._venue.faults.knobs.replay_records
        tape = self._venue.exchange.tape(code)
        silent = code in self._venue.faults.knobs.silent_symbols
        if not count or tape is None or tr_id not in TRADE_STREAMS or silent:
            return
        for trade in list(tape.recent)[-count:]:
            session.due.append(self._trade_due(tape, trade, tr_id))

    def push_operation(self, code: str) -> None:
        """Send a market operation code to everybody registered for market operation."""
        exchange_ns = self._venue.exchange.clock.now_ns()
        for symbol in tuple(self._desk.listeners[fields.TR_MARKET_OPERATION]):
            self._send_operation(symbol, exchange_ns, code)

    def _trade_due(self, tape: SymbolTape, trade: Trade, tr_id: str) -> DueRecord:
        text = trade_record(tape, trade, self._venue.faults.knobs.trade_width)
        return DueRecord(trade.time_ns, tr_id, text, _observed(tape, trade))

    def _give_trades(self, exchange_ns: int, monotonic_ns: int) -> None:
        silent = self._venue.faults.knobs.silent_symbols
        for code, listeners in self._desk.trade_listeners.items():
            tape = self._venue.exchange.tape_at(code, exchange_ns)
            if tape is None:
                continue
            for trade in tape.drain():
                due = self._trade_due(tape, trade, fields.TR_TRADE)
                for tr_id, session in listeners:
                    if code in silent:
                        session.withhold((Withheld(due.observed, "silent_symbol"),))
                    else:
                        session.due.append(due if tr_id == fields.TR_TRADE else due._replace(tr_id=tr_id))

        self._account_for_orphans(exchange_ns, monotonic_ns)

    def _account_for_orphans(self, exchange_ns: int, monotonic_ns: int) -> None:
        """Write down what trades while nobody is registered for it any more."""
        now_ns = self._venue.clock.now_ns()
        for code, why in self._desk.follow(monotonic_ns).items():
            tape = self._venue.exchange.tape_at(code, exchange_ns)
            if tape is None:
                continue
            for trade in tape.drain():
                self._venue.ledger.append(_observed(tape, trade).kept(now_ns, "", why))

    def _send_books(self, exchange_ns: int, monotonic_ns: int) -> None:
        """Queue a snapshot of every registered book, five times a second, in auctions once."""
        knobs = self._venue.faults.knobs
        for code, listeners in self._desk.listeners[fields.TR_BOOK].items():
            since_ns = monotonic_ns - self._book_sent_ns.get(code, 0)
            if since_ns < BOOK_INTERVAL_NS:
                continue
            tape = self._venue.exchange.tape_at(code, exchange_ns)
            if tape is None or tape.halted or code in knobs.silent_symbols:
                continue
            phase = tape.phase(exchange_ns)
            auction = phase in AUCTION_PHASES or tape.frozen(exchange_ns)
            if not auction and phase not in CONTINUOUS_PHASES:
                continue
            if auction and since_ns < _AUCTION_INTERVAL_NS:
                continue
            self._book_sent_ns[code] = monotonic_ns
            book = tape.book(exchange_ns)
            text = data_frame(fields.TR_BOOK, [book_record(tape, exchange_ns, book, knobs.book_fields)])
            time = timestamp_text(exchange_ns)
            observed = Observed("book", code, time, tape.bid, book.total_bid, tape.figures.volume)
            _post(listeners, Outgoing(text, fields.TR_BOOK, (observed,)))

    def _give_expected(self, exchange_ns: int, monotonic_ns: int) -> None:
        """Send expected executions once a second, where and while there is an auction."""
        knobs = self._venue.faults.knobs
        own = self._desk.listeners[messages.TR_EXPECTED]
        codes = {*own, *self._desk.trade_listeners} if knobs.expected_in_trades else own
        for code in codes:
            if monotonic_ns - self._expected_sent_ns.get(code, 0) < _AUCTION_INTERVAL_NS:
                continue
            tape = self._venue.exchange.tape_at(code, exchange_ns)
            phase = None if tape is None else _auction(tape, exchange_ns)
            if tape is None or phase is None or code in knobs.silent_symbols:
                continue
            self._expected_sent_ns[code] = monotonic_ns
            price, volume = expected_price(tape, exchange_ns)
            observed = Observed("expected", code, timestamp_text(exchange_ns), price, volume, tape.figures.volume)
            record = expected_trade_record(tape, exchange_ns, phase, EXPECTED_WIDTH)
            frame = data_frame(messages.TR_EXPECTED, [record])
            _post(own.get(code, ()), Outgoing(frame, messages.TR_EXPECTED, (observed,)))
            if knobs.expected_in_trades:
                record = expected_trade_record(tape, exchange_ns, phase, knobs.trade_width)
                for tr_id, session in self._desk.trade_listeners.get(code, ()):
                    session.due.append(
                        DueRecord(exchange_ns, tr_id, record, observed._replace(kind="trade", expected=True))
                    )

    def _send_operations(self, exchange_ns: int) -> None:
        """Send the beginnings and ends of phases, of interruptions and of halts."""
        listeners = self._desk.listeners[fields.TR_MARKET_OPERATION]
        exchange = self._venue.exchange
        for code in listeners:
            exchange.tape_at(code, exchange_ns)
        events = exchange.conditions.events
        while events:
            event = events.popleft()
            if event.code in listeners:
                self._send_operation(event.code, event.at_ns, _IN_SESSION)
        phase, before = exchange.hours.phase(exchange_ns), self._phase
        if phase != before:
            self._phase = phase
            for operation in (_OPERATION_ENDS.get(before), _OPERATION_BEGINS.get(phase)):
                if operation is not None:
                    self.push_operation(operation)

    def _send_operation(self, symbol: str, at_ns: int, code: str) -> None:
        tape = self._venue.exchange.tape(symbol)
        if tape is None:
            return
        record = operation_record(tape, at_ns, code, self._venue.faults.knobs.operation_width)
        text = data_frame(fields.TR_MARKET_OPERATION, [record])
        observed = Observed("operation", symbol, timestamp_text(at_ns), tape.last, 0, tape.figures.volume)
        listeners = self._desk.listeners[fields.TR_MARKET_OPERATION][symbol]
        _post(listeners, Outgoing(text, fields.TR_MARKET_OPERATION, (observed,)))


def _observed(tape: SymbolTape, trade: Trade) -> Observed:
    at = timestamp_text(trade.time_ns)
    return Observed("trade", tape.listing.code, at, trade.price, trade.volume, trade.total_volume)


def _auction(tape: SymbolTape, exchange_ns: int) -> str | None:
    """Return which auction a symbol is in, None for none."""
    if tape.halted:
        return None
    if tape.frozen(exchange_ns):
        return "vi"
    phase = tape.phase(exchange_ns)
    return phase if phase in AUCTION_PHASES else None


def _post(sessions: Iterable[StreamSession], message: Outgoing) -> None:
    for session in sessions:
        session.post(message)
