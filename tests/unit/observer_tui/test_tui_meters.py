"""Rates and histories from cumulative counters: lost messages, restarts, a new hub, seconds without news."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer_core.clock import NS_PER_S
from observer_tui.meters import HISTORY_S, Meter, Meters, Point, buckets
from observer_tui.panes.totals import errors_by_minute
from tests.fixtures.console_feed import OPENING_NS, SWING_RECORDS_PER_S, shard, view_at


def at(second: float) -> int:
    return OPENING_NS + int(second * NS_PER_S)


def test_a_rate_needs_two_reports_and_spans_two_seconds() -> None:
    meter = Meter()
    meter.observe(shard(0, 0))
    assert meter.records_per_s(at(0)) is None
    for half in range(1, 9):
        meter.observe(shard(0, half / 2))
    assert meter.records_per_s(at(4)) == pytest.approx(SWING_RECORDS_PER_S[0])
    assert meter.calls_per_s(at(4)) == pytest.approx(4.5, abs=0.5)
    assert meter.cpu_share(at(4)) == pytest.approx(0.031, abs=0.001)


def test_lost_reports_cost_smoothness_not_truth() -> None:
    every, few = Meter(), Meter()
    for second in range(10):
        every.observe(shard(1, second))
        if second in (0, 7, 9):
            few.observe(shard(1, second))
    assert few.records_per_s(at(9)) == pytest.approx(every.records_per_s(at(9)), rel=0.01)


def test_a_silent_process_has_no_rate_and_a_dead_one_none_to_have() -> None:
    meter = Meter()
    meter.observe(shard(0, 0))
    meter.observe(shard(0, 1))
    assert meter.records_per_s(at(4.5)) is None
    meter.observe(shard(0, 5, pid=None, state="backoff"))
    assert meter.records_per_s(at(5)) == 0.0


def test_a_restart_begins_rates_anew_counts_its_errors_and_measures_the_outage() -> None:
    meter = Meter()
    for second in range(3):
        meter.observe(shard(0, second, errors_total=5))
    meter.observe(shard(0, 3, pid=None, state="backoff", last_record_ns=at(2), errors_total=5))
    meter.observe(shard(0, 4, pid=9, generation=2, records_total=60, errors_total=2, last_record_ns=at(4)))
    assert meter.records_per_s(at(4)) is None
    meter.observe(shard(0, 5, pid=9, generation=2, records_total=210, errors_total=2, last_record_ns=at(5)))
    assert meter.records_per_s(at(5)) == pytest.approx(150)
    assert meter.errors_per_minute() == 2
    # The newest record before the restart was seen with the report of second 2, whose record was 0.1 s old.
    assert meter.outage_s == pytest.approx(2.1, abs=0.15)


def test_a_new_hub_resets_rates_and_keeps_history() -> None:
    meters = Meters()
    for second in range(5):
        meters.observe(view_at(second))
        meters.advance(at(second), live=True)
    known = len(meters.of("swing-0").history)
    meters.observe(view_at(5, hub_epoch="another"))
    assert meters.of("swing-0").records_per_s(at(5)) is None
    assert len(meters.of("swing-0").history) == known
    meters.observe(view_at(6, hub_epoch="another"))
    assert meters.records_per_s(at(6)) == pytest.approx(sum(SWING_RECORDS_PER_S) + 412, rel=0.01)


def test_errors_of_the_last_minute_leave_after_a_minute() -> None:
    meters = Meters()
    for second in range(130):
        rows = (shard(0, second, errors_total=7 if second >= 10 else 4), *view_at(second).processes[1:])
        meters.observe(view_at(second, processes=rows))
        meters.advance(at(second), live=True)
        if second == 40:
            assert meters.errors_per_minute() == 3
    assert meters.errors_per_minute() == 0


def test_seconds_without_a_live_link_are_blank_and_the_history_is_bounded() -> None:
    meters = Meters()
    meters.observe(view_at(0))
    meters.advance(at(0), live=True)
    meters.observe(view_at(1))
    meters.advance(at(1), live=True)
    meters.advance(at(6), live=False)
    assert [point.records is None for point in meters.total] == [False] + [True] * 5
    meters.advance(at(5_000), live=True)
    assert len(meters.total) == HISTORY_S
    meters.advance(at(4_000), live=True)
    assert meters.second == at(4_000) // NS_PER_S


def test_a_sum_is_complete_when_no_collecting_or_writing_process_is_left_out() -> None:
    meters = Meters()
    meters.observe(view_at(0))
    first = view_at(1).processes[0]
    meters.observe(view_at(1, processes=(first, *view_at(0).processes[1:])))
    assert meters.records_per_s(at(1)) is not None
    assert not meters.has_counted_all(at(1))
    meters.observe(view_at(1))
    assert meters.has_counted_all(at(1))


def test_totals_come_from_collecting_processes_and_writers() -> None:
    meters = Meters()
    for second in (0, 1, 2):
        meters.observe(view_at(second))
    assert meters.journal_bytes_per_s(at(2)) == pytest.approx(5 * 62_000)
    assert meters.written_bytes_per_s(at(2)) == pytest.approx(2 * 1_001 * 410)
    assert Meters().records_per_s(at(0)) is None


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e6)), max_size=900), st.integers(1, 60), st.integers(900, 10**9))
def test_buckets_hold_the_extent_of_what_they_are_made_of(
    values: list[float | None], columns: int, second: int
) -> None:
    drawn = buckets(values, columns, 900, second)
    known = [value for value in values if value is not None]
    assert len(drawn) == columns
    for value in drawn:
        assert value is None or min(known) - 1e-6 <= value <= max(known) + 1e-6


def test_errors_by_minute_slide() -> None:
    points = [Point(1.0, 1.0 if second in (5, 6) else 0.0, 0.0, 0.0) for second in range(80)]
    points[10] = Point(None, None, None, None)
    course = errors_by_minute(points)
    assert (course[4], course[5], course[10], course[64], course[65], course[66]) == (0.0, 1.0, None, 2.0, 1.0, 0.0)


def test_buckets_stand_still_in_absolute_time() -> None:
    history = [float(second) for second in range(200)]
    before = buckets(history[:160], 10, 60, 160)
    after = buckets(history[:161], 10, 60, 161)
    assert before[:-1] == after[:-1]
    assert buckets([1.0, 9.0], 1, 60, 61, largest=True) == [9.0]
