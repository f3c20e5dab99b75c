"""What the supervisor is told about a child: name, role, and what to run. Order of starting and stopping by role.

Separate from `children` (the composition) so that policy and tests need none of the services.
"""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from observer_core.ids import ProcessName
from observer_core.services.context import ChildContext

ChildMain = Callable[[ChildContext], int]
"""Body of a forked child; returns its exit code."""

START_ORDER: tuple[frozenset[str], ...] = (
    frozenset({"exchange", "database"}),
    frozenset({"hub"}),
    frozenset({"writer"}),
    frozenset({"maintenance"}),
    frozenset({"swing", "scalp"}),
)
"""Kinds that start together, first ones first; stopping goes the other way."""

STOP_SHARES: tuple[float, ...] = (1.0, 0.9, 0.85, 0.55, 0.45)
"""For each group of `START_ORDER`, the part of the stop deadline after which its members are killed: whoever hangs
leaves enough for those who stop later, the writers above all."""

PAUSABLE = frozenset({"swing", "scalp"})
"""Kinds that take pause and resume."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program to execute instead of a Python function; its output goes to a file."""

    arguments: tuple[str, ...]
    output: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the supervisor's own environment."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One supervised process."""

    name: ProcessName
    kind: str
    run: ChildMain | Program
    index: int = 0
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def group(self) -> int:
        """Return its place in `START_ORDER`."""
        return next(place for place, kinds in enumerate(START_ORDER) if self.kind in kinds)
