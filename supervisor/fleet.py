"""The fleet rule: several children dying of one cause are one incident, not several crash loops.

While an incident is open its members are not restarted before its pause is over; a member that proves stable ends it.
Separate from the policy of one child because only here children are compared.
"""

import random
from dataclasses import dataclass, field

from supervisor.causes import Death, suspect
from supervisor.limits import Limits, ns
from supervisor.orders import Notice
from supervisor.specs import ChildSpec


@dataclass(slots=True)
class Incident:
    """One cause, the children it killed, and until when they wait."""

    key: str
    until_ns: int
    pause_s: float
    members: set[str]


@dataclass(slots=True)
class FleetWatch:
    """Remembers recent deaths and the open incidents. No clock: every call says when."""

    limits: Limits
    rng: random.Random
    incidents: dict[str, Incident] = field(default_factory=dict)
    _recent: list[tuple[int, ChildSpec, str, str]] = field(default_factory=list)

    def died(self, spec: ChildSpec, death: Death, key: str, at_ns: int) -> tuple[Incident | None, list[Notice]]:
        """Return the incident this death belongs to, if any, and the notice when it opens."""
        name = spec.name
        incident = self.incidents.get(key)
        if incident is not None:
            incident.members.add(name)
            if at_ns >= incident.until_ns:
                # Tried again and still broken: wait longer, but say nothing new.
                incident.pause_s = min(self.limits.fleet_pause_cap_s, incident.pause_s * 2)
                incident.until_ns = at_ns + ns(incident.pause_s)
            return incident, []
        self._recent = [entry for entry in self._recent if at_ns - entry[0] < ns(self.limits.fleet_window_s)]
        self._recent.append((at_ns, spec, key, death.text))
        alike = [(other, text) for _, other, theirs, text in self._recent if theirs == key]
        members: set[str] = {other.name for other, _ in alike}
        if len(members) < self.limits.fleet_children:
            return None, []
        pause_s = self.limits.fleet_pause_s
        opened = Incident(key, at_ns + ns(pause_s), pause_s, members)
        self.incidents[key] = opened
        dependency = suspect(death.cause, {other.kind for other, _ in alike}, [text for _, text in alike])
        text = (
            f"{len(members)} processes died of one cause ({key}): {', '.join(sorted(members))}; "
            f"suspect {dependency}; restarts paused for {pause_s:g} s"
        )
        return opened, [Notice("incident_opened", "critical", "tree", text)]

    def recovered(self, name: str) -> tuple[set[str], list[Notice]]:
        """Return the members that need not wait any more, and the notices of incidents that are over."""
        released: set[str] = set()
        notices: list[Notice] = []
        for key, incident in list(self.incidents.items()):
            if name in incident.members:
                released |= incident.members
                del self.incidents[key]
                notices.append(Notice("incident_resolved", "info", "tree", f"{name} is stable again after {key}"))
        return released, notices
