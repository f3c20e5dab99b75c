"""What the policy hears (events) and what it wants done (commands), as plain values.

Separate from both sides, so that the arbiter executes and the policy decides without knowing each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from observer_core.orders import Order
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


@dataclass(frozen=True, slots=True)
class Assigned:
    """Maintenance put an assignment over so many sweeping shards in force."""

    version: int
    shards: int


@dataclass(frozen=True, slots=True)
class Swept:
    """A shard has been through all symbols of an assignment."""

    name: str
    version: int


@dataclass(frozen=True, slots=True)
class Rescaled:
    """A `Rescale` was carried out; `problem` says why not, "" = it was."""

    problem: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """Memory of the children in bytes, by name."""

    sizes_bytes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The wall clock moved by so much against the monotonic one."""

    by_ns: int


ScaleEvent: TypeAlias = Assigned | Swept | Rescaled
SurroundingEvent: TypeAlias = Slept | SessionOpened | Measured | ClockStepped
ChildEvent: TypeAlias = Spawned | SpawnFailed | Reported | Silenced | Exited
TreeEvent: TypeAlias = (
    ChildEvent | ScaleEvent | SurroundingEvent | Begun | Passed | StopRequested | ReloadRequested | Ordered
)


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
class Rescale:
    """Remember, for maintenance and for the next start, how many sweeping shards there shall be."""

    count: int


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


Command: TypeAlias = Start | SendSignal | Tell | Rescale | Notice | Answer | End
