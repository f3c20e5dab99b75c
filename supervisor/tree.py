"""All children together: order of starting and stopping, operators' orders, incidents. Pure, like the policy of one.

`handle` takes one event and returns what to do, in the order in which to do it.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from observer_core.exit_codes import ExitCode
from observer_core.orders import Order, Verb
from supervisor import policy
from supervisor.causes import Death, Exit, fleet_key
from supervisor.fleet import FleetWatch
from supervisor.limits import Limits, ns
from supervisor.orders import (
    Assigned,
    Begun,
    ChildEvent,
    ClockStepped,
    Command,
    End,
    Exited,
    Measured,
    Moment,
    Notice,
    Ordered,
    Passed,
    ReloadRequested,
    Reported,
    Rescale,
    Rescaled,
    ScaleEvent,
    SessionOpened,
    Silenced,
    Slept,
    Spawned,
    SpawnFailed,
    StopRequested,
    SurroundingEvent,
    Swept,
    Tell,
    TreeEvent,
)
from supervisor.policy import Child, Ending, Step
from supervisor.recycling import is_calm, overdue
from supervisor.scaling import Scaling, SpecOf, scale_refusal, shards_of
from supervisor.shutdown import Shutdown
from supervisor.specs import START_ORDER, ChildSpec
from supervisor.states import State, transition
from supervisor.tickets import TicketDesk

SPREAD_S = 2.0
"""Children released together start within this time, not at one instant."""


class Tree:
    """The state of the whole tree and every rule about it."""

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        limits: Limits,
        rng: random.Random,
        remembered: Mapping[str, Child] | None = None,
        *,
        shard_spec: SpecOf | None = None,
    ) -> None:
        self.limits = limits
        self.children: dict[str, Child] = {}
        for spec in specs:
            known = (remembered or {}).get(spec.name)
            self.children[spec.name] = Child(spec=spec) if known is None else replace(known, spec=spec)
        self.desk = TicketDesk()
        self.revision = 0
        """Grows with everything that reports and memory should know."""
        self._rng = rng
        self._fleet = FleetWatch(limits, rng)
        self._shutdown: Shutdown | None = None
        self._shard_spec = shard_spec
        """Describes sweeping shards to be added; None = their number cannot change."""
        self._scaling: Scaling | None = None
        self._group = -1
        self._group_since_ns = 0
        self._ended = False

    @property
    def stopping(self) -> bool:
        """Return whether the tree is being stopped."""
        return self._shutdown is not None

    def handle(self, event: TreeEvent, now: Moment) -> list[Command]:
        """Take one event and return the commands that follow from it."""
        commands = self._react(event, now)
        commands += self._advance(now)
        if self._scaling is not None and not self.stopping:
            commands += self._go_on_scaling(self._scaling, now)
        for child in self.children.values():
            commands += self.desk.settle(child)
        self.revision += bool(commands)
        return commands

    def next_deadline_ns(self) -> int | None:
        """Return when `Passed` is due (monotonic), None = only events matter."""
        if self._shutdown is not None:
            times = [self._shutdown.give_up_ns]
        elif 0 <= self._group < len(START_ORDER):
            times = [self._group_since_ns + ns(self.limits.start_patience_s)]
        else:
            times = []
        if self._scaling is not None and self._scaling.handover_ns is not None and not self.stopping:
            times.append(self._scaling.handover_ns)
        times += [at for child in self.children.values() if (at := policy.due_ns(child, self.limits)) is not None]
        return min(times, default=None)

    def _react(self, event: TreeEvent, now: Moment) -> list[Command]:
        match event:
            case Begun():
                self._group = 0
                self._group_since_ns = now.monotonic_ns
                return self._begin_group(now)
            case Spawned() | SpawnFailed() | Reported() | Silenced() | Exited():
                return self._child_event(event, now)
            case Passed():
                return self._passed(now)
            case StopRequested():
                return self._stop_requested(now)
            case ReloadRequested():
                return [Tell(name, "reload") for name, child in self.children.items() if child.live]
            case Ordered(order):
                return self._ordered(order, now)
            case Assigned() | Swept() | Rescaled():
                return self._scale_event(event, now)
            case Slept() | SessionOpened() | Measured() | ClockStepped():
                return self._surrounding_event(event, now)
            case _:
                assert_never(event)

    def _surrounding_event(self, event: SurroundingEvent, now: Moment) -> list[Command]:
        match event:
            case Slept(duration_ns):
                return self._slept(duration_ns, now)
            case SessionOpened():
                return self._session_opened(now)
            case Measured(sizes_bytes):
                return self._measured(sizes_bytes, now)
            case ClockStepped(by_ns):
                text = f"the wall clock moved by {by_ns / 1e9:+.1f} s: it was set, or the machine slept"
                return [Notice("clock_step", "warning", "machine", text)]
            case _:
                assert_never(event)

    def _child_event(self, event: ChildEvent, now: Moment) -> list[Command]:
        match event:
            case Spawned(name, pid):
                return self._put(policy.spawned(self.children[name], pid), quietly=False)
            case SpawnFailed(name, text):
                return self._put(policy.spawn_failed(self.children[name], text, self._scene(now)))
            case Reported(name, pid, ready):
                return self._put(policy.reported(self.children[name], pid, ready, now))
            case Silenced(name, pid):
                return self._put(policy.silenced(self.children[name], pid, now))
            case Exited(name, pid, end):
                return self._exited(self.children[name], pid, end, now)
            case _:
                assert_never(event)

    def _scene(self, now: Moment, held_until_ns: int | None = None) -> policy.Scene:
        return policy.Scene(
            limits=self.limits, rng=self._rng, now=now, closing=self.stopping, held_until_ns=held_until_ns
        )

    def _put(self, step: Step, quietly: bool = True) -> list[Command]:
        child, commands = step
        self.children[child.name] = child
        self.revision += not quietly
        return commands

    def _each(self, act: Callable[[Child], Step]) -> list[Command]:
        return [command for name in self.children for command in self._put(act(self.children[name]))]

    def _passed(self, now: Moment) -> list[Command]:
        commands: list[Command] = []
        # By name, because what one child proves may change others that come after it.
        for name in self.children:
            was_stable = self.children[name].stable
            commands += self._put(policy.passed(self.children[name], self.limits, now))
            if self.children[name].stable and not was_stable:
                commands += self._proved(name, now)
        return commands

    def _proved(self, name: str, now: Moment) -> list[Command]:
        self.revision += 1
        released, notices = self._fleet.recovered(name)
        for other in released:
            self._hasten(other, now)
        return [*notices]

    def _hasten(self, name: str, now: Moment) -> None:
        child = self.children.get(name)
        if child is not None and child.state is State.BACKOFF and child.next_start_ns is not None:
            soon = now.monotonic_ns + ns(self._rng.uniform(0.0, SPREAD_S))
            self.children[name] = replace(child, next_start_ns=min(child.next_start_ns, soon))

    def _exited(self, child: Child, pid: int, end: Exit, now: Moment) -> list[Command]:
        if pid != child.pid:
            return []
        cause, text = policy.verdict(child, end)
        key = None if self.stopping else fleet_key(cause, end.status)
        death = Death(now.wall_ns, cause, text)
        incident, opened = (None, []) if key is None else self._fleet.died(child.spec, death, key, now.monotonic_ns)
        if self._shutdown is not None:
            self._shutdown.ended(child, end)
        commands = self._put(
            policy.exited(child, cause, text, self._scene(now, incident.until_ns if incident else None))
        )
        if opened and incident is not None:
            self._hold(incident.members, incident.until_ns)
        return [*commands, *opened]

    def _hold(self, names: set[str], until_ns: int) -> None:
        for name in names:
            child = self.children.get(name)
            if child is None:
                # Scaled away since.
                continue
            if child.state is State.BACKOFF and child.next_start_ns is not None and child.next_start_ns < until_ns:
                spread_ns = ns(self._rng.uniform(0.0, self.limits.backoff_base_s))
                self.children[name] = replace(child, next_start_ns=until_ns + spread_ns)

    def _slept(self, duration_ns: int, now: Moment) -> list[Command]:
        for name, child in self.children.items():
            self.children[name] = policy.forgiven(child, duration_ns, now.monotonic_ns)
        text = f"the supervisor did not run for {duration_ns / 1e9:.1f} s; nobody is held to account for it"
        return [Notice("supervisor_slept", "warning", "tree", text)]

    def _session_opened(self, now: Moment) -> list[Command]:
        names = [name for name, child in self.children.items() if child.state is State.QUARANTINED]
        for name in names:
            soon = now.monotonic_ns + ns(self._rng.uniform(0.0, SPREAD_S))
            self.children[name] = replace(self.children[name], next_start_ns=soon)
        text = f"a session opens; quarantine is over for {', '.join(names)}"
        return [Notice("quarantine_released", "info", "tree", text)] if names else []

    def _ordered(self, order: Order, now: Moment) -> list[Command]:
        earlier = self.desk.known(order)
        if earlier is not None:
            return [earlier]
        if order.verb is Verb.SCALE:
            return self._scale(order)
        refusal = self.desk.refusal(order, self.children, self.stopping)
        if refusal is not None:
            return self.desk.answer(order, "refused", refusal)
        commands = self.desk.answer(order, "accepted", "accepted")
        child = self.children[order.target]
        match order.verb:
            case Verb.RESTART | Verb.RELEASE:
                return commands + self._restart(order, child, now)
            case Verb.PAUSE | Verb.RESUME:
                return commands + self._pause(order, child)
            case _:
                assert_never(order.verb)

    def _restart(self, order: Order, child: Child, now: Moment) -> list[Command]:
        self.desk.awaits(order, child.generation + 1)
        if child.live:
            kill_at = now.monotonic_ns + ns(self.limits.stop_deadline_s)
            text = f"process {child.pid} is told to end"
            commands = self._put(policy.stop(child, Ending.RESTART, kill_at, now))
        else:
            # An operator who orders this has seen the reason: earlier deaths no longer count towards a crash loop.
            text = f"starts at once instead of waiting ({child.state})"
            commands = self._put(policy.start(replace(child, unstable_ns=(), reason=""), now))
        return [*commands, *self.desk.answer(order, "running", text)]

    def _pause(self, order: Order, child: Child) -> list[Command]:
        paused = order.verb is Verb.PAUSE
        self.children[child.name] = replace(child, paused=paused)
        if not child.live:
            return self.desk.answer(order, "done", f"it does not run now; it will start {_intake(paused)}")
        text = f"told to go on {_intake(paused)}; this holds over restarts"
        return [Tell(child.name, order.verb.value), *self.desk.answer(order, "done", text)]

    def _scale(self, order: Order) -> list[Command]:
        refusal = scale_refusal(order, self._shard_spec, self.stopping)
        if refusal is not None or order.count is None:
            return self.desk.answer(order, "refused", refusal or "")
        commands: list[Command] = []
        if self._scaling is not None:
            commands += self.desk.answer(self._scaling.order, "failed", f"ticket {order.ticket} came after it")
        elif order.count == len(shards_of(self.children)):
            return [*commands, *self.desk.answer(order, "done", f"there are {order.count} already")]
        self._scaling = Scaling(order, order.count)
        return [*commands, *self.desk.answer(order, "accepted", "accepted"), Rescale(order.count)]

    def _scale_event(self, event: ScaleEvent, now: Moment) -> list[Command]:
        scaling = self._scaling
        match event:
            case _ if scaling is None:
                return []
            case Assigned(version, shards):
                scaling.assigned(version, shards, self.limits, now)
            case Swept(name, version):
                scaling.went_through(name, version)
            case Rescaled(""):
                return self._add_shards(scaling, now)
            case Rescaled(problem):
                self._scaling = None
                return self.desk.answer(scaling.order, "failed", f"cannot be remembered, so it is not done: {problem}")
            case _:
                assert_never(event)
        return []

    def _add_shards(self, scaling: Scaling, now: Moment) -> list[Command]:
        scaling.begun = True
        present = {child.spec.index for child in shards_of(self.children)}
        commands: list[Command] = []
        for index in range(scaling.count):
            if index not in present and self._shard_spec is not None:
                child = Child(spec=self._shard_spec(index))
                # Before its group's turn it would be started twice.
                begun = self._group >= child.spec.group
                commands += self._put(policy.start(child, now) if begun else (child, []))
        text = f"from {len(present)} to {scaling.count} shards; the symbols are dealt anew"
        return [*commands, *self.desk.answer(scaling.order, "running", text)]

    def _go_on_scaling(self, scaling: Scaling, now: Moment) -> list[Command]:
        if not scaling.handed_over(self.children, now):
            return []
        leaving = scaling.leaving(self.children)
        kill_at = now.monotonic_ns + ns(self.limits.stop_deadline_s)
        commands: list[Command] = []
        for child in leaving:
            if child.state is not State.STOPPING:
                commands += self._put(policy.stop(child, Ending.SHUTDOWN, kill_at, now))
            if self.children[child.name].state is State.STOPPED:
                del self.children[child.name]
        if scaling.leaving(self.children):
            return commands
        self._scaling = None
        late = scaling.late(self.children)
        text = f"{scaling.count} shards sweep all symbols"
        if late:
            text = f"{scaling.count} shards; not yet through their symbols, gaps say which: {', '.join(late)}"
        return [*commands, *self.desk.answer(scaling.order, "done", text)]

    def _measured(self, sizes_bytes: Mapping[str, int], now: Moment) -> list[Command]:
        children = self.children.values()
        calm = not self.stopping and self._scaling is None and not self._fleet.incidents and is_calm(children)
        found = overdue(children, sizes_bytes, self.limits, now) if calm else None
        if found is None:
            return []
        kill_at = now.monotonic_ns + ns(self.limits.stop_deadline_s)
        commands = self._put(policy.stop(self.children[found.name], Ending.RECYCLE, kill_at, now))
        return [Notice("process_recycled", "info", found.name, found.text), *commands]

    def _advance(self, now: Moment) -> list[Command]:
        if self._shutdown is not None:
            return self._advance_shutdown(self._shutdown, now)
        commands: list[Command] = []
        while 0 <= self._group < len(START_ORDER) and self._group_is_up(now):
            self._group += 1
            self._group_since_ns = now.monotonic_ns
            commands += self._begin_group(now)
        return commands

    def _group_is_up(self, now: Moment) -> bool:
        members = [child for child in self.children.values() if child.spec.group == self._group]
        if now.monotonic_ns - self._group_since_ns >= ns(self.limits.start_patience_s):
            return True
        return all(child.state is not State.STARTING for child in members)

    def _begin_group(self, now: Moment) -> list[Command]:
        members = [child for child in self.children.values() if child.spec.group == self._group]
        return [
            command
            for child in members
            if child.state is State.STOPPED
            for command in self._put(self._begin(child, now))
        ]

    def _begin(self, child: Child, now: Moment) -> Step:
        if child.next_start_ns is None or child.next_start_ns <= now.monotonic_ns:
            return policy.start(child, now)
        held = State.QUARANTINED if child.reason else State.BACKOFF
        wait_s = (child.next_start_ns - now.monotonic_ns) / 1e9
        text = f"an earlier supervisor left it in {held}; it starts in {wait_s:.0f} s {child.reason}".rstrip()
        notice = Notice("process_held", "warning", child.name, text)
        return replace(child, state=transition(child.state, held)), [notice]

    def _stop_requested(self, now: Moment) -> list[Command]:
        if self._shutdown is None:
            self._shutdown = Shutdown(self.limits, now)
            text = f"stop requested; {self.limits.stop_deadline_s:g} s to drain"
            return [Notice("stop_requested", "info", "tree", text), *self._each(self._shutdown.settle)]
        kill_at = self._shutdown.hurry(now)
        text = "stop requested again; everything ends now"
        return [
            Notice("stop_hurried", "warning", "tree", text),
            *self._each(lambda child: policy.stop(child, Ending.SHUTDOWN, kill_at, now)),
        ]

    def _advance_shutdown(self, shutdown: Shutdown, now: Moment) -> list[Command]:
        if self._ended:
            return []
        commands: list[Command] = []
        for group in reversed(range(len(START_ORDER))):
            members = [child for child in self.children.values() if child.spec.group == group]
            for child in members:
                if child.state in {State.STARTING, State.RUNNING}:
                    commands += self._put(policy.stop(child, Ending.SHUTDOWN, shutdown.kill_at_ns(group), now))
            if any(self.children[child.name].live for child in members):
                break
        left = [child.name for child in self.children.values() if child.live]
        if left and now.monotonic_ns < shutdown.give_up_ns:
            return commands
        self._ended = True
        unclean = sorted({*shutdown.unclean, *left})
        text = f"stopped; not clean: {', '.join(unclean)}" if unclean else "stopped; everything drained"
        code = ExitCode.UNCLEAN if unclean else ExitCode.OK
        return [*commands, Notice("tree_stopped", "warning" if unclean else "info", "tree", text), End(code)]


def _intake(paused: bool) -> str:
    return "without collecting" if paused else "collecting"
