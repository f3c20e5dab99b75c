"""What one trading day of one symbol adds up to: volume, value, extremes, buy and sell sums.

Separate from the price process because these sums are the oracle: they grow by exactly what was traded.
"""

from __future__ import annotations

from random import Random
from typing import Final

from observer_core.kis.simulator.listings import Listing
from observer_core.kis.simulator.trading_hours import Session
from observer_core.market.prices import round_to_tick, tick_size

BUY: Final = "1"
AUCTION: Final = "3"
SELL: Final = "5"


class DayFigures:
    """Running sums of one day; prices in KRW, sums in pieces, times in exchange nanoseconds."""

    __slots__ = (
        "base_price",
        "buy_count",
        "buy_volume",
        "high",
        "high_ns",
        "low",
        "low_ns",
        "open",
        "open_ns",
        "sell_count",
        "sell_volume",
        "value",
        "volume",
    )

    def __init__(self, base_price: int) -> None:
        self.base_price = base_price
        self.volume = 0
        self.value = 0
        self.open = self.high = self.low = 0
        self.open_ns = self.high_ns = self.low_ns = 0
        self.sell_count = self.buy_count = 0
        self.sell_volume = self.buy_volume = 0

    def add(self, at_ns: int, price: int, volume: int, side: str) -> None:
        """Count one execution; auction volume belongs to neither side."""
        if self.volume == 0:
            self.open = self.high = self.low = price
            self.open_ns = self.high_ns = self.low_ns = at_ns
        elif price > self.high:
            self.high, self.high_ns = price, at_ns
        elif price < self.low:
            self.low, self.low_ns = price, at_ns
        self.volume += volume
        self.value += volume * price
        if side == BUY:
            self.buy_count += 1
            self.buy_volume += volume
        elif side == SELL:
            self.sell_count += 1
            self.sell_volume += volume


def figures_so_far(
    listing: Listing, rng: Random, session: Session, at_ns: int, limits: tuple[int, int]
) -> tuple[DayFigures, int]:
    """Return plausible figures of a day joined midway at `at_ns`, and the last price; simulates no backlog."""
    figures = DayFigures(listing.base_price)
    elapsed = session.elapsed(at_ns)
    volume = int(listing.previous_volume * elapsed * rng.lognormvariate(0.0, 0.15))
    opened = _near(rng, listing, listing.base_price, limits)
    last = _near(rng, listing, opened, limits)
    if volume == 0 or listing.trades_per_s == 0.0:
        return figures, listing.base_price
    spread = int(abs(rng.gauss(0.0, 0.006)) * last)
    etp = listing.etp
    high = min(_floored(max(opened, last) + spread, etp), limits[1])
    low = max(_floored(min(opened, last) - spread, etp), limits[0])
    figures.open, figures.high, figures.low = opened, max(high, opened, last), min(low, opened, last)
    span_ns = max(at_ns - session.open_ns, 1)
    figures.open_ns = session.open_ns + min(span_ns - 1, int(rng.uniform(0, 30e9)))
    figures.high_ns = figures.open_ns if high == opened else session.open_ns + int(span_ns * rng.random())
    figures.low_ns = figures.open_ns if low == opened else session.open_ns + int(span_ns * rng.random())
    figures.volume = volume
    vwap = (figures.open + figures.high + figures.low + last) / 4
    figures.value = int(volume * vwap)
    auction = int(volume * 0.03)
    figures.buy_volume = int((volume - auction) * rng.uniform(0.44, 0.56))
    figures.sell_volume = volume - auction - figures.buy_volume
    figures.buy_count = max(1, int(figures.buy_volume / listing.trade_volume))
    figures.sell_count = max(1, int(figures.sell_volume / listing.trade_volume))
    return figures, last


def _near(rng: Random, listing: Listing, price: int, limits: tuple[int, int]) -> int:
    moved = round_to_tick(price * (1 + rng.gauss(0.0, 0.009)), listing.etp)
    return min(max(moved, limits[0]), limits[1])


def _floored(price: int, etp: bool) -> int:
    return price - price % tick_size(price, etp)
