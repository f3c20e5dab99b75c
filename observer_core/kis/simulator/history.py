"""The past of a symbol, invented but always the same: daily bars before the simulation, minutes before it was joined.

Separate from the tape, which only knows what it traded itself. The past ends where the tape begins: the last close is
today's base price.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from random import Random
from typing import Final, NamedTuple
from zlib import crc32

from observer_core.kis.simulator.minute_bars import MINUTE_NS, MinuteBar
from observer_core.kis.simulator.tape import SymbolTape
from observer_core.market.prices import round_to_tick

_DAILY_SPREAD: Final = 0.018
_SPLIT_ONE_IN: Final = 10
_SPLIT_DAYS_AGO: Final = 40
_SPLIT_FACTOR: Final = 5


class DailyBar(NamedTuple):
    """One past day, adjusted: its day number, prices in KRW, pieces, and the close before it."""

    day: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    previous_close: int
    split_factor: int
    """What its prices are multiplied with to be raw."""

    @property
    def value(self) -> int:
        """Return the day's value in KRW."""
        return self.volume * (self.open + self.high + self.low + self.close) // 4


def past_days(tape: SymbolTape, today: int, trades: Callable[[int], bool]) -> Iterator[DailyBar]:
    """Yield the trading days before a day number, newest first, without end."""
    listing, close, day, age = tape.listing, tape.base_price, today, 0
    has_split = crc32(listing.code.encode()) % _SPLIT_ONE_IN == 0
    while True:
        day -= 1
        if not trades(day):
            continue
        age += 1
        rng = Random(f"{listing.code}:{day}")
        before = round_to_tick(close * math.exp(rng.gauss(0.0, _DAILY_SPREAD)), listing.etp)
        opened = round_to_tick(before * (1 + rng.gauss(0.0, 0.006)), listing.etp)
        reach = abs(rng.gauss(0.0, 0.008)) * close
        high = max(opened, close, round_to_tick(max(opened, close) + reach, listing.etp))
        low = min(opened, close, round_to_tick(max(min(opened, close) - reach, 1), listing.etp))
        volume = int(listing.previous_volume * (1.0 if age == 1 else rng.lognormvariate(-0.05, 0.35)))
        split = _SPLIT_FACTOR if has_split and age > _SPLIT_DAYS_AGO else 1
        yield DailyBar(day, opened, high, low, close, volume, before, split)
        close = before


def minutes_between(tape: SymbolTape, start_ns: int) -> list[MinuteBar]:
    """Return the minutes from the session's beginning to the moment the tape was joined; they add up to its sums."""
    joined = tape.joined
    if joined.volume == 0 or joined.at_ns <= start_ns:
        return []
    path = (tape.figures.open, joined.price)
    return interpolated(path, (joined.volume, joined.value), start_ns // MINUTE_NS, joined.at_ns // MINUTE_NS)


def interpolated(path: tuple[int, ...], sums: tuple[int, int], first: int, last: int) -> list[MinuteBar]:
    """Return bars of minutes first..last along a path of prices, adding up to (volume, value)."""
    count = last - first + 1
    volume, value = sums
    bars, price = [], path[0]
    for number in range(count):
        position = (number + 1) / count * (len(path) - 1)
        leg = min(int(position), len(path) - 2)
        target = round_to_tick(path[leg] + (path[leg + 1] - path[leg]) * (position - leg))
        part = volume * (number + 1) // count - volume * number // count
        total = value * (number + 1) // count
        bars.append(MinuteBar(first + number, price, max(price, target), min(price, target), target, part, total))
        price = target
    return bars
