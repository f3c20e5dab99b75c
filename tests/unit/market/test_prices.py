"""Tick sizes, daily limits and rounding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer_core.market.prices import price_limits, round_to_tick, tick_size


@pytest.mark.parametrize(
    ("price", "tick"),
    [
        (1, 1),
        (1_999, 1),
        (2_000, 5),
        (4_995, 5),
        (5_000, 10),
        (19_990, 10),
        (20_000, 50),
        (49_950, 50),
        (50_000, 100),
        (199_900, 100),
        (200_000, 500),
        (499_500, 500),
        (500_000, 1_000),
        (1_836_000, 1_000),
    ],
)
def test_tick_of_a_share_follows_the_band_table(price: int, tick: int) -> None:
    assert tick_size(price) == tick


@pytest.mark.parametrize(("price", "tick"), [(1_999, 1), (2_000, 5), (120_000, 5)])
def test_tick_of_an_etp_knows_two_bands(price: int, tick: int) -> None:
    assert tick_size(price, etp=True) == tick


def test_limits_match_the_published_example() -> None:
    assert price_limits(128_500) == (90_000, 167_000)


@given(st.integers(min_value=4, max_value=5_000_000), st.booleans())
def test_limits_are_symmetric_and_at_most_thirty_percent(base: int, etp: bool) -> None:
    lower, upper = price_limits(base, etp)
    assert upper - base == base - lower
    assert 0 < lower <= base <= upper
    assert (upper - base) * 10 <= base * 3
    assert (upper - base) % tick_size(base, etp) == 0
    assert (upper - base) + tick_size(base, etp) > base * 0.3 - 1


@given(st.floats(min_value=0, max_value=3_000_000, allow_nan=False), st.booleans())
def test_rounding_lands_on_a_tick_within_half_a_tick(price: float, etp: bool) -> None:
    rounded = round_to_tick(price, etp)
    assert rounded > 0
    assert rounded % tick_size(rounded, etp) == 0
    if price >= 1:
        assert abs(rounded - price) <= tick_size(int(price), etp) / 2


@given(st.integers(min_value=1, max_value=3_000_000), st.booleans())
def test_rounding_leaves_a_legal_price_alone(price: int, etp: bool) -> None:
    legal = price - price % tick_size(price, etp)
    if legal:
        assert round_to_tick(legal, etp) == legal
