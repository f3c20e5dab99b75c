"""Several refusals lower the limit, quiet time raises it again, single ones change nothing."""

from observer_core.clock import NS_PER_S
from observer_core.pacing.rate_adapt import FLOOR_SHARE, QUIET_S, Adaptation, recovered, refused


def _refused_times(state: Adaptation, times: int, spacing_s: float) -> Adaptation:
    now_ns = 1_000 * NS_PER_S
    for number in range(times):
        state = refused(state, 18.0, now_ns + int(number * spacing_s * NS_PER_S))
    return state


def test_single_and_rare_refusals_leave_the_limit() -> None:
    assert _refused_times(Adaptation(18.0), 2, 0.1).limit_per_s == 18.0
    assert _refused_times(Adaptation(18.0), 20, 11.0).limit_per_s == 18.0


def test_three_refusals_close_together_lower_it() -> None:
    assert _refused_times(Adaptation(18.0), 3, 0.5).limit_per_s == 18.0 * 0.85


def test_it_never_falls_below_the_floor() -> None:
    assert _refused_times(Adaptation(18.0), 100, 0.1).limit_per_s == 18.0 * FLOOR_SHARE


def test_quiet_time_raises_it_step_by_step_up_to_the_ceiling() -> None:
    state = Adaptation(16.5, 0, 0, 1)
    quiet_ns = int(QUIET_S * NS_PER_S)
    assert recovered(state, 18.0, quiet_ns) is state
    state = recovered(state, 18.0, 1 + quiet_ns)
    assert state.limit_per_s == 17.5
    state = recovered(state, 18.0, 1 + 2 * quiet_ns)
    assert state.limit_per_s == 18.0
    assert recovered(state, 18.0, 1 + 9 * quiet_ns) is state


def test_a_refusal_postpones_the_raise() -> None:
    quiet_ns = int(QUIET_S * NS_PER_S)
    state = refused(Adaptation(12.0, 0, 0, 1), 18.0, quiet_ns)
    assert recovered(state, 18.0, quiet_ns + 2).limit_per_s == 12.0
