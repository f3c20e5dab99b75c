"""A drawn line: spans of text with a role. The vocabulary between the pure panes and the terminal.

Panes know roles ("bad", "dim"), never colours; `looks` turns a role into a style. Plain text of a line is what golden
files and the text screenshot hold.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

from observer_tui.cells import Align, fit, width_of
from observer_tui.glyphs import Glyphs

Role = Literal[
    "plain",
    "dim",
    "strong",
    "label",
    "title",
    "border",
    "key",
    "ok",
    "warn",
    "bad",
    "paused",
    "chart",
    "selected",
    "bar",
    "bar_warn",
    "bar_bad",
    "bar_strong",
]


class Span(NamedTuple):
    """Text of one role."""

    text: str
    role: Role = "plain"


Line: TypeAlias = tuple[Span, ...]

_BARS: frozenset[Role] = frozenset({"bar", "bar_warn", "bar_bad", "bar_strong", "selected"})


def text_of(line: Line) -> str:
    """Return the line without its roles."""
    return "".join(span.text for span in line)


def line_width(line: Line) -> int:
    """Return the cells that a line takes."""
    return sum(width_of(span.text) for span in line)


def fit_line(spans: Iterable[Span], width: int, fill: Role = "plain") -> Line:
    """Return the spans cut or padded to exactly `width` cells, neighbours of one role joined."""
    result: list[Span] = []
    left = width
    for span in spans:
        if left <= 0:
            break
        size = width_of(span.text)
        text = span.text if size <= left and span.text.isprintable() else fit(span.text, min(size, left))
        left -= width_of(text)
        _append(result, Span(text, span.role))
    if left > 0:
        _append(result, Span(" " * left, fill))
    return tuple(result)


def _append(spans: list[Span], span: Span) -> None:
    if spans and (spans[-1].role == span.role):
        spans[-1] = Span(spans[-1].text + span.text, span.role)
    elif span.text:
        spans.append(span)


def sides(left: Sequence[Span], right: Sequence[Span], width: int, fill: Role = "plain") -> Line:
    """Return a line with one part at the left and one at the right edge; the right part wins when both do not fit."""
    right_width = min(width, sum(width_of(span.text) for span in right))
    head = fit_line(left, width - right_width, fill)
    return fit_line([*head, *right], width, fill)


def cell(text: str, width: int, role: Role = "plain", align: Align = "left") -> Span:
    """Return one column of a row: a span of exactly `width` cells."""
    return Span(fit(text, width, align), role)


def recolored(line: Line, role: Role) -> Line:
    """Return the line with one role throughout."""
    return (Span(text_of(line), role),)


def under_cursor(line: Line) -> Line:
    """Return a line whose first cell is blank with the cursor on it."""
    return (Span(">" + text_of(line)[1:], "selected"),)


def faded(line: Line) -> Line:
    """Return the line with its figures dimmed; bars keep their look because they say why."""
    spans: list[Span] = []
    for span in line:
        _append(spans, span if span.role in _BARS or span.role == "border" else Span(span.text, "dim"))
    return tuple(spans)


def boxed(title: str, lines: Sequence[Line], size: tuple[int, int], glyphs: Glyphs, note: str = "") -> list[Line]:
    """Return the lines inside a box of `size` (width, height) with a title on top and a note in the lower border."""
    width, height = size
    if height < 2 or width < 4:
        return [fit_line((), width) for _ in range(height)]
    inner = width - 2
    body = [fit_line(line, inner) for line in lines[: height - 2]]
    body += [fit_line((), inner)] * (height - 2 - len(body))
    edge = Span(glyphs.vertical, "border")
    drawn = [_rule(title, width, glyphs, (glyphs.top_left, glyphs.top_right))]
    drawn += [fit_line((edge, *line, edge), width) for line in body]
    drawn.append(_rule(note, width, glyphs, (glyphs.bottom_left, glyphs.bottom_right)))
    return drawn


def _rule(title: str, width: int, glyphs: Glyphs, corners: tuple[str, str]) -> Line:
    label = fit(title, min(width_of(title), width - 6)) if title else ""
    spans = [Span(corners[0] + glyphs.horizontal, "border")]
    if label:
        spans.append(Span(f" {label} ", "title"))
    used = sum(width_of(span.text) for span in spans)
    spans.append(Span(glyphs.horizontal * max(0, width - used - 1) + corners[1], "border"))
    return fit_line(spans, width, "border")
