"""The calendar in force for one process: the shipped tables, the operators' hours and days, and the votes of the day.

Operators' files are read again when they change. Votes are small files of their day (`state/calendar`): maintenance
writes the broker's, the first shard that sees trades on a closed day, or none on an open one, writes the tape's.
"""

import logging
import os
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

from observer_core.clock import NS_PER_S, Clock, kst_datetime
from observer_core.market.calendar import (
    Calendar,
    HoursTable,
    SpecialDay,
    parse_hours,
    parse_overrides,
    shipped_calendar,
)
from observer_core.market.calendar_vote import DayVote, vote
from observer_core.market.phases import MarketPhase
from observer_core.market.sessions import phase_at
from observer_core.market.toml_lines import ConfigFileError
from observer_core.paths import Paths

logger = logging.getLogger(__name__)

_Content = TypeVar("_Content")

LOOK_NS = NS_PER_S
"""Files are looked at once a second, however often a question is asked."""


class Vote(StrEnum):
    """What a source says about a day; also the suffix of its file."""

    BROKER_OPEN = "broker-open"
    BROKER_CLOSED = "broker-closed"
    TAPE_TRADES = "tape-trades"
    TAPE_SILENT = "tape-silent"


class _OperatorFile(Generic[_Content]):
    """A file that operators may write: its last good content, read again when it changes."""

    def __init__(self, path: Path, parse: Callable[[bytes, str], _Content], absent: _Content) -> None:
        self._path = path
        self._parse = parse
        self._absent = self._parsed = absent
        self._raw: bytes | None = None
        self.problem = ""

    def read(self) -> _Content:
        """Return what is in force; a bad file changes nothing but `problem`."""
        path = self._path
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            self._raw, self._parsed, self.problem = None, self._absent, ""
            return self._parsed
        except OSError as error:
            self.problem = f"{path.name}:1: cannot be read: {error.strerror}"
            return self._parsed
        if raw != self._raw:
            self._raw = raw
            try:
                self._parsed, self.problem = self._parse(raw, path.name), ""
            except ConfigFileError as error:
                self.problem = str(error)
                logger.warning("calendar file not taken", extra={"file": path.name, "problems": error.problems})
        return self._parsed


class CalendarWatch:
    """Answers which phase it is; cheap enough to be asked at every call."""

    def __init__(self, paths: Paths, clock: Clock) -> None:
        self._paths = paths
        self._clock = clock
        self._looked_ns: int | None = None
        self._day: date | None = None
        self._overrides = _OperatorFile[dict[date, SpecialDay]](paths.calendar_overrides, parse_overrides, {})
        self._hours = _OperatorFile[HoursTable](paths.trading_hours, parse_hours, {})
        self._calendar = shipped_calendar()
        self.problem = ""
        """What is wrong with an operators' file; its last good content stays in force meanwhile."""
        self.today = DayVote(True, True, "")
        """The outcome of today's vote."""
        self._trades_seen = False

    def current(self) -> Calendar:
        """Return the calendar in force."""
        monotonic_ns = self._clock.monotonic_ns()
        day = kst_datetime(self._clock.now_ns()).date()
        if self._looked_ns is None or monotonic_ns - self._looked_ns >= LOOK_NS or day != self._day:
            self._looked_ns, self._day = monotonic_ns, day
            self._look(day)
        return self._calendar

    def phase(self) -> MarketPhase:
        """Return the phase of KRX now."""
        return phase_at(self._clock.now_ns(), self.current())

    @property
    def is_session(self) -> bool:
        """Return whether tables and overrides call today a session, whatever the votes say."""
        return self.current().is_session(kst_datetime(self._clock.now_ns()).date())

    @property
    def trades_seen(self) -> bool:
        """Return whether trades arrived today although the calendar calls the day closed: its hours mean nothing."""
        self.current()
        return self._trades_seen

    def record_vote(self, what: Vote) -> bool:
        """Write down what a source says about today; return whether nobody had said so before."""
        day = kst_datetime(self._clock.now_ns()).date()
        path = self._vote_file(day, what)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
        except FileExistsError:
            return False
        except OSError as error:
            logger.warning("vote not written", extra={"file": path.name, "error": str(error)})
            return False
        self._looked_ns = None
        return True

    def has_vote(self, what: Vote) -> bool:
        """Return whether a source has said so about today."""
        return self._vote_file(kst_datetime(self._clock.now_ns()).date(), what).exists()

    def _look(self, day: date) -> None:
        calendar = shipped_calendar().with_hours(self._hours.read()).with_overrides(self._overrides.read())
        self.problem = self._overrides.problem or self._hours.problem
        broker = _word(self._said(day, Vote.BROKER_OPEN), self._said(day, Vote.BROKER_CLOSED))
        self._trades_seen = self._said(day, Vote.TAPE_TRADES)
        tape = _word(self._trades_seen, self._said(day, Vote.TAPE_SILENT))
        is_session = calendar.is_session(day)
        self.today = vote(is_session, broker, tape)
        if self.today.collect and not is_session:
            calendar = calendar.collecting(frozenset({day}))
        self._calendar = calendar

    def _said(self, day: date, what: Vote) -> bool:
        return self._vote_file(day, what).exists()

    def _vote_file(self, day: date, what: Vote) -> Path:
        return self._paths.calendar_votes / f"{day:%Y%m%d}-{what}"


def _word(yes: bool, no: bool) -> bool | None:
    """Return what two votes say together: a yes outweighs a no, because the tape can be silent first."""
    return True if yes else False if no else None
