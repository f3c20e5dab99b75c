"""Exchange time: the scaled exchange clock, the hours of trading, and the broker's zone-less time texts.

Separate from the market so that the hours can change without touching prices. All instants are wall-clock
nanoseconds; days are Korean days (UTC+9, no daylight saving), counted from 1970-01-01.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

from observer_core.clock import NS_PER_S, Clock
from observer_core.kis.simulator.trading_days import TradingDays, calendar_date, day_number

DAY_NS: Final = 86_400 * NS_PER_S
_KST_OFFSET_NS: Final = 9 * 3_600 * NS_PER_S
_MINUTE_NS: Final = 60 * NS_PER_S
_HOUR_NS: Final = 3_600 * NS_PER_S
_AFTER_MARKET_SINCE: Final = day_number("2026-09-14")
LONGEST_JITTER_S: Final = 20.0
"""The first print of a symbol after an auction comes so much later at most."""

Phase: TypeAlias = Literal[
    "closed", "opening_auction", "continuous", "closing_auction", "closing_price", "after_market"
]
CONTINUOUS_PHASES: Final[frozenset[Phase]] = frozenset(("continuous", "after_market"))
AUCTION_PHASES: Final[frozenset[Phase]] = frozenset(("opening_auction", "closing_auction"))


class Session(NamedTuple):
    """One day's trading, as instants.

    Continuous from `open_ns` to `end_ns`, one print at `print_ns`, then (from, until) at the closing price and in the
    continuous after-market; None: not on that day. Orders for the opening are taken from `auction_ns`.
    """

    open_ns: int
    end_ns: int
    print_ns: int | None
    auction_ns: int = 0
    closing_price_ns: tuple[int, int] | None = None
    after_market_ns: tuple[int, int] | None = None
    jitter_s: float = LONGEST_JITTER_S

    @property
    def last_ns(self) -> int:
        """Return when nothing can trade any more on that day."""
        if self.after_market_ns is not None:
            return self.after_market_ns[1]
        return self.print_ns or self.end_ns

    def elapsed(self, at_ns: int) -> float:
        """Return the part of the continuous trading that has passed, 0.0 to 1.0."""
        return min(max((at_ns - self.open_ns) / (self.end_ns - self.open_ns), 0.0), 1.0)

    def phase(self, at_ns: int) -> Phase:
        """Return the phase an instant of that day lies in."""
        if at_ns < self.open_ns:
            return "opening_auction" if at_ns >= self.auction_ns else "closed"
        if at_ns < self.end_ns:
            return "continuous"
        if self.print_ns is not None and at_ns < self.print_ns:
            return "closing_auction"
        if self.closing_price_ns is not None and self.closing_price_ns[0] <= at_ns < self.closing_price_ns[1]:
            return "closing_price"
        if self.after_market_ns is not None and self.after_market_ns[0] <= at_ns < self.after_market_ns[1]:
            return "after_market"
        return "closed"


class DayHours(NamedTuple):
    """The regular hours, as nanoseconds after Korean midnight."""

    auction_ns: int = 8 * _HOUR_NS + 30 * _MINUTE_NS
    open_ns: int = 9 * _HOUR_NS
    end_ns: int = 15 * _HOUR_NS + 20 * _MINUTE_NS
    print_ns: int = 15 * _HOUR_NS + 30 * _MINUTE_NS
    closing_price_ns: tuple[int, int] | None = (15 * _HOUR_NS + 40 * _MINUTE_NS, 16 * _HOUR_NS)
    after_market_ns: tuple[int, int] | None = (16 * _HOUR_NS, 20 * _HOUR_NS)
    jitter_s: float = LONGEST_JITTER_S


REGULAR_HOURS: Final = DayHours()


class TradingHours:
    """Say when the exchange trades (KIS protocol notes §7), or always when forced open."""

    def __init__(
        self, always_open: bool = False, days: TradingDays | None = None, hours: DayHours = REGULAR_HOURS
    ) -> None:
        self.always_open = always_open
        self._days = days or TradingDays()
        self._hours = hours
        self._sessions: dict[int, Session | None] = {}

    def is_trading_day(self, day: int) -> bool:
        """Tell whether the exchange opens on a Korean day number."""
        return self.always_open or self._days.opens(day)

    def session(self, day: int) -> Session | None:
        """Return the session of a Korean day number, None on a day without trading."""
        if day not in self._sessions:
            self._sessions[day] = self._make_session(day)
        return self._sessions[day]

    def phase(self, at_ns: int) -> Phase:
        """Return the phase of an instant."""
        session = self.session(kst_day_number(at_ns))
        return "closed" if session is None else session.phase(at_ns)

    def next_session(self, after_day: int) -> tuple[int, Session]:
        """Return the first session on a later day than `after_day`, with its day number."""
        day = after_day + 1
        while (session := self.session(day)) is None:
            day += 1
        return day, session

    def _make_session(self, day: int) -> Session | None:
        if not self.is_trading_day(day):
            return None
        midnight_ns = day * DAY_NS - _KST_OFFSET_NS
        if self.always_open:
            return Session(midnight_ns, midnight_ns + DAY_NS, None)
        zero_ns = midnight_ns + (_HOUR_NS if self._days.is_exam_day(day) else 0)
        hours = self._hours
        open_ns = zero_ns + hours.open_ns + (_HOUR_NS if self._days.is_first_of_year(day) else 0)
        has_after_market = hours is not REGULAR_HOURS or day >= _AFTER_MARKET_SINCE
        return Session(
            open_ns,
            zero_ns + hours.end_ns,
            zero_ns + hours.print_ns,
            open_ns - (hours.open_ns - hours.auction_ns),
            _from(zero_ns, hours.closing_price_ns),
            _from(zero_ns, hours.after_market_ns) if has_after_market else None,
            hours.jitter_s,
        )


def _from(zero_ns: int, span_ns: tuple[int, int] | None) -> tuple[int, int] | None:
    return None if span_ns is None else (zero_ns + span_ns[0], zero_ns + span_ns[1])


class ExchangeClock:
    """The exchange's own time: runs from `start_ns` at `speed` times the real pace."""

    def __init__(self, clock: Clock, start_ns: int | None = None, speed: float = 1.0) -> None:
        self._clock = clock
        self._real_start_ns = clock.monotonic_ns()
        self.start_ns = int(clock.now_ns()) if start_ns is None else start_ns
        self.speed = speed
        self._base_ns = self.start_ns

    def now_ns(self) -> int:
        """Return the exchange time in nanoseconds since the epoch."""
        return self._base_ns + int((self._clock.monotonic_ns() - self._real_start_ns) * self.speed)

    def set_speed(self, speed: float) -> None:
        """Run at another pace from now on; the time of now does not jump."""
        self._base_ns, self._real_start_ns = self.now_ns(), self._clock.monotonic_ns()
        self.speed = speed


def kst_day_number(at_ns: int) -> int:
    """Return the Korean day an instant falls on, in days since 1970-01-01."""
    return (at_ns + _KST_OFFSET_NS) // DAY_NS


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
