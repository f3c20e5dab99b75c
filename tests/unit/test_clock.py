"""Korean days and times of wall-clock instants, to the nanosecond."""

from hypothesis import given
from hypothesis import strategies as st

from observer_core.clock import NS_PER_S, kst_datetime, kst_day, kst_midnight_ns

LAST_YEAR_NS = 4_102_444_800 * NS_PER_S


@given(st.integers(0, LAST_YEAR_NS))
def test_an_instant_lies_in_its_day(at_ns: int) -> None:
    begins_ns = kst_midnight_ns(kst_day(at_ns))
    assert begins_ns <= at_ns < begins_ns + 86_400 * NS_PER_S
    assert int(kst_datetime(at_ns).timestamp()) == at_ns // NS_PER_S


def test_the_last_nanosecond_of_a_day_is_still_in_it() -> None:
    midnight_ns = kst_midnight_ns(20261123)
    assert kst_day(midnight_ns - 1) == 20261122
    assert kst_day(midnight_ns) == 20261123
