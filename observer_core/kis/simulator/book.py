"""The ten-level order book of a symbol at one moment, as a pure function of its state.

Nothing is stored: sizes come from a hash of (symbol, stamp), so that the book is the same whoever asks for it
and costs nothing while nobody does.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from observer_core.market.prices import tick_size

LEVELS: Final = 10
_LADDERS_KEPT: Final = 8_192
"""Ladders of prices kept: the same few are asked for again and again."""
_UNPACK: Final = struct.Struct("<20H").unpack
_PACK: Final = struct.Struct("<QQ").pack
_DEPTH: Final = tuple(0.6 + 0.18 * level for level in range(LEVELS)) * 2
"""Deeper levels carry more."""


class Touch(NamedTuple):
    """What the book is built from: best prices and daily limits in KRW, typical pieces per level."""

    bid: int
    ask: int
    lower: int
    upper: int
    typical_volume: float
    etp: bool


class Book(NamedTuple):
    """Ten levels a side, best first; a level beyond the daily limit has price 0 and size 0."""

    ask_prices: tuple[int, ...]
    bid_prices: tuple[int, ...]
    ask_sizes: tuple[int, ...]
    bid_sizes: tuple[int, ...]
    total_ask: int
    total_bid: int


def step_up(price: int, etp: bool) -> int:
    """Return the next legal price above."""
    tick = tick_size(price, etp)
    return price - price % tick + tick


def step_down(price: int, etp: bool) -> int:
    """Return the next legal price below, 0 when there is none."""
    tick = tick_size(price - 1, etp) if price > 1 else 1
    return max((price - 1) // tick * tick, 0)


def book_at(touch: Touch, symbol_key: bytes, stamp: tuple[int, int]) -> Book:
    """Return the book for a touch; `symbol_key` (<= 64 bytes) and `stamp` choose the sizes."""
    ask_prices = _climb(touch.ask, touch.upper, touch.etp)
    bid_prices = _descend(touch.bid, touch.lower, touch.etp)
    noise = _UNPACK(blake2b(_PACK(*stamp), digest_size=40, key=symbol_key).digest())
    scale = touch.typical_volume / 32_768
    sizes = [1 + int(scale * depth * (value + 400)) for depth, value in zip(_DEPTH, noise, strict=True)]
    ask_sizes = tuple([size if price else 0 for size, price in zip(sizes[:LEVELS], ask_prices, strict=True)])
    bid_sizes = tuple([size if price else 0 for size, price in zip(sizes[LEVELS:], bid_prices, strict=True)])
    return Book(ask_prices, bid_prices, ask_sizes, bid_sizes, sum(ask_sizes), sum(bid_sizes))


@lru_cache(maxsize=_LADDERS_KEPT)
def _climb(price: int, upper: int, etp: bool) -> tuple[int, ...]:
    levels = []
    for _ in range(LEVELS):
        levels.append(price if price <= upper else 0)
        price = step_up(price, etp)
    return tuple(levels)


@lru_cache(maxsize=_LADDERS_KEPT)
def _descend(price: int, lower: int, etp: bool) -> tuple[int, ...]:
    levels = []
    for _ in range(LEVELS):
        levels.append(price if price >= lower else 0)
        price = step_down(price, etp)
    return tuple(levels)
