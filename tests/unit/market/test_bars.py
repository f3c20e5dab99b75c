"""Bars of few records, figure by figure."""

from typing import Any

import pytest

from observer_core.clock import NS_PER_S
from observer_core.market.bars import ONE_MINUTE, TEN_MINUTES, Bar, BarBook, Frame, is_storable
from observer_core.messages import Quote, Trade
from tests.fixtures.bar_records import execution, expected_price
from tests.fixtures.postgres_records import OPEN_NS, quote

MINUTE_NS = 60 * NS_PER_S


def bars(frame: Frame, *records: Trade | Quote) -> list[Bar]:
    book = BarBook(frame)
    for record in records:
        book.add(record)
    return list(book.bars())


def traded(second: float, price: int, size: int, upper: int) -> Trade:
    return execution("005930", OPEN_NS + int(second * NS_PER_S), price, size, upper)


def swept(second: float, price: int, volume: int, **changes: Any) -> Quote:
    at_ns = OPEN_NS + int(second * NS_PER_S)
    return quote(1, symbol="005930", received_ns=at_ns, price=price, cumulative_volume=volume, **changes)


def test_a_minute_without_a_hole_is_proved_complete() -> None:
    (bar,) = bars(ONE_MINUTE, traded(1, 100, 5, 5), traded(2, 130, 5, 10), traded(3, 90, 1, 11), traded(4, 95, 4, 15))
    assert (bar.open, bar.high, bar.low, bar.close) == (100, 130, 90, 95)
    assert (bar.volume, bar.value, bar.records) == (15, 5 * 100 + 5 * 130 + 90 + 4 * 95, 4)
    assert (bar.coverage, bar.from_volume, bar.until_volume) == (1.0, 0, 15)
    assert (bar.start_ns, bar.first_ns, bar.last_ns) == (OPEN_NS, OPEN_NS + NS_PER_S, OPEN_NS + 4 * NS_PER_S)


def test_a_hole_within_lowers_coverage_by_just_its_volume() -> None:
    (bar,) = bars(ONE_MINUTE, traded(1, 100, 5, 5), traded(9, 101, 10, 20))
    assert bar.volume == 15
    assert bar.coverage == 0.75


def test_a_hole_over_the_end_of_a_minute_lowers_both_by_time() -> None:
    # 60 shares are missing from 09:00:50 to the end of second 09:01:09: a half of the time lies in either minute.
    first, second = bars(ONE_MINUTE, traded(50, 100, 10, 10), traded(69, 100, 10, 80))
    assert first.coverage == round(10 / 40, 6)
    assert second.coverage == round(10 / 40, 6)


def test_before_the_first_observation_of_the_day_coverage_is_not_known() -> None:
    first, second = bars(ONE_MINUTE, traded(30, 100, 10, 5_000), traded(61, 100, 10, 5_010))
    assert first.coverage is None
    assert second.coverage == 1.0


def test_expected_prices_duplicates_and_records_without_a_size_do_not_count() -> None:
    one, two = traded(1, 100, 5, 5), traded(2, 101, 5, 10)
    with_noise = bars(ONE_MINUTE, one, expected_price(one), two, two, traded(3, 400, 0, 10), one)
    assert with_noise == bars(ONE_MINUTE, two, one)


def test_a_tiny_hole_is_never_rounded_away() -> None:
    (bar,) = bars(ONE_MINUTE, traded(1, 100, 10**9, 10**9), traded(2, 100, 10**9, 2 * 10**9 + 1))
    assert bar.coverage == pytest.approx(1 - 1e-6)


def test_ten_minutes_carry_the_growth_of_the_days_volume() -> None:
    first, second = bars(
        TEN_MINUTES,
        swept(5, 100, 1_000, cumulative_value=100_000),
        swept(65, 120, 1_500, cumulative_value=150_000),
        swept(590, 90, 2_000, cumulative_value=200_000),
        swept(605, 95, 2_300, cumulative_value=230_000),
    )
    assert (first.open, first.high, first.low, first.close) == (100, 120, 90, 90)
    assert (first.volume, first.value, first.records, first.coverage) == (1_000, 100_000, 3, 0.3)
    assert (second.volume, second.value, second.coverage) == (300, 30_000, 0.1)


def test_growth_while_nobody_looked_is_in_no_bar() -> None:
    _, second = bars(TEN_MINUTES, swept(5, 100, 1_000), swept(1_300, 95, 9_000), swept(1_310, 96, 9_100))
    assert second.volume == 100


def test_a_symbol_without_a_trade_today_has_no_bar() -> None:
    assert bars(TEN_MINUTES, swept(5, 100, 0)) == []


def test_a_figure_that_begins_again_is_not_negative() -> None:
    _, second = bars(TEN_MINUTES, swept(5, 100, 9_000), swept(605, 95, 30))
    assert second.volume == 30


def test_figures_beyond_the_store_are_told() -> None:
    (bar,) = bars(ONE_MINUTE, traded(1, 10**17, 10**17, 10**17))
    assert not is_storable(bar)
