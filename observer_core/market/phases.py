"""The words for what a market does at an instant: phases, and one phase of a day as a span of seconds. Pure.

Separate from the tables that say when they are, so that tables, calendar and questions share them.
"""

from enum import StrEnum
from typing import NamedTuple

from observer_core.ids import TimeNs

KRX = "KRX"
NXT = "NXT"


class Phase(StrEnum):
    """What the market is doing."""

    CLOSED = "closed"
    PRE_OPEN = "pre_open"
    PRE_MARKET = "pre_market"
    """Trading before the main session (NXT)."""
    OPENING_AUCTION = "opening_auction"
    CONTINUOUS = "continuous"
    CLOSING_AUCTION = "closing_auction"
    CLOSED_PRICE = "closed_price"
    SINGLE_PRICE = "single_price"
    """After-hours auctions every ten minutes; KRX until September 2026."""
    AFTER_MARKET = "after_market"


class Session(NamedTuple):
    """One phase of a day: seconds after Korean midnight, end exclusive."""

    phase: Phase
    from_s: int
    until_s: int


class MarketPhase(NamedTuple):
    """A phase and the instant at which the next one begins; of a closed market, at which it opens next."""

    phase: Phase
    until_ns: TimeNs
