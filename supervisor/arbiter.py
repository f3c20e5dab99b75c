"""The supervisor's only loop: waits for whatever happens, asks the policy, does what it says.

It waits on process descriptors, pipes and signals, never by polling at intervals, and never for a child: pipes are
non-blocking, a hub that does not read costs nothing. No thread, no socket, no event loop.
"""

import logging
import os
import select
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, assert_never

from observer_core.clock import NS_PER_MS
from observer_core.errors import MalformedMessage, ProcessError
from observer_core.messages import encode
from observer_core.orders import ChildOrder, decode_child_report
from observer_core.pipes import read_available, write_frame
from observer_core.services.scaling import write_order
from supervisor import linux, memory
from supervisor.birth import FAILED_PREFIX
from supervisor.causes import Exit
from supervisor.hub_link import HubLink, supervisor_event, ticket_update, tree_report
from supervisor.limits import ns
from supervisor.orders import (
    Answer,
    Assigned,
    Begun,
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
    SendSignal,
    SessionOpened,
    Silenced,
    Slept,
    Spawned,
    SpawnFailed,
    Start,
    StopRequested,
    Swept,
    Tell,
    TreeEvent,
)
from supervisor.spare import SparePlace
from supervisor.spawn import Nursery, Running, spawn
from supervisor.tree import Tree
from supervisor.wakeup import Wakeup

REPORT_INTERVAL_S = 1.0
SAVE_AFTER_S = 0.2
"""Changes of this long are written together: the file is off the path of a restart."""
SLEPT_S = 2.0
"""Being later than this means that the machine or our container stood still."""

SESSION_CHECK_S = 600.0

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR, "critical": logging.CRITICAL}

_logger = logging.getLogger(__name__)


class _Source(NamedTuple):
    """What a descriptor in the poll set stands for."""

    kind: str
    name: str
    serve: Callable[[str], None]


@dataclass(slots=True)
class _Agenda:
    """When the loop wakes up by itself, besides the policy's deadlines (monotonic)."""

    report_ns: int = 0
    measure_ns: int = 0
    save_ns: int | None = None
    session_ns: int | None = None
    opens_ns: int | None = None
    """The next session's opening, wall clock."""


class Arbiter:
    """Runs one tree from its start to its end."""

    def __init__(
        self,
        tree: Tree,
        nursery: Nursery,
        memory_file: Path,
        next_session: Callable[[int], int | None] = lambda _now_ns: None,
        step_down: Callable[[], None] = lambda: None,
        collecting: Callable[[], bool] = lambda: True,
    ) -> None:
        self._tree = tree
        self._nursery = nursery
        self._clock = nursery.clock
        self._memory_file = memory_file
        self._next_session = next_session
        """Gives the next session's opening after a wall-clock time, both ns."""
        self._step_down = step_down
        """Lets a successor begin; called when a stop begins, because its processes wait for ours by themselves."""
        self._running: dict[str, Running] = {}
        self._spares = SparePlace(nursery, collecting, self._watch_spare)
        self._sources: dict[int, _Source] = {}
        self._poll = select.poll()
        self._wakeup = Wakeup()
        self._hub = HubLink()
        self._agenda = _Agenda()
        self._reported_revision = self._saved_revision = -1
        self._started = self._now()
        self._offset_ns = self._started.wall_ns - self._started.monotonic_ns
        """Wall clock minus monotonic clock at the last turn."""
        self._looked_ns = self._started.monotonic_ns
        """When we last looked how late it is (monotonic)."""
        self._exit_code: int | None = None
        self._resigned = False
        self._memory_events = linux.own_memory_events_file()
        self._out_of_memory_kills = linux.out_of_memory_kills(self._memory_events)

    def run(self) -> int:
        """Start the children, keep them, stop them on request; return the supervisor's exit code."""
        linux.become_subreaper()
        with self._wakeup:
            self._watch(self._wakeup.fd, _Source("signals", "", self._on_signals))
            self._await_session(self._started)
            self._notice_sleep(None)
            self._dispatch(Begun())
            while self._exit_code is None:
                self._turn()
            self._forget(self._wakeup.fd)
            self._leave()
            return self._exit_code

    def _now(self) -> Moment:
        return Moment(self._clock.monotonic_ns(), self._clock.now_ns())

    def _turn(self) -> None:
        before = self._now()
        wait_ns = self._wait_ns(before)
        ready = self._poll.poll(None if wait_ns is None else -(-wait_ns // NS_PER_MS))
        self._notice_sleep(wait_ns)
        self._compare_clocks()
        # A descriptor closed while we serve others may be open again as something else: compare before serving.
        for fd, source in [(fd, self._sources[fd]) for fd, _ in ready]:
            if self._sources.get(fd) is source:
                source.serve(source.name)
        # Whatever held us up while we served, held up our hearing: nobody is judged by what was not heard then.
        self._dispatch(Passed(), self._notice_sleep(0))
        self._keep_appointments()

    def _notice_sleep(self, expected_ns: int | None) -> Moment:
        """Compare the time since the last look with what was to pass, None = anything; return the moment of this look.

        Where we stood still does not matter: in the poll, or outside of it, where a full log pipe holds us up as well.
        """
        now = self._now()
        late_ns = 0 if expected_ns is None else now.monotonic_ns - self._looked_ns - expected_ns
        self._looked_ns = now.monotonic_ns
        if late_ns > ns(SLEPT_S):
            self._dispatch(Slept(late_ns), now)
        return now

    def _compare_clocks(self) -> None:
        """Notice that the wall clock was set. Nothing here is timed by it but the next session's opening."""
        now = self._now()
        offset_ns = now.wall_ns - now.monotonic_ns
        step_ns, self._offset_ns = offset_ns - self._offset_ns, offset_ns
        if abs(step_ns) > ns(self._tree.limits.clock_step_s):
            self._dispatch(ClockStepped(step_ns))
            self._await_session(now)
            self._spares.due_ns = now.monotonic_ns

    def _wait_ns(self, now: Moment) -> int | None:
        agenda = self._agenda
        times = [self._tree.next_deadline_ns(), agenda.save_ns, agenda.session_ns, agenda.measure_ns]
        times.append(self._spares.due_ns)
        if self._hub.tree_fd >= 0:
            times.append(self._agenda.report_ns)
        due = [at for at in times if at is not None]
        return max(0, min(due) - now.monotonic_ns) if due else None

    def _dispatch(self, event: TreeEvent, now: Moment | None = None) -> None:
        for command in self._tree.handle(event, now or self._now()):
            self._perform(command)

    def _perform(self, command: Command) -> None:
        match command:
            case Start():
                self._start(command)
            case SendSignal(name, pid, number):
                running = self._running.get(name)
                if running is not None and running.pid == pid:
                    running.send_signal(number)
            case Tell(name, verb):
                self._tell(name, verb)
            case Rescale(count):
                self._dispatch(Rescaled(self._remember_count(count)))
            case Notice():
                self._notify(command)
            case Answer():
                self._hub.send(ticket_update(command, self._clock.now_ns()))
            case End(code):
                self._exit_code = code
            case _:
                assert_never(command)

    def _start(self, command: Start) -> None:
        spec = self._tree.children[command.name].spec
        try:
            running = self._spares.take(spec, command.paused, self._clock.monotonic_ns())
            running = running or spawn(spec, command.paused, self._nursery)
        except ProcessError as error:
            self._dispatch(SpawnFailed(command.name, str(error)))
            return
        self._running[command.name] = running
        self._watch(running.pidfd, _Source("process", spec.name, self._bury))
        self._watch(running.report_fd, _Source("report", spec.name, self._hear))
        if running.tree_fd >= 0:
            now_ns = self._clock.now_ns()
            tickets = [ticket_update(answer, now_ns) for answer in self._tree.desk.latest()]
            self._hub.attach(running.order_fd, running.tree_fd, tickets)
            self._watch(running.order_fd, _Source("order", spec.name, self._take_orders))
        self._dispatch(Spawned(command.name, running.pid))
        _logger.info("process started", extra={"child": spec.name, "pid": running.pid, "start": command.generation})

    def _watch_spare(self, spare: Running) -> None:
        def serve(_name: str) -> None:
            self._bury_spare(spare.pid)

        self._watch(spare.pidfd, _Source("spare", "", serve))

    def _bury_spare(self, pid: int) -> bool:
        """Bury a process that nobody was called by; return whether it was one."""
        dead = self._spares.bury(pid, self._clock.monotonic_ns())
        if dead is None:
            return False
        self._forget(dead.pidfd)
        # If it was killed for want of memory, the next one that is killed was not.
        self._memory_ran_out()
        return True

    def _tell(self, name: str, verb: str) -> None:
        running = self._running.get(name)
        if running is None:
            return
        try:
            told = write_frame(running.control_fd, encode(ChildOrder(verb=verb)))
        except BrokenPipeError:
            return
        if not told:
            _logger.warning("child does not read its orders", extra={"child": name, "verb": verb})

    def _remember_count(self, count: int) -> str:
        try:
            write_order(self._nursery.settings, count)
        except OSError as error:
            return error.strerror or type(error).__name__
        return ""

    def _hear(self, name: str) -> None:
        running = self._running[name]
        try:
            payloads = running.reports.feed(read_available(running.report_fd))
        except EOFError:
            self._forget(running.report_fd)
            if not linux.is_ending(running.pid):
                self._dispatch(Silenced(name, running.pid))
            return
        except MalformedMessage as error:
            _logger.error("report pipe is out of step", extra={"child": name, "reason": error.reason})
            self._forget(running.report_fd)
            return
        for raw in payloads:
            self._heard(running, raw)

    def _heard(self, running: Running, raw: bytes) -> None:
        try:
            report = decode_child_report(raw)
        except MalformedMessage as error:
            _logger.error("report is unreadable", extra={"child": running.spec.name, "reason": error.reason})
            return
        if report.state.startswith(FAILED_PREFIX):
            running.last_words = report.state.removeprefix(FAILED_PREFIX)
            return
        self._dispatch(Reported(running.spec.name, running.pid, ready=report.state == "ready"))
        if report.state == "assigned":
            self._dispatch(Assigned(report.version, report.shards))
        elif report.state == "swept":
            self._dispatch(Swept(running.spec.name, report.version))

    def _bury(self, name: str) -> None:
        running = self._running[name]
        if running.report_fd in self._sources:
            self._hear(name)
        del self._running[name]
        for fd in (running.pidfd, running.report_fd, running.order_fd, running.tree_fd):
            self._forget(fd)
        if running.tree_fd >= 0:
            self._hub.detach()
        status = running.reap()
        out_of_memory = status == -signal.SIGKILL and self._memory_ran_out()
        self._dispatch(Exited(name, running.pid, Exit(status, out_of_memory, running.last_words)))

    def _memory_ran_out(self) -> bool:
        before = self._out_of_memory_kills
        self._out_of_memory_kills = linux.out_of_memory_kills(self._memory_events)
        return self._out_of_memory_kills > before

    def _on_signals(self, _name: str) -> None:
        received = self._wakeup.take()
        for _ in range(received[signal.SIGTERM] + received[signal.SIGINT]):
            self._dispatch(StopRequested())
            self._resign()
        if received[signal.SIGHUP]:
            self._dispatch(ReloadRequested())
        if received[signal.SIGCHLD]:
            self._reap_orphans()

    def _reap_orphans(self) -> None:
        """Reap whatever died below us; our own children on the way are buried as such."""
        ours = {running.pid: name for name, running in self._running.items()}
        while True:
            try:
                dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if dead is None:
                return
            name = ours.pop(dead.si_pid, None)
            if self._bury_spare(dead.si_pid):
                continue
            if name is not None and name in self._running:
                self._bury(name)
                ours = {running.pid: other for other, running in self._running.items()}
            else:
                os.waitpid(dead.si_pid, os.WNOHANG)
                _logger.info("orphan reaped", extra={"pid": dead.si_pid, "status": dead.si_status})

    def _take_orders(self, _name: str) -> None:
        fd = self._hub.order_fd
        for order in self._hub.receive():
            self._dispatch(Ordered(order))
        if self._hub.order_fd != fd:
            self._forget(fd)

    def _notify(self, notice: Notice) -> None:
        _logger.log(_LEVELS[notice.severity], notice.text, extra={"event_name": notice.event, "child": notice.subject})
        self._hub.send(supervisor_event(notice, self._clock.now_ns()))

    def _keep_appointments(self) -> None:
        now = self._now()
        if self._agenda.session_ns is not None and now.monotonic_ns >= self._agenda.session_ns:
            if self._agenda.opens_ns is not None and now.wall_ns >= self._agenda.opens_ns:
                self._dispatch(SessionOpened())
            self._await_session(now)
        if now.monotonic_ns >= self._agenda.measure_ns:
            self._agenda.measure_ns = now.monotonic_ns + ns(self._tree.limits.measure_s)
            self._dispatch(Measured({name: linux.own_bytes(one.pid) for name, one in self._running.items()}))
        if self._spares.due_ns is not None and now.monotonic_ns >= self._spares.due_ns:
            self._spares.look(self._tree.children.values(), now.monotonic_ns)
        if self._tree.revision != self._saved_revision and self._agenda.save_ns is None:
            self._agenda.save_ns = now.monotonic_ns + ns(SAVE_AFTER_S)
        if self._agenda.save_ns is not None and now.monotonic_ns >= self._agenda.save_ns:
            self._save(now)
        self._report(now)

    def _report(self, now: Moment) -> None:
        changed = self._tree.revision != self._reported_revision
        if self._hub.tree_fd >= 0 and (changed or now.monotonic_ns >= self._agenda.report_ns):
            children = self._tree.children.values()
            if self._hub.send_tree(tree_report(children, os.getpid(), self._started.wall_ns, now)):
                self._reported_revision = self._tree.revision
            self._agenda.report_ns = now.monotonic_ns + ns(REPORT_INTERVAL_S)
        blocked_fd = self._hub.tree_fd if self._hub.blocked else -1
        for fd, source in list(self._sources.items()):
            if source.kind == "tree" and fd != blocked_fd:
                self._forget(fd)
        if blocked_fd >= 0 and blocked_fd not in self._sources:
            self._watch(blocked_fd, _Source("tree", "hub", lambda _name: None), select.POLLOUT)

    def _resign(self) -> None:
        """Let a successor begin; from then on the memory is its own."""
        if not self._resigned:
            self._save(self._now())
            self._resigned = True
            self._spares.close()
            self._step_down()

    def _save(self, now: Moment) -> None:
        self._agenda.save_ns = None
        if self._resigned:
            return
        self._saved_revision = self._tree.revision
        memory.save(self._memory_file, memory.remember(self._tree.children.values(), now))

    def _await_session(self, now: Moment) -> None:
        opens_ns = self._agenda.opens_ns = self._next_session(now.wall_ns)
        if opens_ns is not None:
            # Looked at again now and then: the wall clock may be set, the monotonic one pauses with the machine.
            wait_ns = min(max(0, opens_ns - now.wall_ns), ns(SESSION_CHECK_S))
            self._agenda.session_ns = now.monotonic_ns + wait_ns

    def _leave(self) -> None:
        self._save(self._now())
        # Adopted orphans, and children that SIGKILL has not ended yet, must not outlive the tree.
        for pid in linux.children_of_self():
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
            except (ProcessLookupError, ChildProcessError):
                continue

    def _watch(self, fd: int, source: _Source, events: int = select.POLLIN) -> None:
        self._sources[fd] = source
        self._poll.register(fd, events)

    def _forget(self, fd: int) -> None:
        if self._sources.pop(fd, None) is not None:
            self._poll.unregister(fd)
