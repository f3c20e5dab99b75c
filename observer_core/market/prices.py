"""Price arithmetic of the Korean exchanges: tick sizes and daily limits (KIS protocol notes §7).

Separate because the validator, the analysis code and the simulated exchange need the same rules. All prices
are whole KRW. Validation must not reject off-tick prices: mid-price executions are legal.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

_SHARE_BOUNDS: Final = (2_000, 5_000, 20_000, 50_000, 200_000, 500_000)
_SHARE_TICKS: Final = (1, 5, 10, 50, 100, 500, 1_000)
_ETP_BOUND: Final = 2_000
_ETP_TICK_BELOW: Final = 1
_ETP_TICK_FROM: Final = 5
_LIMIT_PERCENT: Final = 30


def tick_size(price: int, etp: bool = False) -> int:
    """Return the tick in KRW of the price band `price` lies in; ETF and ETN (`etp`) have their own table."""
    if etp:
        return _ETP_TICK_BELOW if price < _ETP_BOUND else _ETP_TICK_FROM
    return _SHARE_TICKS[bisect_right(_SHARE_BOUNDS, price)]


def price_limits(base: int, etp: bool = False) -> tuple[int, int]:
    """Return (lower, upper) daily limits in KRW: base -/+ 30 %, the width floored to the tick of the base.

    Does not hold on a first listing day, in liquidation trading and for leveraged ETPs: where the broker
    states its own limits, those win.
    """
    tick = tick_size(base, etp)
    width = base * _LIMIT_PERCENT // 100 // tick * tick
    return base - width, base + width


def round_to_tick(price: float, etp: bool = False) -> int:
    """Return the nearest on-tick price in KRW, at least one tick; a tie goes up."""
    tick = tick_size(max(int(price), 0), etp)
    return max(tick, int(price / tick + 0.5) * tick)
