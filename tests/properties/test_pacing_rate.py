"""Whatever the processes do, a broker with the strictest window counts no call too many."""

import tempfile
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.clock import NS_PER_S
from observer_core.pacing.rate import Priority, RateBudget, Slot

ANSWERS_NS = (0, 1_000_000, 500_000_000, 7 * NS_PER_S)
"""Quick ones, slow ones, and one after the caller was stopped for a long while."""


def _arrivals(limit: int, seed: int, calls: int) -> list[int]:
    """Let three processes call as they like; return when the broker counted each call."""
    rng = Random(seed)
    arrivals: list[int] = []
    with tempfile.TemporaryDirectory() as directory:
        budgets = [RateBudget(Path(directory) / "rate-0.bin", limit) for _ in range(3)]
        answers: list[tuple[int, RateBudget, Slot]] = []
        now_ns = 5 * NS_PER_S
        while len(arrivals) < calls:
            for entry in [entry for entry in answers if entry[0] <= now_ns]:
                answers.remove(entry)
                entry[1].complete(entry[2], entry[0])
            budget = rng.choice(budgets)
            taken = budget.take(now_ns, rng.choice(list(Priority)))
            if isinstance(taken, Slot):
                answered_ns = now_ns + rng.randint(0, rng.choice(ANSWERS_NS))
                arrivals.append(rng.randint(now_ns, answered_ns))
                answers.append((answered_ns, budget, taken))
                now_ns += rng.choice([0, 1, 100_000])
            else:
                now_ns += max(1, int(taken * NS_PER_S * rng.choice([0.1, 0.5, 1.0, 1.2])))
        for budget in budgets:
            budget.close()
    return sorted(arrivals)


@settings(max_examples=40, deadline=None)
@given(limit=st.sampled_from([1, 2, 3, 18, 40]), seed=st.integers(0, 2**32))
def test_no_sliding_second_holds_more_than_the_limit(limit: int, seed: int) -> None:
    arrivals = _arrivals(limit, seed, 3 * limit + 5)
    assert all(later - earlier > NS_PER_S for earlier, later in zip(arrivals, arrivals[limit:], strict=False))
