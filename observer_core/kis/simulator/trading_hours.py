"""Exchange time: the scaled exchange clock, the hours of trading, and the broker's zone-less time texts.

Separate from the market so that the hours can change without touching prices. All instants are wall-clock
nanoseconds; days are Korean days (UTC+9, no daylight saving), counted from 1970-01-01.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from observer_core.clock import NS_PER_S, Clock

DAY_NS: Final = 86_400 * NS_PER_S
_KST_OFFSET_NS: Final = 9 * 3_600 * NS_PER_S
_OPEN_NS: Final = 9 * 3_600 * NS_PER_S
_CONTINUOUS_END_NS: Final = (15 * 3_600 + 20 * 60) * NS_PER_S
_CLOSING_PRINT_NS: Final = (15 * 3_600 + 30 * 60) * NS_PER_S
_EPOCH: Final = date(1970, 1, 1)
_SATURDAY: Final = 5


class Session(NamedTuple):
    """One day's trading: continuous from `open_ns` to `end_ns`, then one print at `print_ns` (None: none)."""

    open_ns: int
    end_ns: int
    print_ns: int | None

    def elapsed(self, at_ns: int) -> float:
        """Return the part of the continuous trading that has passed, 0.0 to 1.0."""
        return min(max((at_ns - self.open_ns) / (self.end_ns - self.open_ns), 0.0), 1.0)


class TradingHours:
    """Say when the exchange trades: Monday to Friday by the clock, or always when forced open."""

    def __init__(self, always_open: bool = False) -> None:
        self.always_open = always_open

    def is_trading_day(self, day: int) -> bool:
        """Tell whether the exchange opens on a Korean day number."""
        return self.always_open or calendar_date(day).weekday() < _SATURDAY

    def session(self, day: int) -> Session | None:
        """Return the session of a Korean day number, None on a day without trading."""
        if not self.is_trading_day(day):
            return None
        midnight_ns = day * DAY_NS - _KST_OFFSET_NS
        if self.always_open:
            return Session(midnight_ns, midnight_ns + DAY_NS, None)
        return Session(midnight_ns + _OPEN_NS, midnight_ns + _CONTINUOUS_END_NS, midnight_ns + _CLOSING_PRINT_NS)

    def next_session(self, after_day: int) -> tuple[int, Session]:
        """Return the first session on a later day than `after_day`, with its day number."""
        day = after_day + 1
        while (session := self.session(day)) is None:
            day += 1
        return day, session


class ExchangeClock:
    """The exchange's own time: runs from `start_ns` at `speed` times the real pace."""

    def __init__(self, clock: Clock, start_ns: int | None = None, speed: float = 1.0) -> None:
        self._clock = clock
        self._real_start_ns = clock.monotonic_ns()
        self.start_ns = int(clock.now_ns()) if start_ns is None else start_ns
        self.speed = speed

    def now_ns(self) -> int:
        """Return the exchange time in nanoseconds since the epoch."""
        return self.start_ns + int((self._clock.monotonic_ns() - self._real_start_ns) * self.speed)


def kst_day_number(at_ns: int) -> int:
    """Return the Korean day an instant falls on, in days since 1970-01-01."""
    return (at_ns + _KST_OFFSET_NS) // DAY_NS


def calendar_date(day: int) -> date:
    """Return the calendar date of a Korean day number."""
    return _EPOCH + timedelta(days=day)


@lru_cache(maxsize=64)
def date_text(day: int) -> str:
    """Return a Korean day number as YYYYMMDD."""
    return calendar_date(day).strftime("%Y%m%d")


@lru_cache(maxsize=4096)
def _clock_text(second_of_day: int) -> str:
    minutes, seconds = divmod(second_of_day, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}{minutes:02d}{seconds:02d}"


def hour_text(at_ns: int) -> str:
    """Return the Korean time of day as HHMMSS."""
    return _clock_text((at_ns + _KST_OFFSET_NS) // NS_PER_S % 86_400)


def timestamp_text(at_ns: int) -> str:
    """Return the Korean date and time as YYYYMMDDHHMMSS."""
    return date_text(kst_day_number(at_ns)) + hour_text(at_ns)
