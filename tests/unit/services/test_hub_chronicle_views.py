"""Which of the hub's views are worth recording."""

from pathlib import Path

import msgspec

from observer_core.chronicle.reader import RecordedDay
from observer_core.clock import NS_PER_S
from observer_core.services.hub_chronicle import ChronicleFacts, Chronicler
from observer_core.view import SlotView, SystemView
from tests.fixtures.chronicles import DAY, LIMIT_BYTES, MORNING_NS, at_second, event
from tests.fixtures.console_feed import SetClock


def open_at(second: int, **changes: object) -> SystemView:
    view = at_second(second, **changes)
    return msgspec.structs.replace(view, market=msgspec.structs.replace(view.market, phase="continuous"))


def slots_at(second: int) -> SlotView:
    return SlotView(
        slots=(),
        capacity=41,
        candidates_total=second,
        overflow_total=0,
        newest_overflow=(),
        mitigation_level=0,
        mitigation_reason="",
        as_of_ns=MORNING_NS + second * NS_PER_S,
    )


def recorded(directory: Path, views: list[SystemView]) -> list[SystemView]:
    """Return what is recorded of a course that was looked at every second."""
    chronicler = Chronicler(ChronicleFacts(directory, LIMIT_BYTES), SetClock())
    for view in views:
        chronicler.look(view)
    chronicler.end()
    return list(RecordedDay(directory, DAY).views(0))


def test_an_open_market_is_recorded_every_second_and_nothing_twice(tmp_path: Path) -> None:
    course = [open_at(second) for second in range(1, 20)]
    assert recorded(tmp_path, [view for view in course for _ in range(2)]) == course


def test_a_closed_market_is_recorded_every_five_seconds_and_whenever_something_happens(tmp_path: Path) -> None:
    course = [at_second(second, events=(event(12, "info"),) if second >= 12 else ()) for second in range(1, 20)]
    seconds = [(view.as_of_ns - MORNING_NS) // NS_PER_S for view in recorded(tmp_path, course)]
    assert seconds == [1, 6, 11, 12, 17]


def test_slots_are_kept_every_five_seconds_and_say_their_age(tmp_path: Path) -> None:
    course = [open_at(second, slots=slots_at(second)) for second in range(1, 13)]
    found = recorded(tmp_path, course)
    assert [view.slots.candidates_total for view in found if view.slots] == [1] * 5 + [6] * 5 + [11] * 2
    assert [msgspec.structs.replace(view, slots=None) for view in found] == [
        msgspec.structs.replace(view, slots=None) for view in course
    ]
