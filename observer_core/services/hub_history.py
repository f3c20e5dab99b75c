"""The rates of the last quarter of an hour, kept by the hub for consoles that attach later.

A point a second and process; a few hundred kilobytes for a whole tree. What a former hub saw is not remembered.
"""

from collections.abc import Sequence

from observer_core.clock import NS_PER_S
from observer_core.details import ProcessHistory, RateHistory
from observer_core.rates import BLANK, COURSE_S, Course, Point, RateWindow
from observer_core.view import ProcessRow


class _Watched:
    """One process."""

    __slots__ = ("course", "errors_total", "identity", "window")

    def __init__(self) -> None:
        self.window = RateWindow()
        self.course = Course()
        self.identity: tuple[int | None, int] | None = None
        self.errors_total: int | None = None

    def observe(self, row: ProcessRow, now_ns: int) -> None:
        """Close a second."""
        if row.pid is not None and (row.pid, row.generation) != self.identity:
            self.window.clear()
            self.identity = (row.pid, row.generation)
            self.errors_total = None if self.errors_total is None else 0
        if row.pid is not None:
            self.window.add(row.as_of_ns, (row.records_total, row.bytes_total))
        # At first sight, what the view counts as new: errors from before this hub are none of this second.
        fresh = row.errors_minute if self.errors_total is None else max(0, row.errors_total - self.errors_total)
        self.errors_total = row.errors_total
        records, written = (0.0, 0.0) if row.pid is None else self._rates(now_ns)
        self.course.append(Point(records, float(fresh), written, row.lag))

    def _rates(self, now_ns: int) -> tuple[float | None, float | None]:
        return self.window.per_second(0, now_ns), self.window.per_second(1, now_ns)


class HistoryKeeper:
    """The course of every process that is in the view."""

    def __init__(self) -> None:
        self._second = 0
        self._watched: dict[str, _Watched] = {}

    def observe(self, rows: Sequence[ProcessRow], now_ns: int) -> None:
        """Close a second; call it once in each. Seconds that were missed are blank."""
        second = now_ns // NS_PER_S
        missed = min(COURSE_S, second - self._second - 1) if self._second else 0
        for one in self._watched.values():
            for _ in range(missed):
                one.course.append(BLANK)
        self._second = second
        watched = {row.name: self._watched.get(row.name) or _Watched() for row in rows}
        self._watched = watched
        for row in rows:
            watched[row.name].observe(row, now_ns)

    def answer(self) -> RateHistory:
        """Return everything, as it goes over the wire."""
        processes = (ProcessHistory(name, one.course.packed()) for name, one in self._watched.items())
        return RateHistory(second=self._second, processes=tuple(processes))
