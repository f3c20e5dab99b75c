"""What maintenance did and will do, and how backups stand, as the files say; read by the hub and by `observerctl`."""

import msgspec

from observer_core.archive.standing import backup_view
from observer_core.paths import Paths
from observer_core.services.timetable import TASKS, Book, next_due_ns
from observer_core.view import BackupView, TaskRow

_decoder = msgspec.json.Decoder(Book)


def read_upkeep(paths: Paths, now_ns: int) -> tuple[tuple[TaskRow, ...], BackupView]:
    """Return the timetable with its last runs, and the standing of backups.

    Raises:
        OSError: a directory cannot be read.
    """
    return task_rows(paths, now_ns), backup_view(paths)


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
