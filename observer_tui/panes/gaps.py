"""What is missing: the gaps row by row, open ones first, then those of the day; and what the selected row opens."""

from dataclasses import replace

from observer_core.clock import NS_PER_S, kst_day
from observer_core.details import GapRow
from observer_core.messages import Track
from observer_core.quality.day_book import shard_of
from observer_tui.frame import Frame
from observer_tui.hangul import initials, is_initials
from observer_tui.lines import Line, Role, Span, boxed, cell, faded, fit_line, recolored
from observer_tui.panes.symbols import waiting_text
from observer_tui.quantities import age_ns, clock_time, count, date_time, duration
from observer_tui.rows import window_top
from observer_tui.ui_state import GAP_TABLES, Page, UiState

SEVERITY_ROLES: dict[str, Role] = {"critical": "bad", "major": "bad", "minor": "warn"}
_SEVERE = ("critical", "major")
_WIDE = 90
_WIDE_SIZES = (14, 7, 9, 6, 15, 18, 8)
_NARROW_SIZES = (14, 7, 9, 6, 13, 17, 7)
"""Cells of since when, length, severity, track, reason, symbols, volume."""
_STREAM_FILTER = "stream"
"""What the page of symbols is filtered by when a gap of a streaming shard is opened: its rows name sweeping shards."""


def gap_rows(frame: Frame) -> list[GapRow]:
    """Return the gaps that pass the filter and the severity switch."""
    found = frame.replies.gaps
    rows = [] if found is None else list(found.rows)
    if frame.ui.severe_only:
        rows = [row for row in rows if row.severity in _SEVERE]
    return [row for row in rows if passes(frame.ui.gap_filter, _haystack(row), row.name)]


def passes(wanted: str, haystack: str, name: str) -> bool:
    """Return whether a row passes every word of the page's filter; `!word` turns a word round, initials find names."""
    return all(
        not _has(word[1:], haystack, name) if word[:1] == "!" and word[1:] else _has(word, haystack, name)
        for word in wanted.lower().split()
    )


def _has(word: str, haystack: str, name: str) -> bool:
    return word in initials(name) if is_initials(word) else word in haystack.lower() or word in name.lower()


def _haystack(row: GapRow) -> str:
    state = " open" if row.until_ns is None else ""
    return f"{row.gap_id} {row.track} {row.reason} {row.severity} {' '.join(row.examples)} {row.detail}{state}"


def selected_gap(frame: Frame) -> GapRow | None:
    """Return the selected gap, the first one while the operator has not chosen."""
    rows = gap_rows(frame)
    return next((row for row in rows if row.gap_id == frame.ui.gap), rows[0] if rows else None)


def moved_gap(frame: Frame, step: int) -> str:
    """Return the id of the gap that is selected after moving; the ends hold."""
    rows, chosen = gap_rows(frame), selected_gap(frame)
    if chosen is None:
        return ""
    return rows[max(0, min(len(rows) - 1, rows.index(chosen) + step))].gap_id


def opened_gap(frame: Frame) -> UiState:
    """Return the state after opening the selected gap: its symbol, or the symbols of its shard where it has several."""
    chosen, ui = selected_gap(frame), frame.ui
    if chosen is None:
        return ui
    if chosen.symbols == 1 and chosen.examples:
        return replace(ui, symbol=chosen.examples[0]).opened(Page.SYMBOL)
    wanted = _STREAM_FILTER if chosen.track == Track.SCALP else shard_of(chosen.gap_id)
    return replace(ui, symbol_filter=wanted, symbol="").opened(Page.SYMBOLS)


def draw_gap_table_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return one line a gap, open ones first."""
    words, inner, rows, chosen = frame.words, width - 2, gap_rows(frame), selected_gap(frame)
    found = frame.replies.gaps
    sizes = _WIDE_SIZES if inner >= _WIDE else _NARROW_SIZES
    lines = [_head(frame, sizes, inner)]
    room = max(1, height - 3)
    top = window_top(rows.index(chosen), len(rows), room) if chosen is not None else 0
    active = frame.ui.gap_table == GAP_TABLES[0]
    for row in rows[top : top + room]:
        line = _gap_line(frame, row, (inner, sizes), marked=active and row is chosen)
        lines.append(line)
    if found is None:
        lines.append(fit_line([Span(f"  {waiting_text(frame)}", "dim")], inner))
    elif not rows:
        filtered = frame.ui.gap_filter or frame.ui.severe_only
        text = words("no gap passes the filter") if filtered else words("no gap today")
        lines.append(fit_line([Span(f"  {text}", "dim")], inner))
    note = words("enter open  / filter  ! only severe  left/right other table")
    return boxed(_title(frame, rows), lines, (width, height), frame.glyphs, note)


def _title(frame: Frame, rows: list[GapRow]) -> str:
    words, found = frame.words, frame.replies.gaps
    title = f"{words('Gaps')} {count(None if found is None else len(rows))}"
    if found is None:
        return title
    title += f"  {words('open')} {sum(1 for row in rows if row.until_ns is None)}"
    title += f"  {words('{age} old', age=age_ns(found.as_of_ns, frame.now_ns))}"
    return f"{title}  {words('+{count} rows', count=found.left_out)}" if found.left_out > 0 else title


def _head(frame: Frame, sizes: tuple[int, ...], width: int) -> Line:
    words = frame.words
    since, length, severity, track, reason, symbols, volume = sizes
    head = [cell("  " + words("from"), since, "label"), cell(words("length"), length, "label", "right"), Span(" ")]
    head += [cell(words("severity"), severity, "label"), cell(words("track"), track, "label")]
    head += [cell(words("reason"), reason, "label"), cell(words("symbols"), symbols, "label")]
    head += [cell(words("volume"), volume, "label", "right"), Span("  " + words("detail"), "label")]
    return fit_line(head, width)


def _since(frame: Frame, row: GapRow) -> str:
    """Return when a gap began: the time, with the day where it is another one."""
    if kst_day(row.from_ns) == kst_day(frame.figures_ns):
        return clock_time(row.from_ns)
    return date_time(row.from_ns)[5:16]


def _gap_line(frame: Frame, row: GapRow, size: tuple[int, tuple[int, ...]], *, marked: bool) -> Line:
    words = frame.words
    width, (since, length, severity, track, reason, symbols, volume) = size
    is_open = row.until_ns is None
    ends_ns = frame.figures_ns if row.until_ns is None else row.until_ns
    if row.symbols == 1 and row.examples:
        who = f"{row.examples[0]} {row.name}".strip()
    else:
        who = words("{count} symb.", count=count(row.symbols))
    grave = SEVERITY_ROLES.get(row.severity, "dim")
    spans = [
        cell(
            f"{'>' if marked else ' '}{'!' if is_open else ' '}{_since(frame, row)}", since, grave if is_open else "dim"
        ),
        cell(duration((ends_ns - row.from_ns) / NS_PER_S), length, "warn" if is_open else "plain", "right"),
        Span(" "),
        cell(words(row.severity), severity, grave),
        cell(row.track, track, "label"),
        cell(words(row.reason.replace("_", " ")), reason),
        cell(who, symbols),
        cell("" if row.missed_volume is None else count(row.missed_volume), volume, "plain", "right"),
        Span(f"  {words.of_core(row.detail)}", "dim"),
    ]
    line = fit_line(spans, width)
    if marked:
        return recolored(line, "selected")
    return faded(line) if frame.is_old else line
