"""The low-water mark of a journal: before it segments may be missing, from it on a missing one is a loss.

Made durable before a segment is removed, so that no crash makes a removed segment look like a lost one.
"""

from pathlib import Path

from observer_core.journal.files import replace_durably, sync_directory
from observer_core.journal.format import SegmentName

LOW_WATER_FILE = "low_water"
NO_MARK = (0, 0)


def read_low_water(directory: Path) -> tuple[int, int]:
    """Return (epoch, ordinal) of the first segment that must be there; a mark that is missing or damaged is none."""
    try:
        epoch, ordinal = (int(part) for part in (directory / LOW_WATER_FILE).read_bytes().split())
    except (OSError, ValueError):
        return NO_MARK
    return epoch, ordinal


def remove_segments(directory: Path, removable: list[SegmentName]) -> int:
    """Move the mark behind the segments, durably, then remove them; return the bytes that came free.

    Args:
        directory: the shard's journal.
        removable: the oldest segments, without a hole.

    Raises:
        OSError: the mark could not be made durable: nothing was removed; or a segment could not be removed.
    """
    if not removable:
        return 0
    last = removable[-1]
    replace_durably(directory / LOW_WATER_FILE, b"%d %d\n" % (last.epoch, last.ordinal + 1))
    freed_bytes = 0
    for name in removable:
        path = directory / name.file_name
        freed_bytes += path.stat().st_size
        path.unlink()
    sync_directory(directory)
    return freed_bytes
