"""Measuring the volumes that hold our directories against the disk ladder, and the space held back on them.

Separate from the ladder, which is pure: here are the system calls, a few microseconds each, made twice a second by
every process that acts on the result.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from observer_core.archive.disk_ladder import Ladder, Level, worst
from observer_core.journal.files import sync_directory
from observer_core.paths import Paths

logger = logging.getLogger(__name__)

RESERVE_SHARE = 0.02
"""The reserve of a small volume is no more than this part of it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One volume at one moment."""

    used_percent: float
    free_bytes: int
    """What an unprivileged process can still write."""
    total_bytes: int


def measure(directory: Path, owed_bytes: int = 0) -> Usage:
    """Return the usage of the volume under a directory, as `df` counts it; a missing one counts as its parent.

    Args:
        directory: any place on the volume.
        owed_bytes: free now, but to be held back again; counts as used.

    Raises:
        OSError: the volume does not answer.
    """
    try:
        facts = os.statvfs(directory)
    except FileNotFoundError:
        if directory == directory.parent:
            raise
        return measure(directory.parent, owed_bytes)
    used = facts.f_blocks - facts.f_bfree
    reachable = used + facts.f_bavail
    return Usage(
        used_percent=min(100.0 * (used + owed_bytes / facts.f_frsize) / reachable, 100.0) if reachable else 0.0,
        free_bytes=facts.f_bavail * facts.f_frsize,
        total_bytes=facts.f_blocks * facts.f_frsize,
    )


class VolumeWatch:
    """The steps on which some directories' volumes stand; remembers them, because the ladder does not flap."""

    def __init__(self, directories: Mapping[str, Path], ladder: Ladder, held: "HeldBack | None" = None) -> None:
        self._held = held
        self.levels: dict[str, Level] = dict.fromkeys(directories, Level.NORMAL)
        self._directories = dict(directories)
        self._ladder = ladder

    @property
    def worst(self) -> Level:
        """Return the highest step of all."""
        return worst(self.levels.values())

    def look(self) -> None:
        """Measure anew; a volume that does not answer keeps its step."""
        for name, directory in self._directories.items():
            try:
                owed_bytes = 0 if self._held is None else self._held.owed_bytes(directory)
                used_percent = measure(directory, owed_bytes).used_percent
            except OSError as error:
                logger.warning("volume not measured", extra={"directory": str(directory), "error": str(error)})
                continue
            self.levels[name] = self._ladder.next_level(self.levels[name], used_percent)


def reserve_size(wanted_bytes: int, total_bytes: int) -> int:
    """Return how much is held back on a volume of a size."""
    return min(wanted_bytes, int(total_bytes * RESERVE_SHARE))


class Reserve:
    """A file without content that holds space back; whoever needs it removes it, one process makes it again."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self.path = path
        self._size_bytes = size_bytes

    def hold(self) -> bool:
        """Make the file if it is not there; return whether it is held now. Never raises."""
        if self.path.exists():
            return True
        partial = self.path.with_name(f".{self.path.name}.new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            size_bytes = reserve_size(self._size_bytes, measure(self.path.parent).total_bytes)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                os.posix_fallocate(descriptor, 0, max(size_bytes, 1))
            finally:
                os.close(descriptor)
            partial.replace(self.path)
            sync_directory(self.path.parent)
        except OSError as error:
            partial.unlink(missing_ok=True)
            logger.warning("no space held back", extra={"file": str(self.path), "error": str(error)})
            return False
        return True

    def release(self) -> bool:
        """Give the space back; return whether there was any. Never raises."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            logger.warning("reserve not released", extra={"file": str(self.path), "error": str(error)})
            return False
        logger.warning("reserve released", extra={"file": str(self.path)})
        return True


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The space held back in an installation, as far as it is not held right now.

    A released reserve counts as used: otherwise its release alone would lead a small volume back below the last step,
    and whoever measures after it would fill the room with observations.
    """

    paths: Paths
    size_bytes: int

    def owed_bytes(self, directory: Path) -> int:
        """Return how much of the free space on the volume of a directory is to be held back again.

        Raises:
            OSError: the volume does not answer.
        """
        for reserve in reserves(self.paths, self.size_bytes):
            if not reserve.path.exists() and device_of(reserve.path.parent) == device_of(directory):
                return reserve_size(self.size_bytes, measure(directory).total_bytes)
        return 0


def reserves(paths: Paths, size_bytes: int) -> tuple[Reserve, ...]:
    """Return the reserves of an installation: on the state's volume, and on the journals' where that is another."""
    held = [Reserve(paths.reserve, size_bytes)]
    if device_of(paths.journals) != device_of(paths.state):
        held.append(Reserve(paths.journal_reserve, size_bytes))
    return tuple(held)


def device_of(directory: Path) -> int:
    """Return the number of the volume under a directory; a missing one counts as its parent."""
    try:
        return directory.stat().st_dev
    except FileNotFoundError:
        return device_of(directory.parent)
