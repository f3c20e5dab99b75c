"""What the chronicle gives back is what was written: seeking is folding, and damage only ever takes away."""

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.chronicle.difference import difference
from observer_core.chronicle.files import chronicle_files
from observer_core.chronicle.reader import RecordedDay
from observer_core.clock import NS_PER_S
from observer_core.errors import ChronicleError
from observer_core.view import SystemView, apply
from tests.fixtures.chronicles import DAY, courses, record


@given(courses())
def test_a_difference_leads_to_the_later_view_or_is_none(course: list[SystemView]) -> None:
    for before, after in itertools.pairwise(course):
        delta = difference(before, after)
        if delta is not None:
            assert apply(before, delta) == after
        else:
            assert before.hub_epoch != after.hub_epoch or before.processes or before.tickets


@given(courses(), st.integers(1, 7))
@settings(max_examples=50)
def test_any_instant_shows_the_view_that_was_true_then(course: list[SystemView], together: int) -> None:
    with TemporaryDirectory() as directory:
        record(Path(directory), course, together=together)
        day = RecordedDay(Path(directory), DAY)
        assert (day.first_ns, day.last_ns) == (course[0].as_of_ns, course[-1].as_of_ns)
        assert day.view_at(course[0].as_of_ns - 1) is None
        for place, view in enumerate(course):
            assert day.view_at(view.as_of_ns) == view
            assert day.view_at(view.as_of_ns + NS_PER_S - 1) == view
            assert list(day.views(view.as_of_ns)) == course[place:]


@given(courses(), st.data())
@settings(max_examples=50)
def test_whatever_is_cut_off_what_is_before_stays_readable(course: list[SystemView], data: st.DataObject) -> None:
    with TemporaryDirectory() as directory:
        record(Path(directory), course, close=data.draw(st.booleans()))
        newest = chronicle_files(Path(directory))[-1].path
        whole = newest.read_bytes()
        kept = data.draw(st.integers(0, len(whole)))
        newest.write_bytes(whole[:kept])
        try:
            read = list(RecordedDay(Path(directory), DAY).views(0))
        except ChronicleError:
            read = []
        assert read == course[: len(read)]
        if kept == len(whole):
            assert read == course


@given(courses(), st.data())
@settings(max_examples=50)
def test_a_damaged_byte_never_shows_what_was_not(course: list[SystemView], data: st.DataObject) -> None:
    with TemporaryDirectory() as directory:
        record(Path(directory), course)
        path = data.draw(st.sampled_from(chronicle_files(Path(directory)))).path
        damaged = bytearray(path.read_bytes())
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(damaged)
        try:
            read = list(RecordedDay(Path(directory), DAY).views(0))
        except ChronicleError:
            return
        written = iter(course)
        assert all(any(view == one for one in written) for view in read)
