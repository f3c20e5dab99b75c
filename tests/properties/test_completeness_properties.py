"""The share of a period in which a symbol was observed: any gaps, counted second by second."""

from hypothesis import given
from hypothesis import strategies as st

from observer_core.messages import Gap, Track
from observer_core.quality.completeness import by_time, observed_share

PERIOD = (10, 40)
spans = st.tuples(st.integers(0, 60), st.one_of(st.none(), st.integers(0, 30))).map(
    lambda one: (one[0], None if one[1] is None else one[0] + one[1])
)


def gap(from_ns: int, until_ns: int | None) -> Gap:
    return Gap("swing-0-1", Track.SWING, "call_failed", ("A",), from_ns, until_ns, from_ns)


@given(st.lists(spans, max_size=8))
def test_the_share_is_what_counting_each_instant_gives(found: list[tuple[int, int | None]]) -> None:
    first, end = PERIOD
    lost = sum(
        any(start <= instant and (until is None or instant < until) for start, until in found)
        for instant in range(first, end)
    )
    expected = 100.0 * (1 - lost / (end - first))
    gaps = [gap(*span) for span in found]
    assert abs(observed_share(gaps, first, end) - expected) < 1e-9
    measure = by_time(gaps, ("A", "B"), first, end)
    assert abs(measure.by_symbol["A"] - expected) < 1e-9
    assert measure.by_symbol["B"] == 100.0
