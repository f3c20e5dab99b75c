"""The port through which the console sees the hub: the newest view, the state of the link, and questions.

Defined by its one consumer, the app; `view_feed` fulfils it over the bus, tests with recorded views.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from observer_core.questions import Answer, Question
from observer_core.view import SystemView
from observer_tui.meters import Meters


class LinkState(StrEnum):
    """How far what is shown can be trusted."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    """Connected, but silent for longer than the core's heartbeat."""
    DOWN = "down"
    SKEW = "skew"
    """The core speaks another protocol than this console."""


@dataclass(frozen=True, slots=True)
class ReplayFacts:
    """Where a replay stands."""

    at_ns: int
    first_ns: int
    last_ns: int
    """The recording begins and ends here."""
    speed: int
    playing: bool
    incidents_ns: tuple[int, ...] | None = None
    """None = they are still being looked for."""


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """The link at one moment."""

    state: LinkState
    reason: str = ""
    since_ns: int = 0
    """Wall clock since when it is in this state."""
    age_s: float | None = None
    """Seconds since the core last confirmed the view; None before the first."""
    replay: ReplayFacts | None = None
    """Set when, and only when, what is shown is a recording."""


class Feed(Protocol):
    """What the console needs of the hub."""

    async def start(self) -> None:
        """Begin to follow; returns at once, whether or not anybody answers."""
        ...

    async def close(self) -> None:
        """Stop following and free the sockets."""
        ...

    @property
    def view(self) -> SystemView | None:
        """The newest complete view, None before the first."""
        ...

    @property
    def meters(self) -> Meters | None:
        """Rates that the feed counted itself; None = they are counted here as views come."""
        ...

    @property
    def link(self) -> LinkFacts:
        """The state of the link now."""
        ...

    async def wait_change(self) -> None:
        """Return when view or link changed since the last call."""
        ...

    async def ask(self, question: Question) -> Answer:
        """Ask once, never again by itself; raises `LinkError` when no answer comes in time."""
        ...

    async def reconnect(self) -> None:
        """Drop the link and connect anew at once; the view stays."""
        ...
