"""When the broker refuses more than chance explains although the budget was kept: lower the limit, raise it again.

Pure, and separate from the budget so that the rule is tested without files. The broker refuses some calls below its
own limit whatever the rate (KIS protocol notes §4): asking less does not help against those, so they are only retried.
What tells its true limit is the share it refuses: of 18 calls a second against a limit of 12 it is a third, and two
thirds of 18 is the limit to keep from then on. The limit never falls below `FLOOR_SHARE` of the configured one.
"""

from math import ceil, inf
from typing import NamedTuple

from observer_core.clock import NS_PER_S

COUNTING_S = 8.0
"""Refusals are counted together for so long, from the first one on."""
REFUSED_SHARE = 0.15
"""Share of the calls that chance does not explain; reports of random refusals go up to 9 %."""
SECONDS_OF_REFUSALS = 0.8
"""So many seconds' worth of calls must have been refused before a share means anything."""
FEWEST_REFUSALS = 3
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
    calls_before: int = 0
    """Calls made before the counting began."""


def refused(state: Adaptation, ceiling_per_s: float, calls_total: int, now_ns: int) -> Adaptation:
    """Return the state after one more refusal.

    Args:
        state: before it.
        ceiling_per_s: the configured limit.
        calls_total: calls made so far by all processes, the refused one among them.
        now_ns: monotonic.
    """
    if state.refusals == 0 or now_ns - state.counting_since_ns > COUNTING_S * NS_PER_S:
        return state._replace(refusals=1, counting_since_ns=now_ns, calls_before=max(0, calls_total - 1))
    state = state._replace(refusals=state.refusals + 1)
    share = min(1.0, state.refusals / max(1, calls_total - state.calls_before))
    enough = max(FEWEST_REFUSALS, ceil(state.limit_per_s * SECONDS_OF_REFUSALS))
    if state.refusals < enough or share < REFUSED_SHARE:
        return state
    lowered = max(ceiling_per_s * FLOOR_SHARE, state.limit_per_s * (1 - share))
    return Adaptation(lowered, changed_ns=now_ns)


def recovered(state: Adaptation, ceiling_per_s: float, now_ns: int) -> Adaptation:
    """Return the state with a raised limit if the quiet time has passed, else the same object."""
    quiet_ns = now_ns - state.changed_ns if state.changed_ns else inf
    if state.limit_per_s >= ceiling_per_s or quiet_ns < QUIET_S * NS_PER_S:
        return state
    return Adaptation(min(ceiling_per_s, state.limit_per_s + INCREASE_PER_S), changed_ns=now_ns)
