"""The key figures: four boxes with plots on a large screen, two lines with sparklines on a small one."""

from collections.abc import Callable
from typing import NamedTuple

from observer_tui.frame import Frame
from observer_tui.glyphs import plot, sparkline
from observer_tui.lines import Line, Role, Span, boxed, faded, fit_line, sides
from observer_tui.meters import Point, buckets, worst_lag
from observer_tui.quantities import count, duration, rate, short, size


class Total(NamedTuple):
    """One key figure with its history."""

    title: str
    value: str
    values: list[float | None]
    shown: Callable[[float | None], str]
    role: Role


def totals(frame: Frame, columns: int) -> list[Total]:
    """Return the four key figures; `columns` is the width of their charts."""
    meters, words, now_ns = frame.meters, frame.words, frame.figures_ns
    window_s, second = frame.ui.window_s, meters.second

    def history(pick: Callable[[Point], float | None], *, largest: bool = False) -> list[float | None]:
        return buckets((pick(point) for point in meters.total), columns, window_s, second, largest=largest)

    lag = worst_lag(frame.view.writers) if frame.view is not None else None
    errors = meters.errors_per_minute() if frame.view is not None else None
    return [
        Total(words("records/s in"), rate(meters.records_per_s(now_ns)), history(lambda p: p.records), short, "chart"),
        Total(
            words("bytes/s written"),
            f"{size(meters.written_bytes_per_s(now_ns))}",
            history(lambda p: p.bytes),
            size,
            "chart",
        ),
        Total(words("writer lag"), duration(lag), history(lambda p: p.lag_s, largest=True), duration, "chart"),
        Total(
            words("errors/min"),
            count(errors),
            _per_minute(history(lambda p: p.errors)),
            short,
            "warn" if errors else "chart",
        ),
    ]


def _per_minute(values: list[float | None]) -> list[float | None]:
    return [None if value is None else value * 60 for value in values]


def draw_total_box(frame: Frame, index: int, width: int, height: int) -> list[Line]:
    """Return one figure as a box: value and maximum, its plot, the time axis."""
    inner = width - 2
    total = totals(frame, inner - 2)[index]
    window = f"{frame.ui.window_s // 60}m"
    known = [value for value in total.values if value is not None]
    highest = f"{frame.words('max')} {total.shown(max(known))}" if known else ""
    role: Role = "bad" if total.role == "warn" else "strong"
    lines = [sides([Span(f" {total.value}", role)], [Span(f"{highest} ", "dim")], inner)]
    rows = height - 4
    lines += [
        fit_line([Span(" "), Span(row, total.role)], inner) for row in plot(total.values, max(1, rows), frame.glyphs)
    ]
    lines.append(sides([Span(f" -{window}", "dim")], [Span(f"{frame.words('now')} ", "dim")], inner))
    if frame.is_old:
        lines = [faded(line) for line in lines]
    return boxed(total.title, lines, (width, height), frame.glyphs)


def draw_total_lines(frame: Frame, width: int) -> list[Line]:
    """Return the four figures on two lines."""
    half = width // 2
    chart = max(6, half - 30)
    drawn = totals(frame, chart)
    cells: list[Line] = []
    for total in drawn:
        spans = [Span(f" {total.title} ", "label"), Span(total.value, "bad" if total.role == "warn" else "strong")]
        spark = Span(sparkline(total.values, frame.glyphs) + " ", total.role)
        cells.append(sides(spans, [spark], half))
    lines = [fit_line([*cells[0], *cells[1]], width), fit_line([*cells[2], *cells[3]], width)]
    return [faded(line) for line in lines] if frame.is_old else lines
