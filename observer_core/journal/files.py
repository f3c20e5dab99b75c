"""The journal directory of a shard: which segments it has, and directory entries made durable.

Separate from the format, which knows no files, and shared by writer, reader and repair.
"""

import errno
import os
from pathlib import Path

from observer_core.errors import JournalError
from observer_core.journal.format import SegmentName, parse_segment_name


def list_segments(directory: Path) -> list[SegmentName]:
    """Return the segments in the order of writing; a directory that does not exist has none.

    Raises:
        JournalError: the directory cannot be read.
    """
    try:
        found = [parse_segment_name(entry) for entry in os.listdir(directory)]  # noqa: PTH208 - names only, no Path each
    except FileNotFoundError:
        return []
    except OSError as error:
        raise JournalError(f"{directory} cannot be listed: {error}") from error
    return sorted(name for name in found if name is not None)


def sync_directory(directory: Path) -> None:
    """Make created, renamed and removed entries of a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_unsynced(path: Path, content: bytes) -> None:
    """Replace a small file as a whole, making its directory; for what is written again soon and may be lost.

    Raises:
        OSError: the old file is unharmed.
    """
    temporary = path.with_name(f".{path.name}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_bytes(content)
    temporary.replace(path)


def replace_durably(path: Path, content: bytes) -> None:
    """Replace a small file as a whole and make it durable; a crash leaves the old or the new one.

    Raises:
        OSError: the old file is unharmed.
    """
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    try:
        written = os.write(descriptor, content)
        if written != len(content):
            raise OSError(errno.ENOSPC, "no space left for the whole file", str(temporary))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    sync_directory(path.parent)
