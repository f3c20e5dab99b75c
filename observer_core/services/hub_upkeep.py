"""What maintenance did and will do, and how backups stand, as the files say; read by the hub and by `observerctl`."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from observer_core.archive.day_retention import (
    ANOMALY_DAYS,
    CAP_DAYS,
    DATABASE_DAYS,
    RAW_DAYS,
    ArchivedDay,
    decide,
)
from observer_core.archive.standing import archived_days, backup_view
from observer_core.clock import kst_day
from observer_core.paths import Paths
from observer_core.services.timetable import TASKS, Book, Task, next_due_ns
from observer_core.view import BackupView, RetentionDay, RetentionView, TaskRow

_RETENTION: Task = next(task for task in TASKS if task.name == "retention")
_decoder = msgspec.json.Decoder(Book)


class Upkeep(NamedTuple):
    """What the files say of upkeep."""

    tasks: tuple[TaskRow, ...]
    backup: BackupView
    retention: RetentionView


def read_upkeep(paths: Paths, now_ns: int, backup_age_s: float = 0.0) -> Upkeep:
    """Return the timetable with its last runs, the standing of backups, and what retention does next.

    Raises:
        OSError: a directory cannot be read.
    """
    days = archived_days(paths)
    return Upkeep(task_rows(paths, now_ns), backup_view(paths, days, backup_age_s), retention_view(days, now_ns))


def retention_view(days: Sequence[ArchivedDay], now_ns: int) -> RetentionView:
    """Return what the next run of retention does with each day, while no disk demands more."""
    due_ns = next_due_ns(_RETENTION, now_ns)
    facts = {one.day: one for one in days}
    return RetentionView(
        due_ns=due_ns,
        days=tuple(
            RetentionDay(
                day=decision.day,
                action=decision.action.value,
                reason=decision.reason,
                secured=facts[decision.day].secured,
                anomalous=facts[decision.day].anomalous,
                sealed_bytes=facts[decision.day].sealed_bytes,
            )
            for decision in decide(days, kst_day(due_ns))
        ),
        raw_days=RAW_DAYS,
        anomaly_days=ANOMALY_DAYS,
        cap_days=CAP_DAYS,
        database_days=DATABASE_DAYS,
        as_of_ns=now_ns,
    )


def task_rows(paths: Paths, now_ns: int) -> tuple[TaskRow, ...]:
    """Return the timetable; tasks that never ran here have no run."""
    try:
        runs = _decoder.decode(paths.timetable.read_bytes()).runs
    except (OSError, msgspec.DecodeError):
        runs = {}
    rows = []
    for task in TASKS:
        row = TaskRow(name=task.name, at=task.at, next_ns=next_due_ns(task, now_ns))
        run = runs.get(task.name)
        if run is not None:
            row = msgspec.structs.replace(
                row, begun_ns=run.begun_ns, duration_s=run.duration_s, outcome=run.outcome, text=run.text
            )
        rows.append(row)
    return tuple(rows)
