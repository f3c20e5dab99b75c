"""The whole universe on one screen: a map with one cell a symbol by age class, and the table beside or below it."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

from observer_core.details import PINNED, STREAMED, SymbolRow, Why
from observer_tui.cells import Align
from observer_tui.frame import Frame
from observer_tui.glyphs import Glyphs
from observer_tui.lines import Line, Role, Span, boxed, cell, faded, fit_line, recolored
from observer_tui.quantities import UNKNOWN, age, count, duration
from observer_tui.rows import window_top
from observer_tui.symbols import CLASSES, SymbolTable

_LABEL = 9
_ROLES: tuple[Role, ...] = ("ok", "plain", "warn", "warn", "bad")
_SIGNS: dict[Why, tuple[str, Role]] = {
    Why.HALTED: ("h", "paused"),
    Why.INTERRUPTED: ("v", "paused"),
    Why.PAUSED: ("=", "paused"),
}
WHY_WORDS: dict[Why, str] = {
    Why.FRESH: "",
    Why.SESSION: "session: nothing expected",
    Why.QUIET: "illiquid: no trade for long",
    Why.HALTED: "halted",
    Why.INTERRUPTED: "volatility interruption",
    Why.PAUSED: "shard paused",
    Why.UNKNOWN: "not seen yet",
    Why.GAP: "open gap",
    Why.SHARD: "shard down",
    Why.FEED: "feed: nothing explains it",
}
WHY_ROLES: dict[Why, Role] = {
    Why.FRESH: "plain",
    Why.SESSION: "dim",
    Why.QUIET: "dim",
    Why.HALTED: "paused",
    Why.INTERRUPTED: "paused",
    Why.PAUSED: "paused",
    Why.UNKNOWN: "dim",
    Why.GAP: "warn",
    Why.SHARD: "bad",
    Why.FEED: "bad",
}
WIDE = 110


class _Cell(NamedTuple):
    text: str
    role: Role
    rank: int


def _cell(place: int, why: Why, glyphs: Glyphs) -> _Cell:
    sign = _SIGNS.get(why)
    if sign is not None:
        return _Cell(*sign, 0)
    if place == CLASSES:
        return _Cell("?", "dim", CLASSES)
    explained = place > 0 and why is Why.SESSION
    return _Cell(glyphs.ages[place], "dim" if explained else _ROLES[place], 0 if explained else place)


def map_lines(frame: Frame, width: int, height: int) -> tuple[list[Line], int]:
    """Return the map and how many symbols stand behind one cell; the last line is the legend."""
    table = frame.replies.symbols
    if table is None:
        return [], 1
    room, height = max(10, width - _LABEL - 1), max(1, height - 1)
    each = 1
    while sum(-(-len(places) // (each * room)) for _, places in table.groups) > height and each < 64:
        each += 1
    kinds = {(place, why): _cell(place, why, frame.glyphs) for place in range(CLASSES + 1) for why in Why}
    cells = [kinds[place, Why(why)] for place, why in zip(table.classes, table.columns.why, strict=True)]
    chosen = table.places.get(frame.symbol, -1)
    lines: list[Line] = []
    for shard, places in table.groups:
        drawn = _worst(cells[places.start : places.stop], each)
        if places.start <= chosen < places.stop:
            mark = (chosen - places.start) // each
            drawn[mark] = drawn[mark]._replace(role="selected")
        for first in range(0, len(drawn), room):
            label = cell(shard if first == 0 else "", _LABEL, "label")
            runs = groupby(drawn[first : first + room], key=lambda one: one.role)
            spans = [Span("".join(one.text for one in run), role) for role, run in runs]
            lines.append(fit_line([Span(" "), label, *spans], width))
    return [*lines[:height], _legend(frame, table, width)], each


def _worst(cells: list[_Cell], each: int) -> list[_Cell]:
    """Return one cell for every so many symbols: that of the oldest."""
    if each == 1:
        return cells
    return [max(cells[first : first + each], key=lambda one: one.rank) for first in range(0, len(cells), each)]


def _legend(frame: Frame, table: SymbolTable, width: int) -> Line:
    limits_s = table.limits_s
    counted = table.tally
    spans: list[Span] = [Span(" ")]
    for place, number in enumerate(counted.by_class):
        limit = f"<{duration(limits_s[place])}" if place < len(limits_s) else f">{duration(limits_s[-1])}"
        spans += [Span(frame.glyphs.ages[place], _ROLES[place]), Span(f"{limit} {count(number)}  ", "dim")]
    spans.append(Span(f"? {count(counted.never)}  ", "dim"))
    for why, (sign, role) in _SIGNS.items():
        if counted.by_why.get(why):
            spans += [Span(sign, role), Span(f" {frame.words(WHY_WORDS[why])} {counted.by_why[why]}  ", "dim")]
    return fit_line(spans, width)


def map_height_for(frame: Frame, width: int) -> int:
    """Return the lines of a box in which every symbol has a cell of its own."""
    table = frame.replies.symbols
    room = max(10, width - 2 - _LABEL - 1)
    return 3 + (0 if table is None else sum(-(-len(places) // room) for _, places in table.groups))


def draw_map_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the freshness map in a box."""
    lines, each = map_lines(frame, width - 2, height - 2)
    if not lines:
        lines = [fit_line([Span(f" {waiting_text(frame)}", "dim")], width - 2)]
    table = frame.replies.symbols
    total = None if table is None else len(table.rows)
    title = frame.words("Freshness of {count} symbols", count=count(total))
    if each > 1:
        title += f" ({frame.words('one cell = the oldest of {count}', count=each)})"
    return boxed(title, _aged(frame, lines), (width, height), frame.glyphs)


def waiting_text(frame: Frame) -> str:
    """Return why a page has nothing to show yet."""
    if frame.replaying:
        return frame.words("not recorded: see the day's logs, archive and audit trail")
    if frame.replies.refused:
        return frame.words.of_core(frame.replies.refused)
    return frame.words("waiting for the hub's answer")


def is_aged(frame: Frame) -> bool:
    """Return whether the symbols on the screen are older than they should be."""
    table = frame.replies.symbols
    return frame.is_old or (table is not None and frame.now_ns - table.columns.as_of_ns > 5_000_000_000)


def _aged(frame: Frame, lines: list[Line]) -> list[Line]:
    return [faded(line) for line in lines] if is_aged(frame) else lines


class _Column(NamedTuple):
    title: str
    width: int
    text: Callable[[SymbolRow, Frame], str]
    align: Align = "right"
    role: Callable[[SymbolRow], Role] | None = None
    least: int = 0
    """Width of the table from which the column is shown."""


def percent_of(change_bp: int | None) -> str:
    """Return a change against the previous close."""
    return UNKNOWN if change_bp is None else f"{change_bp / 100:+.2f}%"


def _change_role(row: SymbolRow) -> Role:
    return "plain" if not row.change_bp else "ok" if row.change_bp > 0 else "bad"


def marks(row: SymbolRow) -> str:
    """Return the signs of a row's flags: T for a tick slot, P for pinned."""
    return f"{'T' if row.flags & STREAMED else ' '}{'P' if row.flags & PINNED else ' '}"


COLUMNS: tuple[_Column, ...] = (
    _Column("code", 7, lambda row, _: row.code, "left"),
    _Column("name", 16, lambda row, _: row.name or UNKNOWN, "left"),
    _Column("TP", 2, lambda row, _: marks(row), "left", lambda _: "key"),
    _Column("shard", 8, lambda row, _: row.shard, "left", least=76),
    _Column("age", 6, lambda row, _: age(row.seen_s), "right", lambda row: WHY_ROLES[row.why]),
    _Column("traded", 6, lambda row, _: age(row.traded_s), least=90),
    _Column("price", 9, lambda row, _: count(row.price)),
    _Column("change", 8, lambda row, _: percent_of(row.change_bp), "right", _change_role, 70),
    _Column("obs/min", 7, lambda row, _: "255+" if row.rate == 255 else str(row.rate), least=WIDE),
)
_MARK = 3


def _columns(width: int) -> Sequence[_Column]:
    return [column for column in COLUMNS if width >= column.least]


def symbol_table_lines(frame: Frame, width: int, height: int) -> list[Line]:
    """Return titles and as many rows as fit around the selected one."""
    rows, columns = frame.symbols, _columns(width)
    titles = [Span(" " * _MARK, "label")]
    for column in columns:
        titles += [cell(frame.words(column.title), column.width, "label", column.align), Span(" ")]
    lines = [fit_line([*titles, Span(frame.words("why"), "label")], width)]
    if not rows:
        text = _why_empty(frame)
        return [*lines, fit_line([Span(f"   {text}", "dim")], width)]
    room = max(1, height - 1)
    chosen = frame.symbol
    index = next((place for place, row in enumerate(rows) if row.code == chosen), 0)
    top = window_top(index, len(rows), room)
    return [*lines, *(_row(frame, row, columns, width, row.code == chosen) for row in rows[top : top + room])]


def _why_empty(frame: Frame) -> str:
    table = frame.replies.symbols
    if table is None:
        return waiting_text(frame)
    return frame.words("no symbol passes the filter") if table.rows else frame.words("there is no universe yet")


def _row(frame: Frame, row: SymbolRow, columns: Sequence[_Column], width: int, selected: bool) -> Line:
    role = WHY_ROLES[row.why]
    sign = "!" if role in ("warn", "bad") else " "
    spans = [Span(f"{'>' if selected else ' '}{sign} ", role)]
    for column in columns:
        text_role = column.role(row) if column.role is not None else "plain"
        spans += [cell(column.text(row, frame), column.width, text_role, column.align), Span(" ")]
    why = frame.words(WHY_WORDS[row.why]) if row.why else ""
    line = fit_line([*spans, Span(why if width >= WIDE else why.partition(":")[0], role)], width)
    if selected:
        return recolored(line, "selected")
    return faded(line) if is_aged(frame) else line


def draw_symbol_table_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the table in a box that names what can be done with a row."""
    table = frame.replies.symbols
    shown, everything = (None, None) if table is None else (len(frame.symbols), len(table.rows))
    title = f"{frame.words('Symbols')} {count(shown)}/{count(everything)}"
    arrow = frame.glyphs.arrow_up if frame.ui.symbol_inverted else frame.glyphs.arrow_down
    title += f"  {frame.words('sort')} {frame.words(frame.ui.symbol_sort)} {arrow}"
    note = (
        frame.words("enter open  s sort  / filter")
        if frame.replaying
        else frame.words("enter open  P pin/unpin  s sort  / filter")
    )
    lines = symbol_table_lines(frame, width - 2, height - 2)
    return boxed(title, lines, (width, height), frame.glyphs, note)
