"""How a view looks as text on a terminal: aligned tables, units, ages. Pure.

Separate from the commands so that what is printed can be tested without a hub; what is not known shows as "-".
"""

from collections.abc import Sequence

from observer_core.clock import NS_PER_S, kst_datetime
from observer_core.http.verdict import Problem, verdict
from observer_core.tree_messages import TicketUpdate
from observer_core.view import BackupView, ProcessRow, SystemView, TaskRow, WriterRow

STALE_AFTER_S = 2.0
EVENTS_SHOWN = 5

_UNKNOWN = "-"
_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[str] = frozenset()) -> list[str]:
    """Return header and rows as aligned lines; columns named in `right` are aligned to the right."""
    widths = [max(len(row[place]) for row in [header, *rows]) for place in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        parts = [
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(header, cells, widths, strict=True)
        ]
        return "  ".join(parts).rstrip()

    return [line(header), *(line(row) for row in rows)]


def duration(seconds: float | None) -> str:
    """Return a duration in its two largest units: "340 ms", "12.5 s", "4m10s", "3h02m", "2d04h"."""
    if seconds is None:
        return _UNKNOWN
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"


def size(count: int | None) -> str:
    """Return bytes in decimal units: "512 B", "1.5 MB"."""
    if count is None:
        return _UNKNOWN
    amount = float(count)
    for unit in _BYTE_UNITS:
        if abs(amount) < 1000 or unit == _BYTE_UNITS[-1]:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError("the last unit always returns")


def status_lines(view: SystemView, now_ns: int) -> list[str]:
    """Return the whole view as text."""
    blocks = [
        _headline(view, now_ns),
        _process_table(view.processes, now_ns),
        _writer_table(view.writers),
        _disk_table(view),
        task_table(view.tasks, now_ns),
        [backup_line(view.backup, now_ns)] if view.backup is not None else [],
        _short_facts(view),
        _event_lines(view),
    ]
    lines: list[str] = []
    for block in blocks:
        if block and lines:
            lines.append("")
        lines += block
    return lines


def task_table(tasks: Sequence[TaskRow], now_ns: int) -> list[str]:
    """Return the timetable of maintenance with the last run of each task."""
    if not tasks:
        return []
    header = ("TASK", "AT", "LAST RUN", "TOOK", "OUTCOME", "NEXT IN", "WHAT")
    cells = [
        (
            row.name,
            row.at,
            _UNKNOWN if row.begun_ns is None else f"{kst_datetime(row.begun_ns):%m-%d %H:%M}",
            duration(row.duration_s),
            row.outcome or _UNKNOWN,
            duration((row.next_ns - now_ns) / NS_PER_S),
            row.text.partition("\n")[0],
        )
        for row in tasks
    ]
    return table(header, cells, frozenset({"TOOK", "NEXT IN"}))


def backup_line(backup: BackupView | None, now_ns: int) -> str:
    """Return in one line how old backups are."""
    if backup is None or not backup.packages:
        return "backup: no package yet"
    age = duration((now_ns - (backup.newest_ns or 0)) / NS_PER_S)
    text = f"backup: {backup.packages} packages, the newest of {backup.newest_day}, {age} old"
    if backup.verified_ns is None:
        text += "; no verified copy elsewhere"
    else:
        verified = duration((now_ns - backup.verified_ns) / NS_PER_S)
        text += f"; last verified copy of {backup.verified_day} on {backup.verified_by}, {verified} ago"
    if backup.drilled_ns is not None:
        drilled = duration((now_ns - backup.drilled_ns) / NS_PER_S)
        colour = "RED" if backup.drill_problems else "green"
        text += f"; last drill {colour}, of {backup.drilled_day} on {backup.drilled_by}, {drilled} ago"
    if backup.unsecured_since_ns is not None:
        waiting = duration((now_ns - backup.unsecured_since_ns) / NS_PER_S)
        text += f"; {backup.unsecured_days} finished days without one, the oldest for {waiting}"
    return text


def ticket_line(ticket: TicketUpdate) -> str:
    """Return one line about a command."""
    what = " ".join(part for part in (ticket.verb, ticket.target) if part)
    return f"{what} {ticket.state}: {ticket.text} (ticket {ticket.ticket})".strip()


def _headline(view: SystemView, now_ns: int) -> list[str]:
    age_s = max(0.0, (now_ns - view.as_of_ns) / NS_PER_S)
    found = verdict(view, now_ns)
    word = "STALE" if age_s > STALE_AFTER_S else f"{found.word}, {'READY' if found.ready else 'NOT READY'}"
    until = "" if view.market.until_ns is None else f" until {kst_datetime(view.market.until_ns):%H:%M}"
    forced = " (simulated open)" if view.market.forced else ""
    up_s = None if view.started_ns is None else (now_ns - view.started_ns) / NS_PER_S
    first = (
        f"{word}  observer {view.version} on {view.host}  supervisor {_text(view.supervisor_pid)}  "
        f"up {duration(up_s)}  market {view.market.phase}{until}{forced}  KST {kst_datetime(now_ns):%H:%M:%S}  "
        f"seq {view.seq}  age {duration(age_s)}  viewers {view.viewers}"
    )
    return [first, *(f"  ! {_problem_text(problem)}" for problem in found.problems)]


def _problem_text(problem: Problem) -> str:
    """Return a problem as one line."""
    values: dict[str, object] = {}
    for name, value in problem.values.items():
        if isinstance(value, float):
            values[name] = duration(value) if name.endswith("_s") else f"{value * 100:.0f} %"
        else:
            values[name] = value
    return f"{problem.subject} {problem.form.format(**values)}".strip()


def _process_table(rows: Sequence[ProcessRow], now_ns: int) -> list[str]:
    if not rows:
        return ["no process has been reported yet"]
    header = (
        "PROCESS", "KIND", "STATE", "PID", "UPTIME", "RESTARTS", "RECORDS", "ERRORS", "LAG", "GAPS", "SYMBOLS", "SWEEP",
        "MEMORY", "AGE", "NOTE",
    )  # fmt: skip
    right = frozenset(header) - {"PROCESS", "KIND", "STATE", "NOTE"}
    return table(header, [_process_cells(row, now_ns) for row in rows], right)


def _process_cells(row: ProcessRow, now_ns: int) -> tuple[str, ...]:
    reported = row.as_of_ns > 0
    collects = row.kind in {"swing", "scalp"}
    return (
        row.name,
        row.kind,
        row.state,
        _text(row.pid),
        duration(row.uptime_s),
        str(row.restarts),
        f"{row.records_total:,}" if reported else _UNKNOWN,
        f"{row.errors_total:,}" if reported else _UNKNOWN,
        duration(row.lag),
        str(row.open_gaps) if reported and collects else _UNKNOWN,
        f"{row.symbols:,}" if reported and collects else _UNKNOWN,
        duration(row.sweep_s),
        size(row.memory_bytes),
        duration(max(0.0, (now_ns - row.as_of_ns) / NS_PER_S)) if reported else _UNKNOWN,
        row.note or _next_start(row, now_ns) or (f"last exit: {row.last_exit}" if row.last_exit else ""),
    )


def _next_start(row: ProcessRow, now_ns: int) -> str:
    if row.next_start_ns is None:
        return ""
    wait = duration(max(0.0, (row.next_start_ns - now_ns) / NS_PER_S))
    return f"starts in {wait}; {row.last_exit}" if row.last_exit else f"starts in {wait}"


def _writer_table(rows: Sequence[WriterRow]) -> list[str]:
    if not rows:
        return []
    header = ("WRITER", "STATE", "RECORDS", "ERRORS", "REJECTED", "LAG", "BACKLOG", "COMMIT", "CATCH-UP", "NOTE")
    cells = [
        (
            row.name,
            row.state,
            f"{row.records_total:,}",
            f"{row.errors_total:,}",
            f"{row.rejected_total:,}",
            duration(row.lag_s),
            size(row.lag_bytes),
            _UNKNOWN if row.commit_ms is None else f"{row.commit_ms:.1f} ms",
            duration(row.catch_up_s),
            row.note,
        )
        for row in rows
    ]
    return table(header, cells, frozenset(header) - {"WRITER", "STATE", "NOTE"})


def _disk_table(view: SystemView) -> list[str]:
    if not view.disk:
        return []
    header = ("MOUNT", "HOLDS", "TOTAL", "FREE", "OURS", "GROWTH", "FULL IN", "LADDER")
    cells = [
        (
            row.mount,
            ",".join(row.purposes),
            size(row.total_bytes),
            size(row.free_bytes),
            size(row.ours_bytes),
            _UNKNOWN if row.growth_bytes_per_s is None else f"{size(int(row.growth_bytes_per_s))}/s",
            duration(row.time_to_full_s),
            f"{row.level}: {row.measure}" if row.measure else row.level,
        )
        for row in view.disk
    ]
    return table(header, cells, frozenset(header) - {"MOUNT", "HOLDS", "LADDER"})


def _short_facts(view: SystemView) -> list[str]:
    lines = [
        f"budget of appkey {row.appkey}: {row.used_last_s} of {row.limit_per_s:g} calls/s used, "
        f"{row.refused_total} refused"
        for row in view.budgets
    ]
    lines.append(f"gaps: {view.gaps.open} open, {view.gaps.today} today")
    lines += [f"  {text}" for text in view.gaps.newest]
    lines += [
        f"lease: {lease.who} until {kst_datetime(lease.until_ns):%H:%M:%S}: {lease.reason}" for lease in view.leases
    ]
    return lines


def _event_lines(view: SystemView) -> list[str]:
    return [
        f"{kst_datetime(event.at_ns):%H:%M:%S} {event.severity} {event.name} {event.subject}: {event.text}"
        for event in view.events[-EVENTS_SHOWN:]
    ]


def _text(value: int | None) -> str:
    return _UNKNOWN if value is None else str(value)
