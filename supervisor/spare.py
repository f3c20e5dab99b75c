"""One process forked ahead: a shard that dies is replaced by it, and the fork is not on the way to the next record.

It has done what every child does first, has made its own the pages that a shard writes to until it is ready, and
waits on its control pipe to be told who it is. Until then it is nobody: no lock, no socket, no log, no row on a
screen. It is kept only while the market is open, when a death costs observations; without it children are forked.
"""

import logging
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from observer_core.errors import ProcessError
from observer_core.ids import ProcessName
from observer_core.messages import encode
from observer_core.pipes import write_frame
from observer_core.services.context import ChildContext
from supervisor.birth import Calling, Future
from supervisor.limits import ns
from supervisor.policy import Child
from supervisor.spawn import Nursery, Running, spawn
from supervisor.specs import PAUSABLE, ChildSpec
from supervisor.states import State

AFTER_START_S = 0.25
"""Forked so long after the last start: never between a death and the record that follows it."""
AFTER_LOSS_S = 60.0
"""Somebody killed it, or the fork failed: memory may be short, and nothing waits for it."""
LOOK_S = 30.0
"""How often the market, and who the shards are, is looked at."""

_logger = logging.getLogger(__name__)


def _nothing(_context: ChildContext) -> int:
    return 0


_NOBODY = ChildSpec(ProcessName("spare"), "spare", _nothing)


@dataclass(slots=True)
class _Spare:
    running: Running
    roles: dict[str, ChildSpec]


class SparePlace:
    """Keeps the process ready; `look` when it is due, `take` at every start, `bury` what died there."""

    def __init__(self, nursery: Nursery, wanted: Callable[[], bool], watch: Callable[[Running], None]) -> None:
        """Begin without a process.

        Args:
            nursery: what every child is given.
            wanted: whether a death would cost observations now.
            watch: called with every process forked here, so that its death is noticed.
        """
        self._nursery = nursery
        self._wanted = wanted
        self._watch = watch
        self._spare: _Spare | None = None
        self._uncalled: dict[int, Running] = {}
        """The spare, and dismissed ones that are not dead yet, by pid."""
        self.due_ns: int | None = None
        """When to look next, monotonic; None = not before the next start."""

    def take(self, spec: ChildSpec, paused: bool, now_ns: int) -> Running | None:
        """Return the process that waits, told that it is this child; None when there is none for it."""
        self.due_ns = now_ns + ns(AFTER_START_S)
        spare = self._spare
        if spare is None or spare.roles.get(spec.name) != spec:
            return None
        try:
            told = write_frame(spare.running.control_fd, encode(Calling(spec.name, paused)))
        except BrokenPipeError:
            # It is dead, and its death is on the way to us.
            return None
        if not told:
            return None
        self._spare = None
        del self._uncalled[spare.running.pid]
        spare.running.spec = spec
        return spare.running

    def look(self, children: Iterable[Child], now_ns: int) -> None:
        """Fork the process, renew it when the shards are others now, or let it go when it is not wanted."""
        self.due_ns = now_ns + ns(LOOK_S)
        shards = [child for child in children if child.spec.kind in PAUSABLE] if self._wanted() else []
        roles = {child.name: child.spec for child in shards}
        if self._spare is not None and self._spare.roles == roles:
            return
        self._dismiss()
        ready = [child for child in shards if child.state is State.RUNNING and child.pid is not None]
        if not ready:
            return
        # The one that became ready last has written to little else than what every shard must write to.
        model = max(ready, key=lambda child: child.ready_ns or 0)
        try:
            running = spawn(_NOBODY, False, self._nursery, Future(roles, model.pid or 0))
        except ProcessError as error:
            self.due_ns = now_ns + ns(AFTER_LOSS_S)
            _logger.warning("no process is kept ready", extra={"reason": str(error)})
            return
        self._spare = _Spare(running, roles)
        self._uncalled[running.pid] = running
        self._watch(running)

    def bury(self, pid: int, now_ns: int) -> Running | None:
        """Reap a dead process that was never called and return it; None when the pid is none of these."""
        running = self._uncalled.pop(pid, None)
        if running is None:
            return None
        status = running.reap()
        if self._spare is not None and self._spare.running is running:
            self._spare = None
            self.due_ns = now_ns + ns(AFTER_LOSS_S)
            _logger.warning("the process kept ready died", extra={"pid": pid, "status": status})
        return running

    def close(self) -> None:
        """Let the process go and keep none any more."""
        self._wanted = lambda: False
        self._dismiss()

    def _dismiss(self) -> None:
        if self._spare is not None:
            self._spare.running.send_signal(signal.SIGKILL)
            self._spare = None
