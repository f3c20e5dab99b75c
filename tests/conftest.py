"""What holds for every test: a slow machine is no counterexample, and no day ends under a test on real processes."""

import time

import pytest
from hypothesis import HealthCheck, settings

from observer_core.clock import NS_PER_S, SystemClock, kst_day, kst_midnight_ns

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

LASTS_S = {"integration": 30.0, "console": 30.0, "process": 150.0}
"""How much of a Korean day tests with a marker need; midnight itself is tested with clocks that are set."""
DAY_NS = 86_400 * NS_PER_S


@pytest.fixture(autouse=True)
def _within_a_day(request: pytest.FixtureRequest) -> None:
    """Wait for the next Korean day when this one is too short for the test; nearly never."""
    needed_s = max((seconds for mark, seconds in LASTS_S.items() if request.node.get_closest_marker(mark)), default=0.0)
    now_ns = SystemClock().now_ns()
    left_s = (kst_midnight_ns(kst_day(now_ns)) + DAY_NS - now_ns) / NS_PER_S
    if left_s < needed_s:
        time.sleep(left_s + 0.1)
