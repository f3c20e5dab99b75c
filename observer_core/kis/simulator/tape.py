"""The market of one symbol: a deterministic sequence of executions in exchange time.

Each symbol has its own generator seeded from (seed, code) and starts at the exchange clock's start, so that
its state at a time is the same whoever asks and whatever else is traded. `advance_to` executes what is due:
symbols nobody looks at cost nothing until they are looked at.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Final, Literal

from observer_core.clock import NS_PER_S
from observer_core.kis.simulator.book import Book, Touch, book_at, step_down, step_up
from observer_core.kis.simulator.conditions import EventKind, MarketConditions, MarketEvent
from observer_core.kis.simulator.day_figures import AUCTION, BUY, SELL, DayFigures, figures_so_far
from observer_core.kis.simulator.executions import Interruption, Joined, Trade, TradeKind
from observer_core.kis.simulator.listings import Listing
from observer_core.kis.simulator.minute_bars import MinuteBars
from observer_core.kis.simulator.trading_hours import Phase, Session, TradingHours, kst_day_number
from observer_core.market.prices import price_limits, round_to_tick, tick_size

NEVER_NS: Final = 2**63 - 1
RECENT_TRADES: Final = 30
BOOK_INTERVAL_NS: Final = NS_PER_S // 5
"""The book of a symbol changes at every execution and at least this often."""

_MOVE_PROBABILITY: Final = 0.15
_PULL: Final = 30.0
"""How strongly buyers or sellers prevail per unit of relative distance from the anchor price."""
_BURST_PROBABILITY: Final = 0.12
_BURST_PART_OF_TIME: Final = 0.03
"""Bursts are short: what the first spell of a tape is drawn with, so that not all start bursting."""
_SURGE_FACTOR: Final = 30.0
_SURGE_NS: Final = 60 * NS_PER_S
_LIQUID_TRADES_PER_S: Final = 0.5
_MAX_VOLUME_FACTOR: Final = 60.0
_CLOSING_PRICE_PACE: Final = 0.03
_AFTER_MARKET_PACE: Final = 0.12
"""Executions outside the main session, in parts of its rate."""
_VI_DISTANCE: Final = 10
"""A price a tenth away from the last single price interrupts trading."""
_VI_RANDOM_END: Final = 0.25
"""Of the auction's length: half a minute of two."""


class SymbolTape:
    """Trade one symbol; `last`, `bid`, `ask` and `figures` are its state after `advance_to`."""

    def __init__(
        self,
        listing: Listing,
        seed: int,
        hours: TradingHours,
        origin_ns: int,
        conditions: MarketConditions | None = None,
    ) -> None:
        self.listing = listing
        self.halted = listing.halted
        self.minutes = MinuteBars()
        self.vi_until_ns = 0
        """When the interruption in force ends; in the past when there is none."""
        self.interruptions: list[Interruption] = []
        """Those since this exchange was started, oldest first."""
        self.recent: deque[Trade] = deque(maxlen=RECENT_TRADES)
        self.pending: list[Trade] | None = None
        self._key = f"{seed}:{listing.code}".encode()
        self._rng = Random(f"{seed}:{listing.code}")
        self._hours = hours
        self._conditions = conditions or MarketConditions()
        self._rate = listing.trades_per_s
        self._spread_ticks = 1 if self._rate >= _LIQUID_TRADES_PER_S else self._rng.randint(1, 3)
        self._intensity = 1.0
        self._regime_until_ns = 0
        self._number = 0
        self._day = 0
        self._session: Session | None = None
        self._next_kind: TradeKind = "opening"
        self.bid = self.ask = self.last = 0
        self._set_base(listing.base_price)
        self._join_day(origin_ns)
        self._anchor = float(self.last)
        self.joined = Joined(origin_ns, self.figures.volume, self.figures.value, self.last)
        """The state the tape began the current day with."""
        self.vi_reference = self.figures.open or self.base_price
        self.close = self.last
        """Last price of the main session: after it the closing auction's, whatever the after-market does."""
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

    def frozen(self, exchange_ns: int) -> bool:
        """Tell whether a volatility interruption is in force."""
        return exchange_ns < self.vi_until_ns

    def phase(self, exchange_ns: int) -> Phase:
        """Return the phase of trading of this symbol, which not everything goes through."""
        phase = self._hours.phase(exchange_ns)
        if phase in ("closing_price", "after_market") and not self._trades_late(phase):
            return "closed"
        return phase

    def interrupt(self, exchange_ns: int) -> bool:
        """Freeze the symbol as a volatility interruption does, if it is traded continuously; tell whether it was."""
        self.advance_to(exchange_ns)
        if self._next_kind != "continuous" or self.frozen(exchange_ns):
            return False
        self._begin_vi(exchange_ns)
        return True

    def surge(self, exchange_ns: int) -> bool:
        """Trade many times as fast for a minute, if the symbol is traded continuously; tell whether it was."""
        self.advance_to(exchange_ns)
        if self._next_kind != "continuous" or self.frozen(exchange_ns):
            return False
        self._intensity, self._regime_until_ns = _SURGE_FACTOR, exchange_ns + _SURGE_NS
        self._next_kind, self.next_ns = self._schedule(exchange_ns)
        return True

    def halt(self, exchange_ns: int) -> bool:
        """Stop trading until `resume`; tell whether that changed anything."""
        self.advance_to(exchange_ns)
        if self.halted:
            return False
        self.halted = True
        self._next_kind, self.next_ns = "opening", NEVER_NS
        self._report(exchange_ns, "halt")
        return True

    def resume(self, exchange_ns: int) -> bool:
        """End a halt, except one the listing began with; tell whether that changed anything."""
        if not self.halted or self.listing.halted:
            return False
        self.halted = False
        if kst_day_number(exchange_ns) != self._day:
            self._day = kst_day_number(exchange_ns)
            self._session = self._hours.session(self._day)
        self._next_kind, self.next_ns = self._first_execution(exchange_ns)
        self._report(exchange_ns, "resume")
        return True

    def add_off_book(self, exchange_ns: int, price: int, volume: int) -> None:
        """Count a negotiated deal into the day's volume and value; it is no execution of the book and no stream's."""
        self.advance_to(exchange_ns)
        self.figures.volume += volume
        self.figures.value += price * volume

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
        self._session = self._hours.session(self._day)
        self.figures = DayFigures(self.base_price)
        self.last = self.base_price
        if self._session is not None and origin_ns > self._session.open_ns:
            limits = (self._floor, self._ceiling)
            self.figures, self.last = figures_so_far(self.listing, self._rng, self._session, origin_ns, limits)

    def _first_execution(self, origin_ns: int) -> tuple[TradeKind, int]:
        if self._rate == 0.0:
            return "opening", NEVER_NS
        session = self._session
        if session is None or origin_ns >= session.last_ns:
            return "opening", self._next_opening_ns()
        if origin_ns <= session.open_ns:
            return "opening", session.open_ns + self._jitter_ns(session)
        return self._schedule(origin_ns)

    def _schedule(self, after_ns: int) -> tuple[TradeKind, int]:
        """Draw the next execution: in continuous trading, else what follows it that day, else the next opening."""
        if after_ns >= self._regime_until_ns:
            self._change_regime(after_ns)
        wait_ns = int(self._rng.expovariate(self._rate * self._intensity) * NS_PER_S)
        session = self._session
        if session is not None:
            if (at_ns := after_ns + 1 + wait_ns) < session.end_ns:
                return "continuous", at_ns
            if session.print_ns is not None and after_ns < session.print_ns:
                return "closing", session.print_ns + self._jitter_ns(session)
            if (late := self._late_execution(session, after_ns, wait_ns)) is not None:
                return late
        return "opening", self._next_opening_ns()

    def _late_execution(self, session: Session, after_ns: int, wait_ns: int) -> tuple[TradeKind, int] | None:
        """Return the next execution at the closing price or in the after-market, None when there is none left."""
        periods: tuple[tuple[Literal["closing_price", "after_market"], tuple[int, int] | None, float], ...] = (
            ("closing_price", session.closing_price_ns, _CLOSING_PRICE_PACE),
            ("after_market", session.after_market_ns, _AFTER_MARKET_PACE),
        )
        for kind, period, pace in periods:
            if period is None or not self._trades_late(kind):
                continue
            at_ns = max(after_ns, period[0]) + 1 + int(wait_ns / pace)
            if at_ns < period[1]:
                return kind, at_ns
        return None

    def _trades_late(self, phase: Phase) -> bool:
        """Tell whether the symbol takes part after the close: not untraded ones, in the after-market no products."""
        if self.figures.volume == 0 or self.halted:
            return False
        return phase != "after_market" or (self.listing.group == "ST" and not self.listing.administrative)

    def _next_opening_ns(self) -> int:
        _, session = self._hours.next_session(self._day)
        return session.open_ns + self._jitter_ns(session)

    def _jitter_ns(self, session: Session) -> int:
        return int(self._rng.uniform(0.0, session.jitter_s) * NS_PER_S)

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
        price, volume, side = self._strike(kind, at_ns)
        self.last = price
        if kind != "after_market":
            self.close = price
        self._number += 1
        self.figures.add(at_ns, price, volume, side)
        self.minutes.add(at_ns, price, volume, self.figures.value)
        self._record(at_ns, price, volume, side)
        self._next_kind, self.next_ns = self._schedule(at_ns)
        if kind == "continuous":
            if self._conditions.automatic_vi and self._next_kind == "continuous" and self._is_far(price):
                self._begin_vi(at_ns)
        elif kind == "vi":
            self._report(at_ns, "vi_off")

    def _strike(self, kind: TradeKind, at_ns: int) -> tuple[int, int, str]:
        """Return price, volume and side of an execution."""
        if kind in ("continuous", "after_market"):
            price, side = self._match()
            return price, self._volume(1.0), side
        if kind == "closing_price":
            return self.close, self._volume(1.0), BUY if self._rng.random() < 0.5 else SELL
        if kind == "opening":
            self._open_day(at_ns)
        price = self._auction_price()
        self.vi_reference = price
        return price, self._volume(self._rate * 30 + 2), AUCTION

    def _is_far(self, price: int) -> bool:
        return abs(price - self.vi_reference) * _VI_DISTANCE >= self.vi_reference

    def _begin_vi(self, at_ns: int) -> None:
        """Stop continuous trading for a call auction; what would outlast the session ends with it."""
        until_ns = at_ns + int(self._conditions.vi_duration_ns * self._rng.uniform(1.0, 1.0 + _VI_RANDOM_END))
        end_ns = self._session.end_ns if self._session is not None else until_ns
        if until_ns < end_ns:
            self._next_kind, self.next_ns = "vi", until_ns
        else:
            until_ns = end_ns
            self._next_kind, self.next_ns = self._schedule(end_ns)
        self.vi_until_ns = until_ns
        self.interruptions.append(Interruption(at_ns, until_ns, self.last, self.vi_reference))
        self._report(at_ns, "vi_on")

    def _report(self, at_ns: int, kind: EventKind) -> None:
        self._conditions.events.append(MarketEvent(self.listing.code, at_ns, kind))

    def _match(self) -> tuple[int, str]:
        """Hit one side of the book, sometimes its middle, and let the hit side give way."""
        rng = self._rng
        bid, ask = self.bid, self.ask
        pull = (self._anchor / bid - 1) * _PULL
        buys = rng.random() < 0.5 + min(max(pull, -0.4), 0.4)
        price = ask if buys else bid
        chance = rng.random()
        if chance < self._conditions.off_tick_rate and (bid + ask) % 2 == 0:
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
            self._set_base(self.close - self.close % tick_size(self.close, self.listing.etp))
            self.figures = DayFigures(self.base_price)
            self._anchor = float(self.base_price)
            self.minutes.clear()
            self.joined = Joined(at_ns, 0, 0, 0)

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
            self._next_kind,
        )
        self.recent.append(trade)
        if self.pending is not None:
            self.pending.append(trade)
