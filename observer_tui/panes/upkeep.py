"""What maintenance keeps: backups and what is wrong with them, what retention does next, the timetable's last runs.

Separate from `storage`, which shows what is written now: these figures change by the hour.
"""

from observer_core.clock import NS_PER_S, kst_day
from observer_core.view import BackupView, RetentionDay, TaskRow
from observer_tui.frame import Frame
from observer_tui.lines import Line, Role, Span, boxed, cell, faded, fit_line
from observer_tui.quantities import UNKNOWN, age_ns, clock_time, date_time, duration, size

_ACTIONS: dict[str, tuple[str, Role]] = {
    "keep": ("stays", "dim"),
    "overdue": ("overdue", "bad"),
    "remove": ("goes", "plain"),
    "remove_early": ("goes early", "warn"),
    "remove_unsecured": ("is lost", "bad"),
}
_OUTCOMES: dict[str, Role] = {"done": "ok", "failed": "bad"}
_WIDE = 110
"""Width from which the times of the timetable stand beside its runs."""


def _day(day: int | None) -> str:
    return UNKNOWN if day is None else f"{day // 100 % 100:02d}-{day % 100:02d}"


def _old(frame: Frame, lines: list[Line]) -> list[Line]:
    return [faded(line) for line in lines] if frame.is_old else lines


def wrong_with_backups(frame: Frame) -> list[tuple[str, Role]]:
    """Return in words what is wrong with the backups, the worst first; nothing when all is well."""
    words, view = frame.words, frame.view
    backup = None if view is None else view.backup
    if view is None or backup is None:
        return []
    found: list[tuple[str, Role]] = [
        (words("packing failed: {text}", text=words.of_core(task.text)), "bad")
        for task in view.tasks
        if (task.name, task.outcome) == ("package", "failed")
    ]
    since_ns = backup.unsecured_since_ns
    waiting_s = None if since_ns is None else (frame.figures_ns - since_ns) / NS_PER_S
    if waiting_s is not None and backup.limit_s and waiting_s > backup.limit_s:
        text = words("a finished day has had no verified copy for {time}: pull the backups", time=duration(waiting_s))
        found.append((text, "bad"))
    if backup.drill_problems:
        found.append((words("the last drill was red: {text}", text=words.of_core(backup.drill_problems[0])), "bad"))
    if not backup.packages:
        found.append((words("there is no package yet"), "warn"))
    elif backup.verified_ns is None:
        found.append((words("no verified copy lies elsewhere: let a PC pull the packages"), "warn"))
    return found


def draw_backups_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the newest package, verified copy and drill with their ages, and what is wrong."""
    words, inner = frame.words, width - 2
    backup = None if frame.view is None else frame.view.backup
    if backup is None:
        lines = [fit_line([Span(f" {words('nothing is known of backups yet')}", "dim")], inner)]
        return boxed(words("Backups"), lines, (width, height), frame.glyphs)
    wrong = wrong_with_backups(frame)
    told = [fit_line([Span(f" ! {text}", role)], inner) for text, role in wrong]
    if not wrong:
        told = [fit_line([Span(f" {words('nothing is wrong with them')}", "ok")], inner)]
    lines = [
        told[0],
        _newest_line(frame, backup, inner),
        _copy_line(frame, backup, inner),
        _drill_line(frame, backup, inner),
        _unsecured_line(frame, backup, inner),
        *told[1:],
    ]
    title = f"{words('Backups')} {words('{count} packages', count=backup.packages)}"
    return boxed(title, _old(frame, lines), (width, height), frame.glyphs)


def _ago(frame: Frame, at_ns: int | None) -> str:
    return UNKNOWN if not at_ns else frame.words("{age} ago", age=age_ns(at_ns, frame.figures_ns))


def _fact(frame: Frame, label: str, day: int | None, at_ns: int | None) -> list[Span]:
    spans = [Span(" "), cell(frame.words(label), 10, "label"), cell(_day(day), 7)]
    return [*spans, cell(_ago(frame, at_ns), 14)]


def _newest_line(frame: Frame, backup: BackupView, width: int) -> Line:
    words = frame.words
    whole = "" if backup.newest_complete is None else words("whole" if backup.newest_complete else "so far")
    spans = _fact(frame, "newest", backup.newest_day, backup.newest_ns)
    return fit_line([*spans, Span(f"{size(backup.newest_bytes)}  "), Span(whole, "dim")], width)


def _copy_line(frame: Frame, backup: BackupView, width: int) -> Line:
    spans = _fact(frame, "verified", backup.verified_day, backup.verified_ns)
    by = frame.words("on {name}", name=backup.verified_by) if backup.verified_by else ""
    return fit_line([*spans, Span(by)], width)


def _drill_line(frame: Frame, backup: BackupView, width: int) -> Line:
    words = frame.words
    spans = _fact(frame, "drilled", backup.drilled_day, backup.drilled_ns)
    if backup.drilled_ns is None:
        return fit_line([*spans, Span(words("no drill is known"), "dim")], width)
    colour: tuple[str, Role] = ("red", "bad") if backup.drill_problems else ("green", "ok")
    spans.append(Span(f"{words('on {name}', name=backup.drilled_by)}  "))
    return fit_line([*spans, Span(words(colour[0]), colour[1])], width)


def _unsecured_line(frame: Frame, backup: BackupView, width: int) -> Line:
    words, since_ns = frame.words, backup.unsecured_since_ns
    limit = duration(backup.limit_s) if backup.limit_s else UNKNOWN
    spans = [Span(" "), cell(words("copies") if since_ns is None else words("no copy"), 10, "label")]
    if since_ns is None:
        spans.append(Span(words("every finished day has a verified copy")))
    else:
        waiting_s = (frame.figures_ns - since_ns) / NS_PER_S
        role: Role = "bad" if backup.limit_s and waiting_s > backup.limit_s else "warn"
        text = words("days: {count}, the oldest for {time}", count=backup.unsecured_days, time=duration(waiting_s))
        spans.append(Span(text, role))
    return fit_line([*spans, Span(f"  {words('limit {time}', time=limit)}", "dim")], width)


def draw_retention_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return what the next run of retention does with each day, by which ages, and how its last run ended."""
    words, inner = frame.words, width - 2
    found = None if frame.view is None else frame.view.retention
    if found is None:
        lines = [fit_line([Span(f" {words('nothing is known of retention yet')}", "dim")], inner)]
        return boxed(words("Retention"), lines, (width, height), frame.glyphs)
    going = [day for day in found.days if day.action.startswith("remove")]
    ages = words(
        "raw data {raw} d, anomalous days {anomaly} d, at most {cap} d; database {database} d",
        raw=found.raw_days, anomaly=found.anomaly_days, cap=found.cap_days, database=found.database_days,
    )  # fmt: skip
    lines = [fit_line([Span(f" {words('ages')} ", "label"), Span(ages)], inner), _last_run(frame, inner)]
    head = [Span(" "), cell(words("date"), 6, "label"), cell(words("age"), 5, "label", "right"), Span("  ")]
    head += [
        cell(words("next"), 11, "label"),
        cell(words("secured"), 8, "label"),
        cell(words("sealed"), 9, "label", "right"),
    ]
    lines.append(fit_line([*head, Span("  "), Span(words("reason"), "label")], inner))
    room = max(1, height - 2 - len(lines))
    top = _top(frame, "days", len(found.days), room)
    lines += [_retention_line(frame, day, found.due_ns, inner) for day in found.days[top : top + room]]
    if not found.days:
        lines.append(fit_line([Span(f" {words('there is no raw data')}", "dim")], inner))
    due = words("next {at} in {time}", at=clock_time(found.due_ns)[:5], time=_until(frame, found.due_ns))
    freed = size(sum(day.sealed_bytes for day in going))
    goes = words("{count} of {all} days go, {bytes}", count=len(going), all=len(found.days), bytes=freed)
    measured = words("{age} old", age=age_ns(found.as_of_ns, frame.now_ns))
    title = f"{words('Retention')}  {due}  {goes}  {measured}"
    return boxed(title, _old(frame, lines), (width, height), frame.glyphs, _note(frame))


def _note(frame: Frame) -> str:
    return frame.words("left/right other table  up/down scroll")


def _until(frame: Frame, at_ns: int) -> str:
    return duration((at_ns - frame.figures_ns) / NS_PER_S)


def _top(frame: Frame, table: str, rows: int, room: int) -> int:
    """Return the first row shown: the table that is chosen follows the arrow keys."""
    return max(0, min(frame.ui.scroll, rows - room)) if frame.ui.storage_table == table else 0


def _last_run(frame: Frame, width: int) -> Line:
    words = frame.words
    task = next((row for row in frame.view.tasks if row.name == "retention"), None) if frame.view is not None else None
    spans = [Span(f" {words('last run')} ", "label")]
    if task is None or task.begun_ns is None:
        return fit_line([*spans, Span(f"{UNKNOWN} {words('it never ran here')}", "dim")], width)
    spans += [Span(f"{_ago(frame, task.begun_ns)}  "), Span(words(task.outcome), _OUTCOMES.get(task.outcome, "plain"))]
    return fit_line([*spans, Span(f"  {words.of_core(task.text)}")], width)


def _retention_line(frame: Frame, day: RetentionDay, due_ns: int, width: int) -> Line:
    words = frame.words
    text, role = _ACTIONS.get(day.action, (day.action, "plain"))
    copy: tuple[str, Role] = (words("yes"), "ok") if day.secured else (words("no"), "warn")
    spans = [
        Span(" "),
        cell(_day(day.day), 6, "label"),
        cell(_age(frame, day.day, due_ns), 5, "plain", "right"),
        Span("  "),
        cell(words(text), 11, role),
        cell(copy[0], 8, copy[1]),
        cell(size(day.sealed_bytes), 9, "plain", "right"),
        Span("  "),
        Span(words.of_core(day.reason), "dim"),
    ]
    return fit_line(spans, width)


def _age(frame: Frame, day: int, due_ns: int) -> str:
    """Return how old a day is when retention runs next; the day that is being written has no age yet."""
    if day == kst_day(frame.figures_ns):
        return frame.words("today")
    return f"{_age_days(day, due_ns)} d"


def _age_days(day: int, due_ns: int) -> int:
    from observer_core.archive.day_retention import age_days

    return age_days(day, kst_day(due_ns))


def draw_tasks_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the timetable of maintenance: last run with its age, duration and outcome, and when it runs next."""
    words, inner = frame.words, width - 2
    tasks = () if frame.view is None else frame.view.tasks
    wide = inner >= _WIDE
    head = [Span(" "), cell(words("task"), 10, "label"), *([cell(words("at"), 14, "label")] if wide else [])]
    head += [cell(words("last run"), 13, "label"), cell(words("age"), 7, "label", "right")]
    head += [cell(words("took"), 7, "label", "right"), Span("  "), cell(words("result"), 7, "label")]
    head += [cell(words("next in"), 8, "label", "right"), Span("  "), Span(words("what"), "label")]
    lines = [fit_line(head, inner)]
    room = max(1, height - 3)
    top = _top(frame, "tasks", len(tasks), room)
    lines += [_task_line(frame, task, inner, wide=wide) for task in tasks[top : top + room]]
    if not tasks:
        lines.append(fit_line([Span(f" {words('nothing is known of the timetable yet')}", "dim")], inner))
    return boxed(words("Timetable"), _old(frame, lines), (width, height), frame.glyphs, _note(frame))


def _task_line(frame: Frame, task: TaskRow, width: int, *, wide: bool) -> Line:
    words = frame.words
    spans = [Span(" "), cell(words(task.name), 10), *([cell(task.at, 14, "dim")] if wide else [])]
    spans += [
        cell(date_time(task.begun_ns)[5:16] if task.begun_ns else UNKNOWN, 13, "dim"),
        cell(age_ns(task.begun_ns, frame.figures_ns), 7, "plain", "right"),
        cell(duration(task.duration_s), 7, "plain", "right"),
        Span("  "),
        cell(words(task.outcome) if task.outcome else UNKNOWN, 7, _OUTCOMES.get(task.outcome, "dim")),
        cell(_until(frame, task.next_ns), 8, "plain", "right"),
        Span("  "),
        Span(words.of_core(task.text.partition("\n")[0]), "bad" if task.outcome == "failed" else "dim"),
    ]
    return fit_line(spans, width)
