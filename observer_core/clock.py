"""The one module that reads clocks; everything else takes the time as an argument or a `Clock`.

Durations use the monotonic clock, rows carry wall time, days are Korean days.
"""

import time
from datetime import datetime, timedelta, timezone
from typing import Protocol

from observer_core.ids import DayNumber, MonotonicNs, TimeNs

KST = timezone(timedelta(hours=9), "KST")
"""Korean time: UTC+9, no daylight saving; the broker's times carry no zone and are all in it."""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """What services ask for the time."""

    def now_ns(self) -> TimeNs:
        """Return wall-clock nanoseconds since the epoch."""
        ...

    def monotonic_ns(self) -> MonotonicNs:
        """Return nanoseconds that never go back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_ns(self) -> TimeNs:
        """Return wall-clock nanoseconds since the epoch."""
        return TimeNs(time.time_ns())  # noqa: TID251 - this is the module

    def monotonic_ns(self) -> MonotonicNs:
        """Return nanoseconds that never go back."""
        return MonotonicNs(time.monotonic_ns())  # noqa: TID251 - this is the module


def kst_datetime(at_ns: int) -> datetime:
    """Return the Korean date and time of a wall-clock instant."""
    # In whole numbers: a float would carry the last nanosecond of a day into the next one.
    seconds, rest_ns = divmod(at_ns, NS_PER_S)
    return datetime.fromtimestamp(seconds, tz=KST).replace(microsecond=rest_ns // 1000)


def kst_day(at_ns: int) -> DayNumber:
    """Return the Korean calendar day of an instant as YYYYMMDD."""
    at = kst_datetime(at_ns)
    return DayNumber(at.year * 10_000 + at.month * 100 + at.day)


def kst_midnight_ns(day: int) -> TimeNs:
    """Return the instant at which a Korean day (YYYYMMDD) begins."""
    at = datetime(day // 10_000, day // 100 % 100, day % 100, tzinfo=KST)
    return TimeNs(int(at.timestamp()) * NS_PER_S)
