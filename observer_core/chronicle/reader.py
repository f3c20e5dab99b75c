"""A recorded day: its views from any instant on, and its incidents. Reads only; the hub may still be writing.

What is damaged or torn is left out; the views around it are whole, because every section begins with a whole one.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import time
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from observer_core.chronicle.files import chronicle_files, recorded_days
from observer_core.chronicle.format import marks_of, records_of
from observer_core.clock import NS_PER_S, kst_datetime, kst_midnight_ns
from observer_core.errors import ChronicleError
from observer_core.ids import DayNumber
from observer_core.messages import Event
from observer_core.view import AlertRow, Delta, GapView, SystemView, apply

HOLE_NS: Final = 12 * NS_PER_S
"""From so long without a view on, the hub did not run, or did not record."""

_NEWS_NS: Final = 60 * NS_PER_S
"""Events older than this when they first show are told by the archive: they are no news."""

_RECALL_NS: Final = 10 * NS_PER_S
"""So long a hub that begins recalls the gaps of the day: they are no news either."""

_SEVERE = frozenset({"error", "critical"})
_DEATH: Final = "process_ended"
"""Events of this name are incidents from "warning" on: a shard is up again before anybody is alarmed."""

_view_decoder = msgspec.msgpack.Decoder(SystemView)
_delta_decoder = msgspec.msgpack.Decoder(Delta)


class Incident(NamedTuple):
    """Something to look at; `at_ns` is the first view that shows it."""

    at_ns: int
    text: str


class _Section(NamedTuple):
    path: Path
    begins: int
    ends: int | None
    """None = the last one of its file, which may still grow."""
    at_ns: int


class _Glance(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a view, or of a delta, in which incidents show; everything else is skipped."""

    as_of_ns: int
    hub_epoch: str
    events: tuple[Event, ...] = ()
    alerts: tuple[AlertRow, ...] | None = None
    gaps: GapView | None = None


_glance_decoder = msgspec.msgpack.Decoder(_Glance)


class RecordedDay:
    """The chronicle of one Korean day."""

    def __init__(self, directory: Path, day: DayNumber) -> None:
        """Look for the sections of a day.

        Raises:
            ChronicleError: there is no recording of that day, or it cannot be read.
        """
        self.day = day
        found: list[_Section] = []
        for file in chronicle_files(directory):
            if file.day == day:
                found += _sections(file.path)
        if not found:
            raise ChronicleError(_no_recording(directory, day))
        self._sections = sorted(found, key=_at_ns)
        self._times = [section.at_ns for section in self._sections]
        self.first_ns = self._times[0]
        self.last_ns = max((view.as_of_ns for view in self._views(self._sections[-1:])), default=self._times[-1])

    def instant(self, at: time) -> int:
        """Return the instant of a Korean time of the day.

        Raises:
            ChronicleError: the recording does not reach so far.
        """
        at_ns = kst_midnight_ns(self.day) + (at.hour * 3600 + at.minute * 60 + at.second) * NS_PER_S
        # A time is told in whole seconds: the second in which the recording begins belongs to it.
        if not self.first_ns - NS_PER_S < at_ns <= self.last_ns:
            first, last = (f"{kst_datetime(bound):%H:%M:%S}" for bound in (self.first_ns, self.last_ns))
            raise ChronicleError(f"{_written(self.day)} is recorded from {first} to {last}: {at} lies outside")
        return at_ns

    def views(self, from_ns: int) -> Iterator[SystemView]:
        """Go through the views, beginning with the one that was true at an instant (or the first after it)."""
        before: SystemView | None = None
        for view in self._views(self._sections[max(0, bisect_right(self._times, from_ns) - 1) :]):
            if before is None or view.as_of_ns <= from_ns:
                before = view
                continue
            yield before
            before = view
        if before is not None:
            yield before

    def view_at(self, at_ns: int) -> SystemView | None:
        """Return the view that was true at an instant; None before the first."""
        first = next(self.views(at_ns), None)
        return first if first is not None and first.as_of_ns <= at_ns else None

    def incidents(self) -> list[Incident]:
        """Return every severe event, death, alert, gap and hole of the recording; reads the whole day."""
        watch = _IncidentWatch()
        for section in self._sections:
            for raw in records_of(_read(section)):
                try:
                    watch.look(_glance_decoder.decode(raw))
                except msgspec.DecodeError:
                    break
        return watch.found

    def _views(self, sections: list[_Section]) -> Iterator[SystemView]:
        for section in sections:
            view: SystemView | None = None
            for raw in records_of(_read(section)):
                try:
                    view = _view_decoder.decode(raw) if view is None else apply(view, _delta_decoder.decode(raw))
                except msgspec.DecodeError:
                    break
                yield view


class _IncidentWatch:
    """Tells what is new from one record to the next."""

    def __init__(self) -> None:
        self.found: list[Incident] = []
        self._before_ns: int | None = None
        self._events: set[Event] = set()
        self._alerts: set[str] = set()
        self._gaps = (0, 0)
        """Open, and of the day."""
        self._epoch = ""
        self._epoch_ns = 0

    def look(self, record: _Glance) -> None:
        """Take the next record."""
        before_ns, now_ns = self._before_ns, record.as_of_ns
        if record.hub_epoch != self._epoch:
            self._epoch, self._epoch_ns = record.hub_epoch, now_ns
        texts = self._alerts_of(record) + self._gaps_of(record) + self._events_of(record)
        self._before_ns = now_ns
        if before_ns is None:
            return
        if now_ns - before_ns > HOLE_NS:
            self.found.append(Incident(before_ns, "the recording stops"))
        if texts:
            self.found.append(Incident(now_ns, "; ".join(texts)))

    def _events_of(self, record: _Glance) -> list[str]:
        news = [event for event in record.events if event not in self._events]
        self._events.update(news)
        return [
            f"{event.subject}: {event.text}"
            for event in news
            if (event.severity in _SEVERE or (event.name == _DEATH and event.severity != "info"))
            and event.at_ns > record.as_of_ns - _NEWS_NS
        ]

    def _alerts_of(self, record: _Glance) -> list[str]:
        if record.alerts is None:
            return []
        news = [alert.text for alert in record.alerts if alert.key not in self._alerts]
        self._alerts = {alert.key for alert in record.alerts}
        return news

    def _gaps_of(self, record: _Glance) -> list[str]:
        if record.gaps is None:
            return []
        (was_open, were_today), gaps = self._gaps, record.gaps
        self._gaps = gaps.open, gaps.today
        if gaps.open > was_open:
            return ["1 open gap" if gaps.open == 1 else f"{gaps.open} open gaps"]
        # One that opened and closed between two records.
        recalled = record.as_of_ns - self._epoch_ns < _RECALL_NS
        return [f"gap {gaps.newest[0]}"] if gaps.today > were_today and gaps.newest and not recalled else []


def _sections(path: Path) -> list[_Section]:
    try:
        data = path.read_bytes()
        marks = marks_of(data)
    except OSError as error:
        raise ChronicleError(f"{path} cannot be read: {error.strerror}") from error
    except ChronicleError as error:
        raise ChronicleError(f"{path}: {error}") from error
    ends = [*(mark.offset for mark in marks[1:]), None]
    return [_Section(path, mark.offset, end, mark.at_ns) for mark, end in zip(marks, ends, strict=False)]


def _read(section: _Section) -> bytes:
    try:
        with section.path.open("rb") as file:
            file.seek(section.begins)
            return file.read() if section.ends is None else file.read(section.ends - section.begins)
    except OSError:
        # Rotation took it meanwhile: the day has a hole there from now on.
        return b""


def _at_ns(section: _Section) -> int:
    return section.at_ns


def _no_recording(directory: Path, day: DayNumber) -> str:
    days = ", ".join(_written(one) for one in recorded_days(directory))
    known = f"recorded are {days}" if days else "nothing is recorded there yet"
    return f"no recording of {_written(day)} in {directory}: {known}"


def _written(day: int) -> str:
    return f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}"
