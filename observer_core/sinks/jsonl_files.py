"""One file of the live archive: whole lines in, never a half one left behind, and what a crash did to its end.

Separate from the sink, which decides what goes where; here is everything that touches a file.
"""

import errno
import fcntl
import logging
import os
from pathlib import Path
from typing import NamedTuple

from observer_core.archive.layout import LIVE_SUFFIX, SEALED_SUFFIX
from observer_core.archive.volumes import reserve_size
from observer_core.journal.files import sync_directory
from observer_core.sinks.jsonl_lines import line_key
from observer_core.sinks.port import NOTHING, Offset

logger = logging.getLogger(__name__)

TORN_SUFFIX = ".torn"
_READ_BYTES = 1024 * 1024
_LINE_BYTES_LIMIT = 64 * 1024 * 1024


class Extent(NamedTuple):
    """How far a file reaches, and the last record in it."""

    size_bytes: int
    tail: Offset


EMPTY = Extent(0, NOTHING)


class ArchiveFile:
    """An open file of the archive; raises OSError as the file system does, with the file whole as before.

    It is held by a shared lock as long as it is open: sealing takes an exclusive one before it removes a file.
    """

    def __init__(self, path: Path, extent: Extent | None = None, keep_free_bytes: int = 0) -> None:
        """Open for appending.

        Args:
            path: of the file, which is made when it is missing.
            extent: what the file holds; None = find out, and cut a torn end.
            keep_free_bytes: refuse lines while the volume has less room, as if it were full; 0 = never.
        """
        self.path = path
        self._keep_free_bytes = keep_free_bytes
        self._descriptor = _open_held(path)
        try:
            self.written = recover(path) if extent is None else extent
        except OSError:
            self.close()
            raise
        self.durable = self.written

    @property
    def dirty(self) -> bool:
        """Return whether something was appended since the last sync."""
        return self.written != self.durable

    def append(self, lines: bytes, tail: Offset) -> None:
        """Append whole lines, of which the last holds the record `tail`, or none of them."""
        if self._keep_free_bytes:
            self._spare_the_reserve()
        size_bytes = self.written.size_bytes
        view = memoryview(lines)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            os.ftruncate(self._descriptor, size_bytes)
            raise
        self.written = Extent(size_bytes + len(lines), tail)

    def sync(self) -> None:
        """Make what was appended durable."""
        if self.dirty:
            os.fdatasync(self._descriptor)
            self.durable = self.written

    def close(self) -> None:
        """Close the file; doing so twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _spare_the_reserve(self) -> None:
        facts = os.fstatvfs(self._descriptor)
        kept = reserve_size(self._keep_free_bytes, facts.f_blocks * facts.f_frsize)
        if facts.f_bavail * facts.f_frsize < kept:
            raise OSError(errno.ENOSPC, "the rest of the volume is kept for journals and offsets", str(self.path))


def _open_held(path: Path) -> int:
    """Open a file under a shared lock; one that sealing removed meanwhile is made anew."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def make_directory(directory: Path) -> None:
    """Make a directory and its parents, durably."""
    missing: list[Path] = []
    while not directory.is_dir():
        missing.append(directory)
        directory = directory.parent
    for made in reversed(missing):
        made.mkdir(exist_ok=True)
        sync_directory(made.parent)


def sealed_path(path: Path) -> Path:
    """Return where a live file lies once it is sealed."""
    return path.with_name(path.name.removesuffix(LIVE_SUFFIX) + SEALED_SUFFIX)


def recover(path: Path, known: Extent = EMPTY) -> Extent:
    """Return how far the whole lines of a file reach, having put aside and cut whatever follows them.

    Lines inside `known` were durable once and are not read again; the others are made durable now. Where a sealed
    file stands in the place of the live one, that says which records it holds.
    """
    if known == EMPTY and (sealed := sealed_path(path)).exists():
        known = Extent(0, _tail_of_sealed(sealed))
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return Extent(0, known.tail)
    try:
        size_bytes = os.fstat(descriptor).st_size
        extent = _scan(descriptor, known)
        if extent.size_bytes < size_bytes:
            _put_aside(path, descriptor, extent.size_bytes)
        if extent != known:
            os.fdatasync(descriptor)
        return extent
    finally:
        os.close(descriptor)


def _scan(descriptor: int, known: Extent) -> Extent:
    """Read whole lines from where `known` ends, up to the first that is none."""
    end, tail = known
    rest = b""
    at = end
    while piece := os.pread(descriptor, _READ_BYTES, at):
        at += len(piece)
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            key = line_key(line)
            if key is None:
                return Extent(end, tail)
            end, tail = end + len(line) + 1, key.offset
        if len(rest) > _LINE_BYTES_LIMIT:
            break
    return Extent(end, tail)


def _put_aside(path: Path, descriptor: int, end: int) -> None:
    torn = path.with_name(path.name + TORN_SUFFIX)
    moved = 0
    with torn.open("ab") as target:
        while piece := os.pread(descriptor, _READ_BYTES, end + moved):
            target.write(piece)
            moved += len(piece)
        target.flush()
        os.fsync(target.fileno())
    sync_directory(path.parent)
    os.ftruncate(descriptor, end)
    os.fsync(descriptor)
    logger.warning("torn end of an archive file put aside", extra={"file": str(torn), "bytes": moved})


def _tail_of_sealed(path: Path) -> Offset:
    # Needed only for lines that come late: a writer in normal running never loads the library.
    import zstandard

    tail = NOTHING
    rest = b""
    with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as reader:
        try:
            while piece := reader.read(_READ_BYTES):
                *lines, rest = (rest + piece).split(b"\n")
                if lines and (key := line_key(lines[-1])) is not None:
                    tail = key.offset
        except zstandard.ZstdError as error:
            # Maintenance makes it anew; what the checkpoint covers is not written again whatever this says.
            logger.error("sealed file is damaged", extra={"file": str(path), "error": str(error)})
    return tail
