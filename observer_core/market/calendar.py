"""Which days the exchange opens and when which phase begins: tables, corrected by an operator's overrides. Pure.

The tables are data of the package: `sessions.toml` (hours by venue, special days) and `xkrx_days.json` (days without
a session, generated). Beyond the tables a weekday counts as open, because collecting on a holiday costs nothing and
a missed day cannot be bought back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from observer_core.market.phases import KRX, Phase, Session
from observer_core.market.toml_lines import ConfigFileError, Problem, TomlDocument

_SATURDAY = 5
_OPENING = time(9, 0)


class Action(StrEnum):
    """How a day differs from the regular hours."""

    CLOSE = "close"
    OPEN = "open"
    """Open with the regular hours, whatever the tables say."""
    SHIFT = "shift"
    """Everything later by `minutes`."""
    LATE_OPENING = "late_opening"
    """Only the opening is later by `minutes`; the close stays."""


class SpecialDay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One day that differs, and why."""

    day: date
    action: Action
    reason: Annotated[str, Meta(min_length=1)]
    minutes: Annotated[int, Meta(ge=-480, le=480)] = 0

    def __post_init__(self) -> None:
        """Refuse minutes that mean nothing and shifts by nothing."""
        if (self.action in {Action.SHIFT, Action.LATE_OPENING}) != (self.minutes != 0):
            raise ValueError(f"action {self.action.value!r} with minutes = {self.minutes}")


class _Span(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"begin": "from"}):
    phase: Phase
    begin: time
    until: time


class _Hours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    venue: str
    since: date
    sessions: tuple[_Span, ...]


class _SessionTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: int
    hours: tuple[_Hours, ...]
    special: tuple[SpecialDay, ...] = ()


class _OperatorHours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    hours: Annotated[tuple[_Hours, ...], Meta(min_length=1)]


HoursTable: TypeAlias = Mapping[str, tuple[tuple[date, tuple[Session, ...]], ...]]
"""Venue → (first day, sessions), newest first."""


class _DayTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: int
    source: str
    first: date
    last: date
    closed_weekdays: frozenset[date]
    late_openings: dict[date, str]


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days and hours in force."""

    hours: HoursTable
    closed: frozenset[date]
    special: Mapping[date, SpecialDay]
    last: date
    """Last day that the table of exchange days knows."""
    overrides: Mapping[date, SpecialDay] = field(default_factory=dict)
    collected: frozenset[date] = frozenset()
    """Days that the calendar calls closed and that are collected nevertheless, because sources disagree."""

    def is_session(self, day: date) -> bool:
        """Return whether the exchange opens, as tables and overrides say."""
        special = self._special(day)
        if special is not None:
            return special.action is not Action.CLOSE
        return day.weekday() < _SATURDAY and day not in self.closed

    def sessions(self, day: date, venue: str = KRX) -> tuple[Session, ...]:
        """Return the phases of a day in order; none when it is closed and not collected."""
        if not self.is_session(day) and day not in self.collected:
            return ()
        regular = next((sessions for since, sessions in self.hours.get(venue, ()) if since <= day), ())
        special = self._special(day)
        return regular if special is None else _moved(regular, special)

    def reason(self, day: date) -> str:
        """Return in words why a day is what it is."""
        if (override := self.overrides.get(day)) is not None:
            return f"override: {override.reason}"
        if (special := self.special.get(day)) is not None:
            return special.reason
        if day.weekday() >= _SATURDAY:
            return "weekend"
        if day in self.closed:
            return "exchange holiday"
        return "session" if day <= self.last else f"weekday after {self.last}, the last day of the table"

    def with_hours(self, hours: HoursTable) -> "Calendar":
        """Return this calendar with an operator's hours; venues that they do not name keep theirs."""
        return replace(self, hours={**self.hours, **hours})

    def with_overrides(self, overrides: Mapping[date, SpecialDay]) -> "Calendar":
        """Return this calendar with other overrides."""
        return replace(self, overrides=overrides)

    def collecting(self, days: frozenset[date]) -> "Calendar":
        """Return this calendar with these days collected whatever it says about them."""
        return replace(self, collected=days)

    def _special(self, day: date) -> SpecialDay | None:
        return self.overrides.get(day) or self.special.get(day)


def _moved(sessions: tuple[Session, ...], special: SpecialDay) -> tuple[Session, ...]:
    seconds = special.minutes * 60
    if special.action is Action.SHIFT:
        return tuple(Session(phase, from_s + seconds, until_s + seconds) for phase, from_s, until_s in sessions)
    if special.action is not Action.LATE_OPENING:
        return sessions
    opens_s = next((session.from_s for session in sessions if session.phase is Phase.CONTINUOUS), 0)

    def later(bound_s: int) -> int:
        return bound_s + seconds if bound_s <= opens_s else bound_s

    return tuple(Session(phase, later(from_s), later(until_s)) for phase, from_s, until_s in sessions)


def build_calendar(session_table: bytes, day_table: bytes) -> Calendar:
    """Build the calendar from the content of the two shipped tables.

    Raises:
        ConfigFileError: the table of hours is not valid TOML.
        msgspec.ValidationError: a table does not have its form.
    """
    table = msgspec.convert(TomlDocument(session_table, "sessions.toml").values, _SessionTable)
    days = msgspec.json.decode(day_table, type=_DayTable)
    special = {day: _late(day, opens) for day, opens in days.late_openings.items()}
    special.update({entry.day: entry for entry in table.special})
    return Calendar(_by_venue(table.hours), days.closed_weekdays, special, days.last)


@lru_cache(maxsize=1)
def shipped_calendar() -> Calendar:
    """Return the calendar of the package's own tables, read once."""
    here = resources.files("observer_core.market")
    return build_calendar((here / "sessions.toml").read_bytes(), (here / "xkrx_days.json").read_bytes())


def _by_venue(table: Iterable[_Hours]) -> HoursTable:
    hours: dict[str, list[tuple[date, tuple[Session, ...]]]] = {}
    for entry in table:
        spans = tuple(Session(span.phase, _seconds(span.begin), _seconds(span.until)) for span in entry.sessions)
        hours.setdefault(entry.venue, []).append((entry.since, spans))
    return {venue: tuple(sorted(entries, reverse=True)) for venue, entries in hours.items()}


def parse_hours(raw: bytes, file: str) -> HoursTable:
    """Read an operator's trading hours: `[[hours]]` tables of the same form as the shipped ones.

    Raises:
        ConfigFileError: it is not of that form, or phases are not in order.
    """
    document = TomlDocument(raw, file)
    try:
        table = msgspec.convert(document.values, _OperatorHours)
    except msgspec.ValidationError as error:
        raise ConfigFileError(file, [Problem(1, str(error))]) from error
    for place, entry in enumerate(table.hours):
        bounds = [bound for span in entry.sessions for bound in (span.begin, span.until)]
        if bounds != sorted(bounds) or any(span.begin == span.until for span in entry.sessions):
            line = document.line_of(("hours", place))
            raise ConfigFileError(file, [Problem(line, "phases must follow one another, each longer than nothing")])
    return _by_venue(table.hours)


def parse_overrides(raw: bytes, file: str) -> dict[date, SpecialDay]:
    """Read an override file: `[[day]]` tables with day, action, reason and, for shifts, minutes.

    Raises:
        ConfigFileError: naming every problem with its line; nothing of the file counts then.
    """
    document = TomlDocument(raw, file)
    problems: list[Problem] = []
    unknown = sorted(set(document.values) - {"day"})
    problems += [
        Problem(document.line_of((name,)), f"unknown table {name!r}; only [[day]] is known") for name in unknown
    ]
    entries = document.values.get("day", [])
    if not isinstance(entries, list):
        raise document.error(("day",), "is one table: write [[day]] in double brackets")
    overrides: dict[date, SpecialDay] = {}
    for place, entry in enumerate(entries):
        line = document.line_of(("day", place))
        try:
            override = msgspec.convert(entry, SpecialDay)
        except msgspec.ValidationError as error:
            problems.append(Problem(line, str(error)))
            continue
        if override.day in overrides:
            problems.append(Problem(line, f"{override.day} stands in the file twice: keep one"))
        overrides[override.day] = override
    if problems:
        raise ConfigFileError(file, problems)
    return overrides


def _late(day: date, opens: str) -> SpecialDay:
    minutes = (_seconds(time.fromisoformat(opens)) - _seconds(_OPENING)) // 60
    return SpecialDay(day=day, action=Action.LATE_OPENING, minutes=minutes, reason=f"opens at {opens}")


def _seconds(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second
