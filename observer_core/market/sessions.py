"""The phase of a market at an instant, by a calendar. Pure."""

from datetime import timedelta

from observer_core.clock import NS_PER_S, kst_datetime, kst_day, kst_midnight_ns
from observer_core.ids import TimeNs
from observer_core.market.calendar import Calendar, shipped_calendar
from observer_core.market.phases import KRX, NXT, MarketPhase, Phase, Session

__all__ = ["KRX", "NXT", "MarketPhase", "Phase", "Session", "phase_at"]

_DAY_S = 86_400
_LOOK_AHEAD_DAYS = 30
"""No market stays closed longer; a venue without hours is closed until then."""


def phase_at(now_ns: int, calendar: Calendar | None = None, venue: str = KRX) -> MarketPhase:
    """Return the phase of a market at an instant; without a calendar by the shipped one, which knows no overrides."""
    calendar = shipped_calendar() if calendar is None else calendar
    day = kst_datetime(now_ns).date()
    midnight_ns = kst_midnight_ns(kst_day(now_ns))
    second = (now_ns - midnight_ns) // NS_PER_S
    for ahead in range(_LOOK_AHEAD_DAYS):
        for session in calendar.sessions(day + timedelta(days=ahead), venue):
            from_s, until_s = session.from_s + ahead * _DAY_S, session.until_s + ahead * _DAY_S
            if second < from_s:
                return MarketPhase(Phase.CLOSED, _instant(midnight_ns, from_s))
            if second < until_s:
                return MarketPhase(session.phase, _instant(midnight_ns, until_s))
    return MarketPhase(Phase.CLOSED, _instant(midnight_ns, _LOOK_AHEAD_DAYS * _DAY_S))


def _instant(midnight_ns: int, second: int) -> TimeNs:
    return TimeNs(midnight_ns + second * NS_PER_S)
