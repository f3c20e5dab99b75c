"""What the policy hears (events) and what it wants done (commands), as plain values.

Separate from both sides, so that the arbiter executes and the policy decides without knowing each other.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from observer_core.messages import Order
from supervisor.causes import Exit


class Moment(NamedTuple):
    """Now, on both clocks: durations are measured on the first, people and files read the second."""

    monotonic_ns: int
    wall_ns: int


@dataclass(frozen=True, slots=True)
class Begun:
    """The supervisor is ready to start its children."""


@dataclass(frozen=True, slots=True)
class Spawned:
    """A `Start` was carried out."""

    name: str
    pid: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """A `Start` could not be carried out."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Reported:
    """A child wrote to its report pipe."""

    name: str
    pid: int
    ready: bool
    """False = progress only."""


@dataclass(frozen=True, slots=True)
class Silenced:
    """A child closed its report pipe, as happens when it executes another program, and will tell no more."""

    name: str
    pid: int


@dataclass(frozen=True, slots=True)
class Exited:
    """A child is dead and reaped."""

    name: str
    pid: int
    end: Exit


@dataclass(frozen=True, slots=True)
class Passed:
    """Time went on; a deadline may be over."""


@dataclass(frozen=True, slots=True)
class Slept:
    """The supervisor itself did not run for a while (machine suspended, container frozen): nobody is to blame."""

    duration_ns: int


@dataclass(frozen=True, slots=True)
class StopRequested:
    """SIGTERM or SIGINT; every further one hurries more."""


@dataclass(frozen=True, slots=True)
class ReloadRequested:
    """SIGHUP: children read their files again."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """An operator's command arrived from the hub."""

    order: Order


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A trading session opens: whatever is quarantined gets another chance."""


ChildEvent: TypeAlias = Spawned | SpawnFailed | Reported | Silenced | Exited
TreeEvent: TypeAlias = ChildEvent | Begun | Passed | Slept | StopRequested | ReloadRequested | Ordered | SessionOpened


@dataclass(frozen=True, slots=True)
class Start:
    """Fork this child now."""

    name: str
    generation: int
    paused: bool


@dataclass(frozen=True, slots=True)
class SendSignal:
    """Send a signal to the process of this child."""

    name: str
    pid: int
    signal: int


@dataclass(frozen=True, slots=True)
class Tell:
    """Write a `ChildOrder` to the child's control pipe."""

    name: str
    verb: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something for the event log and the human lines."""

    event: str
    severity: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Progress of a ticket."""

    order: Order
    state: str
    text: str


@dataclass(frozen=True, slots=True)
class End:
    """Nothing is left to do: leave with this code."""

    code: int


Command: TypeAlias = Start | SendSignal | Tell | Notice | Answer | End
