"""When the broker refuses calls for their rate although the budget was kept: lower the limit, and raise it again. Pure.

Additive increase, multiplicative decrease. Separate from the budget so that the rule is tested without files. The
broker refuses some calls below its own limit (KIS protocol notes §4), whatever the rate: single refusals are only
retried, and the limit never falls below `FLOOR_SHARE` of the configured one, since beyond it less asking does not help.
"""

from math import inf
from typing import NamedTuple

from observer_core.clock import NS_PER_S

REFUSALS_TO_LOWER = 3
"""Refusals within `COUNTING_S` that lower the limit."""
COUNTING_S = 10.0
DECREASE_FACTOR = 0.85
INCREASE_PER_S = 1.0
"""Calls per second added after every `QUIET_S` without a lowering or a raising."""
QUIET_S = 30.0
FLOOR_SHARE = 0.6


class Adaptation(NamedTuple):
    """The limit in force and what led to it; times are monotonic nanoseconds, 0 = never."""

    limit_per_s: float
    refusals: int = 0
    counting_since_ns: int = 0
    changed_ns: int = 0


def refused(state: Adaptation, ceiling_per_s: float, now_ns: int) -> Adaptation:
    """Return the state after one more refusal."""
    counting = state.refusals > 0 and now_ns - state.counting_since_ns <= COUNTING_S * NS_PER_S
    refusals = state.refusals + 1 if counting else 1
    since_ns = state.counting_since_ns if counting else now_ns
    if refusals < REFUSALS_TO_LOWER:
        # Any refusal postpones the next raise.
        changed_ns = now_ns if state.limit_per_s < ceiling_per_s else state.changed_ns
        return Adaptation(state.limit_per_s, refusals, since_ns, changed_ns)
    lowered = max(ceiling_per_s * FLOOR_SHARE, state.limit_per_s * DECREASE_FACTOR)
    return Adaptation(lowered, 0, 0, now_ns)


def recovered(state: Adaptation, ceiling_per_s: float, now_ns: int) -> Adaptation:
    """Return the state with a raised limit if the quiet time has passed, else the same object."""
    quiet_ns = now_ns - state.changed_ns if state.changed_ns else inf
    if state.limit_per_s >= ceiling_per_s or quiet_ns < QUIET_S * NS_PER_S:
        return state
    return Adaptation(min(ceiling_per_s, state.limit_per_s + INCREASE_PER_S), 0, 0, now_ns)
