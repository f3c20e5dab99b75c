"""The tick slots: who holds each, why and until when, and who got none."""

from observer_core.clock import NS_PER_S
from observer_core.view import OverflowRow, SlotRow
from observer_tui.cells import Align
from observer_tui.frame import Frame
from observer_tui.lines import Line, Role, Span, boxed, cell, faded, fit_line, recolored
from observer_tui.quantities import UNKNOWN, age_ns, clock_time, count, duration
from observer_tui.rows import window_top

_SILENT_NS = 30 * NS_PER_S
_WIDE = 90
_WIDE_SIZES = (8, 8, 16, 16, 8, 7, 10, 8)
_NARROW_SIZES = (7, 7, 12, 14, 6, 6, 10, 6)
_ALIGNS: tuple[Align, ...] = ("left", "left", "left", "left", "right", "right", "right", "right")


def slot_rows(frame: Frame) -> list[SlotRow]:
    """Return the slots that pass the filter, by appkey and slot."""
    slots = frame.view.slots if frame.view is not None else None
    words = frame.ui.slot_filter.lower().split()
    return [
        row
        for row in (slots.slots if slots is not None else ())
        if all(word in f"{row.symbol} {_name(frame, row.symbol)} {row.trigger}".lower() for word in words)
    ]


def selected_slot(frame: Frame) -> SlotRow | None:
    """Return the selected slot, the first one while the operator has not chosen."""
    rows = slot_rows(frame)
    return next((row for row in rows if row.symbol == frame.ui.symbol), rows[0] if rows else None)


def _name(frame: Frame, code: str) -> str:
    table = frame.replies.symbols
    return "" if table is None else table.names.get(code, "")


def draw_slots_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return one line a slot."""
    words, inner, rows = frame.words, width - 2, slot_rows(frame)
    slots = frame.view.slots if frame.view is not None else None
    sizes = _WIDE_SIZES if width >= _WIDE else _NARROW_SIZES
    names = ("slot", "code", "name", "trigger", "score", "held", "dwell left", "newest")
    titles = [("  " if place == 0 else "") + words(name) for place, name in enumerate(names)]
    head = [
        part
        for text, size, align in zip(titles, sizes, _ALIGNS, strict=True)
        for part in (cell(text, size, "label", align), Span(" "))
    ]
    lines = [fit_line(head, inner)]
    chosen = selected_slot(frame)
    index = rows.index(chosen) if chosen is not None else 0
    room = max(1, height - 3)
    top = window_top(index, len(rows), room)
    lines += [_slot_line(frame, row, (inner, sizes), row is chosen) for row in rows[top : top + room]]
    if not rows:
        text = words("no slot passes the filter") if frame.ui.slot_filter else words("no slots are reported")
        lines.append(fit_line([Span(f"  {text}", "dim")], inner))
    capacity = 0 if slots is None else slots.capacity
    title = f"{words('Slots')} {len(rows)}/{capacity}"
    note = words("enter open  / filter") if frame.replaying else words("enter open  P pin/unpin  / filter")
    return boxed(title, lines, (width, height), frame.glyphs, note)


def _slot_line(frame: Frame, row: SlotRow, size: tuple[int, tuple[int, ...]], selected: bool) -> Line:
    width, sizes = size
    now_ns = frame.figures_ns
    left_s = (row.dwell_until_ns - now_ns) / NS_PER_S
    silent = row.last_record_ns is None or now_ns - row.last_record_ns > _SILENT_NS
    role: Role = "warn" if silent else "plain"
    trigger = frame.words("pinned") if row.pinned else frame.words(row.trigger.replace("_", " "))
    parts: list[tuple[str, Role]] = [
        (f"{'>' if selected else ' '} {row.appkey}/{row.slot}", "plain"),
        (row.symbol, "plain"),
        (_name(frame, row.symbol) or UNKNOWN, "plain"),
        (trigger, "key"),
        (f"{row.score:.1f}", "plain"),
        (duration((now_ns - row.since_ns) / NS_PER_S), "plain"),
        (duration(left_s) if left_s > 0 else UNKNOWN, "dim"),
        (age_ns(row.last_record_ns, now_ns), role),
    ]
    spans = [
        part
        for (text, one_role), size, align in zip(parts, sizes, _ALIGNS, strict=True)
        for part in (cell(text, size, one_role, align), Span(" "))
    ]
    line = fit_line(spans, width)
    if selected:
        return recolored(line, "selected")
    return faded(line) if frame.is_old else line


def draw_overflow_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return who got no slot, newest first, with the totals above."""
    words, inner = frame.words, width - 2
    slots = frame.view.slots if frame.view is not None else None
    if slots is None:
        lines = [fit_line([Span(f" {words('no slots are reported')}", "dim")], inner)]
        return boxed(words("Overflow"), lines, (width, height), frame.glyphs)
    level: Role = "warn" if slots.mitigation_level else "dim"
    reason = slots.mitigation_reason or words("none")
    head = [
        Span(f" {words('so far: candidates')} ", "label"), Span(count(slots.candidates_total)),
        Span(f"  {words('without a slot')} ", "label"), Span(count(slots.overflow_total)),
        Span(f"  {words('mitigation')} ", "label"), Span(f"{slots.mitigation_level} {words.of_core(reason)}", level),
    ]  # fmt: skip
    lines = [fit_line(head, inner), *(_overflow_line(frame, row, inner) for row in slots.newest_overflow)]
    if frame.is_old:
        lines = [faded(line) for line in lines]
    return boxed(words("Overflow"), lines, (width, height), frame.glyphs)


def _overflow_line(frame: Frame, row: OverflowRow, width: int) -> Line:
    spans = [
        Span(f" {clock_time(row.at_ns)} ", "dim"),
        cell(row.symbol, 8),
        cell(_name(frame, row.symbol) or UNKNOWN, 14),
        cell(f" {frame.words(row.trigger.replace('_', ' '))}", 14, "key"),
        cell(f"{row.score:.1f}", 7, "plain", "right"),
        Span(f"  {frame.words.of_core(row.reason.replace('_', ' '))}", "dim"),
    ]
    return fit_line(spans, width)
