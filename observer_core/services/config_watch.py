"""Tells a loop that something changed in the configuration directory.

The directory is watched, never a file: editors write another file and rename it, orchestrators swap a symbolic link.
It is only a hint to look sooner: the owner also looks by itself every second, which covers mounts that report nothing.
"""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

from watchfiles import awatch

logger = logging.getLogger(__name__)

DEBOUNCE_MS = 200
"""Several writes of one save count as one change."""

_RETRY_S = 5.0


_MOUNTS = Path("/proc/self/mountinfo")
_MOUNT_POINT_FIELD = 4


def is_mounted_file(path: Path, mounts: Path = _MOUNTS) -> bool:
    """Return whether a file is a mount point of its own: then what is renamed over it outside is never seen inside."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    points = {fields[_MOUNT_POINT_FIELD] for line in lines if len(fields := line.split()) > _MOUNT_POINT_FIELD}
    # The kernel writes blanks and the like as octal escapes.
    escaped = "".join(f"\\{ord(letter):03o}" if letter in " \t\n\\" else letter for letter in str(path.absolute()))
    return escaped in points


class DirectoryWatch:
    """Sets `changed` after every change in a directory; survives that the directory is missing or replaced."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.changed = asyncio.Event()

    async def run(self, stopping: asyncio.Event) -> None:
        """Watch until stopped."""
        while not stopping.is_set():
            if self._directory.is_dir():
                await self._watch(stopping)
            with suppress(TimeoutError):
                async with asyncio.timeout(_RETRY_S):
                    await stopping.wait()

    async def _watch(self, stopping: asyncio.Event) -> None:
        changes = awatch(
            self._directory,
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            stop_event=stopping,
            recursive=False,
            ignore_permission_denied=True,
        )
        try:
            async for _ in changes:
                self.changed.set()
        except (OSError, RuntimeError) as error:
            # The directory went away, or there are no more watches to be had: looking every second goes on.
            logger.info("directory not watched", extra={"directory": str(self._directory), "error": str(error)})
