"""Refusals that chance explains change nothing, a lower limit is found within seconds, quiet time raises it again."""

from random import Random

import pytest

from observer_core.clock import NS_PER_S
from observer_core.pacing.rate_adapt import FLOOR_SHARE, QUIET_S, Adaptation, recovered, refused

CEILING_PER_S = 18.0


def _asked(state: Adaptation, share: float, seconds: float, seed: int) -> tuple[Adaptation, float | None]:
    """Make calls at the limit of which a share is refused; return the state, and after how long it was lowered."""
    rng, spacing_ns, begun_ns = Random(seed), int(NS_PER_S / state.limit_per_s), 1_000 * NS_PER_S
    before = state.limit_per_s
    for number in range(int(seconds * state.limit_per_s)):
        now_ns = begun_ns + number * spacing_ns
        if rng.random() < share:
            state = refused(state, CEILING_PER_S, number + 1, now_ns)
        if state.limit_per_s < before:
            return state, (now_ns - begun_ns) / NS_PER_S
    return state, None


@pytest.mark.parametrize("seed", range(10))
def test_refusals_by_chance_leave_the_limit(seed: int) -> None:
    state, lowered_after_s = _asked(Adaptation(CEILING_PER_S), 0.05, 300, seed)
    assert lowered_after_s is None
    assert state.limit_per_s == CEILING_PER_S


@pytest.mark.parametrize("seed", range(10))
def test_a_lower_limit_is_found_within_seconds(seed: int) -> None:
    state, lowered_after_s = _asked(Adaptation(CEILING_PER_S), 1 - 12 / 18, 60, seed)
    assert lowered_after_s is not None
    assert lowered_after_s < 8
    assert 9.5 <= state.limit_per_s <= 15


def test_it_becomes_what_the_broker_let_pass() -> None:
    state = Adaptation(CEILING_PER_S)
    for number in range(1, 46):
        if number % 3 == 0:
            state = refused(state, CEILING_PER_S, number, number * NS_PER_S // 18)
    # The counting began with a refused call, so that a little more than a third is seen.
    assert state.limit_per_s == pytest.approx(12, abs=0.6)


def test_few_calls_a_second_are_enough_to_find_a_lower_limit() -> None:
    state = Adaptation(0.9)
    for number in range(1, 4):
        state = refused(state, 0.9, number * 2, number * 2 * NS_PER_S)
    assert state.limit_per_s == pytest.approx(0.9 * FLOOR_SHARE)


def test_it_never_falls_below_the_floor() -> None:
    state = Adaptation(CEILING_PER_S)
    for number in range(1, 200):
        state = refused(state, CEILING_PER_S, number, NS_PER_S + number)
    assert state.limit_per_s == CEILING_PER_S * FLOOR_SHARE


def test_quiet_time_raises_it_step_by_step_up_to_the_ceiling() -> None:
    state = Adaptation(16.5, changed_ns=1)
    quiet_ns = int(QUIET_S * NS_PER_S)
    assert recovered(state, CEILING_PER_S, quiet_ns) is state
    state = recovered(state, CEILING_PER_S, 1 + quiet_ns)
    assert state.limit_per_s == 17.5
    state = recovered(state, CEILING_PER_S, 1 + 2 * quiet_ns)
    assert state.limit_per_s == CEILING_PER_S
    assert recovered(state, CEILING_PER_S, 1 + 9 * quiet_ns) is state


def test_refusals_by_chance_do_not_keep_it_low() -> None:
    quiet_ns = int(QUIET_S * NS_PER_S)
    state = refused(Adaptation(12.0, changed_ns=1), CEILING_PER_S, 100, quiet_ns)
    assert recovered(state, CEILING_PER_S, quiet_ns + 2).limit_per_s == 13.0
