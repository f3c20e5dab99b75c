"""Logs and the audit trail: what processes wrote, and who ordered what and why."""

from collections import Counter
from itertools import takewhile

from observer_core.details import AuditRow, LogLine
from observer_tui.frame import Frame
from observer_tui.lines import Line, Role, Span, boxed, cell, faded, fit_line, under_cursor
from observer_tui.panes.symbols import waiting_text
from observer_tui.quantities import age_ns, count, date_time, size
from observer_tui.reading import read_place
from observer_tui.rows import window_top

_LEVEL_ROLES: dict[str, Role] = {"WARNING": "warn", "ERROR": "bad", "CRITICAL": "bad"}
_STATE_ROLES: dict[str, Role] = {"done": "ok", "failed": "bad", "refused": "bad"}
WIDE = 120
_WIDE_AUDIT = (16, 31, 12, 13, 10)
_NARROW_AUDIT = (10, 11, 9, 10, 9)
"""Cells of time, who, order, target, state; the small screen leaves out the day, and the numbers behind the name."""


def log_lines(frame: Frame, width: int, *, short: bool = False) -> list[Line]:
    """Return the lines of the log that was asked for, oldest first; none while it is another process's."""
    found, selected = frame.replies.log, frame.selected
    if found is None or selected is None or found.process != selected.row.name:
        return []
    lines = [_log_line(line, width, short) for line in found.lines]
    return [faded(line) for line in lines] if frame.is_old else lines


def _log_line(line: LogLine, width: int, short: bool) -> Line:
    if not line.level:
        return fit_line([Span(f" {line.text}")], width)
    at = line.time.partition("T")[2][:12] or line.time
    spans = [Span(f" {at[:8] if short else at} ", "dim"), cell(line.level[:5], 6, _LEVEL_ROLES.get(line.level, "dim"))]
    return fit_line([*spans, Span(line.text)], width)


def draw_log_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the end of the log of the selected process; scrolled back, it stands still."""
    words, found, selected = frame.words, frame.replies.log, frame.selected
    name = selected.row.name if selected is not None else ""
    title = f"{name} {words('stack dumps') if frame.ui.log_kind == 'stacks' else words('log')}"
    if frame.ui.severe_only and frame.ui.log_kind == "log":
        title += f" ({words('only severe')})"
    lines = log_lines(frame, width - 2)
    if found is not None and found.process == name:
        if found.modified_ns:
            written = age_ns(found.modified_ns, frame.now_ns)
            title += f"  {size(found.size_bytes)}, {words('written {age} ago', age=written)}"
        if not lines:
            text = words("no line passes the filter") if frame.ui.log_filter else words("nothing was written")
            lines = [fit_line([Span(f" {text}", "dim")], width - 2)]
    elif not lines:
        lines = [fit_line([Span(f" {waiting_text(frame)}", "dim")], width - 2)]
    room = height - 2
    ends = max(min(room, len(lines)), len(lines) - frame.ui.scroll)
    stacks = frame.ui.log_kind == "stacks"
    note = words("/ search  x log  left/right other process  G follow") if stacks else words(
        "/ search  ! only severe  x stack dumps  left/right other process  G follow"
    )  # fmt: skip
    return boxed(title, lines[max(0, ends - room) : ends], (width, height), frame.glyphs, note)


def draw_log_tail_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the last lines of the selected process's log for its own page."""
    lines = log_lines(frame, width - 2, short=True)
    found, selected = frame.replies.log, frame.selected
    if not lines:
        answered = found is not None and selected is not None and found.process == selected.row.name
        text = frame.words("nothing was written") if answered else waiting_text(frame)
        lines = [fit_line([Span(f" {text}", "dim")], width - 2)]
    note = frame.words("l whole log")
    return boxed(frame.words("Log"), lines[-(height - 2) :], (width, height), frame.glyphs, note)


def draw_errors_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the last deaths with their causes, and the errors at the end of the log by kind."""
    words, selected, inner = frame.words, frame.selected, width - 2
    lines: list[Line] = []
    if selected is not None:
        for at_ns, cause, text in reversed(selected.row.deaths):
            spans = [Span(f" {date_time(at_ns)[5:]} ", "dim"), cell(words(cause.replace("_", " ")), 12, "warn")]
            lines.append(fit_line([*spans, Span(words.of_core(text))], inner))
        if not selected.row.deaths:
            lines.append(fit_line([Span(f" {words('it never died')}", "dim")], inner))
        causes = ", ".join(f"{words(cause.replace('_', ' '))} {number}"
                           for cause, number in sorted(selected.row.deaths_by_cause.items()))  # fmt: skip
        if causes:
            lines.append(fit_line([Span(f" {words('by cause')} ", "label"), Span(causes)], inner))
    found = frame.replies.log
    if found is not None and selected is not None and found.process == selected.row.name:
        kinds = Counter((line.level, kind_of(line)) for line in found.lines if line.level in _LEVEL_ROLES)
        for (level, kind), number in kinds.most_common():
            spans = [Span(f" {number:>4} x ", "strong"), cell(level[:5], 6, _LEVEL_ROLES[level]), Span(kind)]
            lines.append(fit_line(spans, inner))
        if not kinds:
            lines.append(fit_line([Span(f" {words('no error at the end of its log')}", "dim")], inner))
    return boxed(words("Deaths and errors"), lines, (width, height), frame.glyphs)


def kind_of(line: LogLine) -> str:
    """Return what a line says without its figures: the words before the first key=value."""
    return " ".join(takewhile(lambda word: "=" not in word, line.text.split()))


def draw_audit_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the audit trail, newest first: when, who, what, how it went, why."""
    words, found, inner = frame.words, frame.replies.audit, width - 2
    sizes = _WIDE_AUDIT if width >= WIDE else _NARROW_AUDIT
    titles = zip(
        (" " + words("time"), words("who"), words("order"), words("target"), words("state")), sizes, strict=True
    )
    head = [cell(text, size, "label") for text, size in titles]
    lines = [fit_line([*head, Span(words("reason"), "label")], inner)]
    rows = [] if found is None else list(reversed(found.rows))
    room = max(1, height - 3)
    place = read_place(frame)
    top = window_top(place, len(rows), room)
    drawn = [_audit_line(frame, row, inner, sizes) for row in rows[top : top + room]]
    lines += [under_cursor(line) if top + index == place else line for index, line in enumerate(drawn)]
    if found is None:
        lines.append(fit_line([Span(f"  {waiting_text(frame)}", "dim")], inner))
    elif not rows:
        text = words("no line passes the filter") if frame.ui.audit_filter else words("nobody has ordered anything yet")
        lines.append(fit_line([Span(f"  {text}", "dim")], inner))
    title = f"{words('Audit')} {count(None if found is None else len(rows))}"
    return boxed(title, lines, (width, height), frame.glyphs, words("enter whole text  / search  g newest"))


def _audit_line(frame: Frame, row: AuditRow, width: int, sizes: tuple[int, ...]) -> Line:
    words = frame.words
    verb = words(row.verb) if row.verb else words(row.fact.replace("_", " "))
    why = words("because: {reason}", reason=row.reason) if row.reason else ""
    at_size, who_size, verb_size, target_size, state_size = sizes
    at, who = date_time(row.at_ns)[5:], row.who
    if sizes is _NARROW_AUDIT:
        at, who = at.partition(" ")[2], who.partition(" (")[0]
    spans = [
        cell(f" {at}", at_size, "dim"),
        cell(who, who_size, "strong"),
        cell(verb, verb_size),
        cell(row.target, target_size),
        cell(words(row.state) if row.state else "", state_size, _STATE_ROLES.get(row.state, "plain")),
        Span(why),
        Span(f"  {words.of_core(row.text)}" if row.text else "", "dim"),
    ]
    return fit_line(spans, width)
