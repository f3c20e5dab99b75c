"""Rates from cumulative counters, and their course over the last quarter of an hour in little memory.

The hub keeps a course for consoles that attach later, every console its own from then on: both count alike because
both count here. Pure; times are arguments.
"""

from array import array
from collections import deque
from collections.abc import Iterator
from math import nan
from typing import Final, NamedTuple

from observer_core.clock import NS_PER_S

COURSE_S: Final = 900
"""Kept points, one a second."""

_WINDOW_NS: Final = 2 * NS_PER_S

SILENT_NS: Final = 3 * NS_PER_S
"""A process that has not reported for this long has no rate that could be called present."""


class Point(NamedTuple):
    """One second of one process; None = not known."""

    records: float | None
    errors: float | None
    """Errors that happened within the second."""
    bytes: float | None
    lag_s: float | None


BLANK: Final = Point(None, None, None, None)


class RateWindow:
    """The counters of the last two seconds."""

    __slots__ = ("_samples",)

    def __init__(self) -> None:
        self._samples: deque[tuple[int, tuple[int, ...]]] = deque()

    def clear(self) -> None:
        """Forget what was counted."""
        self._samples.clear()

    def add(self, at_ns: int, counters: tuple[int, ...]) -> None:
        """Take counters of an instant; the first of them began anew when it is smaller than before."""
        samples = self._samples
        if samples and counters[0] < samples[-1][1][0]:
            samples.clear()
        if at_ns <= (samples[-1][0] if samples else 0):
            return
        samples.append((at_ns, counters))
        while len(samples) > 2 and samples[1][0] <= at_ns - _WINDOW_NS:
            samples.popleft()

    def per_second(self, place: int, now_ns: int) -> float | None:
        """Return the rate of one counter; None before the second report and when the last one is old."""
        if len(self._samples) < 2 or now_ns - self._samples[-1][0] > SILENT_NS:
            return None
        (first_ns, first), (last_ns, last) = self._samples[0], self._samples[-1]
        return (last[place] - first[place]) * NS_PER_S / (last_ns - first_ns)


class Course:
    """Points of the last `COURSE_S` seconds, oldest first: 16 bytes each."""

    __slots__ = ("_columns",)

    def __init__(self, columns: tuple[bytes, ...] = ()) -> None:
        self._columns = tuple(array("f") for _ in Point._fields)
        for column, packed in zip(self._columns, columns, strict=False):
            column.frombytes(packed)

    def __len__(self) -> int:
        """Return the number of points."""
        return min(COURSE_S, len(self._columns[0]))

    def __getitem__(self, place: int) -> Point:
        """Return a point; negative places count from the newest."""
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return Point(*(_known(column[place if place < 0 else place - len(self)]) for column in self._columns))

    def __iter__(self) -> Iterator[Point]:
        """Go through the points."""
        return iter(self.last(COURSE_S))

    def last(self, seconds: int) -> list[Point]:
        """Return the newest points."""
        return [Point(*map(_known, values)) for values in zip(*(one[-seconds:] for one in self._tail()), strict=True)]

    def recent(self, field: str, seconds: int) -> list[float | None]:
        """Return one value of the newest points."""
        return [_known(value) for value in self._tail()[Point._fields.index(field)][-seconds:]]

    def append(self, point: Point) -> None:
        """Add the newest point."""
        for column, value in zip(self._columns, point, strict=True):
            column.append(nan if value is None else value)
            if len(column) >= 2 * COURSE_S:
                del column[:-COURSE_S]

    def packed(self) -> tuple[bytes, ...]:
        """Return the columns as bytes: little-endian 32-bit floats, not-a-number where nothing is known."""
        return tuple(column.tobytes() for column in self._tail())

    def _tail(self) -> list["array[float]"]:
        return [column[-COURSE_S:] for column in self._columns]


def _known(value: float) -> float | None:
    # Not-a-number is the one value that differs from itself.
    return value if value == value else None
