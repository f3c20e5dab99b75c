"""The key figures: four boxes with plots on a large screen, two lines with sparklines on a small one."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from observer_tui.frame import Frame
from observer_tui.glyphs import plot, sparkline
from observer_tui.lines import Line, Role, Span, boxed, faded, fit_line, sides
from observer_tui.meters import Point, buckets, worst_lag
from observer_tui.quantities import count, duration, rate, short, size

_MINUTE = 60


class Total(NamedTuple):
    """One key figure with its history."""

    title: str
    value: str
    course: list[float | None]
    """Seconds of the window, oldest first."""
    shown: Callable[[float | None], str]
    role: Role
    largest: bool = False
    """Whether a column of the chart shows the largest second in it instead of the mean."""


def totals(frame: Frame) -> list[Total]:
    """Return the four key figures with their course over the window."""
    meters, words, at_ns = frame.meters, frame.words, frame.figures_ns
    points = meters.total.last(frame.ui.window_s)
    lag = worst_lag(frame.view.writers) if frame.view is not None else None
    errors = sum(row.errors_minute for row in frame.view.processes) if frame.view is not None else None
    alarm: Role = "warn" if errors else "chart"
    records, written = meters.records_per_s(at_ns), meters.written_bytes_per_s(at_ns)
    return [
        Total(words("records/s in"), rate(records), [p.records for p in points], short, "chart"),
        Total(words("bytes/s written"), size(written), [p.bytes for p in points], size, "chart"),
        Total(words("writer lag"), duration(lag), [p.lag_s for p in points], duration, "chart", largest=True),
        Total(words("errors/min"), count(errors), errors_by_minute(points), short, alarm, largest=True),
    ]


def errors_by_minute(points: Sequence[Point]) -> list[float | None]:
    """Return for every second the errors of the minute that ends with it; None where the second is not known."""
    course: list[float | None] = []
    running = 0.0
    for place, point in enumerate(points):
        running += point.errors or 0.0
        if place >= _MINUTE:
            running -= points[place - _MINUTE].errors or 0.0
        course.append(None if point.errors is None else running)
    return course


def _columns(frame: Frame, total: Total, columns: int) -> list[float | None]:
    return buckets(total.course, columns, frame.ui.window_s, frame.meters.second, largest=total.largest)


def draw_total_boxes(frame: Frame, widths: Sequence[int], height: int) -> list[list[Line]]:
    """Return one box a figure: value and maximum, plot, time axis."""
    return [_box(frame, total, width, height) for total, width in zip(totals(frame), widths, strict=True)]


def _box(frame: Frame, total: Total, width: int, height: int) -> list[Line]:
    inner = width - 2
    known = [value for value in total.course if value is not None]
    highest = f"{frame.words('max')} {total.shown(max(known))}" if known else ""
    role: Role = "bad" if total.role == "warn" else "strong"
    lines = [sides([Span(f" {total.value}", role)], [Span(f"{highest} ", "dim")], inner)]
    drawn = plot(_columns(frame, total, inner - 2), max(1, height - 4), frame.glyphs)
    lines += [fit_line([Span(" "), Span(row, total.role)], inner) for row in drawn]
    axis = f" -{frame.ui.window_s // 60}m"
    lines.append(sides([Span(axis, "dim")], [Span(f"{frame.words('now')} ", "dim")], inner))
    if frame.is_old:
        lines = [faded(line) for line in lines]
    return boxed(total.title, lines, (width, height), frame.glyphs)


def draw_total_lines(frame: Frame, width: int) -> list[Line]:
    """Return the four figures on two lines."""
    half = width // 2
    chart = max(6, half - 30)
    cells: list[Line] = []
    for total in totals(frame):
        spans = [Span(f" {total.title} ", "label"), Span(total.value, "bad" if total.role == "warn" else "strong")]
        spark = Span(sparkline(_columns(frame, total, chart), frame.glyphs) + " ", total.role)
        cells.append(sides(spans, [spark], half))
    lines = [fit_line([*cells[0], *cells[1]], width), fit_line([*cells[2], *cells[3]], width)]
    return [faded(line) for line in lines] if frame.is_old else lines
