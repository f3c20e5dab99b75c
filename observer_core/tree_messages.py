"""What the supervisor says: the tree as it stands, tickets, notices.

Separate from `messages` because none of it is collected data: the hub shows it, the archive does not hold it.
"""

from typing import TypeAlias

import msgspec

from observer_core.messages import Event, decode_with


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="t"):
    pass


class ProcessReport(_Message, frozen=True, kw_only=True, tag="process"):
    """The supervisor's own knowledge of one child."""

    name: str
    kind: str
    """"swing", "scalp", "writer", "hub", "maintenance", "exchange", "database"."""
    state: str
    """A `supervisor.states.State` value."""
    pid: int | None
    started_ns: int | None
    restarts: int
    last_exit: str = ""
    """Cause of the last death in words, "" when it never died."""
    next_start_ns: int | None = None
    generation: int = 0
    """Grows with every start; a command that carries an older one acts on a stale screen and is refused."""
    deaths: tuple[tuple[int, str, str], ...] = ()
    """The newest deaths, newest last: (wall-clock ns, cause, sentence)."""
    deaths_by_cause: dict[str, int] = {}
    """How often each cause stands in the tally of the last hundred deaths."""


class TreeReport(_Message, frozen=True, kw_only=True, tag="tree"):
    """All children; sent by the supervisor on every change and once a second."""

    as_of_ns: int
    supervisor_pid: int
    started_ns: int
    processes: tuple[ProcessReport, ...]


class TicketUpdate(_Message, frozen=True, kw_only=True, tag="ticket"):
    """Progress of a command."""

    ticket: str
    state: str
    """"accepted", "running", "done", "failed", "refused"."""
    text: str
    at_ns: int
    verb: str = ""
    target: str = ""
    who: str = ""
    reason: str = ""


class SupervisorEvent(_Message, frozen=True, kw_only=True, tag="notice"):
    """Something that happened in the tree, for the event log."""

    event: Event


SupervisorMessage: TypeAlias = TreeReport | TicketUpdate | SupervisorEvent


_decoder: msgspec.msgpack.Decoder[SupervisorMessage] = msgspec.msgpack.Decoder(SupervisorMessage)


def decode_supervisor_message(raw: bytes) -> SupervisorMessage:
    """Decode what the supervisor writes to the hub."""
    return decode_with(_decoder, raw)
