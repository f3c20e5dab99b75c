"""What 10,000 candidates a minute cost and do: `python -m tests.bench.slots [SLOTS]`.

Ten minutes of a market in which symbols propose themselves 10,000 times a minute for 41 slots; prints the cost of a
decision, for ten and a hundred times as many slots too, and checks dwell, capacity and the completeness of the ledger.
"""

import sys
from random import Random

from observer_core.clock import NS_PER_S, SystemClock
from observer_core.scalp.slots import SlotRules, Slots
from observer_core.slot_messages import Candidate

CANDIDATES_A_MINUTE = 10_000
MINUTES = 10
SYMBOLS_A_SLOT = 50


class Outcome:
    """What the decisions came to."""

    def __init__(self) -> None:
        self.placed = self.kept = self.refused = 0
        self.early = self.overfull = 0
        self.decision_ns: list[int] = []


def simulate(capacity: int, rules: SlotRules | None = None) -> Outcome:
    """Run the market and return what happened."""
    random, clock, outcome = Random(7), SystemClock(), Outcome()
    slots = Slots(capacity, rules)
    symbols = [f"{number:06d}" for number in range(capacity * SYMBOLS_A_SLOT)]
    begun_ns = 10**18
    taken_ns = {change.slot: begun_ns for change in slots.arrange(symbols[:capacity], (), frozenset(symbols), begun_ns)}
    dwell_ns = int(slots.rules.dwell_s * NS_PER_S)
    total = CANDIDATES_A_MINUTE * MINUTES
    for number in range(total):
        now_ns = begun_ns + number * MINUTES * 60 * NS_PER_S // total
        candidate = Candidate(random.choice(symbols), "volume_surge", random.paretovariate(1.5), now_ns)
        before_ns = clock.monotonic_ns()
        decision = slots.offer(candidate, now_ns)
        outcome.decision_ns.append(clock.monotonic_ns() - before_ns)
        if decision.change is not None:
            outcome.placed += 1
            outcome.early += now_ns - taken_ns.get(decision.change.slot, 0) < dwell_ns
            taken_ns[decision.change.slot] = now_ns
        elif decision.refusal is not None:
            outcome.refused += 1
        else:
            outcome.kept += 1
        outcome.overfull += len(slots) > capacity
    return outcome


def main() -> int:
    """Print the table; exit 0 only when every rule held."""
    good = True
    for capacity in (int(sys.argv[1]),) if len(sys.argv) > 1 else (41, 410, 4_100):
        outcome = simulate(capacity)
        cost = sorted(outcome.decision_ns)
        accounted = outcome.placed + outcome.kept + outcome.refused
        good &= not outcome.early and not outcome.overfull and accounted == len(cost)
        print(
            f"{capacity:>5} slots, {CANDIDATES_A_MINUTE:,} candidates/min for {MINUTES} min: "
            f"median {cost[len(cost) // 2] / 1000:.2f} us, p99 {cost[len(cost) * 99 // 100] / 1000:.2f} us a decision; "
            f"placed {outcome.placed:,}, in already {outcome.kept:,}, ledger {outcome.refused:,}, "
            f"unaccounted {len(cost) - accounted}; "
            f"changes within dwell {outcome.early}, over capacity {outcome.overfull}"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
