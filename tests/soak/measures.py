"""What a soak reads of the exchange and of the system: counts over a stretch of time, sweeps, budget, incidents."""

import time
from math import inf
from statistics import median
from typing import NamedTuple

import httpx

from tests.fixtures.loopback_tree import LoopbackTree, moment

MULTI_PRICE = "intstock-multprice"


class Counts(NamedTuple):
    """The exchange's own counts at an instant."""

    at_s: float
    calls: int
    refused: int
    connects: int
    connects_refused: int


def counts(tree: LoopbackTree) -> Counts:
    """Return the counts now."""
    stats = tree.stats()
    at_s = moment()
    calls = sum(number for name, number in stats["requests"].items() if MULTI_PRICE in name)
    return Counts(
        at_s,
        calls,
        stats["rest_limit_refusals"],
        sum(stats["connects_by_appkey"].values()),
        stats["connects_refused"],
    )


def fault(tree: LoopbackTree, **knobs: object) -> None:
    """Change knobs of the exchange."""
    httpx.post(f"{tree.control_url}/faults", json=knobs, trust_env=False).raise_for_status()


def limit_in_force(tree: LoopbackTree) -> float:
    """Return the rate limit that the shards keep at the moment; infinite while the hub does not say."""
    view = tree.view()
    return view.budgets[0].limit_per_s if view and view.budgets else inf


def sweeps(tree: LoopbackTree, seconds: float) -> float:
    """Return the median duration of the shards' sweeps over a stretch of time."""
    seen: list[float] = []
    end_s = moment() + seconds
    while moment() < end_s:
        view = tree.view()
        if view is not None:
            seen += [row.sweep_s for row in view.processes if row.kind == "swing" and row.sweep_s is not None]
        time.sleep(1.0)
    return median(seen)
