"""The one-minute bars of a symbol's current day, as traded.

Separate from the tape: storage that must stay small for two thousand symbols, so bars are packed, one per minute that
had a trade.
"""

from __future__ import annotations

from array import array
from typing import Final, NamedTuple

from observer_core.clock import NS_PER_S

MINUTE_NS: Final = 60 * NS_PER_S
_WIDTH: Final = 7


class MinuteBar(NamedTuple):
    """One minute: its number since 1970, prices in KRW, pieces, and the day's value at its end."""

    minute: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    total_value: int


class MinuteBars:
    """Add trades in order of time; read bars in that order."""

    def __init__(self) -> None:
        self._cells = array("q")

    def clear(self) -> None:
        """Begin a new day."""
        del self._cells[:]

    def add(self, at_ns: int, price: int, volume: int, total_value: int) -> None:
        """Count one execution."""
        cells, minute = self._cells, at_ns // MINUTE_NS
        if not cells or cells[-_WIDTH] != minute:
            cells.extend((minute, price, price, price, price, volume, total_value))
            return
        if price > cells[-5]:
            cells[-5] = price
        elif price < cells[-4]:
            cells[-4] = price
        cells[-3] = price
        cells[-2] += volume
        cells[-1] = total_value

    def all(self) -> list[MinuteBar]:
        """Return the bars, oldest first."""
        cells = self._cells
        return [MinuteBar(*cells[start : start + _WIDTH]) for start in range(0, len(cells), _WIDTH)]
