"""What is missing: open gaps first, those of the day, and the completeness of tracks, shards and symbols."""

from observer_core.clock import NS_PER_S
from observer_core.details import GapRow
from observer_tui.frame import Frame
from observer_tui.lines import Line, Role, Span, boxed, cell, faded, fit_line
from observer_tui.panes.symbols import waiting_text
from observer_tui.quantities import UNKNOWN, clock_time, count, duration

SEVERITIES = ("critical", "major", "minor", "brief")
_ROLES: dict[str, Role] = {"critical": "bad", "major": "bad", "minor": "warn"}


def gap_rows(frame: Frame) -> list[GapRow]:
    """Return the gaps that pass the filter and the severity switch."""
    found = frame.replies.gaps
    words = frame.ui.gap_filter.lower().split()
    rows = [] if found is None else list(found.rows)
    if frame.ui.severe_only:
        rows = [row for row in rows if row.severity in ("critical", "major")]
    return [row for row in rows if all(_passes(row, word) for word in words)]


def _passes(row: GapRow, word: str) -> bool:
    text = f"{row.gap_id} {row.track} {row.reason} {row.severity} {' '.join(row.examples)} {row.detail}"
    text += " open" if row.until_ns is None else ""
    return word[1:] not in text.lower() if word[:1] == "!" and word[1:] else word in text.lower()


def draw_gap_figures_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return counts by severity, proved losses, and completeness by track and shard."""
    words, view, inner = frame.words, frame.view, width - 2
    if view is None:
        return boxed(words("Completeness"), [], (width, height), frame.glyphs)
    gaps = view.gaps
    lines = [_severities(frame, label, found, inner) for label, found in
             (("open", gaps.open_by_severity), ("today", gaps.today_by_severity))]  # fmt: skip
    lost: Role = "warn" if gaps.missed_volume else "plain"
    lines.append(
        fit_line([Span(f" {words('missing volume')} ", "label"), Span(count(gaps.missed_volume), lost)], inner)
    )
    for track, share in sorted(gaps.completeness_today.items()):
        lines.append(_share_line(frame, f"{words('track')} {track}", share, inner))
    for row in view.processes:
        if row.completeness is not None and len(gaps.completeness_today) < len(view.processes):
            stale = f"  {words('{count} stale', count=row.stale_symbols)}" if row.stale_symbols else ""
            lines.append(_share_line(frame, row.name, row.completeness, inner, stale))
    found = frame.replies.gaps
    for code, volume, left in found.worst_symbols if found is not None else ():
        name = frame.replies.symbols.names.get(code, "") if frame.replies.symbols is not None else ""
        lines.append(_share_line(frame, f"{code} {name}".strip(), left, inner, f"  -{count(volume)}"))
    if frame.is_old:
        lines = [faded(line) for line in lines]
    return boxed(words("Completeness"), lines, (width, height), frame.glyphs)


def _severities(frame: Frame, label: str, found: dict[str, int], width: int) -> Line:
    spans = [Span(" "), cell(frame.words(label), 8, "label")]
    for severity in SEVERITIES:
        number = found.get(severity, 0)
        role: Role = _ROLES.get(severity, "plain") if number and label == "open" else "plain"
        spans.append(Span(f"{frame.words(severity)} {number}  ", role))
    return fit_line(spans, width)


def _share_line(frame: Frame, label: str, share: float | None, width: int, tail: str = "") -> Line:
    role: Role = "plain" if share is None or share >= 99.9 else "warn" if share >= 97 else "bad"
    text = UNKNOWN if share is None else f"{share:.3f}%"
    return fit_line([Span(" "), cell(label, 18, "label"), cell(text, 10, role, "right"), Span(tail, "dim")], width)


def draw_gap_table_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return one line a gap, open ones first."""
    words, inner, rows = frame.words, width - 2, gap_rows(frame)
    found = frame.replies.gaps
    head = [cell("  " + words("from"), 11, "label"), cell(words("length"), 8, "label", "right"), Span(" ")]
    head += [cell(words("severity"), 9, "label"), cell(words("track"), 6, "label"), cell(words("reason"), 15, "label")]
    head += [cell(words("symbols"), 12, "label"), cell(words("volume"), 8, "label", "right")]
    lines = [fit_line([*head, Span("  " + words("detail"), "label")], inner)]
    room = max(1, height - 3)
    top = max(0, min(frame.ui.scroll, len(rows) - room))
    lines += [_gap_line(frame, row, inner) for row in rows[top : top + room]]
    if found is None:
        lines.append(fit_line([Span(f"  {waiting_text(frame)}", "dim")], inner))
    elif not rows:
        text = (
            words("no gap passes the filter") if frame.ui.gap_filter or frame.ui.severe_only else words("no gap today")
        )
        lines.append(fit_line([Span(f"  {text}", "dim")], inner))
    title = f"{words('Gaps')} {len(rows)}"
    if found is not None and found.left_out > 0:
        title += f"  {words('+{count} rows', count=found.left_out)}"
    if frame.is_old:
        lines = [faded(line) for line in lines]
    return boxed(title, lines, (width, height), frame.glyphs, words("/ filter  ! only severe"))


def _gap_line(frame: Frame, row: GapRow, width: int) -> Line:
    words = frame.words
    is_open = row.until_ns is None
    ends_ns = frame.figures_ns if row.until_ns is None else row.until_ns
    who = row.examples[0] if row.symbols == 1 and row.examples else words("{count} symb.", count=count(row.symbols))
    spans = [
        cell(f"{'!' if is_open else ' '} {clock_time(row.from_ns)}", 11, "warn" if is_open else "dim"),
        cell(duration((ends_ns - row.from_ns) / NS_PER_S), 8, "plain", "right"),
        Span(" "),
        cell(words("open") if is_open else words(row.severity), 9, _ROLES.get(row.severity, "dim")),
        cell(row.track, 6, "label"),
        cell(words(row.reason.replace("_", " ")), 15),
        cell(who, 12),
        cell("" if row.missed_volume is None else count(row.missed_volume), 8, "plain", "right"),
        Span(f"  {words.of_core(row.detail)}", "dim"),
    ]
    return fit_line(spans, width)
