"""The table of processes: one row each, columns that drop out in a fixed order as the screen narrows, a total."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import wrap

from observer_tui.cells import Align
from observer_tui.conditions import GLYPH, ROLE, Condition, degraded_text, tally
from observer_tui.frame import Frame
from observer_tui.glyphs import sparkline
from observer_tui.lines import Line, Role, Span, boxed, cell, faded, fit_line, recolored
from observer_tui.meters import COLLECTING_KINDS, buckets
from observer_tui.quantities import UNKNOWN, age, count, duration, percent, rate, size
from observer_tui.rows import RowFacts, window_top

SPARK_S = 60
WIDE = 110
"""Columns from which the long sparkline fits."""

_SPARK_LEAST = 10.0
"""Records a second of a full bar at least: the one gap record of a paused shard is no peak."""
_STALE_ROW_S = 3.0


@dataclass(frozen=True, slots=True)
class Column:
    """One column: title, width in cells, and what it says of a row."""

    title: str
    width: int
    text: Callable[[RowFacts, Frame], str]
    align: Align = "right"
    role: Callable[[RowFacts], Role] | None = None
    keep: int = 0
    """The larger, the longer it stays when the screen narrows."""


def _collecting(facts: RowFacts) -> bool:
    return facts.row.kind in COLLECTING_KINDS


def _counts(facts: RowFacts) -> bool:
    return _collecting(facts) or facts.row.kind == "writer"


def _of_collecting(facts: RowFacts, text: str) -> str:
    return text if _collecting(facts) else ""


def _state(facts: RowFacts, frame: Frame) -> str:
    return frame.words(facts.row.state) if facts.row.state else UNKNOWN


def _records(facts: RowFacts, _frame: Frame) -> str:
    return rate(facts.records_per_s) if _counts(facts) else ""


def _spark(columns: int) -> Callable[[RowFacts, Frame], str]:
    def drawn(facts: RowFacts, frame: Frame) -> str:
        if not _counts(facts):
            return ""
        values = buckets(facts.meter.history.recent("records", SPARK_S), columns, SPARK_S, frame.meters.second)
        return sparkline(values, frame.glyphs, _SPARK_LEAST)

    return drawn


def _note(facts: RowFacts, frame: Frame) -> str:
    if facts.condition is Condition.SILENT:
        return frame.words("has not reported for {age}", age=age(facts.silent_s))
    row = facts.row
    if row.next_start_ns is not None and row.next_start_ns > frame.figures_ns:
        left = duration((row.next_start_ns - frame.figures_ns) / 1e9)
        return frame.words("starts again in {time}", time=left) + (
            f": {exit_text(facts, frame)}" if row.last_exit else ""
        )
    if facts.condition is Condition.DEGRADED and frame.view is not None:
        return degraded_text(row, frame.view.market, frame.words)
    if row.note:
        return frame.words.of_core(row.note)
    return frame.words("last exit") + f": {exit_text(facts, frame)}" if row.last_exit else ""


def exit_text(facts: RowFacts, frame: Frame) -> str:
    """Return how a process last ended, cause and sentence in the operator's words."""
    cause, colon, text = facts.row.last_exit.partition(": ")
    if not colon:
        return frame.words.of_core(cause)
    return f"{frame.words(cause.replace('_', ' '))}: {frame.words.of_core(text)}"


def _warn_if(test: Callable[[RowFacts], float]) -> Callable[[RowFacts], Role]:
    return lambda facts: "warn" if test(facts) else "plain"


COLUMNS: tuple[Column, ...] = (
    Column("process", 15, lambda facts, _: facts.row.name, "left", keep=20),
    Column("state", 11, _state, "left", lambda facts: ROLE[facts.condition], 19),
    Column("rec/s", 8, _records, keep=18),
    Column("lag", 7, lambda facts, _: duration(facts.row.lag) if _counts(facts) else "", keep=17),
    Column(
        "err/m",
        5,
        lambda facts, _: count(facts.errors_per_minute),
        "right",
        lambda facts: "bad" if facts.errors_per_minute else "plain",
        16,
    ),
    Column(
        "gaps",
        4,
        lambda facts, _: _of_collecting(facts, count(facts.row.open_gaps)),
        "right",
        _warn_if(lambda facts: facts.row.open_gaps),
        15,
    ),
    Column("sweep", 6, lambda facts, _: _of_collecting(facts, duration(facts.row.sweep_s)), keep=11),
    Column("symb", 5, lambda facts, _: _of_collecting(facts, count(facts.row.symbols)), keep=7),
    Column("reject", 6, lambda facts, _: count(facts.row.rejected_total) if _counts(facts) else "", keep=6),
    Column("call/s", 6, lambda facts, _: _of_collecting(facts, rate(facts.calls_per_s)), keep=5),
    Column(
        "refus",
        5,
        lambda facts, _: _of_collecting(facts, count(facts.row.refused_total)),
        "right",
        _warn_if(lambda facts: facts.row.refused_total),
        4,
    ),
    Column("rst", 3, lambda facts, _: count(facts.row.restarts), keep=13),
    Column("uptime", 6, lambda facts, _: duration(facts.row.uptime_s), keep=12),
    Column("pid", 7, lambda facts, _: UNKNOWN if facts.row.pid is None else str(facts.row.pid), keep=8),
    Column("cpu", 4, lambda facts, _: percent(facts.cpu_share), keep=3),
    Column("memory", 8, lambda facts, _: size(facts.row.memory_bytes), keep=2),
    Column("records/s 60s", 15, _spark(15), "left", lambda _: "chart", 14),
)
_SHORT_SPARK = Column("60s", 8, _spark(8), "left", lambda _: "chart", 14)
_MARK = 3
_NOTE_LEAST = 8
_NOTE_LEAST_WIDE = 26


def columns_for(width: int) -> tuple[Column, ...]:
    """Return the columns that fit beside the mark and a little room for the note, in their order."""
    chosen = list(COLUMNS if width >= WIDE else (*COLUMNS[:-1], _SHORT_SPARK))
    note = _NOTE_LEAST_WIDE if width >= WIDE else _NOTE_LEAST
    while len(chosen) > 2 and _MARK + sum(column.width + 1 for column in chosen) + note > width:
        chosen.remove(min(chosen, key=lambda column: column.keep))
    return tuple(chosen)


def draw_titles(frame: Frame, width: int) -> Line:
    """Return the line of column titles."""
    columns = columns_for(width)
    spans = [Span(" " * _MARK, "label")]
    spans += [cell(frame.words(column.title), column.width, "label", column.align) for column in columns]
    return _spaced(spans, Span(frame.words("note"), "label"), width)


def draw_row(frame: Frame, facts: RowFacts, width: int) -> Line:
    """Return one row: mark, columns, note. The selected one is marked by sign and colour."""
    selected = frame.selected is not None and frame.selected.row.name == facts.row.name
    mark = f"{'>' if selected else ' '}{GLYPH[facts.condition]} "
    spans = [Span(mark, ROLE[facts.condition] if facts.condition else "plain")]
    note, columns = _note(facts, frame), columns_for(width)
    if note and facts.condition is not Condition.OK and columns[-1] is _SHORT_SPARK:
        # What is wrong now matters more than the last minute's course; what was, does not.
        columns = columns[:-1]
    for column in columns:
        role = column.role(facts) if column.role is not None else "plain"
        spans.append(cell(column.text(facts, frame), column.width, role, column.align))
    line = _spaced(spans, Span(note, "dim"), width)
    if frame.is_old or (facts.silent_s is not None and facts.silent_s > _STALE_ROW_S and not selected):
        line = faded(line)
    return recolored(line, "selected") if selected else line


def draw_sum(frame: Frame, width: int, hidden: int = 0) -> Line:
    """Return the line of totals over all rows, and how many of them there is no room for."""
    rows = frame.rows
    collecting = [facts for facts in rows if _collecting(facts)]
    texts = {
        "rec/s": rate(_total_rate(collecting)),
        "err/m": count(sum(facts.errors_per_minute for facts in rows)),
        "gaps": count(sum(facts.row.open_gaps for facts in rows)),
        "symb": count(sum(facts.row.symbols for facts in collecting)),
        "reject": count(sum(facts.row.rejected_total for facts in rows)),
        "call/s": rate(sum(facts.calls_per_s or 0.0 for facts in collecting)),
        "refus": count(sum(facts.row.refused_total for facts in rows)),
        "rst": count(sum(facts.row.restarts for facts in rows)),
        "memory": size(sum(facts.row.memory_bytes or 0 for facts in rows) or None),
    }
    name, state, *others = columns_for(width)
    tallied = f"{frame.words('TOTAL')} {tally([facts.condition for facts in rows], frame.words)}"
    spans = [Span(" " * _MARK), cell(tallied, name.width + 1 + state.width, "strong")]
    spans += [cell(texts.get(column.title, ""), column.width, "strong", column.align) for column in others]
    note = frame.words("+{count} rows", count=hidden) if hidden else ""
    line = _spaced(spans, Span(note, "warn"), width)
    return faded(line) if frame.is_old else line


def _total_rate(rows: Sequence[RowFacts]) -> float | None:
    """Return the records per second of the rows that are shown; None while none of them is known."""
    known = [facts.records_per_s for facts in rows if facts.records_per_s is not None]
    return sum(known) if known else None


def _spaced(cells: Sequence[Span], note: Span, width: int) -> Line:
    spans = [cells[0]]
    for one in cells[1:]:
        spans += [one, Span(" ", one.role)]
    return fit_line([*spans, note], width)


def draw_table(frame: Frame, width: int, height: int) -> list[Line]:
    """Return titles, as many rows as fit around the selected one, and the total."""
    room = max(1, height - 2)
    names = [facts.row.name for facts in frame.rows]
    index = names.index(frame.selected.row.name) if frame.selected is not None else 0
    top = window_top(index, len(names), room)
    lines = [draw_titles(frame, width)]
    if not frame.rows:
        text = "no process passes the filter" if frame.ui.row_filter else "no process has reported yet"
        lines.append(fit_line([Span(f"   {frame.words(text)}", "dim")], width))
        # The one line above may be too narrow for what the operator has to do.
        lines += [fit_line([Span(f"   {part}")], width) for part in wrap(frame.link.reason, max(20, width - 6))][
            : room - 1
        ]
    lines += [draw_row(frame, facts, width) for facts in frame.rows[top : top + room]]
    lines += [fit_line((), width)] * (height - 1 - len(lines))
    return [*lines[: height - 1], draw_sum(frame, width, max(0, len(names) - room))]


def row_at(frame: Frame, y: int, height: int) -> str | None:
    """Return the process shown in line `y` of `draw_table`, for the mouse."""
    room = max(1, height - 2)
    names = [facts.row.name for facts in frame.rows]
    index = names.index(frame.selected.row.name) if frame.selected is not None else 0
    place = window_top(index, len(names), room) + y - 1
    return names[place] if 1 <= y <= room and 0 <= place < len(names) else None


def draw_table_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the table in a box that names what can be done with a row."""
    shown = len(frame.rows)
    everything = len(frame.view.processes) if frame.view is not None else 0
    title = f"{frame.words('Processes')} {shown}/{everything}"
    note = (
        frame.words("enter open  s sort  / filter")
        if frame.replaying
        else frame.words("enter open  R restart  S pause/resume  s sort  / filter")
    )
    return boxed(title, draw_table(frame, width - 2, height - 2), (width, height), frame.glyphs, note)
