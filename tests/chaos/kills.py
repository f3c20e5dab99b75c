"""Kills of single processes of a running demo, and how long each took to come back."""

import os
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass

from observer_core.clock import NS_PER_S, SystemClock
from observer_core.view import ProcessRow
from supervisor.demo_run import DemoRun

RECOVERY_PATIENCE_S = 30.0
KINDS = ("swing", "scalp", "writer", "hub", "maintenance")


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
    while (waited_s := (clock.monotonic_ns() - begun_ns) / NS_PER_S) < RECOVERY_PATIENCE_S:
        now = next((other for other in rows_of(run) if other.name == row.name), None)
        if now is not None and now.pid not in {None, row.pid} and now.state == "running":
            return Kill(row.name, waited_s)
        run.wait(0.05)
    raise TimeoutError(f"{row.name} did not come back within {RECOVERY_PATIENCE_S:g} s")


def random_kills(run: DemoRun, seed: int, duration_s: float) -> Iterator[Kill]:
    """Kill a random process every one to three seconds until the time is over."""
    clock = SystemClock()
    generator = random.Random(seed)
    end_ns = clock.monotonic_ns() + int(duration_s * NS_PER_S)
    while clock.monotonic_ns() < end_ns:
        run.wait(generator.uniform(1.0, 3.0))
        alive = sorted((row for row in rows_of(run) if row.state == "running" and row.pid), key=lambda row: row.name)
        if alive:
            yield kill_and_await(run, generator.choice(alive))
