"""Times of day and dates in Korean time, strictly read."""

import pytest

from observer_core.clock import NS_PER_S, kst_datetime
from observer_core.kis.times import midnight_before_ns, midnight_ns, time_of_day_ns


def test_a_time_and_a_date_make_the_instant() -> None:
    at = kst_datetime(midnight_ns("20261120") + time_of_day_ns("153001"))
    assert at.isoformat() == "2026-11-20T15:30:01+09:00"
    assert midnight_ns("20261120") + time_of_day_ns("000000") == midnight_ns("20261120")


@pytest.mark.parametrize("text", ["", "9", "0900000", "240000", "096000", "090060", "09:000", "０９００００", "-90000"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="bad_time"):
        time_of_day_ns(text)


@pytest.mark.parametrize("text", ["", "2026112", "20261301", "20260230", "00000101", "２０２６１１２０"])
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match="bad_date"):
        midnight_ns(text)


def test_the_day_of_an_instant() -> None:
    midnight = midnight_ns("20261120")
    for offset_ns in (0, 1, 3600 * NS_PER_S, 86_400 * NS_PER_S - 1):
        assert midnight_before_ns(midnight + offset_ns) == midnight


def test_many_days_are_forgotten_and_worked_out_again() -> None:
    first = midnight_ns("20250101")
    for day in range(1, 29):
        for month in range(1, 13):
            midnight_ns(f"2025{month:02d}{day:02d}")
    assert midnight_ns("20250101") == first
