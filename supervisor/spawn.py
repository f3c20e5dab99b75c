"""Fork of one child with its pipes: everything between "start it" and the child's own first line.

`multiprocess` with context "fork" from a parent without threads, sockets and event loop. Between fork and child code
no signal is lost or taken by the wrong process, and the child keeps no descriptor of its siblings, so that the end
of a pipe means the end of its owner.
"""

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import multiprocess

from observer_core.clock import Clock
from observer_core.errors import ProcessError
from observer_core.pipes import FrameBuffer, open_pipe
from observer_core.settings import Settings
from supervisor.birth import Birth, Future, live
from supervisor.specs import ChildSpec

_fork: Any = multiprocess.get_context("fork")


@dataclass(slots=True, kw_only=True)
class Running:
    """A live child and the supervisor's ends of its pipes; -1 = it has none."""

    spec: ChildSpec
    pid: int
    pidfd: int
    control_fd: int
    report_fd: int
    order_fd: int
    tree_fd: int
    process: Any
    reports: FrameBuffer
    last_words: str = ""

    def send_signal(self, number: int) -> None:
        """Send a signal to this very process: its pid cannot have gone to another one."""
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            # Dead and not reaped yet: its death is already on the way to the policy.
            return

    def reap(self) -> int:
        """Return the status of a process that is dead, and close everything that was its.

        What is left of its process group dies first: until the leader is reaped, the number of the group cannot be
        given to anybody else.
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.join()
        status = int(self.process.exitcode)
        self.process.close()
        for fd in (self.pidfd, self.control_fd, self.report_fd, self.order_fd, self.tree_fd):
            if fd >= 0:
                os.close(fd)
        return status


@dataclass(frozen=True, slots=True)
class Nursery:
    """What every child is given."""

    settings: Settings
    clock: Clock
    stacks: Path
    """Directory of the stack dumps."""


def spawn(spec: ChildSpec, paused: bool, nursery: Nursery, future: Future | None = None) -> Running:
    """Fork a child and return it.

    Args:
        spec: who it is.
        paused: whether it starts without working.
        nursery: what every child is given.
        future: of a process that is forked ahead.

    Raises:
        ProcessError: no descriptor, memory or process number is left.
    """
    opened: list[int] = []
    try:
        pipes = [_pipe(opened) for _ in range(4 if spec.kind == "hub" else 2)]
        (control_r, control_w), (report_r, report_w), *hub = pipes
        (order_r, order_w), (tree_r, tree_w) = hub or ((-1, -1), (-1, -1))
        birth = Birth(
            spec=spec,
            parent_pid=os.getpid(),
            paused=paused,
            settings=nursery.settings,
            clock=nursery.clock,
            stacks=nursery.stacks,
            control_fd=control_r,
            report_fd=report_w,
            order_fd=order_w,
            tree_fd=tree_r,
            future=future,
        )
        process, pidfd = _forked(birth)
    except OSError as error:
        for fd in opened:
            os.close(fd)
        raise ProcessError(f"{spec.name} cannot be forked: {error.strerror}") from error
    for fd in (control_r, report_w, order_w, tree_r):
        if fd >= 0:
            os.close(fd)
    return Running(
        spec=spec,
        pid=process.pid,
        pidfd=pidfd,
        control_fd=control_w,
        report_fd=report_r,
        order_fd=order_r,
        tree_fd=tree_w,
        process=process,
        reports=FrameBuffer(),
    )


def _pipe(opened: list[int]) -> tuple[int, int]:
    ends = open_pipe()
    opened += ends
    return ends


def _forked(birth: Birth) -> tuple[Any, int]:
    process = _fork.Process(target=live, args=(birth,), name=birth.spec.name)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        return process, os.pidfd_open(process.pid)
    except OSError:
        # Out of descriptors: a process that cannot be watched must not run.
        process.kill()
        process.join()
        raise
