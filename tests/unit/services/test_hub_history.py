"""What the hub remembers for consoles that come later, and what such a console makes of it."""

from msgspec.structs import replace

from observer_core.clock import NS_PER_S
from observer_core.messages import encode
from observer_core.questions import Answer, decode_answer
from observer_core.rates import Course
from observer_core.services.hub_history import HistoryKeeper
from observer_tui.meters import Meters
from tests.fixtures.console_feed import OPENING_NS, SWING_RECORDS_PER_S, processes, view_at


def at(second: float) -> int:
    return OPENING_NS + int(second * NS_PER_S)


def kept(seconds: int) -> HistoryKeeper:
    keeper = HistoryKeeper()
    for second in range(seconds):
        keeper.observe(processes(second), at(second))
    return keeper


def over_the_wire(keeper: HistoryKeeper) -> Answer:
    return decode_answer(encode(Answer(request_id="1", history=keeper.answer())))


def test_every_process_has_a_point_for_every_second() -> None:
    history = over_the_wire(kept(30)).history
    assert history is not None
    assert history.second == at(29) // NS_PER_S
    courses = {one.name: Course(one.columns) for one in history.processes}
    assert courses.keys() == {row.name for row in processes(0)}
    swing = courses["swing-2"]
    assert len(swing) == 30
    assert swing[0].records is None
    assert abs((swing[-1].records or 0) - SWING_RECORDS_PER_S[2]) < 1
    assert swing[-1].errors == 0.0


def test_errors_of_a_process_that_is_seen_for_the_first_time_are_those_the_view_counts_as_new() -> None:
    keeper = HistoryKeeper()
    (row, *_) = processes(0)
    for second, (total, minute) in enumerate([(502, 2), (503, 3)]):
        keeper.observe([replace(row, errors_total=total, errors_minute=minute)], at(second))
    (history,) = keeper.answer().processes
    assert [point.errors for point in Course(history.columns)] == [2.0, 1.0]


def test_missed_seconds_are_blank_and_processes_that_left_are_forgotten() -> None:
    keeper = kept(5)
    keeper.observe(processes(9)[:1], at(9))
    history = keeper.answer()
    assert [one.name for one in history.processes] == ["swing-0"]
    points = list(Course(history.processes[0].columns))
    assert len(points) == 10
    assert all(point.records is None for point in points[5:9])


def test_a_new_console_has_rates_and_courses_at_once() -> None:
    history = over_the_wire(kept(300)).history
    assert history is not None
    meters = Meters()
    meters.observe(view_at(300))
    assert meters.of("swing-1").records_per_s(at(300)) is None
    meters.recall(history, at(300))
    rate = meters.of("swing-1").records_per_s(at(300))
    assert rate is not None
    assert abs(rate - SWING_RECORDS_PER_S[1]) < 1
    assert len(meters.of("swing-1").history) == 301, "and the blank second that is not over"
    assert abs((meters.total[-2].records or 0) - 1_001) < 5
    assert meters.records_per_s(at(300)) is not None
    # What it stands for ends soon: a process that does not report has no rate.
    assert meters.of("swing-1").records_per_s(at(304)) is None


def test_what_a_console_missed_is_filled_and_what_it_saw_is_kept() -> None:
    meters = Meters()
    for second in range(20):
        meters.observe(view_at(second))
        meters.advance(at(second), live=not 8 <= second < 15)
    seen = list(meters.of("swing-0").history)
    assert seen[-6].records is None
    history = over_the_wire(kept(20)).history
    assert history is not None
    meters.recall(history, at(20))
    filled = list(meters.of("swing-0").history)
    assert all(point.records is not None for point in filled[2:])
    assert [mine for mine in seen if mine.records is not None] == [
        point for point, mine in zip(filled[-len(seen) :], seen, strict=True) if mine.records is not None
    ]
    assert all(point.records is not None for point in meters.total.last(12))
