"""The page of one process: everything known about it, its plots, its orders, its events."""

from collections.abc import Callable

from observer_tui.conditions import ROLE
from observer_tui.frame import Frame
from observer_tui.glyphs import plot
from observer_tui.lines import Line, Role, Span, boxed, cell, faded, fit_line, sides
from observer_tui.meters import buckets
from observer_tui.panes.processes import exit_text
from observer_tui.panes.storage import event_lines
from observer_tui.quantities import UNKNOWN, age, age_ns, clock_time, count, duration, percent, rate, short, size
from observer_tui.rows import RowFacts

_LABEL = 16


def draw_facts_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return everything known about the selected process, name and value, in as many columns as fit."""
    facts = frame.selected
    if facts is None:
        return boxed(frame.words("Process"), [], (width, height), frame.glyphs)
    pairs = _pairs(frame, facts)
    inner = width - 2
    across = 2 if inner >= 76 else 1
    column = inner // across
    depth = -(-len(pairs) // across)
    lines = [
        fit_line([span for place in range(across) for span in _pair(pairs, row + place * depth, column)], inner)
        for row in range(depth)
    ]
    if frame.is_old:
        lines = [faded(line) for line in lines]
    title = f"{facts.row.name}  {frame.words(facts.row.state)}"
    note = frame.words("up/down other process")
    if not frame.replaying:
        note = frame.words("R restart  S pause/resume  up/down other process")
    return boxed(title, lines, (width, height), frame.glyphs, note)


def _pair(pairs: list[tuple[str, str, Role]], index: int, width: int) -> list[Span]:
    if index >= len(pairs):
        return [Span(" " * width)]
    label, value, role = pairs[index]
    return [Span(" "), cell(label, _LABEL, "label"), cell(value, width - _LABEL - 1, role)]


def _pairs(frame: Frame, facts: RowFacts) -> list[tuple[str, str, Role]]:
    row, words = facts.row, frame.words
    share = percent(facts.cpu_share)
    texts: list[tuple[str, str, Role]] = [
        ("state", words(row.state), ROLE[facts.condition]),
        ("kind", words(row.kind), "plain"),
        ("pid", UNKNOWN if row.pid is None else str(row.pid), "plain"),
        ("generation", str(row.generation), "plain"),
        ("uptime", duration(row.uptime_s), "plain"),
        ("restarts", count(row.restarts), "plain"),
        ("last exit", exit_text(facts, frame) or UNKNOWN, "warn" if row.last_exit else "plain"),
        ("note", words.of_core(row.note) or UNKNOWN, "plain"),
        ("reported", f"{age(facts.silent_s)}", "plain"),
        ("last record", age_ns(row.last_record_ns, frame.figures_ns), "plain"),
        ("lag", duration(row.lag), "plain"),
        ("records/s", rate(facts.records_per_s), "strong"),
        ("records", count(row.records_total), "plain"),
        ("bytes/s", size(facts.bytes_per_s), "plain"),
        ("bytes", size(row.bytes_total), "plain"),
        ("symbols", count(row.symbols), "plain"),
        ("sweep", duration(row.sweep_s), "plain"),
        ("open gaps", count(row.open_gaps), "warn" if row.open_gaps else "plain"),
        ("errors/min", count(facts.errors_per_minute), "bad" if facts.errors_per_minute else "plain"),
        ("errors", count(row.errors_total), "plain"),
        ("rejected", count(row.rejected_total), "plain"),
        ("calls/s", rate(facts.calls_per_s), "plain"),
        ("calls", count(row.calls_total), "plain"),
        ("refused", count(row.refused_total), "warn" if row.refused_total else "plain"),
        ("reconnects", count(row.reconnects_total), "plain"),
        ("cpu", share, "plain"),
        ("memory", size(row.memory_bytes), "plain"),
        ("last outage", duration(row.outage_s if row.outage_s is not None else facts.meter.outage_s), "plain"),
    ]
    return [(words(label), value, role) for label, value, role in texts]


def draw_plot_box(frame: Frame, which: str, width: int, height: int) -> list[Line]:
    """Return the plot of the selected process's records per second or lag over the window."""
    words, facts = frame.words, frame.selected
    title = words("records/s") if which == "records" else words("lag")
    if facts is None:
        return boxed(title, [], (width, height), frame.glyphs)
    inner = width - 2
    course = facts.meter.history.recent("records" if which == "records" else "lag_s", frame.ui.window_s)
    shown: Callable[[float | None], str]
    if which == "records":
        values = buckets(course, inner - 2, frame.ui.window_s, frame.meters.second)
        value, shown = rate(facts.records_per_s), short
    else:
        values = buckets(course, inner - 2, frame.ui.window_s, frame.meters.second, largest=True)
        value, shown = duration(facts.row.lag), duration
    known = [value for value in values if value is not None]
    highest = f"{words('max')} {shown(max(known))} " if known else ""
    lines = [sides([Span(f" {value}", "strong")], [Span(highest, "dim")], inner)]
    lines += [
        fit_line([Span(" "), Span(text, "chart")], inner) for text in plot(values, max(1, height - 4), frame.glyphs)
    ]
    axis = f" -{frame.ui.window_s // 60}m"
    lines.append(sides([Span(axis, "dim")], [Span(f"{words('now')} ", "dim")], inner))
    return boxed(title, lines, (width, height), frame.glyphs)


def draw_orders_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the orders that concerned the selected process, newest first."""
    facts = frame.selected
    lines: list[Line] = []
    for ticket in reversed(frame.view.tickets if frame.view is not None else ()):
        if facts is None or ticket.target != facts.row.name:
            continue
        role: Role = {"done": "ok", "failed": "bad", "refused": "bad"}.get(ticket.state, "warn")  # type: ignore[assignment]
        spans = [
            Span(f" {clock_time(ticket.at_ns)} ", "dim"),
            cell(frame.words(ticket.verb), 8),
            cell(frame.words(ticket.state), 9, role),
            Span(f"{frame.words.of_core(ticket.text)}  "),
            Span(f"{ticket.who}: {ticket.reason}", "dim"),
        ]
        lines.append(fit_line(spans, width - 2))
    if not lines:
        lines = [fit_line([Span(f" {frame.words('no orders yet')}", "dim")], width - 2)]
    return boxed(frame.words("Orders"), lines, (width, height), frame.glyphs)


def draw_own_events_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the events of the selected process."""
    facts = frame.selected
    lines = event_lines(frame, width - 2, facts.row.name) if facts is not None else []
    return boxed(frame.words("Events"), lines, (width, height), frame.glyphs)
