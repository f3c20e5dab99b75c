"""Days and phases of the simulated exchange, to the second."""

from datetime import datetime

import pytest

from observer_core.clock import KST, NS_PER_S
from observer_core.kis.simulator.trading_days import EXAM_DAYS, HOLIDAYS, TradingDays, calendar_date, day_number
from observer_core.kis.simulator.trading_hours import TradingHours


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=KST).timestamp()) * NS_PER_S


@pytest.mark.parametrize("text", sorted(HOLIDAYS))
def test_every_holiday_of_the_table_is_a_weekday_that_stays_closed(text: str) -> None:
    day = day_number(text)
    assert calendar_date(day).weekday() < 5
    assert not TradingDays().opens(day)
    assert TradingDays(trading_days=[text]).opens(day)


def test_exam_days_trade() -> None:
    assert all(TradingDays().opens(day_number(text)) for text in EXAM_DAYS)


@pytest.mark.parametrize(
    ("instant", "phase"),
    [
        ("2026-11-20T08:29:59", "closed"),
        ("2026-11-20T08:30:00", "opening_auction"),
        ("2026-11-20T08:59:59", "opening_auction"),
        ("2026-11-20T09:00:00", "continuous"),
        ("2026-11-20T15:19:59", "continuous"),
        ("2026-11-20T15:20:00", "closing_auction"),
        ("2026-11-20T15:30:00", "closed"),
        ("2026-11-20T15:40:00", "closing_price"),
        ("2026-11-20T16:00:00", "after_market"),
        ("2026-11-20T19:59:59", "after_market"),
        ("2026-11-20T20:00:00", "closed"),
        ("2026-11-21T10:00:00", "closed"),
        ("2026-09-11T16:30:00", "closed"),
        ("2026-09-14T16:30:00", "after_market"),
        ("2026-11-19T09:29:59", "closed"),
        ("2026-11-19T09:30:00", "opening_auction"),
        ("2026-11-19T10:00:00", "continuous"),
        ("2026-11-19T16:19:59", "continuous"),
        ("2026-11-19T16:20:00", "closing_auction"),
        ("2026-11-19T20:30:00", "after_market"),
        ("2026-01-02T09:29:59", "closed"),
        ("2026-01-02T09:30:00", "opening_auction"),
        ("2026-01-02T10:00:00", "continuous"),
        ("2026-01-02T15:20:00", "closing_auction"),
        ("2026-01-05T09:00:00", "continuous"),
        ("2026-07-17T10:00:00", "closed"),
    ],
)
def test_phases_to_the_second(instant: str, phase: str) -> None:
    assert TradingHours().phase(at(instant)) == phase


def test_extra_days_win_over_the_table() -> None:
    hours = TradingHours(days=TradingDays(["2026-11-20"], ["2026-11-21", "2026-12-25"], ["2026-11-23"]))
    assert hours.phase(at("2026-11-20T10:00:00")) == "closed"
    assert hours.phase(at("2026-11-21T10:00:00")) == "continuous"
    assert hours.phase(at("2026-12-25T10:00:00")) == "continuous"
    assert hours.phase(at("2026-11-23T09:30:00")) == "opening_auction"
    assert hours.next_session(day_number("2026-11-19"))[0] == day_number("2026-11-21")


def test_a_forced_exchange_is_always_in_continuous_trading() -> None:
    assert TradingHours(always_open=True).phase(at("2026-11-21T03:00:00")) == "continuous"
