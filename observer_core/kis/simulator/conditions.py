"""What applies to the market of every symbol, and what the market reports back: interruptions and halts.

Separate from the knobs because the market knows nothing of servers: the venue copies the knobs that concern it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from observer_core.clock import NS_PER_S

_EVENTS_KEPT: Final = 10_000

EventKind: TypeAlias = Literal["vi_on", "vi_off", "halt", "resume"]


class MarketEvent(NamedTuple):
    """Something happened to a symbol at an exchange time."""

    code: str
    at_ns: int
    kind: EventKind


@dataclass(slots=True)
class MarketConditions:
    """Shared by all tapes; rates are probabilities per execution."""

    off_tick_rate: float = 0.004
    automatic_vi: bool = True
    vi_duration_ns: int = 120 * NS_PER_S
    events: deque[MarketEvent] = field(default_factory=lambda: deque(maxlen=_EVENTS_KEPT))
