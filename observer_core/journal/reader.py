"""Reading a shard's journal in bounded pieces, while its owner goes on writing it.

The reader only reads: damaged tails are cut by the owner's repair, never from here.
"""

import os
from pathlib import Path
from typing import NamedTuple

from observer_core.journal.files import list_segments
from observer_core.journal.format import Frame, SegmentHeader, SegmentName, frame_length, scan_frames, unpack_header

CHUNK_BYTES = 1024 * 1024
WALK_BYTES = 128 * 1024
"""Half the time of larger pieces, which leave the processor's cache; every restarted shard walks once."""
HOP_BYTES = 4 * 1024
"""Read at once where only lengths are wanted: a handful of small frames, or the header of a large one."""
_HEADER_READ_BYTES = 4096


class Piece(NamedTuple):
    """Frames read in one go."""

    frames: list[Frame]
    end_offset: int
    """Where the next read begins."""
    at_end: bool
    """True when no further whole, valid frame follows for now."""
    damaged: bool
    """True when what follows can never become a valid frame."""


class SegmentReader:
    """One open segment; raises OSError as the file system does."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._header: SegmentHeader | None = None
        self._first_frame_offset = 0

    def __enter__(self) -> "SegmentReader":
        """Return the reader itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; doing so twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def size_bytes(self) -> int:
        """Return the size of the file now."""
        return os.fstat(self._descriptor).st_size

    def header(self) -> SegmentHeader | None:
        """Return the header, or None while it is not written yet.

        Raises:
            JournalError: the header is damaged.
        """
        if self._header is None:
            found = unpack_header(os.pread(self._descriptor, _HEADER_READ_BYTES, 0))
            if found is not None:
                self._header, self._first_frame_offset = found
        return self._header

    def first_frame_offset(self) -> int:
        """Return where frames begin, the size of the file while its header is not written yet.

        Raises:
            JournalError: the header is damaged.
        """
        return self.size_bytes() if self.header() is None else self._first_frame_offset

    def read_span(self, begin: int, end: int) -> bytes:
        """Return the bytes between two offsets."""
        return os.pread(self._descriptor, end - begin, begin)

    def read(self, offset: int, limit_bytes: int = CHUNK_BYTES) -> Piece:
        """Return the frames from `offset` on (0 = the first), about `limit_bytes` of them but at least one.

        Raises:
            JournalError: the header is damaged.
        """
        if self.header() is None:
            return Piece([], 0, True, False)
        begin = max(offset, self._first_frame_offset)
        wanted = limit_bytes
        while True:
            raw = os.pread(self._descriptor, wanted, begin)
            scan = scan_frames(raw, begin)
            if scan.frames or scan.damaged:
                at_end = scan.damaged or (len(raw) < wanted)
                return Piece(scan.frames, scan.end_offset, at_end, scan.damaged)
            if len(raw) < wanted or scan.wanted_bytes <= len(raw):
                return Piece([], begin, True, False)
            # One frame is longer than the limit.
            wanted = scan.wanted_bytes


class JournalReader:
    """The segments of one shard; keeps the segment open that was read last."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._open: tuple[SegmentName, SegmentReader] | None = None

    def segments(self) -> list[SegmentName]:
        """Return the segments in the order of writing.

        Raises:
            JournalError: the directory cannot be read.
        """
        return list_segments(self.directory)

    def read(self, name: SegmentName, offset: int, limit_bytes: int = CHUNK_BYTES) -> Piece:
        """Return frames of a segment; see `SegmentReader.read`.

        Raises:
            JournalError: the header is damaged.
            OSError: the file is gone or cannot be read.
        """
        return self._reader(name).read(offset, limit_bytes)

    def size_bytes(self, name: SegmentName) -> int:
        """Return the size of a segment now, 0 when it is gone."""
        try:
            if self._open is not None and self._open[0] == name:
                return self._open[1].size_bytes()
            return (self.directory / name.file_name).stat().st_size
        except OSError:
            return 0

    def close(self) -> None:
        """Close the open segment, if any."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def _reader(self, name: SegmentName) -> SegmentReader:
        if self._open is None or self._open[0] != name:
            self.close()
            self._open = (name, SegmentReader(self.directory / name.file_name))
        return self._open[1]


def payload_spans(reader: SegmentReader) -> tuple[list[tuple[int, int]], int, bool]:
    """Walk a whole segment; return (begin, end) of every valid payload, where they end, and whether damage follows.

    Raises:
        JournalError: the header is damaged.
        OSError: the file cannot be read.
    """
    spans: list[tuple[int, int]] = []
    piece = reader.read(0, WALK_BYTES)
    while True:
        spans.extend((frame.end_offset - len(frame.payload), frame.end_offset) for frame in piece.frames)
        if piece.at_end:
            return spans, piece.end_offset, piece.damaged
        piece = reader.read(piece.end_offset, WALK_BYTES)


def unchecked_spans(reader: SegmentReader) -> list[tuple[int, int]]:
    """Follow the lengths through a segment without reading payloads; return (begin, end) of every frame it may have.

    A fortieth of the time of `payload_spans`. Whoever uses one of these frames checks it first.

    Raises:
        JournalError: the header is damaged.
        OSError: the file cannot be read.
    """
    spans: list[tuple[int, int]] = []
    size_bytes = reader.size_bytes()
    offset = reader.first_frame_offset()
    raw, raw_at = b"", offset
    while offset < size_bytes:
        length = frame_length(raw, offset - raw_at)
        if length is None:
            raw, raw_at = reader.read_span(offset, offset + HOP_BYTES), offset
            length = frame_length(raw, 0)
        if length is None or offset + length > size_bytes:
            break
        spans.append((offset, offset + length))
        offset += length
    return spans
