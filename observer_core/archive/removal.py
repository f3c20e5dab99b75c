"""Removing a day that retention lets go: raw data first, its package and manifest after, so that a crash repeats it."""

import shutil
from contextlib import suppress
from pathlib import Path

from observer_core.archive.standing import day_directories
from observer_core.ids import DayNumber
from observer_core.journal.files import sync_directory
from observer_core.paths import Paths


def remove_day(paths: Paths, day: DayNumber) -> int:
    """Remove the raw data, the package and the datasets of a day; return the bytes they took.

    Receipts stay: they say who holds the copy.

    Raises:
        OSError: something cannot be removed; what was removed stays so, try again.
    """
    places = [*day_directories(paths, day), paths.datasets(day), paths.backup(day)]
    seen: set[tuple[int, int]] = set()
    freed = sum(_allocated(place, seen) for place in places)
    for place in places:
        if place.exists():
            shutil.rmtree(place)
            sync_directory(place.parent)
        _remove_empty(place.parent, paths.data)
    paths.manifest(day).unlink(missing_ok=True)
    return freed


def _allocated(place: Path, seen: set[tuple[int, int]]) -> int:
    total = 0
    for path in place.rglob("*"):
        facts = path.lstat()
        # A package's files are the archive's own by another name.
        if (facts.st_dev, facts.st_ino) not in seen:
            seen.add((facts.st_dev, facts.st_ino))
            total += facts.st_blocks * 512
    return total


def _remove_empty(directory: Path, top: Path) -> None:
    """Remove a month and a year that hold nothing any more; never what lies directly below the top."""
    with suppress(OSError):
        while directory.parent not in {top, directory}:
            directory.rmdir()
            directory = directory.parent
