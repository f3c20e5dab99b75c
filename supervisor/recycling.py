"""Which healthy process is renewed because it has grown too large or too old: one at a time, and only in calm.

Separate from the policy of one child because the question is about all of them. Pure.
"""

import random
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from supervisor.limits import Limits, ns
from supervisor.orders import Moment
from supervisor.policy import Child
from supervisor.specs import Program
from supervisor.states import State

_MEMORY_SHARE = (0.9, 1.0)
_AGE_SHARE = (0.75, 1.0)
"""Every life draws its own part of the limit, so that processes started together are not due together."""


class Overdue(NamedTuple):
    """Who is to be renewed, and why."""

    name: str
    text: str


def is_calm(children: Iterable[Child]) -> bool:
    """Return whether every process runs and has proved itself; otherwise nothing is ended on purpose."""
    return all(child.state is State.RUNNING and child.stable for child in children)


def overdue(children: Iterable[Child], sizes_bytes: Mapping[str, int], limits: Limits, now: Moment) -> Overdue | None:
    """Return the process that is furthest beyond its limit of memory or age, None = nobody is beyond."""
    found: list[tuple[float, Overdue]] = []
    for child in children:
        if isinstance(child.spec.run, Program):
            continue
        # Drawn from the life itself: the same at every look, another one at the next start.
        draw = random.Random(f"{child.name}/{child.generation}")  # noqa: S311 - variance, not a secret
        memory = limits.recycle_memory_bytes * draw.uniform(*_MEMORY_SHARE)
        age_ns = ns(limits.recycle_age_s) * draw.uniform(*_AGE_SHARE)
        size, lived_ns = sizes_bytes.get(child.name, 0), now.monotonic_ns - child.started_ns
        if memory and size > memory:
            text = f"holds {size >> 20} MiB of memory, its limit is {int(memory) >> 20} MiB; recycled"
            found.append((size / memory, Overdue(child.name, text)))
        elif age_ns and lived_ns > age_ns:
            text = f"has run for {lived_ns / 3.6e12:.1f} h, its limit is {age_ns / 3.6e12:.1f} h; recycled"
            found.append((lived_ns / age_ns, Overdue(child.name, text)))
    return max(found)[1] if found else None
