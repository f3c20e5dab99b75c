"""The daily timetable of maintenance: what runs when, and what is due. Pure; times are Korean.

A run that was missed, because nothing ran then, is made up once at the next opportunity; one that failed is tried
again after a pause. Packing and retention look at all days by themselves, so making up once is enough.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from observer_core.clock import NS_PER_S, kst_day, kst_midnight_ns

RETRY_NS = 600 * NS_PER_S
_NS_PER_DAY = 24 * 3600 * NS_PER_S


class Task(NamedTuple):
    """One line of the timetable."""

    name: str
    minutes: tuple[int, ...]
    """Minutes of the Korean day at which it begins."""
    meaning: str

    @property
    def at(self) -> str:
        """Return the times in words."""
        return ", ".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in self.minutes)


TASKS = (
    Task(
        "package", (20, 20 * 60 + 30), "backup package of every day that lacks one; the night completes the evening's"
    ),
    Task("datasets", (60,), "Parquet files of the day before, where OBSERVER_DAILY_PARQUET is set"),
    Task("retention", (90,), "days that are secured and old enough go; the database keeps 30 days"),
    Task("universe", (8 * 60,), "listing files anew, and the universe of the day from them"),
    Task("checks", (8 * 60 + 30,), "what would keep the session from being collected"),
    Task("seal", (15 * 60 + 45,), "every archive file whose time is over is sealed"),
)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The last run of a task."""

    due_ns: int
    """The instant of the timetable that it was for."""
    begun_ns: int
    duration_s: float
    outcome: str
    """"done" or "failed"."""
    text: str = ""


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """What has run; kept as a file."""

    since_ns: int
    """Nothing before was ever due here."""
    runs: dict[str, Run] = {}


def last_due_ns(task: Task, now_ns: int) -> int:
    """Return the newest instant at which a task was to begin."""
    return max(instant for instant in _instants(task, now_ns) if instant <= now_ns)


def next_due_ns(task: Task, now_ns: int) -> int:
    """Return the next instant at which a task is to begin."""
    return min(instant for instant in _instants(task, now_ns) if instant > now_ns)


def _instants(task: Task, now_ns: int) -> list[int]:
    """Return when a task begins yesterday, today and tomorrow."""
    midnight_ns = kst_midnight_ns(kst_day(now_ns))
    offsets = (-_NS_PER_DAY, 0, _NS_PER_DAY)
    return [midnight_ns + offset + minute * 60 * NS_PER_S for offset in offsets for minute in task.minutes]


def due(tasks: Sequence[Task], book: Book, now_ns: int) -> list[tuple[Task, int]]:
    """Return the tasks that are to run now, each with the instant it is for; a clock that went back owes nothing."""
    found: list[tuple[Task, int]] = []
    runs: Mapping[str, Run] = book.runs
    for task in tasks:
        due_ns = last_due_ns(task, now_ns)
        run = runs.get(task.name)
        if run is None:
            if due_ns > book.since_ns:
                found.append((task, due_ns))
        elif due_ns > run.due_ns or (run.outcome == "failed" and now_ns - run.begun_ns >= RETRY_NS):
            found.append((task, due_ns))
    return sorted(found, key=lambda one: one[1])
