"""Where the panes of the page of storage stand: what is written now above, what is kept and what goes below.

Separate from `pages` because it has three designs: large, small with one of two tables, and the floor with one of four.
"""

from observer_tui.frame import Frame
from observer_tui.panes.header import WIDE
from observer_tui.panes.storage import (
    draw_budgets_box,
    draw_disk_details,
    draw_writer_details,
    draw_writers_box,
    file_lines,
)
from observer_tui.panes.upkeep import draw_backups_box, draw_retention_box, draw_tasks_box
from observer_tui.placing import Draw, Placed, in_row
from observer_tui.ui_state import STORAGE_TABLES, UiState

_TALL = 32
_FITS_ALL = 18
"""Lines of the body from which disks and backups stand above the chosen table of a small screen."""
_BACKUPS = 7
_TABLES: dict[str, Draw] = dict(
    zip(STORAGE_TABLES, (draw_tasks_box, draw_retention_box, draw_backups_box, draw_disk_details), strict=True)
)


def next_table(ui: UiState, height: int, step: int) -> str:
    """Return the table that comes next on a screen of some height: where all stand, two of them can be chosen."""
    choices = STORAGE_TABLES if height - 3 < _FITS_ALL else STORAGE_TABLES[:2]
    present = choices.index(ui.storage_table) if ui.storage_table in choices else 0
    return choices[(present + step) % len(choices)]


def place_storage(frame: Frame, width: int, top: int, height: int) -> list[Placed]:
    """Return writers, disks, backups, retention and timetable as they fit."""
    if width >= WIDE and height >= _TALL:
        return _place_large(frame, width, top, height)
    writers = frame.view.writers if frame.view is not None else ()
    chosen = frame.ui.storage_table
    writers_height = min(2 + max(1, len(writers)), 5)
    placed = [Placed("writers", 0, top, width, writers_height, draw_writers_box(frame, width, writers_height))]
    y = top + writers_height
    if height >= _FITS_ALL:
        chosen = chosen if chosen in STORAGE_TABLES[:2] else STORAGE_TABLES[0]
        disks = frame.view.disk if frame.view is not None else ()
        disk_height = 2 + min(2 * max(1, len(disks)), 4)
        backups_height = 5
        placed.append(Placed("disk", 0, y, width, disk_height, draw_disk_details(frame, width, disk_height)))
        y += disk_height
        placed.append(Placed("backups", 0, y, width, backups_height, draw_backups_box(frame, width, backups_height)))
        y += backups_height
    rest = top + height - y
    return [*placed, Placed(f"storage-{chosen}", 0, y, width, rest, _TABLES[chosen](frame, width, rest))]


def _place_large(frame: Frame, width: int, top: int, height: int) -> list[Placed]:
    view = frame.view
    writers = view.writers if view is not None else ()
    disks, budgets = (len(view.disk), len(view.budgets)) if view is not None else (1, 1)
    wanted = sum(3 + len(file_lines(writer, width - 2)) for writer in writers) + 2
    writers_height = max(5, min(wanted, height // 3))
    stores_height = max(_BACKUPS, min(3 * disks + 2, height // 4)) + 1
    budgets_height = min(2 + max(1, budgets), 5)
    rest = height - writers_height - stores_height - budgets_height
    tasks = len(view.tasks) if view is not None else 0
    tasks_height = min(3 + max(1, tasks), rest // 2)
    days_height = rest - tasks_height
    half, y = width // 2, top + writers_height
    days_top = y + stores_height
    tasks_top = days_top + days_height
    return [
        Placed("writers", 0, top, width, writers_height, draw_writer_details(frame, width, writers_height)),
        *in_row(
            frame, y, stores_height, [("disk", half, draw_disk_details), ("backups", width - half, draw_backups_box)]
        ),
        Placed("storage-days", 0, days_top, width, days_height, draw_retention_box(frame, width, days_height)),
        Placed("storage-tasks", 0, tasks_top, width, tasks_height, draw_tasks_box(frame, width, tasks_height)),
        *in_row(frame, y + stores_height + rest, budgets_height, [("budgets", width, draw_budgets_box)]),
    ]
