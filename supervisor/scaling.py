"""More or fewer sweeping shards while everything runs: who is added, who drains, and when a drained one may end.

A shard that goes keeps observing until the others have been through the symbols they took from it, so that no symbol
is out of sight. Separate from the tree because it is the one order that takes many events. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from observer_core.orders import Order
from observer_core.services.scaling import SCALABLE_KIND, SHARDS_LIMIT
from supervisor.limits import Limits, ns
from supervisor.orders import Moment
from supervisor.policy import Child
from supervisor.specs import ChildSpec
from supervisor.states import State

SpecOf = Callable[[int], ChildSpec]
"""Gives the description of the sweeping shard with an index."""


@dataclass(slots=True)
class Scaling:
    """One order on its way."""

    order: Order
    count: int
    begun: bool = False
    """The number is remembered and the shards that were missing have been added."""
    version: int | None = None
    """The assignment over `count` shards, None = not yet in force."""
    handover_ns: int | None = None
    """When a drained shard ends even if others have not swept yet (monotonic)."""
    swept: set[str] = field(default_factory=set)

    def assigned(self, version: int, shards: int, limits: Limits, now: Moment) -> None:
        """Note that maintenance dealt the symbols anew."""
        if self.begun and self.version is None and shards == self.count:
            self.version = version
            self.handover_ns = now.monotonic_ns + ns(limits.handover_s)

    def went_through(self, name: str, version: int) -> None:
        """Note that a shard has observed, or noted as missing, every symbol of an assignment."""
        if self.version is not None and version >= self.version:
            self.swept.add(name)

    def kept(self, children: Mapping[str, Child]) -> list[Child]:
        """Return the shards that stay."""
        return [child for child in shards_of(children) if child.spec.index < self.count]

    def leaving(self, children: Mapping[str, Child]) -> list[Child]:
        """Return the shards that go."""
        return [child for child in shards_of(children) if child.spec.index >= self.count]

    def late(self, children: Mapping[str, Child]) -> list[str]:
        """Return who has not been through its symbols, of those that can: not paused, not quarantined."""
        return [
            child.name
            for child in self.kept(children)
            if child.name not in self.swept and not child.paused and child.state is not State.QUARANTINED
        ]

    def handed_over(self, children: Mapping[str, Child], now: Moment) -> bool:
        """Return whether drained shards may end: everybody else has swept, or has had long enough."""
        if self.version is None or self.handover_ns is None:
            return False
        return now.monotonic_ns >= self.handover_ns or not self.late(children)


def shards_of(children: Mapping[str, Child]) -> list[Child]:
    """Return the sweeping shards in the order of their index."""
    found = [child for child in children.values() if child.spec.kind == SCALABLE_KIND]
    return sorted(found, key=lambda child: child.spec.index)


def scale_refusal(order: Order, spec_of: SpecOf | None, stopping: bool) -> str | None:
    """Return why an order cannot be carried out, None = it can."""
    if stopping:
        return "the supervisor is stopping"
    if order.target != SCALABLE_KIND or spec_of is None:
        return f"{order.target!r} cannot be scaled; only {SCALABLE_KIND!r} can"
    if order.count is None or not 1 <= order.count <= SHARDS_LIMIT:
        return f"there can be 1 to {SHARDS_LIMIT} {SCALABLE_KIND} shards"
    return None
