"""Which days of raw data may go (F4), and what has to be said about those that stay or go too early. Pure.

Raw data of a day is kept for 3 days, for 7 after an anomaly, and at most 10. A day that is in no verified backup stays,
whatever its age, and past the most that is allowed this is said; only a disk on its last steps takes more, oldest
first, one day at a time, and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from observer_core.archive.disk_ladder import Level
from observer_core.ids import DayNumber

RAW_DAYS = 3
ANOMALY_DAYS = 7
CAP_DAYS = 10
DATABASE_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedDay:
    """What retention knows of one day of raw data."""

    day: DayNumber
    anomalous: bool = False
    sealed: bool = True
    """Whether the day is over and all its files are sealed."""
    secured: bool = False
    """Whether a verified copy of all of it lies elsewhere."""
    sealed_bytes: int = 0
    """Of its sealed files."""


class Action(StrEnum):
    """What happens to a day."""

    KEEP = "keep"
    OVERDUE = "overdue"
    """It stays past the cap, and that is said."""
    REMOVE = "remove"
    REMOVE_EARLY = "remove_early"
    """The disk demands it: before its time, but a verified copy lies elsewhere."""
    REMOVE_UNSECURED = "remove_unsecured"
    """The disk demands it and no verified copy exists: it is lost, and that is said."""


REMOVES = frozenset({Action.REMOVE, Action.REMOVE_EARLY, Action.REMOVE_UNSECURED})


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one day, and why."""

    day: DayNumber
    action: Action
    reason: str


def age_days(day: int, today: int) -> int:
    """Return how many days ago a day (YYYYMMDD) was."""
    return (as_date(today) - as_date(day)).days


def decide(days: Sequence[ArchivedDay], today: DayNumber, level: Level = Level.NORMAL) -> list[Decision]:
    """Return what happens to each day, oldest first.

    Args:
        days: every day of which there is raw data.
        today: it and anything later always stays.
        level: the disk ladder's step of the volume that holds the archive.
    """
    decisions = [_usual(one, age_days(one.day, today)) for one in sorted(days, key=lambda one: one.day)]
    if level < Level.SEAL or any(decision.action in REMOVES for decision in decisions):
        # What goes by itself makes room first; the next run looks again.
        return decisions
    return _demanded(decisions, {one.day: one for one in days}, today, level)


def _usual(one: ArchivedDay, age: int) -> Decision:
    kept_days = ANOMALY_DAYS if one.anomalous else RAW_DAYS
    if age <= kept_days:
        return Decision(one.day, Action.KEEP, f"kept for {kept_days} days{' after an anomaly' * one.anomalous}")
    if one.sealed and one.secured:
        return Decision(one.day, Action.REMOVE, f"{age} days old, a verified copy lies elsewhere")
    why = "no verified copy lies elsewhere" if one.sealed else "not all of its files are sealed"
    if age <= CAP_DAYS:
        return Decision(one.day, Action.KEEP, f"{age} days old, but {why}")
    return Decision(one.day, Action.OVERDUE, f"{age} days old, more than {CAP_DAYS}, but {why}: pull the backups")


def _demanded(
    decisions: list[Decision], days: dict[DayNumber, ArchivedDay], today: DayNumber, level: Level
) -> list[Decision]:
    """Let the oldest day go that the disk's step allows: a secured one first, an unsecured one only on the last."""
    past = [decision.day for decision in decisions if age_days(decision.day, today) > 0]
    secured = next((day for day in past if days[day].secured and days[day].sealed), None)
    if secured is not None:
        changed = Decision(secured, Action.REMOVE_EARLY, "the disk demands it; a verified copy lies elsewhere")
    elif past and level is Level.DROP:
        changed = Decision(past[0], Action.REMOVE_UNSECURED, "the disk demands it; there is NO verified copy")
    else:
        return decisions
    return [changed if decision.day == changed.day else decision for decision in decisions]


def as_date(day: int) -> date:
    """Return a day number as a date."""
    return date(day // 10_000, day // 100 % 100, day % 100)
