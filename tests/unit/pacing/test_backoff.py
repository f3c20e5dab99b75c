"""The back-off grows, stays within its bounds and starts over only when told."""

from random import Random

import pytest

from observer_core.pacing.backoff import Backoff


def test_delays_stay_between_floor_and_cap_and_reach_the_cap() -> None:
    backoff = Backoff(0.5, 20.0, Random(1))
    delays = [backoff.next_delay_s() for _ in range(200)]
    assert min(delays) >= 0.5
    assert max(delays) == 20.0
    assert backoff.attempts == 200


def test_it_starts_over_only_after_a_stable_period() -> None:
    backoff = Backoff(0.5, 60.0, Random(2))
    for _ in range(30):
        backoff.next_delay_s()
    backoff.stable()
    assert backoff.attempts == 0
    assert backoff.next_delay_s() <= 0.5 * 3


def test_two_processes_do_not_come_back_together() -> None:
    first, second = Backoff(0.5, 60.0, Random(3)), Backoff(0.5, 60.0, Random(4))
    assert [first.next_delay_s() for _ in range(5)] != [second.next_delay_s() for _ in range(5)]


@pytest.mark.parametrize(("floor_s", "cap_s"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0)])
def test_senseless_bounds_are_refused(floor_s: float, cap_s: float) -> None:
    with pytest.raises(ValueError, match="floor_s"):
        Backoff(floor_s, cap_s, Random(5))
