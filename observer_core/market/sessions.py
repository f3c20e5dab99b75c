"""The trading day of KRX as data, and the phase at an instant. Pure.

Source: KIS protocol notes §7, hours in force since 2026-09-14. Holidays and special days are not known here yet:
a weekday counts as a session, because collecting on a holiday costs nothing and a missed day cannot be bought back.
"""

from enum import StrEnum
from typing import NamedTuple

from observer_core.clock import NS_PER_S, kst_datetime, kst_day, kst_midnight_ns
from observer_core.ids import TimeNs


class Phase(StrEnum):
    """What the market is doing."""

    CLOSED = "closed"
    PRE_OPEN = "pre_open"
    OPENING_AUCTION = "opening_auction"
    CONTINUOUS = "continuous"
    CLOSING_AUCTION = "closing_auction"
    CLOSED_PRICE = "closed_price"
    AFTER_MARKET = "after_market"


class Session(NamedTuple):
    """One phase of a day: seconds after Korean midnight, end exclusive."""

    phase: Phase
    from_s: int
    until_s: int


def _at(hour: int, minute: int) -> int:
    return hour * 3600 + minute * 60


KRX_SESSIONS: tuple[Session, ...] = (
    Session(Phase.PRE_OPEN, _at(8, 0), _at(8, 30)),
    Session(Phase.OPENING_AUCTION, _at(8, 30), _at(9, 0)),
    Session(Phase.CONTINUOUS, _at(9, 0), _at(15, 20)),
    Session(Phase.CLOSING_AUCTION, _at(15, 20), _at(15, 31)),
    Session(Phase.CLOSED_PRICE, _at(15, 40), _at(16, 0)),
    Session(Phase.AFTER_MARKET, _at(16, 0), _at(20, 0)),
)


class MarketPhase(NamedTuple):
    """A phase and the instant at which the next one begins."""

    phase: Phase
    until_ns: TimeNs


_SATURDAY = 5
_DAY_S = 86_400


def phase_at(now_ns: int, sessions: tuple[Session, ...] = KRX_SESSIONS) -> MarketPhase:
    """Return the phase of the market at an instant."""
    midnight_ns = kst_midnight_ns(kst_day(now_ns))
    if kst_datetime(now_ns).weekday() >= _SATURDAY:
        return MarketPhase(Phase.CLOSED, TimeNs(midnight_ns + _DAY_S * NS_PER_S))
    second = (now_ns - midnight_ns) // NS_PER_S
    for session in sessions:
        if second < session.from_s:
            return MarketPhase(Phase.CLOSED, TimeNs(midnight_ns + session.from_s * NS_PER_S))
        if second < session.until_s:
            return MarketPhase(session.phase, TimeNs(midnight_ns + session.until_s * NS_PER_S))
    return MarketPhase(Phase.CLOSED, TimeNs(midnight_ns + _DAY_S * NS_PER_S))
