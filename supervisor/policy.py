"""What happens to one child: pure functions from (child, event, now) to (child, commands).

No clock, no process, no file: the arbiter feeds what happened and carries out what is decided, tests replay histories.
What concerns several children at once is in `supervisor.tree`.
"""

import random
import signal
from dataclasses import dataclass, replace
from enum import Enum, auto

from supervisor.causes import Cause, Death, Exit, judge
from supervisor.limits import Limits, next_delay_s, ns
from supervisor.orders import Command, Moment, Notice, SendSignal, Start
from supervisor.specs import ChildSpec
from supervisor.states import LIVE, State, transition

TALLY_KEPT = 100


class Ending(Enum):
    """Why a process is being stopped, which decides what follows its death."""

    NONE = auto()
    RESTART = auto()
    RECYCLE = auto()
    SHUTDOWN = auto()
    HANG = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """Everything the policy knows of one child; times are monotonic unless named otherwise."""

    spec: ChildSpec
    state: State = State.STOPPED
    pid: int | None = None
    generation: int = 0
    paused: bool = False
    started_ns: int = 0
    started_wall_ns: int | None = None
    ready_ns: int | None = None
    heard_ns: int | None = None
    """When it last reported in this life, None = not yet."""
    silent: bool = False
    """It executed a program: nothing but its death will be heard of it."""
    stable: bool = False
    ending: Ending = Ending.NONE
    kill_at_ns: int | None = None
    killed: bool = False
    next_start_ns: int | None = None
    failures: int = 0
    delay_s: float = 0.0
    unstable_ns: tuple[int, ...] = ()
    """Deaths without a stable period since the last one."""
    reason: str = ""
    """Why it is quarantined."""
    restarts: int = 0
    deaths: tuple[Death, ...] = ()

    @property
    def name(self) -> str:
        """Return its name."""
        return self.spec.name

    @property
    def live(self) -> bool:
        """Return whether there is, or is about to be, a process."""
        return self.state in LIVE


Step = tuple[Child, list[Command]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a decision about a death needs besides the child."""

    limits: Limits
    rng: random.Random
    now: Moment
    closing: bool = False
    """The whole tree stops: nothing starts again."""
    held_until_ns: int | None = None
    """Restarts for this cause are paused until then."""


def start(child: Child, now: Moment) -> Step:
    """Begin a new life."""
    begun = replace(
        child,
        state=transition(child.state, State.STARTING),
        pid=None,
        generation=child.generation + 1,
        restarts=child.restarts + (child.started_wall_ns is not None),
        started_ns=now.monotonic_ns,
        started_wall_ns=now.wall_ns,
        ready_ns=None,
        heard_ns=None,
        silent=False,
        stable=False,
        ending=Ending.NONE,
        kill_at_ns=None,
        killed=False,
        next_start_ns=None,
    )
    return begun, [Start(child.name, begun.generation, child.paused)]


def spawned(child: Child, pid: int) -> Step:
    """Note the process of the life that began; a stop that came in between reaches it now."""
    named = replace(child, pid=pid)
    return named, _asked_to_end(named) if named.state is State.STOPPING else []


def reported(child: Child, pid: int, ready: bool, now: Moment) -> Step:
    """Take note of a sign of life; one of an earlier process is ignored."""
    if pid != child.pid:
        return child, []
    heard = replace(child, heard_ns=now.monotonic_ns)
    if not ready or child.state is not State.STARTING:
        return heard, []
    running = replace(heard, state=transition(child.state, State.RUNNING), ready_ns=now.monotonic_ns)
    after_ms = (now.monotonic_ns - child.started_ns) // 1_000_000
    return running, [Notice("process_ready", "info", child.name, f"ready after {after_ms} ms")]


def silenced(child: Child, pid: int, now: Moment) -> Step:
    """Take a child that became another program as ready, and do not expect progress of it any more."""
    if pid != child.pid:
        return child, []
    ready, commands = reported(child, pid, True, now)
    return replace(ready, silent=True), commands


def stop(child: Child, ending: Ending, kill_at_ns: int, now: Moment) -> Step:
    """Ask a live process to end, or settle a dead one at once."""
    if child.state is State.STOPPING:
        sooner = kill_at_ns if child.kill_at_ns is None else min(kill_at_ns, child.kill_at_ns)
        return replace(child, ending=ending, kill_at_ns=sooner), []
    if not child.live:
        return settled(child), []
    stopping = replace(
        child, state=transition(child.state, State.STOPPING), ending=ending, kill_at_ns=kill_at_ns, next_start_ns=None
    )
    return stopping, _asked_to_end(stopping)


def settled(child: Child) -> Child:
    """Return a child without process that shall not start any more; how long it had to wait stays known."""
    return child if child.state is State.STOPPED else replace(child, state=transition(child.state, State.STOPPED))


def passed(child: Child, limits: Limits, now: Moment) -> Step:
    """Do what is due: start, kill, find it hung or find it stable."""
    at = now.monotonic_ns
    if child.state in {State.BACKOFF, State.QUARANTINED}:
        if child.next_start_ns is not None and at >= child.next_start_ns:
            return start(child, now)
        return child, []
    if child.state is State.STOPPING:
        return _kill_when_due(child, limits, at)
    hang_at = hang_at_ns(child, limits)
    if hang_at is not None and at >= hang_at:
        return _found_hung(child, limits, at)
    stable_at = stable_at_ns(child, limits)
    if stable_at is not None and at >= stable_at:
        return _found_stable(child)
    return child, []


def due_ns(child: Child, limits: Limits) -> int | None:
    """Return when `passed` has something to do, None = never by itself."""
    if child.state in {State.BACKOFF, State.QUARANTINED}:
        return child.next_start_ns
    if child.state is State.STOPPING:
        return child.kill_at_ns
    times = [at for at in (hang_at_ns(child, limits), stable_at_ns(child, limits)) if at is not None]
    return min(times, default=None)


def hang_at_ns(child: Child, limits: Limits) -> int | None:
    """Return when the silence of a live child becomes a hang."""
    if child.state not in {State.STARTING, State.RUNNING} or child.pid is None or child.silent:
        return None
    return (child.started_ns if child.heard_ns is None else child.heard_ns) + ns(limits.hang_after_s)


def stable_at_ns(child: Child, limits: Limits) -> int | None:
    """Return when a running child has proved itself."""
    if child.state is not State.RUNNING or child.stable or child.ready_ns is None:
        return None
    return child.ready_ns + ns(limits.stable_after_s)


def forgiven(child: Child, duration_ns: int, now_ns: int) -> Child:
    """Return the child with the time in which the supervisor itself slept taken out of its silence.

    What was heard after the sleep already is no later than now.
    """
    if child.heard_ns is not None:
        return replace(child, heard_ns=min(child.heard_ns + duration_ns, now_ns))
    return replace(child, started_ns=min(child.started_ns + duration_ns, now_ns))


def verdict(child: Child, end: Exit) -> tuple[Cause, str]:
    """Return the cause of a child's death and a sentence about it."""
    commanded = child.ending in {Ending.RESTART, Ending.SHUTDOWN}
    if child.ending is Ending.RECYCLE:
        return Cause.RECYCLED, judge(end, commanded=True)[1]
    cause, text = judge(end, commanded=commanded, hung=child.ending is Ending.HANG)
    if commanded and child.killed:
        text = f"did not stop in time, killed ({text})"
    return cause, text


def exited(child: Child, cause: Cause, text: str, scene: Scene) -> Step:
    """Enter a death into the tally and decide what follows."""
    stable_at = stable_at_ns(child, scene.limits)
    if stable_at is not None and scene.now.monotonic_ns >= stable_at:
        # It had proved itself; that nobody woke up to note it in time is not its fault.
        child, _ = _found_stable(child)
    dead = _mourned(child, cause, text, scene)
    severity = "info" if cause in {Cause.COMMANDED, Cause.RECYCLED} else "warning"
    notice = Notice("process_ended", severity, child.name, f"process {child.pid} ended: {text}")
    if scene.closing or child.ending is Ending.SHUTDOWN:
        return settled(dead), [notice]
    if child.ending in {Ending.RESTART, Ending.RECYCLE}:
        again, commands = start(dead, scene.now)
        return again, [*commands, notice]
    after, commands = _failed(dead, cause, text, scene)
    return after, [*commands, notice]


def spawn_failed(child: Child, text: str, scene: Scene) -> Step:
    """Treat a failed fork like a death, so that it is tried again with the same patience."""
    dead = _mourned(child, Cause.SPAWN, text, scene)
    notice = Notice("process_not_started", "error", child.name, text)
    if scene.closing or child.ending is Ending.SHUTDOWN:
        return settled(dead), [notice]
    # Never at once: what just refused a fork needs a moment.
    after, commands = _failed(replace(dead, failures=max(1, dead.failures), stable=False), Cause.SPAWN, text, scene)
    return after, [*commands, notice]


def _mourned(child: Child, cause: Cause, text: str, scene: Scene) -> Child:
    deaths = (*child.deaths, Death(scene.now.wall_ns, cause, text))[-TALLY_KEPT:]
    return replace(child, pid=None, kill_at_ns=None, deaths=deaths)


def _failed(child: Child, cause: Cause, text: str, scene: Scene) -> Step:
    limits, at = scene.limits, scene.now.monotonic_ns
    recent = tuple(death for death in child.unstable_ns if at - death < ns(limits.crash_window_s))
    unstable = () if child.stable else (*recent, at)
    counted = replace(child, unstable_ns=unstable)
    if cause is Cause.CONFIG:
        return _quarantined(counted, text, scene)
    if scene.held_until_ns is not None:
        # The dependency is to blame, so it does not count towards a crash loop of this child.
        return _held(replace(child, failures=child.failures + 1), scene.held_until_ns, scene)
    if child.reason and not child.stable:
        return _quarantined(counted, child.reason, scene)
    if len(unstable) >= limits.crash_deaths:
        return _quarantined(counted, f"{len(unstable)} deaths in a row, the last by {text}", scene)
    failures = 0 if child.stable else child.failures
    # After a stable period, and for the very first failure, the restart is immediate: a gap costs more than a fork.
    delay_s = next_delay_s(child.delay_s, limits, scene.rng) if failures else 0.0
    waiting = replace(
        counted,
        state=transition(child.state, State.BACKOFF),
        failures=failures + 1,
        delay_s=delay_s,
        next_start_ns=at + ns(delay_s),
    )
    return (waiting, []) if delay_s else start(waiting, scene.now)


def _held(child: Child, until_ns: int, scene: Scene) -> Step:
    spread_ns = ns(scene.rng.uniform(0.0, scene.limits.backoff_base_s))
    return replace(child, state=transition(child.state, State.BACKOFF), next_start_ns=until_ns + spread_ns), []


def _quarantined(child: Child, reason: str, scene: Scene) -> Step:
    wait_s = scene.limits.probe_after_s * scene.rng.uniform(1.0, 1.25)
    quarantined = replace(
        child,
        state=transition(child.state, State.QUARANTINED),
        failures=child.failures + 1,
        reason=reason,
        next_start_ns=scene.now.monotonic_ns + ns(wait_s),
    )
    if child.reason == reason:
        # Tried again and still broken: that was announced.
        return quarantined, []
    text = f"{reason}; tried again every {wait_s:.0f} s, at the next session's opening, or by a restart order"
    return quarantined, [Notice("process_quarantined", "error", child.name, text)]


def _found_stable(child: Child) -> Step:
    proved = replace(child, stable=True, failures=0, delay_s=0.0, unstable_ns=(), reason="")
    if not child.failures:
        return proved, []
    return proved, [Notice("process_recovered", "info", child.name, f"stable after {child.failures} failures")]


def _found_hung(child: Child, limits: Limits, at: int) -> Step:
    silence_s = (at - (child.started_ns if child.heard_ns is None else child.heard_ns)) / 1e9
    hung = replace(
        child,
        state=transition(child.state, State.STOPPING),
        ending=Ending.HANG,
        kill_at_ns=at + ns(limits.dump_s),
    )
    # A process stopped by SIGSTOP writes its stacks only when it is let go on.
    return hung, [
        *_signals(child, signal.SIGUSR1, signal.SIGCONT),
        Notice("process_hung", "error", child.name, f"no progress for {silence_s:.1f} s; stacks saved, then killed"),
    ]


def _kill_when_due(child: Child, limits: Limits, at: int) -> Step:
    if child.pid is None or child.kill_at_ns is None or at < child.kill_at_ns:
        return child, []
    again = replace(child, killed=True, kill_at_ns=at + ns(limits.kill_again_s))
    return again, _signals(child, signal.SIGKILL)


def _asked_to_end(child: Child) -> list[Command]:
    # A stopped process (SIGSTOP) would not see the signal without the other one.
    return _signals(child, child.spec.stop_signal, signal.SIGCONT)


def _signals(child: Child, *numbers: signal.Signals) -> list[Command]:
    if child.pid is None:
        return []
    return [SendSignal(child.name, child.pid, number) for number in numbers]
