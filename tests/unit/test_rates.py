"""Rates and their course: what is forgotten, what is unknown, what survives the wire."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer_core.clock import NS_PER_S
from observer_core.rates import BLANK, COURSE_S, Course, Point, RateWindow

VALUES = st.none() | st.floats(0, 1e9, width=32)
POINTS = st.builds(Point, VALUES, VALUES, VALUES, VALUES)


@given(st.lists(POINTS, max_size=60), st.integers(0, 70))
def test_a_course_gives_back_what_it_was_given_newest_last(points: list[Point], seconds: int) -> None:
    course = Course()
    for point in points:
        course.append(point)
    assert list(course) == points
    assert course.last(COURSE_S) == points
    assert list(Course(course.packed())) == points
    if seconds:
        assert course.recent("bytes", seconds) == [point.bytes for point in points[-seconds:]]
    for place, point in enumerate(points):
        assert course[place] == course[place - len(points)] == point


def test_a_course_keeps_a_quarter_of_an_hour_in_few_bytes() -> None:
    course = Course()
    for second in range(5 * COURSE_S):
        course.append(Point(float(second), None, 0.0, None))
    assert len(course) == COURSE_S
    assert course[0].records == 4 * COURSE_S
    assert course[-1] == Point(5 * COURSE_S - 1, None, 0.0, None)
    assert sum(map(len, course.packed())) == 16 * COURSE_S
    with pytest.raises(IndexError):
        course[COURSE_S]


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10**6)), min_size=2, max_size=40))
def test_a_rate_is_what_was_counted_over_the_time_it_took(steps: list[tuple[int, int]]) -> None:
    window, now_ns, records, seen = RateWindow(), 1, 0, []
    for pause_ns, more in steps:
        now_ns, records = now_ns + pause_ns, records + more
        window.add(now_ns, (records,))
        seen.append((now_ns, records))
    rate = window.per_second(0, now_ns)
    # The span is the least that covers two seconds, or all there is.
    first = next((one for one in reversed(seen[:-1]) if one[0] <= now_ns - 2 * NS_PER_S), seen[0])
    assert rate is not None
    assert math.isclose(rate, (records - first[1]) * NS_PER_S / (now_ns - first[0]), rel_tol=1e-9, abs_tol=1e-9)


def test_old_repeated_and_restarted_counters_make_no_rate() -> None:
    window = RateWindow()
    window.add(10, (5,))
    assert window.per_second(0, 10) is None
    window.add(10, (6,))
    assert window.per_second(0, 10) is None
    window.add(NS_PER_S, (7,))
    assert window.per_second(0, NS_PER_S) is not None
    assert window.per_second(0, 5 * NS_PER_S) is None
    window.add(2 * NS_PER_S, (1,))
    assert window.per_second(0, 2 * NS_PER_S) is None
    assert Point(None, None, None, None) == BLANK
