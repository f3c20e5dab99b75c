"""Which days the simulated exchange opens, and which of them are shifted: the truth behind chk-holiday.

Separate from the hours, and on purpose not shared with the collector's own calendar: the one is there to check the
other. Days are counted from 1970-01-01 in Korea.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_SATURDAY: Final = 5

_CLOSED: Final = """
    2025-01-01 2025-01-27 2025-01-28 2025-01-29 2025-01-30 2025-03-03 2025-05-01 2025-05-05 2025-05-06
    2025-06-03 2025-06-06 2025-08-15 2025-10-03 2025-10-06 2025-10-07 2025-10-08 2025-10-09 2025-12-25
    2025-12-31 2026-01-01 2026-02-16 2026-02-17 2026-02-18 2026-03-02 2026-05-01 2026-05-05 2026-05-25
    2026-06-03 2026-07-17 2026-08-17 2026-09-24 2026-09-25 2026-10-05 2026-10-09 2026-12-25 2026-12-31
    2027-01-01 2027-02-08 2027-02-09 2027-03-01 2027-05-05 2027-05-13 2027-08-16 2027-09-14 2027-09-15
    2027-09-16 2027-10-04 2027-10-11 2027-12-27 2027-12-31
"""
HOLIDAYS: Final = frozenset(_CLOSED.split())
"""Weekdays without trading, ISO dates."""
EXAM_DAYS: Final = frozenset(("2025-11-13", "2026-11-19", "2027-11-18"))
"""University entrance examination: everything an hour later."""


def day_number(text: str) -> int:
    """Return the day number of an ISO date.

    Raises:
        ValueError: it is not one.
    """
    return date.fromisoformat(text).toordinal() - _EPOCH_ORDINAL


def calendar_date(day: int) -> date:
    """Return the calendar date of a Korean day number."""
    return date.fromordinal(day + _EPOCH_ORDINAL)


class TradingDays:
    """Say whether a day trades and whether it is an exam day; extra days win over the table."""

    def __init__(
        self, holidays: Iterable[str] = (), trading_days: Iterable[str] = (), exam_days: Iterable[str] = ()
    ) -> None:
        """Take ISO dates; `trading_days` win over every holiday and weekend."""
        self._open = frozenset(map(day_number, trading_days))
        self._closed = frozenset(map(day_number, (*HOLIDAYS, *holidays)))
        self._exams = frozenset(map(day_number, (*EXAM_DAYS, *exam_days)))

    def opens(self, day: int) -> bool:
        """Tell whether the exchange opens on a day."""
        if day in self._open:
            return True
        return day not in self._closed and calendar_date(day).weekday() < _SATURDAY

    def is_exam_day(self, day: int) -> bool:
        """Tell whether everything is an hour later."""
        return day in self._exams

    def is_first_of_year(self, day: int) -> bool:
        """Tell whether a trading day is the first one of its year."""
        first = day_number(f"{calendar_date(day).year}-01-01")
        return self.opens(day) and not any(self.opens(earlier) for earlier in range(first, day))
