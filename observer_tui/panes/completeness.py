"""How complete the day is: by severity and track, the symbols that miss most, and the days before.

Separate from `gaps`, which lists the gap records: these figures are measured seldom, and say how old they are.
"""

from dataclasses import replace

from observer_core.details import DayShare, TrackShare, WorstSymbol
from observer_core.messages import Track
from observer_tui.frame import Frame
from observer_tui.lines import Line, Role, Span, boxed, cell, faded, fit_line, recolored
from observer_tui.panes.gaps import SEVERITY_ROLES, moved_gap, opened_gap, passes
from observer_tui.panes.symbols import waiting_text
from observer_tui.quantities import UNKNOWN, age_ns, count, short
from observer_tui.rows import window_top
from observer_tui.ui_state import GAP_TABLES, Page, UiState

SEVERITIES = ("critical", "major", "minor", "brief")
_WHOLE = 99.9
_FAIR = 97.0
_BASES = {"time": "the time", "volume": "the volume", "shards": "as shards say"}
_ROOM = 5
"""Lines of the figures from which there is room for a head over the tracks."""


def share_role(share: float | None) -> Role:
    """Return how a completeness is drawn."""
    return "plain" if share is None or share >= _WHOLE else "warn" if share >= _FAIR else "bad"


def share_text(share: float | None) -> str:
    """Return a completeness; what is not whole is never rounded up to 100."""
    if share is None:
        return UNKNOWN
    return "100%" if share >= 100 else f"{min(share, 99.999):.3f}%"


def worst_rows(frame: Frame) -> list[WorstSymbol]:
    """Return the least complete symbols that pass the page's filter."""
    found = frame.replies.gaps
    rows = () if found is None else found.worst
    if found is not None and found.measured_ns is None:
        # An older hub knows proved losses only.
        rows = tuple(
            WorstSymbol(
                code=code, name="", track=Track.SCALP, percent=left, basis="volume", missed=lost, reason="continuity",
                is_open=False,
            )
            for code, lost, left in found.worst_symbols
            if left is not None
        )  # fmt: skip
    return [row for row in rows if passes(frame.ui.gap_filter, _haystack(row), _name(frame, row))]


def _haystack(row: WorstSymbol) -> str:
    return f"{row.code} {row.track} {row.reason}{' open' if row.is_open else ''}"


def _name(frame: Frame, row: WorstSymbol) -> str:
    table = frame.replies.symbols
    return row.name or ("" if table is None else table.names.get(row.code, ""))


def selected_worst(frame: Frame) -> WorstSymbol | None:
    """Return the selected symbol, the least complete one while the operator has not chosen."""
    rows = worst_rows(frame)
    return next((row for row in rows if row.code == frame.ui.symbol), rows[0] if rows else None)


def moved_worst(frame: Frame, step: int) -> str:
    """Return the code that is selected after moving; the ends hold."""
    rows, chosen = worst_rows(frame), selected_worst(frame)
    if chosen is None:
        return frame.ui.symbol
    codes = list(dict.fromkeys(row.code for row in rows))
    return codes[max(0, min(len(codes) - 1, codes.index(chosen.code) + step))]


def opened_of_gaps(frame: Frame) -> UiState:
    """Return the state after opening what is selected on the page of gaps; a day has no page of its own."""
    if frame.ui.gap_table == GAP_TABLES[0]:
        return opened_gap(frame)
    chosen = selected_worst(frame) if frame.ui.gap_table == GAP_TABLES[1] else None
    return frame.ui if chosen is None else replace(frame.ui, symbol=chosen.code).opened(Page.SYMBOL)


def moved_on_gaps(frame: Frame, step: int) -> UiState:
    """Return the state after moving in the chosen table of the page of gaps."""
    ui, found = frame.ui, frame.replies.gaps
    if ui.gap_table == GAP_TABLES[0]:
        return replace(ui, gap=moved_gap(frame, step))
    if ui.gap_table == GAP_TABLES[1]:
        return replace(ui, symbol=moved_worst(frame, step))
    return replace(ui, scroll=max(0, min(0 if found is None else len(found.days), ui.scroll + step)))


def draw_gap_figures_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return gaps by severity and the completeness of the tracks; what has no room is the least urgent."""
    words, view, inner = frame.words, frame.view, width - 2
    if view is None:
        return boxed(words("Completeness"), [], (width, height), frame.glyphs)
    gaps, room = view.gaps, height - 2
    tracks = _track_lines(frame, inner)
    if room < _ROOM:
        tracks = tracks[1:]
    missing: Role = "warn" if gaps.missed_volume else "plain"
    lines = [
        _severities(frame, "open", gaps.open_by_severity, inner),
        *tracks,
        _severities(frame, "today", gaps.today_by_severity, inner),
        fit_line([Span(f" {words('missing volume')} ", "label"), Span(count(gaps.missed_volume), missing)], inner),
    ]
    for row in view.processes:
        if row.completeness is not None or row.stale_symbols:
            stale = f"  {words('{count} stale', count=row.stale_symbols)}" if row.stale_symbols else ""
            basis = words("the volume") if row.kind == Track.SCALP else words("what it asked")
            lines.append(_shard_line(row.name, row.completeness, (basis, stale), inner))
    if frame.is_old:
        lines = [faded(line) for line in lines]
    found = frame.replies.gaps
    measured = UNKNOWN if found is None else age_ns(found.measured_ns, frame.now_ns)
    title = f"{words('Completeness')}  {words('measured {age} ago', age=measured)}"
    return boxed(title, lines, (width, height), frame.glyphs)


def _severities(frame: Frame, label: str, found: dict[str, int], width: int) -> Line:
    spans = [Span(" "), cell(frame.words(label), 8, "label")]
    for severity in SEVERITIES:
        number = found.get(severity, 0)
        role: Role = SEVERITY_ROLES.get(severity, "plain") if number and label == "open" else "plain"
        spans.append(Span(f"{frame.words(severity)} {number}  ", role))
    return fit_line(spans, width)


def _track_lines(frame: Frame, width: int) -> list[Line]:
    """Return a head and one line a track; what the shards say of themselves while nothing is measured."""
    words, found = frame.words, frame.replies.gaps
    head = [Span(" "), cell(words("track"), 7, "label"), cell(words("here"), 9, "label", "right")]
    head += [Span("  "), cell(words("share of"), 13, "label"), cell(words("not whole"), 11, "label", "right")]
    lines = [fit_line([*head, Span("  "), Span(words("missing"), "label")], width)]
    shares = () if found is None else found.tracks
    if shares or found is None or found.measured_ns is not None:
        return [*lines, *(_track_line(frame, share, width) for share in shares)]
    said = {} if frame.view is None else frame.view.gaps.completeness_today
    for track, percent in sorted(said.items()):
        share = TrackShare(
            track=track, percent=percent, basis="shards", symbols=0, incomplete=0, executed=None, missed=None
        )
        lines.append(_track_line(frame, share, width))
    return lines


def _track_line(frame: Frame, share: TrackShare, width: int) -> Line:
    words = frame.words
    partly = f"{count(share.incomplete)}/{count(share.symbols)}" if share.symbols else UNKNOWN
    lost: Role = "warn" if share.missed else "plain"
    missed = UNKNOWN if share.missed is None else f"{count(share.missed)}/{short(share.executed)}"
    spans = [
        Span(" "),
        cell(share.track, 7),
        cell(share_text(share.percent), 9, share_role(share.percent), "right"),
        Span("  "),
        cell(words(_BASES.get(share.basis, share.basis)), 13, "dim"),
        cell(partly, 11, "plain", "right"),
        Span("  "),
        Span(missed, lost),
    ]
    return fit_line(spans, width)


def _shard_line(name: str, share: float | None, remarks: tuple[str, str], width: int) -> Line:
    basis, stale = remarks
    spans = [Span(" "), cell(name, 8, "label"), cell(share_text(share), 8, share_role(share), "right")]
    return fit_line([*spans, Span("  "), cell(basis, 13, "dim"), Span(stale, "warn")], width)


def draw_worst_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the symbols that miss most of the day, the least complete first, with the reason."""
    words, inner, rows, chosen = frame.words, width - 2, worst_rows(frame), selected_worst(frame)
    head = [Span("  "), cell(words("code"), 7, "label"), cell(words("name"), 12, "label"), Span(" ")]
    head += [cell(words("track"), 6, "label"), cell(words("here"), 8, "label", "right")]
    head += [cell(words("missing"), 8, "label", "right"), Span(" "), Span(words("reason"), "label")]
    lines = [fit_line(head, inner)]
    room = max(1, height - 3)
    top = window_top(rows.index(chosen), len(rows), room) if chosen is not None else 0
    active = frame.ui.gap_table == GAP_TABLES[1]
    for row in rows[top : top + room]:
        line = _worst_line(frame, row, inner, marked=active and row is chosen)
        lines.append(line)
    if not rows:
        lines.append(fit_line([Span(f"  {_why_no_worst(frame)}", "dim")], inner))
    note = words("enter open  left/right other table")
    return boxed(f"{words('Worst symbols')} {len(rows)}", lines, (width, height), frame.glyphs, note)


def _why_no_worst(frame: Frame) -> str:
    words, found = frame.words, frame.replies.gaps
    if found is None:
        return waiting_text(frame)
    if found.worst:
        return words("no symbol passes the filter")
    known = any(share.percent is not None for share in found.tracks)
    return words("every symbol is whole") if known else words("nothing is measured yet")


def _worst_line(frame: Frame, row: WorstSymbol, width: int, *, marked: bool) -> Line:
    words = frame.words
    role = share_role(row.percent)
    spans = [
        Span(f"{'>' if marked else ' '}{'!' if row.is_open else ' '}", "warn" if row.is_open else "dim"),
        cell(row.code, 7),
        cell(_name(frame, row) or UNKNOWN, 12),
        Span(" "),
        cell(row.track, 6, "label"),
        cell(share_text(row.percent), 8, role, "right"),
        cell(UNKNOWN if row.missed is None else count(row.missed), 8, "plain", "right"),
        Span(" "),
        Span(words(row.reason.replace("_", " ")) if row.reason else UNKNOWN),
    ]
    line = fit_line(spans, width)
    if marked:
        return recolored(line, "selected")
    return faded(line) if frame.is_old else line


def draw_gap_days_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return today and the days before: completeness by track, gaps, missing volume, and what was wrong with a day."""
    words, inner, found = frame.words, width - 2, frame.replies.gaps
    head = [Span(" "), cell(words("date"), 6, "label")]
    head += [cell(words(name), size, "label", "right")
             for name, size in (("swing", 9), ("scalp", 9), ("gaps", 6), ("missing", 9))]  # fmt: skip
    lines = [fit_line([*head, Span("  "), Span(words("remarks"), "label")], inner)]
    days = () if found is None else found.days
    room = max(1, height - 3)
    body = [_today_line(frame, inner), *(_day_line(frame, day, inner) for day in days)]
    top = max(0, min(frame.ui.scroll if frame.ui.gap_table == GAP_TABLES[2] else 0, len(body) - room))
    lines += body[top : top + room]
    if frame.is_old:
        lines = [faded(line) for line in lines]
    return boxed(f"{words('Days')} {len(body)}", lines, (width, height), frame.glyphs)


def _today_line(frame: Frame, width: int) -> Line:
    found, view = frame.replies.gaps, frame.view
    shares = {} if found is None else {share.track: share.percent for share in found.tracks}
    gaps, missed = (None, None) if view is None else (view.gaps.today, view.gaps.missed_volume)
    swing, scalp = shares.get(Track.SWING), shares.get(Track.SCALP)
    return _figures(frame.words("today"), (swing, scalp), (gaps, missed), (frame.words("so far"), "dim"), width)


def _day_line(frame: Frame, day: DayShare, width: int) -> Line:
    words = frame.words
    label = f"{day.day // 100 % 100:02d}-{day.day % 100:02d}"
    remarks: tuple[str, Role] = (words("sealed"), "dim") if day.sealed else (words("not sealed yet"), "warn")
    if day.anomalies:
        remarks = f"{words('anomalous')}: {'; '.join(map(words.of_core, day.anomalies))}", "warn"
    # How much was executed is not kept beyond the day: the stream's losses have no share then.
    return _figures(label, (day.swept_percent, None), (day.gaps, day.missed_volume), remarks, width)


def _figures(
    label: str,
    shares: tuple[float | None, float | None],
    numbers: tuple[int | None, int | None],
    remarks: tuple[str, Role],
    width: int,
) -> Line:
    spans = [Span(" "), cell(label, 6, "label")]
    spans += [cell(share_text(share), 9, share_role(share), "right") for share in shares]
    gaps, missed = numbers
    lost: Role = "warn" if missed else "plain"
    spans += [cell(count(gaps), 6, "plain", "right"), cell(count(missed), 9, lost, "right")]
    return fit_line([*spans, Span("  "), Span(*remarks)], width)
