"""Rates and histories, computed by the viewer from cumulative counters.

A lost status message costs smoothness, never truth. A new hub epoch or a restarted process begins its rates anew but
keeps the history: what was seen was seen. Pure: the time is an argument.
"""

from collections.abc import Iterable

from observer_core.clock import NS_PER_S
from observer_core.details import RateHistory
from observer_core.rates import BLANK, COURSE_S, Course, RateWindow
from observer_core.rates import SILENT_NS as SILENT_NS
from observer_core.rates import Point as Point
from observer_core.view import ProcessRow, SystemView, WriterRow

HISTORY_S = COURSE_S

COLLECTING_KINDS = frozenset({"swing", "scalp"})


class Meter:
    """Rates and history of one process."""

    def __init__(self) -> None:
        self.history = Course()
        self.outage_s: float | None = None
        """How long the process was without records at its last restart that this console saw."""
        self._window = RateWindow()
        self._recalled = BLANK
        self._recalled_ns = 0
        """Until when the newest recalled point stands for a rate that this console has not seen enough for."""
        self._identity: tuple[int | None, int] | None = None
        self._row: ProcessRow | None = None
        self._errors_total: int | None = None
        self._errors_now = 0
        self._silent_since_ns: int | None = None

    def forget_rates(self) -> None:
        """Begin the rates anew; the history stays."""
        self._window.clear()
        self._recalled_ns = 0
        self._errors_total = None

    def observe(self, row: ProcessRow) -> None:
        """Take the newest counters of the process."""
        identity = (row.pid, row.generation)
        # A dead process keeps its last figures; only the next living one counts from zero.
        if row.pid is not None and identity != self._identity:
            if self._row is not None:
                self._begin_restart(self._row)
            self._identity = identity
        self._end_restart(row)
        if self._errors_total is not None:
            self._errors_now += max(0, row.errors_total - self._errors_total)
        self._errors_total = row.errors_total
        self._row = row
        self._sample(row)

    def _begin_restart(self, before: ProcessRow) -> None:
        self.forget_rates()
        self._errors_total = 0
        if self._silent_since_ns is None:
            self._silent_since_ns = before.last_record_ns

    def _end_restart(self, row: ProcessRow) -> None:
        since = self._silent_since_ns
        if since is not None and row.last_record_ns is not None and row.last_record_ns > since:
            self.outage_s = (row.last_record_ns - since) / NS_PER_S
            self._silent_since_ns = None

    def _sample(self, row: ProcessRow) -> None:
        if row.pid is not None:
            counters = (row.records_total, row.bytes_total, row.calls_total, row.cpu_ms_total or 0)
            self._window.add(row.as_of_ns, counters)

    def _rate(self, place: int, now_ns: int) -> float | None:
        if self._row is not None and self._row.pid is None:
            return 0.0
        return self._window.per_second(place, now_ns)

    def recall(self, course: Course, behind_s: int, now_ns: int) -> None:
        """Fill the seconds that this console did not see; `behind_s` is the age of the hub's newest point."""
        own, theirs = list(self.history), [*course, *[BLANK] * behind_s][-HISTORY_S:]
        longest = max(len(own), len(theirs))
        merged = Course()
        for mine, other in zip(
            [BLANK] * (longest - len(own)) + own, [BLANK] * (longest - len(theirs)) + theirs, strict=True
        ):
            merged.append(other if mine == BLANK else mine)
        self.history = merged
        if len(course):
            self._recalled = course[-1]
            self._recalled_ns = now_ns + SILENT_NS - behind_s * NS_PER_S

    def records_per_s(self, now_ns: int) -> float | None:
        """Return records per second over the last two seconds."""
        seen = self._rate(0, now_ns)
        return self._recalled.records if seen is None and now_ns < self._recalled_ns else seen

    def bytes_per_s(self, now_ns: int) -> float | None:
        """Return bytes per second over the last two seconds."""
        seen = self._rate(1, now_ns)
        return self._recalled.bytes if seen is None and now_ns < self._recalled_ns else seen

    def calls_per_s(self, now_ns: int) -> float | None:
        """Return broker calls per second over the last two seconds."""
        return self._rate(2, now_ns)

    def cpu_share(self, now_ns: int) -> float | None:
        """Return the share of one core over the last two seconds; None when the process does not report it."""
        if self._row is None or self._row.cpu_ms_total is None:
            return None
        used_ms = self._rate(3, now_ns)
        return None if used_ms is None else used_ms / 1000

    def errors_per_minute(self) -> int:
        """Return the errors of the last 60 s that this console saw."""
        return self._errors_now + int(sum(errors or 0 for errors in self.history.recent("errors", 60)))

    def close_second(self, now_ns: int) -> None:
        """Append the point of the second that ended."""
        row = self._row
        self.history.append(
            Point(
                self.records_per_s(now_ns),
                float(self._errors_now),
                self.bytes_per_s(now_ns),
                row.lag if row is not None else None,
            )
        )
        self._errors_now = 0

    def skip_second(self) -> None:
        """Append a second of which nothing is known."""
        self.history.append(BLANK)


class Meters:
    """Rates and histories of everything shown."""

    def __init__(self) -> None:
        self.processes: dict[str, Meter] = {}
        self.total = Course()
        self.second: int = 0
        """The wall-clock second of the newest point."""
        self._hub_epoch = ""
        self._writer_lag_s: float | None = None
        self._kinds: dict[str, str] = {}

    def observe(self, view: SystemView) -> None:
        """Take the counters of a view."""
        if view.hub_epoch != self._hub_epoch:
            self._hub_epoch = view.hub_epoch
            for meter in self.processes.values():
                meter.forget_rates()
        for row in view.processes:
            self.of(row.name).observe(row)
        self._kinds = {row.name: row.kind for row in view.processes}
        self._writer_lag_s = worst_lag(view.writers)

    def recall(self, history: RateHistory, now_ns: int) -> None:
        """Take what the hub saw before this console came, or while its link was down."""
        self.second = self.second or now_ns // NS_PER_S
        behind_s = max(0, self.second - history.second)
        courses = {one.name: Course(one.columns) for one in history.processes if one.name in self._kinds}
        for name, course in courses.items():
            self.of(name).recall(course, behind_s, now_ns)
        longest = max((len(self.processes[name].history) for name in self._kinds), default=0)
        known = self.total.last(HISTORY_S)
        merged = Course()
        for place, mine in zip(range(-longest, 0), [BLANK] * (longest - len(known)) + known, strict=True):
            merged.append(self._total_of(place) if mine == BLANK else mine)
        self.total = merged

    def _total_of(self, place: int) -> Point:
        """Return the sum over the processes of a second in the past, counted from the newest."""
        points = {
            name: meter.history[place]
            for name, meter in self.processes.items()
            if name in self._kinds and len(meter.history) >= -place
        }
        collected = [point.records for name, point in points.items() if self._kinds[name] in COLLECTING_KINDS]
        writers = [point for name, point in points.items() if self._kinds[name] == "writer"]
        lags = [point.lag_s for point in writers if point.lag_s is not None]
        return Point(
            _sum(collected),
            _sum(point.errors for point in points.values()),
            _sum(point.bytes for point in writers),
            max(lags, default=None),
        )

    def of(self, name: str) -> Meter:
        """Return the meter of a process, a new one at first sight."""
        return self.processes.setdefault(name, Meter())

    def advance(self, now_ns: int, *, live: bool) -> bool:
        """Close the seconds that ended; return whether there was one. Seconds without a live link are blank."""
        second = now_ns // NS_PER_S
        if not self.second:
            self.second = second
        missed = min(HISTORY_S, second - self.second)
        if missed <= 0:
            self.second = second
            return False
        for step in range(missed):
            known = live and step == missed - 1
            for meter in self.processes.values():
                if known:
                    meter.close_second(now_ns)
                else:
                    meter.skip_second()
            self.total.append(self._total_point(now_ns) if known else BLANK)
        self.second = second
        return True

    def records_per_s(self, now_ns: int) -> float | None:
        """Return the records per second of all collecting processes."""
        return _sum(meter.records_per_s(now_ns) for meter in self._of_kinds(COLLECTING_KINDS))

    def journal_bytes_per_s(self, now_ns: int) -> float | None:
        """Return the bytes per second that go to the journals."""
        return _sum(meter.bytes_per_s(now_ns) for meter in self._of_kinds(COLLECTING_KINDS))

    def written_bytes_per_s(self, now_ns: int) -> float | None:
        """Return the bytes per second that the writers store."""
        return _sum(meter.bytes_per_s(now_ns) for meter in self._of_kinds(frozenset({"writer"})))

    def has_counted_all(self, now_ns: int) -> bool:
        """Return whether there is a rate of every collecting and writing process, so that sums leave none out."""
        counted = self._of_kinds(COLLECTING_KINDS | {"writer"})
        return all(meter.records_per_s(now_ns) is not None for meter in counted)

    def errors_per_minute(self) -> int:
        """Return the errors of all processes in the last 60 s."""
        return sum(self.processes[name].errors_per_minute() for name in self._kinds)

    def _of_kinds(self, kinds: frozenset[str]) -> list[Meter]:
        return [self.processes[name] for name, kind in self._kinds.items() if kind in kinds]

    def _total_point(self, now_ns: int) -> Point:
        newest = [self.processes[name].history[-1] for name in self._kinds]
        return Point(
            self.records_per_s(now_ns),
            _sum(point.errors for point in newest),
            self.written_bytes_per_s(now_ns),
            self._writer_lag_s,
        )


def worst_lag(writers: Iterable[WriterRow]) -> float | None:
    """Return the largest lag of the writers in seconds."""
    return max((writer.lag_s for writer in writers), default=None)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def buckets(
    history: Iterable[float | None], columns: int, window_s: int, second: int, *, largest: bool = False
) -> list[float | None]:
    """Return `columns` values over the last `window_s` seconds, newest last.

    Buckets begin at multiples of their length in absolute time, so that only the newest column changes from second to
    second. Each is the mean of its known points, or the largest.
    """
    values = list(history)[-window_s:]
    length = max(1, -(-window_s // max(1, columns)))
    newest = second // length
    grouped: dict[int, list[float]] = {}
    for index, value in enumerate(reversed(values)):
        if value is not None:
            grouped.setdefault((second - index) // length, []).append(value)
    drawn: list[float | None] = []
    for bucket in range(newest - columns + 1, newest + 1):
        points = grouped.get(bucket)
        drawn.append(None if not points else max(points) if largest else sum(points) / len(points))
    return drawn
