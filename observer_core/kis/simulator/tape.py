"""The market of one symbol: a deterministic sequence of executions in exchange time.

Each symbol has its own generator seeded from (seed, code) and starts at the exchange clock's start, so that
its state at a time is the same whoever asks and whatever else is traded. `advance_to` executes what is due:
symbols nobody looks at cost nothing until they are looked at.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Final

import msgspec

from observer_core.clock import NS_PER_S
from observer_core.kis.simulator.book import Book, Touch, book_at, step_down, step_up
from observer_core.kis.simulator.day_figures import AUCTION, BUY, SELL, DayFigures, figures_so_far
from observer_core.kis.simulator.listings import Listing
from observer_core.kis.simulator.trading_hours import Session, TradingHours, kst_day_number
from observer_core.market.prices import price_limits, round_to_tick, tick_size

NEVER_NS: Final = 2**63 - 1
RECENT_TRADES: Final = 30
BOOK_INTERVAL_NS: Final = NS_PER_S // 5
"""The book of a symbol changes at every execution and at least this often."""

_MOVE_PROBABILITY: Final = 0.15
_MID_PRICE_PROBABILITY: Final = 0.004
_PULL: Final = 30.0
"""How strongly buyers or sellers prevail per unit of relative distance from the anchor price."""
_BURST_PROBABILITY: Final = 0.12
_BURST_PART_OF_TIME: Final = 0.03
"""Bursts are short: what the first spell of a tape is drawn with, so that not all start bursting."""
_LIQUID_TRADES_PER_S: Final = 0.5
_OPENING_JITTER_S: Final = 20.0
_MAX_VOLUME_FACTOR: Final = 60.0


class Trade(msgspec.Struct, frozen=True):
    """One execution with the day's figures just after it; prices in KRW, volumes in pieces."""

    number: int
    time_ns: int
    price: int
    volume: int
    side: str
    bid: int
    ask: int
    open: int
    high: int
    low: int
    open_ns: int
    high_ns: int
    low_ns: int
    total_volume: int
    total_value: int
    sell_count: int
    buy_count: int
    sell_volume: int
    buy_volume: int
    base_price: int
    elapsed: float


class SymbolTape:
    """Trade one symbol; `last`, `bid`, `ask` and `figures` are its state after `advance_to`."""

    def __init__(self, listing: Listing, seed: int, hours: TradingHours, origin_ns: int) -> None:
        self.listing = listing
        self.recent: deque[Trade] = deque(maxlen=RECENT_TRADES)
        self.pending: list[Trade] | None = None
        self._key = f"{seed}:{listing.code}".encode()
        self._rng = Random(f"{seed}:{listing.code}")
        self._hours = hours
        self._rate = listing.trades_per_s
        self._spread_ticks = 1 if self._rate >= _LIQUID_TRADES_PER_S else self._rng.randint(1, 3)
        self._intensity = 1.0
        self._regime_until_ns = 0
        self._number = 0
        self.bid = self.ask = 0
        self._set_base(listing.base_price)
        self._join_day(origin_ns)
        self._anchor = float(self.last)
        self._quote_around(self.last)
        self._next_kind, self.next_ns = self._first_execution(origin_ns)

    def advance_to(self, exchange_ns: int) -> None:
        """Execute every trade due until `exchange_ns`; kept in `pending` while the tape is tapped."""
        while self.next_ns <= exchange_ns:
            self._execute()

    def tap(self, exchange_ns: int) -> None:
        """Start to keep trades later than `exchange_ns` for the stream."""
        self.advance_to(exchange_ns)
        if self.pending is None:
            self.pending = []

    def untap(self) -> None:
        """Stop keeping trades."""
        self.pending = None

    def drain(self) -> list[Trade]:
        """Return the kept trades, oldest first, and forget them."""
        taken = self.pending
        if not taken:
            return []
        self.pending = []
        return taken

    def book(self, exchange_ns: int) -> Book:
        """Return the ten levels at a time the tape has been advanced to."""
        return self._book(self.bid, self.ask, (self._number, exchange_ns // BOOK_INTERVAL_NS))

    def book_of(self, trade: Trade) -> Book:
        """Return the ten levels just after a trade."""
        return self._book(trade.bid, trade.ask, (trade.number, trade.time_ns // BOOK_INTERVAL_NS))

    def elapsed(self, exchange_ns: int) -> float:
        """Return the part of the symbol's current trading day that has passed, 0.0 to 1.0."""
        return self._session.elapsed(exchange_ns) if self._session else 1.0

    def _book(self, bid: int, ask: int, stamp: tuple[int, int]) -> Book:
        typical = self.listing.trade_volume * 6
        lower, upper = self.limits
        return book_at(Touch(bid, ask, lower, upper, typical, self.listing.etp), self._key, stamp)

    def _set_base(self, base_price: int) -> None:
        """Fix a day's base price, limits, and the legal prices next to the limits."""
        etp = self.listing.etp
        self.base_price = base_price
        self.limits = price_limits(base_price, etp)
        lower, upper = self.limits
        self._floor, self._ceiling = lower, upper - upper % tick_size(upper, etp)

    def _join_day(self, origin_ns: int) -> None:
        """Set the figures of the day the exchange clock starts in, without simulating what was before."""
        self._day = kst_day_number(origin_ns)
        self._session: Session | None = self._hours.session(self._day)
        self.figures = DayFigures(self.base_price)
        self.last = self.base_price
        if self._session is not None and origin_ns > self._session.open_ns:
            limits = (self._floor, self._ceiling)
            self.figures, self.last = figures_so_far(self.listing, self._rng, self._session, origin_ns, limits)

    def _first_execution(self, origin_ns: int) -> tuple[str, int]:
        if self._rate == 0.0:
            return "none", NEVER_NS
        session = self._session
        if session is None or origin_ns >= (session.print_ns or session.end_ns):
            return "opening", self._next_opening_ns()
        if origin_ns < session.open_ns:
            return "opening", session.open_ns + self._jitter_ns()
        return self._schedule(origin_ns)

    def _schedule(self, after_ns: int) -> tuple[str, int]:
        """Draw the next execution: in continuous trading, else the closing print, else the next opening."""
        if after_ns >= self._regime_until_ns:
            self._change_regime(after_ns)
        at_ns = after_ns + 1 + int(self._rng.expovariate(self._rate * self._intensity) * NS_PER_S)
        session = self._session
        if session is not None:
            if at_ns < session.end_ns:
                return "continuous", at_ns
            if session.print_ns is not None and after_ns < session.print_ns:
                return "closing", session.print_ns + self._jitter_ns()
        return "opening", self._next_opening_ns()

    def _next_opening_ns(self) -> int:
        return self._hours.next_session(self._day)[1].open_ns + self._jitter_ns()

    def _jitter_ns(self) -> int:
        return int(self._rng.uniform(0.0, _OPENING_JITTER_S) * NS_PER_S)

    def _change_regime(self, at_ns: int) -> None:
        """Enter a calm or a bursting spell and move the price the market gravitates to."""
        rng = self._rng
        probability = _BURST_PROBABILITY if self._regime_until_ns else _BURST_PART_OF_TIME
        if rng.random() < probability:
            self._intensity, duration_s, shock = rng.uniform(3.0, 6.0), rng.uniform(20.0, 90.0), 0.02
        else:
            self._intensity, duration_s, shock = rng.uniform(0.6, 1.1), rng.expovariate(1 / 240), 0.003
        self._regime_until_ns = at_ns + int(duration_s * NS_PER_S)
        home = self._anchor + (self.base_price - self._anchor) * 0.05
        self._anchor = min(max(home * (1 + rng.gauss(0.0, shock)), self._floor * 1.02), self._ceiling * 0.98)

    def _execute(self) -> None:
        at_ns, kind = self.next_ns, self._next_kind
        if kind == "continuous":
            price, side = self._match()
            volume = self._volume(1.0)
        else:
            if kind == "opening":
                self._open_day(at_ns)
            price, side = self._auction_price(), AUCTION
            volume = self._volume(self._rate * 30 + 2)
        self.last = price
        self._number += 1
        self.figures.add(at_ns, price, volume, side)
        self._record(at_ns, price, volume, side)
        self._next_kind, self.next_ns = self._schedule(at_ns)

    def _match(self) -> tuple[int, str]:
        """Hit one side of the book, sometimes its middle, and let the hit side give way."""
        rng = self._rng
        bid, ask = self.bid, self.ask
        pull = (self._anchor / bid - 1) * _PULL
        buys = rng.random() < 0.5 + min(max(pull, -0.4), 0.4)
        price = ask if buys else bid
        chance = rng.random()
        if chance < _MID_PRICE_PROBABILITY and (bid + ask) % 2 == 0:
            price = (bid + ask) // 2
        elif chance > 1 - _MOVE_PROBABILITY:
            etp = self.listing.etp
            self._set_quote(step_up(bid, etp) if buys else step_down(bid, etp))
        return price, BUY if buys else SELL

    def _auction_price(self) -> int:
        """Return a single price near the last one and requote around it."""
        price = round_to_tick(self.last * (1 + self._rng.gauss(0.0, 0.004)), self.listing.etp)
        price = min(max(price, self._floor), self._ceiling)
        self._quote_around(price)
        return price

    def _open_day(self, at_ns: int) -> None:
        """Begin a later trading day on the last price as its base; the first day keeps its base."""
        day = kst_day_number(at_ns)
        if day != self._day:
            self._day = day
            self._session = self._hours.session(day)
            self._set_base(self.last - self.last % tick_size(self.last, self.listing.etp))
            self.figures = DayFigures(self.base_price)
            self._anchor = float(self.base_price)

    def _quote_around(self, price: int) -> None:
        """Put the best prices at and above a price, lower where the upper limit is in the way."""
        bid = price - price % tick_size(price, self.listing.etp)
        while self._ask_above(bid) > self._ceiling:
            bid = step_down(bid, self.listing.etp)
        self.bid, self.ask = bid, self._ask_above(bid)

    def _set_quote(self, bid: int) -> None:
        """Move the best prices so that they stay within the daily limits; else leave them."""
        ask = self._ask_above(bid)
        if bid >= self._floor and ask <= self._ceiling:
            self.bid, self.ask = bid, ask

    def _ask_above(self, bid: int) -> int:
        ask = bid
        for _ in range(self._spread_ticks):
            ask = step_up(ask, self.listing.etp)
        return ask

    def _volume(self, factor: float) -> int:
        drawn = min(self._rng.lognormvariate(-0.72, 1.2), _MAX_VOLUME_FACTOR)
        return max(1, int(self.listing.trade_volume * drawn * factor))

    def _record(self, at_ns: int, price: int, volume: int, side: str) -> None:
        day = self.figures
        trade = Trade(
            self._number,
            at_ns,
            price,
            volume,
            side,
            self.bid,
            self.ask,
            day.open,
            day.high,
            day.low,
            day.open_ns,
            day.high_ns,
            day.low_ns,
            day.volume,
            day.value,
            day.sell_count,
            day.buy_count,
            day.sell_volume,
            day.buy_volume,
            self.base_price,
            self.elapsed(at_ns),
        )
        self.recent.append(trade)
        if self.pending is not None:
            self.pending.append(trade)
