"""Kills of single processes of a running system, and how long each took to come back."""

import os
import random
import signal
import threading
from dataclasses import dataclass

from observer_core.clock import NS_PER_S, SystemClock
from observer_core.view import ProcessRow
from supervisor.demo_run import DemoRun

RECOVERY_PATIENCE_S = 90.0
KINDS = ("swing", "scalp", "writer", "hub", "maintenance")
SETTLED_S = 12.0
"""Running for longer than this a process counts as stable for the supervisor."""
CRASH_WINDOW_S = 60.0
UNSETTLED_KILLS_LIMIT = 2
"""Per process and window of the supervisor's crash-loop rule, which strikes at five."""
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


def row_of(run: DemoRun, name: str) -> ProcessRow:
    """Return the row of one process, as soon as the hub tells it.

    Raises:
        TimeoutError: it does not.
    """
    clock = SystemClock()
    begun_ns = clock.monotonic_ns()
    while (clock.monotonic_ns() - begun_ns) / NS_PER_S < RECOVERY_PATIENCE_S:
        found = next((row for row in rows_of(run) if row.name == name and row.pid is not None), None)
        if found is not None:
            return found
        run.wait(0.05)
    raise TimeoutError(f"no row of {name}")


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


class Victims:
    """Draws the next process to kill; used by several threads.

    Mostly one that has proved itself. Killed too often before that, it would be quarantined as a crash loop: that is
    the supervisor's rule for a process that cannot run, and not what is tested here.
    """

    def __init__(self, run: DemoRun) -> None:
        self._run = run
        self._clock = SystemClock()
        self._running_since_s: dict[int, float] = {}
        self._unsettled_kills_s: dict[str, list[float]] = {}
        self._drawing = threading.Lock()

    def draw(self, generator: random.Random) -> ProcessRow | None:
        """Return a process; None when nothing may be killed now."""
        rows = [row for row in rows_of(self._run) if row.state == "running" and row.pid]
        with self._drawing:
            now_s = self._clock.monotonic_ns() / NS_PER_S
            since = {row.pid: self._running_since_s.get(row.pid, now_s) for row in rows if row.pid}
            self._running_since_s = since
            settled = [row for row in rows if row.pid and now_s - since[row.pid] > SETTLED_S]
            others = [row for row in rows if row not in settled and self._may_be_killed_unsettled(row.name, now_s)]
            unsettled = generator.random() < UNSETTLED_SHARE
            choice = sorted(others if unsettled else settled, key=lambda row: row.name)
            if not choice:
                return None
            row = generator.choice(choice)
            if unsettled:
                self._unsettled_kills_s.setdefault(row.name, []).append(now_s)
            return row

    def _may_be_killed_unsettled(self, name: str, now_s: float) -> bool:
        recent = [at_s for at_s in self._unsettled_kills_s.get(name, []) if now_s - at_s < CRASH_WINDOW_S]
        self._unsettled_kills_s[name] = recent
        return len(recent) < UNSETTLED_KILLS_LIMIT


def kill_random(run: DemoRun, victims: Victims, generator: random.Random) -> Kill | None:
    """Kill a process drawn at random; None when nothing may be killed now."""
    row = victims.draw(generator)
    try:
        return None if row is None else kill_and_await(run, row)
    except ProcessLookupError:
        return None
