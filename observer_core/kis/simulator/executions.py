"""What a symbol's market produces: executions, interruptions, and the state a day was joined with.

Data only, separate from the tape that makes them, because everything that tells of the market reads these.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

TradeKind = Literal["opening", "continuous", "vi", "closing", "closing_price", "after_market"]


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
    kind: TradeKind


class Interruption(NamedTuple):
    """A volatility interruption: its span in exchange time, the price that caused it and its reference, KRW."""

    from_ns: int
    until_ns: int
    price: int
    reference: int


class Joined(NamedTuple):
    """What a tape had behind it when it began a day: time, pieces, value and price in KRW; zeros at an opening."""

    at_ns: int
    volume: int
    value: int
    price: int
