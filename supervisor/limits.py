"""The numbers of supervision and the back-off drawn from them; separate so that tests and the demo can vary them."""

import random
from dataclasses import dataclass

from observer_core.clock import NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Thresholds of the policy, in seconds unless the name says otherwise."""

    stable_after_s: float = 10.0
    """Ready for this long clears all earlier failures."""
    backoff_base_s: float = 0.5
    backoff_cap_s: float = 60.0
    crash_deaths: int = 5
    """So many deaths within the window, none of them after a stable period, are a crash loop."""
    crash_window_s: float = 60.0
    probe_after_s: float = 300.0
    """A quarantined process is tried again after this long."""
    hang_after_s: float = 20.0
    dump_s: float = 0.3
    """Between the request for a stack dump and the kill."""
    stop_deadline_s: float = 8.0
    """For the whole tree, and for one child that is restarted; `docker stop` gives 10 s."""
    hurry_s: float = 1.0
    """What a second stop signal leaves."""
    kill_again_s: float = 1.0
    """A process that survives SIGKILL (uninterruptible sleep) is killed again after this, and given up at the end."""
    start_patience_s: float = 2.0
    """How long later groups wait for an earlier one to be ready."""
    fleet_children: int = 3
    fleet_window_s: float = 10.0
    fleet_pause_s: float = 30.0
    fleet_pause_cap_s: float = 300.0
    handover_s: float = 60.0
    """How long a shard that is scaled away waits for the others to have observed its symbols."""
    measure_s: float = 30.0
    """Between two looks at the children's memory and age."""
    recycle_memory_bytes: float = 0
    """A healthy process beyond this is renewed; 0 = never."""
    recycle_age_s: float = 0.0
    """A healthy process that has run for longer is renewed; 0 = never."""
    clock_step_s: float = 1.0
    """A wall clock that moves by more than this against the monotonic one was set."""


def ns(seconds: float) -> int:
    """Return seconds as nanoseconds."""
    return int(seconds * NS_PER_S)


def next_delay_s(previous_s: float, limits: Limits, rng: random.Random) -> float:
    """Return the next delay of a decorrelated-jitter back-off: between base and three times the previous, capped.

    Processes that fail together therefore do not come back together.
    """
    ceiling = max(limits.backoff_base_s, previous_s) * 3
    return min(limits.backoff_cap_s, rng.uniform(limits.backoff_base_s, ceiling))
