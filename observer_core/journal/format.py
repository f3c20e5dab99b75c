"""The bytes of a journal segment: names, header, frames, and the scan that stops at the first bad frame.

Pure: no file is opened here, so that every cut and every flipped byte can be tested without a disk. Readers of
version N accept version N-1; a field may be appended to the header, never removed.

    segment = magic (8) | body length u32 | crc32 of the body u32 | body: msgpack of `SegmentHeader`
    frame   = payload length u32 | crc32 u32 | seq u64 | payload          all big-endian

The frame's checksum covers length, seq and payload: zeros on the disk are not a valid empty frame.
"""

import re
import struct
from typing import NamedTuple
from zlib import crc32

import msgspec

from observer_core.errors import JournalError
from observer_core.ids import DayNumber, Epoch, Seq, ShardName

MAGIC = b"OBSJRNL\x01"
FORMAT_VERSION = 1
FRAME_HEADER_BYTES = 16
PAYLOAD_BYTES_LIMIT = 64 * 1024 * 1024
"""A larger length is damage, not data: batches are some ten kilobytes."""
HEADER_BODY_BYTES_LIMIT = 64 * 1024

_PREAMBLE = struct.Struct("!8sII")
_FRAME = struct.Struct("!IIQ")
_CHECKED = struct.Struct("!IQ")
_POSITION = struct.Struct("!IIQ")
_FILE_NAME = re.compile(r"(\d{8})-(\d{6})-(\d{8})\.seg")


class SegmentName(NamedTuple):
    """Identity of a segment; sorts in the order of writing, as the file names do."""

    epoch: Epoch
    ordinal: int
    """0 for the first segment of the epoch."""
    day: DayNumber

    @property
    def file_name(self) -> str:
        """Return the name of its file."""
        return f"{self.epoch:08d}-{self.ordinal:06d}-{self.day:08d}.seg"


def parse_segment_name(file_name: str) -> SegmentName | None:
    """Return the identity behind a file name, or None when it names no segment."""
    match = _FILE_NAME.fullmatch(file_name)
    if match is None:
        return None
    epoch, ordinal, day = (int(part) for part in match.groups())
    return SegmentName(Epoch(epoch), ordinal, DayNumber(day))


class Position(NamedTuple):
    """A place in a shard's journal: right after a frame."""

    epoch: Epoch
    ordinal: int
    end_offset: int
    """Bytes from the beginning of the segment."""

    def pack(self) -> bytes:
        """Return the 16 bytes that travel with a published batch."""
        return _POSITION.pack(self.epoch, self.ordinal, self.end_offset)


def unpack_position(raw: bytes) -> Position:
    """Read a packed position.

    Raises:
        JournalError: it is not 16 bytes long.
    """
    if len(raw) != _POSITION.size:
        raise JournalError(f"a position has {_POSITION.size} bytes, not {len(raw)}")
    epoch, ordinal, end_offset = _POSITION.unpack(raw)
    return Position(Epoch(epoch), ordinal, end_offset)


class SegmentHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at the beginning of a segment."""

    version: int = FORMAT_VERSION
    shard: ShardName
    epoch: Epoch
    ordinal: int
    day: DayNumber
    wall_ns: int
    monotonic_ns: int
    build: str = ""


class Frame(NamedTuple):
    """One batch in a segment."""

    seq: Seq
    """Sequence number of the batch's first record."""
    payload: bytes
    end_offset: int


_header_encoder = msgspec.msgpack.Encoder()
_header_decoder = msgspec.msgpack.Decoder(SegmentHeader)


def pack_header(header: SegmentHeader) -> bytes:
    """Return the first bytes of a segment."""
    body = _header_encoder.encode(header)
    return _PREAMBLE.pack(MAGIC, len(body), crc32(body)) + body


def unpack_header(raw: bytes | memoryview) -> tuple[SegmentHeader, int] | None:
    """Return the header and the offset of the first frame, or None when the bytes end inside it.

    Raises:
        JournalError: these bytes are not a header, whatever follows.
    """
    if len(raw) < _PREAMBLE.size:
        return None
    magic, length, checksum = _PREAMBLE.unpack_from(raw)
    if magic != MAGIC or length > HEADER_BODY_BYTES_LIMIT:
        raise JournalError("the file does not begin as a journal segment")
    end = _PREAMBLE.size + length
    if len(raw) < end:
        return None
    body = bytes(raw[_PREAMBLE.size : end])
    if crc32(body) != checksum:
        raise JournalError("the header of the segment is damaged")
    try:
        return _header_decoder.decode(body), end
    except msgspec.DecodeError as error:
        raise JournalError(f"the header of the segment is not readable: {error}") from error


def frame_header(payload: bytes, seq: int) -> bytes:
    """Return the 16 bytes that go before a payload."""
    length = len(payload)
    return _FRAME.pack(length, crc32(payload, crc32(_CHECKED.pack(length, seq))), seq)


def frame_length(raw: bytes, at: int) -> int | None:
    """Return the length of the whole frame whose header stands at `at`, unchecked; None when there is no header."""
    if len(raw) - at < FRAME_HEADER_BYTES:
        return None
    (length, _, _) = _FRAME.unpack_from(raw, at)
    return FRAME_HEADER_BYTES + int(length) if 0 < length <= PAYLOAD_BYTES_LIMIT else None


class Scan(NamedTuple):
    """What a run of bytes holds, up to the first place that is no whole, valid frame."""

    frames: list[Frame]
    end_offset: int
    """Where the valid frames end, in the segment."""
    damaged: bool
    """True: what follows can never become a valid frame. False: it may be a frame still being written, or nothing."""
    wanted_bytes: int
    """How many bytes from `end_offset` the next frame needs; at least a frame header."""


def scan_frames(raw: bytes | memoryview, start_offset: int) -> Scan:
    """Read frames from bytes that begin at `start_offset` of a segment, up to the first that is bad or cut off."""
    view = memoryview(raw)
    size = len(view)
    frames: list[Frame] = []
    at = 0
    while size - at >= FRAME_HEADER_BYTES:
        length, checksum, seq = _FRAME.unpack_from(view, at)
        if not 0 < length <= PAYLOAD_BYTES_LIMIT:
            return Scan(frames, start_offset + at, True, FRAME_HEADER_BYTES)
        begin, end = at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + length
        if end > size:
            return Scan(frames, start_offset + at, False, end - at)
        payload = bytes(view[begin:end])
        if crc32(payload, crc32(_CHECKED.pack(length, seq))) != checksum:
            return Scan(frames, start_offset + at, True, end - at)
        frames.append(Frame(Seq(seq), payload, start_offset + end))
        at = end
    return Scan(frames, start_offset + at, False, FRAME_HEADER_BYTES)
