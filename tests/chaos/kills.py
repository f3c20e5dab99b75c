"""Kills of single processes of a running system, and how long each took to come back."""

import os
import random
import signal
from dataclasses import dataclass

from observer_core.clock import NS_PER_S, SystemClock
from observer_core.view import ProcessRow
from supervisor.demo_run import DemoRun

RECOVERY_PATIENCE_S = 90.0
KINDS = ("swing", "scalp", "writer", "hub", "maintenance")
SETTLED_S = 11.0
"""Older than this a process counts as stable for the supervisor."""
UNSETTLED_SHARE = 0.15
"""So many of the kills may hit a process that has not proved itself: the back-off is a part of what is tested."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One fault that really happened, and the time until the process did its work again."""

    name: str
    recovery_s: float


def rows_of(run: DemoRun, kinds: tuple[str, ...] = KINDS) -> list[ProcessRow]:
    """Return the rows of the processes that may be killed; empty while the hub is away."""
    view = run.view()
    return [row for row in view.processes if row.kind in kinds] if view else []


def kill_and_await(run: DemoRun, row: ProcessRow) -> Kill:
    """Send SIGKILL to a process and wait until the supervisor runs another one in its place.

    Raises:
        TimeoutError: it did not come back.
    """
    clock = SystemClock()
    if row.pid is None:
        raise TimeoutError(f"{row.name} does not run")
    begun_ns = clock.monotonic_ns()
    os.kill(row.pid, signal.SIGKILL)
    now: ProcessRow | None = None
    while (waited_s := (clock.monotonic_ns() - begun_ns) / NS_PER_S) < RECOVERY_PATIENCE_S:
        now = next((other for other in rows_of(run) if other.name == row.name), None)
        if now is not None and now.pid not in {None, row.pid} and now.state == "running":
            return Kill(row.name, (clock.monotonic_ns() - begun_ns) / NS_PER_S)
        run.wait(0.05)
    seen = "the hub does not answer" if now is None else f"{now.state}, pid {now.pid}, {now.note or now.last_exit}"
    raise TimeoutError(f"{row.name} did not come back within {waited_s:.0f} s: {seen}")


def kill_random(run: DemoRun, generator: random.Random) -> Kill | None:
    """Kill a process drawn at random, mostly one that has proved itself; None when nothing may be killed now."""
    alive = sorted((row for row in rows_of(run) if row.state == "running" and row.pid), key=lambda row: row.name)
    settled = [row for row in alive if (row.uptime_s or 0.0) > SETTLED_S]
    choice = alive if generator.random() < UNSETTLED_SHARE else settled
    if not choice:
        return None
    row = generator.choice(choice)
    try:
        return kill_and_await(run, row)
    except ProcessLookupError:
        return None
