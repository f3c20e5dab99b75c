"""Which conditions alarm somebody: rules over the view, each with a duration, folded into incidents. Pure.

One incident is one message when it begins and one when it is over, however often its condition flickers meanwhile.
Messages that fall into quiet hours or above the hourly limit are told together, later, never dropped in silence.
"""

from collections import deque
from typing import NamedTuple

import msgspec

from observer_core.clock import NS_PER_S, kst_datetime
from observer_core.http.readiness import readiness
from observer_core.view import AlertRow, SystemView

FOR_S = 30.0
"""A condition must hold for so long before it is an incident."""

CLEAR_S = 60.0
"""It must be gone for so long before the incident is over."""

_HOUR_NS = 3_600 * NS_PER_S


class Message(NamedTuple):
    """What somebody is told."""

    title: str
    body: str


class Condition(NamedTuple):
    """What is wrong now; `key` stays the same while the words change."""

    key: str
    text: str


class Incident(NamedTuple):
    """A condition that holds, or held a moment ago."""

    text: str
    since_ns: int
    seen_ns: int
    told: bool
    acknowledged_by: str = ""
    reason: str = ""


class AlertMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What a later life has to know: incidents somebody was told of or knows of, and what is still to be said."""

    incidents: dict[str, Incident] = {}
    waiting: tuple[Message, ...] = ()
    sent_ns: tuple[int, ...] = ()


class QuietHours(NamedTuple):
    """Korean minutes of the day between which only what cannot wait is told; equal bounds mean none."""

    from_minute: int = 0
    until_minute: int = 0

    def cover(self, now_ns: int) -> bool:
        """Return whether an instant lies within."""
        at = kst_datetime(now_ns)
        minute = at.hour * 60 + at.minute
        if self.from_minute <= self.until_minute:
            return self.from_minute <= minute < self.until_minute
        return minute >= self.from_minute or minute < self.until_minute


def conditions(view: SystemView, now_ns: int, backup_age_s: float = 0.0) -> list[Condition]:
    """Return what is wrong: each expectation of the session that is not met, each volume that fills, each task of
    maintenance that failed, and backups that nobody verified for too long (0 = never).
    """
    found = [Condition(_key(text), text) for text in readiness(view, now_ns).failing]
    found += [
        Condition(f"disk {row.mount}", f"disk {row.mount} is at step {row.level}: {row.measure}")
        for row in view.disk
        if row.level in {"trim", "seal"}
    ]
    found += [
        Condition(f"task {row.name}", f"maintenance task {row.name} failed: {row.text}")
        for row in view.tasks
        if row.outcome == "failed"
    ]
    since_ns = None if view.backup is None else view.backup.unsecured_since_ns
    if backup_age_s and since_ns is not None and (age_s := (now_ns - since_ns) / NS_PER_S) > backup_age_s:
        text = f"a finished day has had no verified backup for {age_s / 3600:.0f} h: pull, or look at the transfer log"
        found.append(Condition("backup age", text))
    return found


def _key(text: str) -> str:
    """Return the part of a sentence that stays: its subject and state, without figures."""
    return text.partition(":")[0] if ":" in text else " ".join(word for word in text.split() if not word.isdigit())


class Alarms:
    """The incidents, over the lives of the process that looks."""

    def __init__(self, quiet: QuietHours | None = None, limit_per_h: int = 20, backup_age_s: float = 0.0) -> None:
        """Begin with nothing; what an earlier life knew comes by `recall`."""
        self._backup_age_s = backup_age_s
        self._quiet = quiet or QuietHours()
        self._limit_per_h = limit_per_h
        self._incidents: dict[str, Incident] = {}
        self._waiting: list[Message] = []
        self._sent_ns: deque[int] = deque()

    def look(self, view: SystemView, now_ns: int) -> list[Message]:
        """Take a view; return what is to be sent now."""
        for condition in conditions(view, now_ns, self._backup_age_s):
            known = self._incidents.get(condition.key)
            incident = known or Incident("", now_ns, now_ns, told=False)
            self._incidents[condition.key] = incident._replace(text=condition.text, seen_ns=now_ns)
        for key, incident in list(self._incidents.items()):
            self._judge(key, incident, now_ns)
        return self._released(now_ns)

    def memory(self) -> AlertMemory:
        """Return what a later life has to know."""
        return AlertMemory(
            incidents={key: one for key, one in self._incidents.items() if one.told or one.acknowledged_by},
            waiting=tuple(self._waiting),
            sent_ns=tuple(self._sent_ns),
        )

    def recall(self, memory: AlertMemory, now_ns: int) -> None:
        """Go on where an earlier life ended: what it told of is told again only when it is over.

        The incidents count as seen now, because a view that was just begun does not show all that is wrong.
        """
        self._incidents = {key: one._replace(seen_ns=now_ns) for key, one in memory.incidents.items()}
        self._waiting = list(memory.waiting)
        self._sent_ns = deque(memory.sent_ns)

    def rows(self) -> tuple[AlertRow, ...]:
        """Return the incidents, the newest first."""
        found = sorted(self._incidents.items(), key=lambda item: (-item[1].since_ns, item[0]))
        return tuple(
            AlertRow(
                key=key,
                text=incident.text,
                since_ns=incident.since_ns,
                told=incident.told,
                acknowledged_by=incident.acknowledged_by,
                reason=incident.reason,
            )
            for key, incident in found
        )

    def acknowledge(self, key: str, who: str, reason: str) -> bool:
        """Note that somebody knows of an incident: nobody is sent a message about its beginning any more."""
        incident = self._incidents.get(key)
        if incident is None:
            return False
        self._incidents[key] = incident._replace(acknowledged_by=who, reason=reason)
        return True

    def _judge(self, key: str, incident: Incident, now_ns: int) -> None:
        gone_s = (now_ns - incident.seen_ns) / NS_PER_S
        held_s = (incident.seen_ns - incident.since_ns) / NS_PER_S
        if not incident.told:
            if gone_s > 0:
                del self._incidents[key]
            elif held_s >= FOR_S and not incident.acknowledged_by:
                self._incidents[key] = incident._replace(told=True)
                begun = f"since {kst_datetime(incident.since_ns):%H:%M:%S}"
                self._waiting.append(Message(f"Observer: {incident.text}"[:120], f"{incident.text}\n{begun}"))
        elif gone_s >= CLEAR_S:
            del self._incidents[key]
            text = f"over: {incident.text}"
            self._waiting.append(Message(f"Observer: {text}"[:120], f"{text}\nlasted {held_s:.0f} s"))

    def _released(self, now_ns: int) -> list[Message]:
        while self._sent_ns and now_ns - self._sent_ns[0] > _HOUR_NS:
            self._sent_ns.popleft()
        if not self._waiting or self._quiet.cover(now_ns) or len(self._sent_ns) >= self._limit_per_h:
            return []
        self._sent_ns.append(now_ns)
        waiting, self._waiting = self._waiting, []
        if len(waiting) == 1:
            return waiting
        return [Message(f"Observer: {len(waiting)} messages", "\n\n".join(message.body for message in waiting))]
