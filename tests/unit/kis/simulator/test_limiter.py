"""The broker's rate window."""

from hypothesis import given
from hypothesis import strategies as st

from observer_core.clock import NS_PER_S
from observer_core.kis.simulator.knobs import Knobs
from observer_core.kis.simulator.limiter import ConnectGuard, RateWindow


@given(
    st.lists(st.integers(min_value=0, max_value=NS_PER_S // 5), min_size=1, max_size=120),
    st.integers(min_value=1, max_value=20),
)
def test_no_second_ever_holds_more_than_the_limit(gaps_ns: list[int], limit: int) -> None:
    window, now_ns, accepted = RateWindow(), 0, []
    for gap_ns in gaps_ns:
        now_ns += gap_ns
        if window.admit("key", now_ns, limit):
            accepted.append(now_ns)
        else:
            recent = [at_ns for at_ns in accepted if at_ns > now_ns - NS_PER_S]
            assert len(recent) == limit
    for at_ns in accepted:
        assert sum(at_ns <= other < at_ns + NS_PER_S for other in accepted) <= limit


def test_a_call_exactly_one_second_later_is_free_again() -> None:
    window = RateWindow()
    assert window.admit("key", 5, 1)
    assert not window.admit("key", 5 + NS_PER_S - 1, 1)
    assert window.admit("key", 5 + NS_PER_S, 1)


def test_keys_do_not_share_their_window() -> None:
    window = RateWindow()
    assert window.admit("one", 0, 1)
    assert window.admit("two", 0, 1)
    assert not window.admit("one", 1, 1)


def test_a_fixed_window_forgets_at_the_full_second() -> None:
    window = RateWindow()
    assert window.admit("key", NS_PER_S - 1, 1, "fixed")
    assert window.admit("key", NS_PER_S, 1, "fixed")
    assert not window.admit("key", 2 * NS_PER_S - 1, 1, "fixed")


def test_a_limit_of_zero_refuses_everything() -> None:
    assert not RateWindow().admit("key", 0, 0)


def test_refused_calls_prolong_the_refusal_when_they_count() -> None:
    window = RateWindow()
    assert window.admit("key", 0, 1, count_refused=True)
    assert not window.admit("key", NS_PER_S // 2, 1, count_refused=True)
    assert not window.admit("key", NS_PER_S, 1, count_refused=True)
    assert window.admit("key", 2 * NS_PER_S, 1, count_refused=True)


def test_a_client_that_connects_too_often_is_blocked_and_let_in_again() -> None:
    guard, knobs = ConnectGuard(), Knobs(connect_limit=2, connect_window_s=10, connect_block_s=30)
    admitted = [guard.admit("one", second * NS_PER_S, knobs) for second in (0, 1, 2, 20, 31, 32, 33)]
    assert admitted == [True, True, False, False, False, True, True]
    assert guard.admit("two", 2 * NS_PER_S, knobs)
    assert all(ConnectGuard().admit("any", 0, Knobs()) for _ in range(100))
