"""What a child process is given at its start, and its two pipes to the supervisor.

Separate from the services so that the supervisor can build it without importing them.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

from observer_core.clock import NS_PER_S, Clock
from observer_core.errors import ProcessError
from observer_core.ids import ProcessName
from observer_core.locks import HeldLock, hold
from observer_core.messages import encode
from observer_core.orders import ChildOrder, ChildReport, decode_child_order
from observer_core.pipes import FrameBuffer, read_available, write_frame
from observer_core.settings import Settings

_ROLE_POLL_S = 0.01
_PROGRESS_INTERVAL_NS = NS_PER_S


@dataclass(slots=True)
class ChildContext:
    """Identity, settings and pipes of one child; descriptors are non-blocking, -1 = none."""

    name: ProcessName
    kind: str
    index: int
    settings: Settings
    clock: Clock
    control_fd: int = -1
    report_fd: int = -1
    order_fd: int = -1
    tree_fd: int = -1
    start_paused: bool = False
    role_patience_s: float = 0.0
    """How long a predecessor that is stopping may still hold this process's role."""
    _control: FrameBuffer = field(default_factory=FrameBuffer)

    def hold_role(self, role: str) -> HeldLock:
        """Take the lock of a role before doing anything in it, waiting for a predecessor that is about to end.

        The waiting blocks: nothing of this process may run before it has its role.

        Raises:
            ProcessError: another process has the role and keeps it.
        """
        path = self.settings.paths.locks / f"{role}.lock"
        begun_ns = reported_ns = self.clock.monotonic_ns()
        while True:
            try:
                return hold(path, self.name)
            except ProcessError:
                now_ns = self.clock.monotonic_ns()
                if now_ns - begun_ns >= self.role_patience_s * NS_PER_S:
                    raise
            if now_ns - reported_ns >= _PROGRESS_INTERVAL_NS:
                reported_ns = now_ns
                self.report_progress()
            time.sleep(_ROLE_POLL_S)

    def report_ready(self) -> None:
        """Tell the supervisor, once, that this process does its work."""
        self._report("ready")

    def report_progress(self) -> None:
        """Tell the supervisor that the main loop turns; called about once a second from that very loop."""
        self._report("progress")

    def report_assigned(self, version: int, shards: int) -> None:
        """Tell the supervisor that an assignment over so many sweeping shards is in force."""
        self._report("assigned", version, shards)

    def report_swept(self, version: int) -> None:
        """Tell the supervisor that this shard has been through all symbols of an assignment."""
        self._report("swept", version)

    def read_orders(self) -> list[ChildOrder]:
        """Return the orders that arrived on the control pipe since the last call.

        Raises:
            EOFError: the supervisor is gone.
        """
        if self.control_fd < 0:
            return []
        return [decode_child_order(raw) for raw in self._control.feed(read_available(self.control_fd))]

    def _report(self, state: str, version: int = 0, shards: int = 0) -> None:
        if self.report_fd < 0:
            return
        # A full pipe means that the supervisor has not read older reports yet: they say the same. A broken one
        # means that it is gone, which the control pipe tells as well.
        with suppress(BrokenPipeError):
            report = ChildReport(pid=os.getpid(), state=state, version=version, shards=shards)
            write_frame(self.report_fd, encode(report))


def on_stop_signals(stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM and SIGINT; for synchronous loops (asyncio ones use the event loop's own handlers)."""

    def received(_signal: int, _frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, received)
    signal.signal(signal.SIGINT, received)
