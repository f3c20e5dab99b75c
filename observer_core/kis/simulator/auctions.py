"""What an auction in progress expects to trade, as a pure function of the symbol's state and the second.

Separate from the tape, which only knows the auction's result: nothing is stored, and whoever asks gets the same.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from zlib import crc32

from observer_core.kis.simulator.tape import SymbolTape
from observer_core.market.prices import tick_size

_REACH_TICKS: Final = 3
_NS_PER_S: Final = 1_000_000_000


class Expected(NamedTuple):
    """The price in KRW and the pieces an auction would trade at."""

    price: int
    volume: int


def expected_price(tape: SymbolTape, exchange_ns: int) -> Expected:
    """Return the expected execution of a second: a few ticks around the last price, within the limits."""
    noise = crc32(f"{tape.listing.code}:{exchange_ns // _NS_PER_S}".encode())
    tick = tick_size(tape.last, tape.listing.etp)
    on_tick = tape.last - tape.last % tick
    price = on_tick + (noise % (2 * _REACH_TICKS + 1) - _REACH_TICKS) * tick
    lower, upper = tape.limits
    return Expected(min(max(price, lower), upper), 1 + int(tape.listing.trade_volume * (20 + noise % 30)))
