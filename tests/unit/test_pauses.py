"""The longest time without an observation."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from observer_core.cli.pauses import longest_pause


@given(st.sets(st.integers(0, 10**12), min_size=2))
def test_nothing_lies_within_the_longest_pause_and_no_pause_is_longer(times: set[int]) -> None:
    pause = longest_pause("swing-0", times)
    assert pause is not None
    assert {pause.from_ns, pause.until_ns} <= times
    assert not any(pause.from_ns < at < pause.until_ns for at in times)
    ordered = sorted(times)
    assert all(after - before <= pause.until_ns - pause.from_ns for before, after in pairwise(ordered))


def test_one_observation_makes_no_pause() -> None:
    assert longest_pause("swing-0", {5}) is None
