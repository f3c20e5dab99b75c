"""Why a process died, in a word for the rules and in a sentence for people.

Separate from the policy because the tally, the fleet rule and the reports all read it.
"""

import signal
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from observer_core.exit_codes import ExitCode


class Cause(StrEnum):
    """The class of a death."""

    COMMANDED = "commanded"
    RECYCLED = "recycled"
    """Renewed in good health, because of its memory or its age."""
    FINISHED = "finished"
    """Ended with OK although nobody asked."""
    CRASH = "crash"
    SIGNAL = "signal"
    HANG = "hang"
    OOM = "oom"
    CONFIG = "config"
    CONNECT = "connect"
    LOCKED = "locked"
    STALLED = "stalled"
    SPAWN = "spawn"
    """Could not even be forked."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended as the kernel and the process itself tell it."""

    status: int
    """Exit code, or the negative number of the signal that ended it."""
    out_of_memory: bool = False
    """The kernel's out-of-memory killer struck in our group since the last death."""
    last_words: str = ""


@dataclass(frozen=True, slots=True)
class Death:
    """One entry of the tally."""

    at_ns: int
    """Wall clock."""
    cause: Cause
    text: str


_BY_CODE = {
    ExitCode.OK: Cause.FINISHED,
    ExitCode.CONFIG: Cause.CONFIG,
    ExitCode.USAGE: Cause.CONFIG,
    ExitCode.CONNECT: Cause.CONNECT,
    ExitCode.LOCKED: Cause.LOCKED,
    ExitCode.STALLED: Cause.STALLED,
}

_OUTSIDERS = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
"""Signals that somebody sends; the others are faults of the process."""

_DEPENDENCIES = {
    Cause.CONFIG: "the configuration",
    Cause.LOCKED: "locks held by another process",
    Cause.OOM: "the memory of this machine",
    Cause.SPAWN: "the memory or process limit of this machine",
}
"""What probably fails when several processes die of one cause, whoever they are."""

_WORDS = (
    (("token", "oauth", "appkey", "egw00103", "egw00121", "egw00123", "egw00133"), "the broker's access tokens"),
    (("postgres", "database", "sqlstate", "relation "), "the database"),
    (("websocket", "approval", "handshake"), "the broker's stream (WebSocket)"),
)
"""What last words speak of, most telling first."""

_BY_KINDS = (
    (frozenset({"writer"}), "the database"),
    (frozenset({"swing"}), "the broker's REST service"),
    (frozenset({"scalp"}), "the broker's stream (WebSocket)"),
    (frozenset({"swing", "scalp"}), "the exchange: REST and stream alike"),
)


def suspect(cause: Cause, kinds: Collection[str], texts: Collection[str]) -> str:
    """Return what probably fails when processes of these kinds die of one cause with these sentences."""
    if cause in _DEPENDENCIES:
        return _DEPENDENCIES[cause]
    if cause not in {Cause.CONNECT, Cause.CRASH, Cause.FINISHED}:
        return "something they share"
    said = " ".join(texts).lower()
    for words, dependency in _WORDS:
        if any(word in said for word in words):
            return dependency
    if cause is Cause.CONNECT:
        found = (dependency for group, dependency in _BY_KINDS if group == set(kinds))
        return next(found, "the exchange or the database")
    return "something they share"


def judge(end: Exit, *, commanded: bool = False, hung: bool = False) -> tuple[Cause, str]:
    """Return the cause of a death and a sentence about it."""
    words = f": {end.last_words}" if end.last_words else ""
    text = f"{_describe(end.status)}{words}"
    if hung:
        return Cause.HANG, f"no progress, killed ({text})"
    if commanded:
        return Cause.COMMANDED, f"stopped as ordered ({text})"
    if end.status == -signal.SIGKILL and end.out_of_memory:
        return Cause.OOM, f"out of memory ({text})"
    if end.status < 0:
        return Cause.SIGNAL, text
    return _BY_CODE.get(_code(end.status), Cause.CRASH), text


def fleet_key(cause: Cause, status: int) -> str | None:
    """Return what deaths of different processes must share to be one incident, None = never part of one.

    A signal sent from outside tells nothing about a dependency; the same fault signal in several processes does.
    """
    if cause in {Cause.COMMANDED, Cause.RECYCLED, Cause.FINISHED}:
        return None
    if cause is Cause.SIGNAL:
        return None if -status in _OUTSIDERS else _describe(status)
    if cause is Cause.CRASH:
        return _describe(status)
    return cause.value


def _code(status: int) -> ExitCode:
    try:
        return ExitCode(status)
    except ValueError:
        return ExitCode.FAILED


def _describe(status: int) -> str:
    if status < 0:
        try:
            return f"signal {-status} {signal.Signals(-status).name}"
        except ValueError:
            return f"signal {-status}"
    try:
        return f"exit code {status} {ExitCode(status).name}"
    except ValueError:
        return f"exit code {status}"
