"""The registry of fault classes. A family is a module of `tests.chaos` whose functions carry `@fault`.

A fault does its damage, holds it as long as it takes, ends it, and returns; the engine then waits until the system is
healthy without any help. Raising `SkippedError` says that the fault could not be brought about: it then counts as
nothing, neither injected nor survived.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.chaos.system import ChaosSystem

FAMILIES = (
    "fault_stops",
    "fault_tree",
    "fault_database",
    "fault_exchange",
    "fault_network",
    "fault_tails",
    "fault_viewers",
    "fault_universe",
)
PATIENCE_S = 90.0

Inject = Callable[[ChaosSystem, Random], None]


class SkippedError(Exception):
    """The fault could not be injected now."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One class of faults."""

    name: str
    inject: Inject
    alone: bool
    """Whether no process may be killed while it lasts."""
    patience_s: float
    """After so long without recovery it was not survived."""


REGISTRY: dict[str, Fault] = {}


def fault(name: str, *, alone: bool = False, patience_s: float = PATIENCE_S) -> Callable[[Inject], Inject]:
    """Enter a function into the registry under a name that the report shows."""

    def register(inject: Inject) -> Inject:
        REGISTRY[name] = Fault(name, inject, alone, patience_s)
        return inject

    return register


def load_families() -> dict[str, Fault]:
    """Import every family and return the registry."""
    for family in FAMILIES:
        importlib.import_module(f"tests.chaos.{family}")
    return REGISTRY
