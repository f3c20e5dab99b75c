"""Phases of the trading day, to the second."""

from datetime import datetime

import pytest

from observer_core.clock import KST, NS_PER_S
from observer_core.market.sessions import Phase, phase_at


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=KST).timestamp()) * NS_PER_S


@pytest.mark.parametrize(
    ("moment", "phase", "until"),
    [
        ("2026-11-20T07:59:59", Phase.CLOSED, "2026-11-20T08:00:00"),
        ("2026-11-20T08:30:00", Phase.OPENING_AUCTION, "2026-11-20T09:00:00"),
        ("2026-11-20T08:59:59", Phase.OPENING_AUCTION, "2026-11-20T09:00:00"),
        ("2026-11-20T09:00:00", Phase.CONTINUOUS, "2026-11-20T15:20:00"),
        ("2026-11-20T15:20:00", Phase.CLOSING_AUCTION, "2026-11-20T15:31:00"),
        ("2026-11-20T15:31:00", Phase.CLOSED, "2026-11-20T15:40:00"),
        ("2026-11-20T16:00:00", Phase.AFTER_MARKET, "2026-11-20T20:00:00"),
        ("2026-11-20T20:00:00", Phase.CLOSED, "2026-11-23T08:00:00"),
        ("2026-11-21T10:00:00", Phase.CLOSED, "2026-11-23T08:00:00"),
    ],
)
def test_phase_and_its_end(moment: str, phase: Phase, until: str) -> None:
    assert phase_at(at(moment)) == (phase, at(until))
