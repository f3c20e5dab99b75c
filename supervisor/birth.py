"""A child's first steps after the fork and its last one: from the supervisor's image to a process of its own.

Separate from `spawn` because it runs on the other side of the fork.
"""

import contextlib
import faulthandler
import gc
import logging
import os
import random
import signal
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import msgspec

from observer_core import logs
from observer_core.clock import Clock
from observer_core.errors import ConfigError, FatalFeedError, FatalSinkError, ObserverError
from observer_core.exit_codes import ExitCode
from observer_core.messages import encode
from observer_core.orders import ChildReport
from observer_core.pipes import await_frame, write_frame
from observer_core.services.context import ChildContext
from observer_core.settings import Settings
from supervisor import linux
from supervisor.specs import ChildSpec, Program

FAILED_PREFIX = "failed: "
"""Beginning of a report's state in which a child says why it ends."""

ROLE_PATIENCE_S = 15.0
"""More than a whole tree takes to stop: the predecessor's process may still be at work when this one is born."""

STACKS_LIMIT_BYTES = 1 << 20
WORDS_LIMIT = 500
_DESCRIPTORS_WITHOUT_LIMIT = 1 << 20

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What a child takes over the fork; the descriptors are the child's ends, -1 = none."""

    spec: ChildSpec
    parent_pid: int
    paused: bool
    settings: Settings
    clock: Clock
    stacks: Path
    control_fd: int
    report_fd: int
    order_fd: int
    tree_fd: int
    future: "Future | None" = None
    """Of a process that is forked ahead; None = it is `spec` at once."""


@dataclass(frozen=True, slots=True)
class Future:
    """What is known, before its time, of a process that waits to be called."""

    roles: Mapping[str, ChildSpec]
    """Who it may become, by name."""
    model_pid: int
    """A process that did already what this one will do."""


class Calling(msgspec.Struct, frozen=True, array_like=True):
    """What a spare process is told, over its control pipe: who it is from now on."""

    name: str
    paused: bool


_calling_decoder = msgspec.msgpack.Decoder(Calling)


def live(birth: Birth) -> NoReturn:
    """Become the child, do its work, and leave with its exit code; never return into the supervisor's code."""
    code = int(ExitCode.FAILED)
    try:
        if linux.die_with_parent(birth.parent_pid):
            _become_own_process(birth)
            code = _work(birth if birth.future is None else _called(birth, birth.future))
    finally:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        # No interpreter shutdown: exit handlers of the supervisor's image are not the child's to run.
        os._exit(code)


def _become_own_process(birth: Birth) -> None:
    # A session of its own: Ctrl-C at the supervisor's terminal must not stop children out of order.
    os.setsid()
    linux.name_process(birth.spec.name)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    # Before their descriptors go: a handler closed later would close a number that means something else by then.
    for handler in logging.getLogger().handlers[:]:
        logging.getLogger().removeHandler(handler)
        handler.close()
    close_all_but({birth.control_fd, birth.report_fd, birth.order_fd, birth.tree_fd})
    random.seed()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _called(birth: Birth, future: Future) -> Birth:
    """Wait until the supervisor says who this process is.

    Raises:
        SystemExit: the supervisor closed the pipe.
    """
    linux.own_pages_like(future.model_pid)
    try:
        calling = _calling_decoder.decode(await_frame(birth.control_fd))
    except EOFError:
        raise SystemExit(ExitCode.OK) from None
    spec = future.roles[calling.name]
    linux.name_process(spec.name)
    return replace(birth, spec=spec, paused=calling.paused, future=None)


def close_all_but(kept: Collection[int]) -> None:
    """Close every descriptor above standard error except some."""
    low = 3
    for fd in sorted(fd for fd in kept if fd >= low):
        os.closerange(low, fd)
        low = fd + 1
    limit = os.sysconf("SC_OPEN_MAX")
    os.closerange(low, limit if limit > 0 else _DESCRIPTORS_WITHOUT_LIMIT)


def _work(birth: Birth) -> int:
    if isinstance(birth.spec.run, Program):
        return _execute(birth.spec.run)
    try:
        _prepare_stack_dump(birth.stacks / f"{birth.spec.name}.stacks")
        logs.configure(birth.spec.name, birth.settings)
        gc.enable()
        return int(birth.spec.run(_context(birth)))
    except ConfigError as error:
        return _fail(birth, ExitCode.CONFIG, error, str(error))
    except (FatalFeedError, FatalSinkError) as error:
        return _fail(birth, ExitCode.CONNECT, error, str(error))
    except ObserverError as error:
        return _fail(birth, ExitCode.FAILED, error, str(error))
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(ExitCode.FAILED)
    except BaseException as error:
        # The text of a foreign error may hold anything: it goes to the redacting log, its name to the supervisor.
        return _fail(birth, ExitCode.FAILED, error, type(error).__name__)


def _fail(birth: Birth, code: ExitCode, error: BaseException, words: str) -> int:
    _logger.error("process failed", exc_info=error, extra={"exit_code": code.name})
    said = logs.redactor_for(birth.settings)(words)[:WORDS_LIMIT]
    with contextlib.suppress(OSError):
        write_frame(birth.report_fd, encode(ChildReport(pid=os.getpid(), state=f"{FAILED_PREFIX}{said}")))
    return int(code)


def _context(birth: Birth) -> ChildContext:
    return ChildContext(
        name=birth.spec.name,
        kind=birth.spec.kind,
        index=birth.spec.index,
        settings=birth.settings,
        clock=birth.clock,
        control_fd=birth.control_fd,
        report_fd=birth.report_fd,
        order_fd=birth.order_fd,
        tree_fd=birth.tree_fd,
        start_paused=birth.paused,
        role_patience_s=ROLE_PATIENCE_S,
    )


def _prepare_stack_dump(path: Path) -> None:
    """Write the stacks of all threads to the file on SIGUSR1, also while a C call holds the interpreter."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    try:
        if path.exists() and path.stat().st_size > STACKS_LIMIT_BYTES:
            flags |= os.O_TRUNC
        fd = os.open(path, flags, 0o640)
    except OSError:
        # A full or lost log directory costs the dump, not the collection; the signal must still not kill.
        fd = sys.stderr.fileno()
    faulthandler.register(signal.SIGUSR1, file=fd, all_threads=True, chain=False)
    faulthandler.enable(file=fd, all_threads=True)


def _execute(program: Program) -> NoReturn:
    """Become the program; the parent-death signal set before stays in force."""
    # Python ignores these, and what is ignored stays so in the program.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    # dup2, because descriptors that Python opens do not survive the execution.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    output = os.open(program.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    os.dup2(output, 1)
    os.dup2(output, 2)
    environment = {**os.environ, **program.environment}
    os.execvpe(program.arguments[0], list(program.arguments), environment)  # noqa: S606 - becoming it is the point
