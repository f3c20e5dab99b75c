"""Where records go: writers, gaps, disks and rate budgets. As boxes of the overview, and in full on their own page."""

from observer_core.http.verdict import fills_soon
from observer_core.messages import Event
from observer_core.quality.day_book import shard_of
from observer_core.quality.escalation import CLOSED, GREW
from observer_core.view import BudgetRow, DiskRow, WriterRow
from observer_tui.cells import width_of
from observer_tui.frame import Frame
from observer_tui.glyphs import bar
from observer_tui.lines import Line, Role, Span, boxed, cell, faded, fit_line, sides
from observer_tui.quantities import UNKNOWN, age_ns, clock_time, count, duration, percent, size
from observer_tui.rows import SEVERE, foremost

_SEVERITIES = {"info": "INFO", "warning": "WARN", "error": "ERROR", "critical": "CRIT"}
EVENT_NAMES_FROM = 100
"""Columns from which an event shows its name beside its text."""

_WRITER_ROLES: dict[str, Role] = {"live": "ok", "catching_up": "warn", "waiting": "bad", "starting": "warn"}


def _writer_role(writer: WriterRow) -> Role:
    return _WRITER_ROLES.get(writer.state, "warn")


def _aged(frame: Frame, lines: list[Line]) -> list[Line]:
    return [faded(line) for line in lines] if frame.is_old else lines


def writer_lines(frame: Frame, width: int) -> list[Line]:
    """Return one line a writer: state, lag, when it is live again, last commit."""
    if frame.view is None:
        return []
    words, lines = frame.words, []
    for writer in frame.view.writers:
        role = _writer_role(writer)
        spans = [Span(" "), cell(writer.name, 9, "plain"), cell(words(writer.state), 12, role)]
        spans += [Span(f"{words('lag')} ", "label"), cell(duration(writer.lag_s), 6, "plain", "right")]
        backlog = f" {count(writer.lag_records)} {words('rec')}" if writer.lag_records else ""
        if writer.lag_bytes:
            backlog += f" {size(writer.lag_bytes)}"
        spans.append(Span(backlog, "warn" if writer.lag_s > 1 else "plain"))
        if writer.catch_up_s is not None:
            spans.append(Span(f" {words('live in {time}', time=duration(writer.catch_up_s))}", "warn"))
        commit = duration(writer.commit_ms / 1000) if writer.commit_ms is not None else UNKNOWN
        spans.append(Span(f" {words('commit')} {commit}", "dim"))
        if writer.errors_total or writer.rejected_total:
            spans.append(Span(f" {words('errors')} {writer.errors_total + writer.rejected_total}", "bad"))
        if writer.note:
            spans.append(Span(f" {words.of_core(writer.note)}", "dim"))
        lines.append(fit_line(spans, width))
    return _aged(frame, lines)


def gap_lines(frame: Frame, width: int) -> list[Line]:
    """Return how many gaps there are and the newest ones."""
    if frame.view is None:
        return []
    gaps, words = frame.view.gaps, frame.words
    role: Role = "warn" if gaps.open else "plain"
    head = fit_line(
        [
            Span(f" {words('open')} ", "label"),
            Span(count(gaps.open), role),
            Span(f"   {words('today')} ", "label"),
            Span(count(gaps.today)),
        ],
        width,
    )
    return _aged(
        frame, [head, *(fit_line([Span(f" {frame.words.of_core(text)}", "dim")], width) for text in gaps.newest)]
    )


def disk_lines(frame: Frame, width: int) -> list[Line]:
    """Return two lines a mount: fill bar and free bytes; what is ours, growth, time to full."""
    if frame.view is None:
        return []
    lines: list[Line] = []
    for disk in frame.view.disk:
        lines += [_disk_bar(frame, disk, width), _disk_growth(frame, disk, width)]
    return _aged(frame, lines)


def disk_detail_lines(frame: Frame, width: int) -> list[Line]:
    """Return three lines a mount: the two of `disk_lines`, then its step of the ladder and our bytes by kind."""
    if frame.view is None:
        return []
    words, lines = frame.words, []
    for disk in frame.view.disk:
        role: Role = "dim" if disk.level == "normal" else "warn" if disk.level == "warn" else "bad"
        measure = f": {words.of_core(disk.measure)}" if disk.measure else ""
        kinds = "  ".join(f"{words(kind)} {size(found)}" for kind, found in disk.sizes.items())
        ladder = [Span(f"   {words('ladder')} ", "label"), Span(f"{words(disk.level)}{measure}", role)]
        measured = words("{age} old", age=age_ns(disk.as_of_ns, frame.figures_ns))
        lines += [_disk_bar(frame, disk, width), _disk_growth(frame, disk, width)]
        lines.append(fit_line([*ladder, Span(f"  {kinds}"), Span(f"  {measured}", "dim")], width))
    return _aged(frame, lines)


def draw_disk_details(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the disks in a box: three lines each where there is room for all, else two."""
    lines = disk_detail_lines(frame, width - 2)
    if len(lines) > height - 2:
        lines = disk_lines(frame, width - 2)
    return boxed(frame.words("Disk"), lines, (width, height), frame.glyphs)


def _used(disk: DiskRow) -> float:
    return 1 - disk.free_bytes / disk.total_bytes if disk.total_bytes else 0.0


def _disk_role(disk: DiskRow) -> Role:
    used = _used(disk)
    return "bad" if used > 0.95 else "warn" if used > 0.9 else "plain"


def _disk_bar(frame: Frame, disk: DiskRow, width: int) -> Line:
    used = _used(disk)
    tail = f" {percent(used)} {frame.words('used')}  {size(disk.free_bytes)} {frame.words('free')} "
    if disk.level != "normal":
        tail += f" {frame.words(disk.level)} "
    mount = f" {disk.mount} "
    room = max(4, min(30, width - len(mount) - len(tail) - 2))
    role = _disk_role(disk)
    drawn = Span(bar(used, room, frame.glyphs), "chart" if role == "plain" else role)
    return fit_line([Span(mount, "label"), drawn, Span(tail, role)], width)


def _disk_growth(frame: Frame, disk: DiskRow, width: int) -> Line:
    words = frame.words
    growth = ""
    if disk.growth_bytes_per_s is not None:
        growth = (
            f"{'+' if disk.growth_bytes_per_s >= 0 else ''}{size(disk.growth_bytes_per_s * 86400)}/{words('day')}  "
        )
    full = words("full in {time}", time=duration(disk.time_to_full_s)) if disk.time_to_full_s is not None else ""
    left = [
        Span(f"   {full}  " if full else "   ", "warn" if fills_soon(disk) else "plain"),
        Span(growth),
        Span(f"{words('ours')} ", "label"),
        Span(size(disk.ours_bytes)),
    ]
    purposes = f" {' '.join(disk.purposes)} "
    fits = sum(width_of(span.text) for span in left) + width_of(purposes) <= width
    return sides(left, [Span(purposes, "dim")] if fits else [], width)


def budget_lines(frame: Frame, width: int) -> list[Line]:
    """Return one line an appkey: calls of the last second against the limit."""
    if frame.view is None:
        return []
    lines = [_budget_line(frame, budget, width) for budget in frame.view.budgets]
    if not lines:
        lines = [fit_line([Span(f" {frame.words('no budget has been reported yet')}", "dim")], width)]
    return _aged(frame, lines)


def _budget_line(frame: Frame, budget: BudgetRow, width: int) -> Line:
    share = budget.used_last_s / budget.limit_per_s if budget.limit_per_s else 0.0
    words = frame.words
    refused: Role = "bad" if budget.refused_total else "dim"
    spans = [
        Span(f" key {budget.appkey} ", "label"),
        Span(bar(share, max(4, min(16, width - 32)), frame.glyphs), "chart"),
        Span(f" {budget.used_last_s}/{budget.limit_per_s:g} {words('calls/s')} "),
        Span(f" {words('refused')} {count(budget.refused_total)}", refused),
    ]
    return fit_line(spans, width)


def event_lines(frame: Frame, width: int, subject: str = "") -> list[Line]:
    """Return one line an event, newest first."""
    return [_event_line(frame, event, width) for event in frame.events(subject)]


def newest_lines(frame: Frame, width: int, room: int) -> list[Line]:
    """Return alerts and events for a place with little room, where routine does not push out what matters."""
    alerts = alert_lines(frame, width)[:room]
    return alerts + [_event_line(frame, event, width) for event in foremost(frame.events(), room - len(alerts))]


def _event_line(frame: Frame, event: Event, width: int) -> Line:
    spans = [
        Span(f" {clock_time(event.at_ns)} ", "dim"),
        cell(_SEVERITIES.get(event.severity, event.severity), 6, _severity_role(event.severity)),
        cell(_subject(event), 12, "label"),
        *([cell(f" {event.name}", 16, "dim")] if width >= EVENT_NAMES_FROM else []),
        Span(f" {frame.words.of_core(event.text or event.name)}"),
    ]
    return fit_line(spans, width)


def _subject(event: Event) -> str:
    """Return whom an event is about, short: of a gap, whose id is too long to be read, the shard."""
    return shard_of(event.subject) if event.name in (GREW, CLOSED) else event.subject.partition(" (uid ")[0]


def alert_lines(frame: Frame, width: int) -> list[Line]:
    """Return one line an alert that is not over, those nobody knows of first."""
    words = frame.words
    alerts = sorted(frame.view.alerts if frame.view is not None else (), key=lambda alert: bool(alert.acknowledged_by))
    lines = []
    for alert in alerts:
        who = alert.acknowledged_by.partition(" (uid ")[0]
        known = words("known to {name}: {reason}", name=who, reason=alert.reason) if who else words("a = I know")
        spans = [
            Span(f" {clock_time(alert.since_ns)} ", "dim"),
            cell(words("ALERT"), 6, "dim" if who else "bad"),
            Span(words.of_core(alert.text)),
            Span(f"  {known}", "dim" if who else "key"),
        ]
        lines.append(fit_line(spans, width))
    return lines


def _severity_role(severity: str) -> Role:
    if severity == "warning":
        return "warn"
    return "bad" if severity in SEVERE else "dim"


def draw_writers_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the writers in a box."""
    return boxed(frame.words("Writers"), writer_lines(frame, width - 2), (width, height), frame.glyphs)


def draw_gaps_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the gaps in a box."""
    return boxed(frame.words("Gaps"), gap_lines(frame, width - 2), (width, height), frame.glyphs)


def draw_disk_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the disks in a box."""
    return boxed(frame.words("Disk"), disk_lines(frame, width - 2), (width, height), frame.glyphs)


def draw_budgets_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the rate budgets in a box."""
    return boxed(frame.words("Budgets"), budget_lines(frame, width - 2), (width, height), frame.glyphs)


def draw_events_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the newest events in a box."""
    title = frame.words("Events")
    if frame.ui.severe_only:
        title += f" ({frame.words('only severe')})"
    return boxed(
        title,
        newest_lines(frame, width - 2, height - 2),
        (width, height),
        frame.glyphs,
        frame.words("8 all events  ! only severe"),
    )


def file_lines(writer: WriterRow, width: int) -> list[Line]:
    """Return the files a writer has open, as many in a line as fit."""
    files = writer.current_files
    across = max(1, (width - 3) // (max(map(width_of, files), default=1) + 2))
    return [
        fit_line([Span("   "), Span("  ".join(files[first : first + across]), "dim")], width)
        for first in range(0, len(files), across)
    ]


def draw_writer_details(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the writers with everything known about them."""
    words, lines = frame.words, []
    inner = width - 2
    for writer in frame.view.writers if frame.view is not None else ():
        role = _writer_role(writer)
        lines.append(
            fit_line(
                [Span(f" {writer.name} ", "strong"), Span(words(writer.state), role), Span(f"  {writer.note}", "dim")],
                inner,
            )
        )
        figures = (
            f"   {words('records')} {count(writer.records_total)}  {words('errors')} {count(writer.errors_total)}"
            f"  {words('rejected')} {count(writer.rejected_total)}  {words('lag')} {duration(writer.lag_s)}"
            f" {count(writer.lag_records)} {words('rec')} {size(writer.lag_bytes)}"
        )
        lines.append(fit_line([Span(figures)], inner))
        commit = duration(writer.commit_ms / 1000) if writer.commit_ms is not None else UNKNOWN
        times = (
            f"   {words('commit')} {commit}  {words('last commit')} {age_ns(writer.last_commit_ns, frame.figures_ns)}"
            f"  {words('reported')} {age_ns(writer.as_of_ns, frame.figures_ns)}"
        )
        if writer.catch_up_s is not None:
            times += "  " + words("live in {time}", time=duration(writer.catch_up_s))
        lines.append(fit_line([Span(times)], inner))
        lines += file_lines(writer, inner)
    return boxed(words("Writers"), _aged(frame, lines), (width, height), frame.glyphs)


def summary_lines(frame: Frame, width: int) -> list[Line]:
    """Return disk, gaps and budgets on one line for a small screen."""
    if frame.view is None:
        return [fit_line((), width)]
    words, view = frame.words, frame.view
    spans: list[Span] = []
    for disk in view.disk[:2]:
        full = f" {words('full in {time}', time=duration(disk.time_to_full_s))}" if disk.time_to_full_s else ""
        spans += [
            Span(f" {words('Disk')} {disk.mount} ", "label"),
            Span(f"{percent(_used(disk))}{full} ", _disk_role(disk)),
        ]
    role: Role = "warn" if view.gaps.open else "plain"
    spans += [
        Span(f" {words('Gaps')} ", "label"),
        Span(f"{view.gaps.open} {words('open')} {view.gaps.today} {words('today')} ", role),
    ]
    used = sum(budget.used_last_s for budget in view.budgets)
    limit = sum(budget.limit_per_s for budget in view.budgets)
    if view.budgets:
        spans += [Span(f" {words('calls/s')} ", "label"), Span(f"{used}/{limit:g}")]
    line = fit_line(spans, width)
    return [faded(line) if frame.is_old else line]
