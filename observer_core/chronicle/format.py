"""The bytes of a chronicle file. Pure: no files here.

A file is a row of sections. A section is a mark (a skippable zstd frame, so that `zstdcat` passes over it) with the
format's version and the time of its first record, then one zstd frame of records. A record is its length and CRC-32,
then MessagePack: the first of a section is a whole `SystemView`, the others are `Delta`s. The frame is flushed
every few seconds: whatever prefix of it reached the disk is readable. What follows a torn section begins with a mark.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

import zstandard

from observer_core.errors import ChronicleError
from observer_core.messages import encode
from observer_core.view import Delta, SystemView

VERSION: Final = 1

_MARK = struct.Struct("<II8sHq")
"""Magic and length of a skippable frame; then our name, the version, and the time of the first record."""
_SKIPPABLE: Final = 0x184D2A5C
_NAME: Final = b"OBSVIEWS"
_SIGN: Final = struct.pack("<II8s", _SKIPPABLE, _MARK.size - 8, _NAME)
_RECORD = struct.Struct("<II")
_PIECE_BYTES: Final = 4096
"""So much is decompressed at a time."""
_RECORD_LIMIT: Final = 16 * 1024 * 1024

# A window of 128 KiB holds many deltas; hub memory is scarce, and the default compressor takes 1.3 MB.
_PARAMETERS: Final = zstandard.ZstdCompressionParameters.from_level(
    3, window_log=17, hash_log=14, chain_log=14, write_checksum=1
)


class Mark(NamedTuple):
    """Where a section begins in its file."""

    offset: int
    at_ns: int


class SectionEncoder:
    """Makes the bytes of one section."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(compression_params=_PARAMETERS)
        self._frame = self._compressor.compressobj()

    def begin(self, view: SystemView) -> bytes:
        """Return the mark and the first bytes of a section that begins with this view."""
        self._frame = self._compressor.compressobj()
        mark = _MARK.pack(_SKIPPABLE, _MARK.size - 8, _NAME, VERSION, view.as_of_ns)
        return mark + self._frame.compress(_record(view))

    def add(self, delta: Delta) -> bytes:
        """Return the bytes of the next record, as far as they are compressed yet."""
        return self._frame.compress(_record(delta))

    def flush(self) -> bytes:
        """Return what is left, so that everything told so far can be read."""
        return self._frame.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def end(self) -> bytes:
        """Return the end of the section."""
        return self._frame.flush()


def _record(record: SystemView | Delta) -> bytes:
    raw = encode(record)
    return _RECORD.pack(len(raw), zlib.crc32(raw)) + raw


def marks_of(data: bytes) -> list[Mark]:
    """Return where the sections begin, in order.

    Raises:
        ChronicleError: these are no bytes of a chronicle, or they are of a later format.
    """
    if data and not data.startswith(_SIGN[: len(data)]):
        raise ChronicleError("it is no recording of Observer's view")
    found: list[Mark] = []
    offset = data.find(_SIGN)
    while offset >= 0 and offset + _MARK.size <= len(data):
        version, at_ns = _MARK.unpack_from(data, offset)[3:]
        if version > VERSION:
            raise ChronicleError(
                f"it has format {version} and this console reads up to {VERSION}: use the console of the release that "
                "recorded it"
            )
        found.append(Mark(offset, at_ns))
        offset = data.find(_SIGN, offset + _MARK.size)
    return found


def records_of(section: bytes) -> Iterator[bytes]:
    """Go through the records of a section, its mark included; ends before the first that is torn or damaged."""
    buffer = bytearray()
    for plain in _plain(section[_MARK.size :]):
        buffer += plain
        begin = 0
        while len(buffer) - begin >= _RECORD.size:
            length, checksum = _RECORD.unpack_from(buffer, begin)
            end = begin + _RECORD.size + length
            if length > _RECORD_LIMIT:
                return
            if end > len(buffer):
                break
            raw = bytes(buffer[begin + _RECORD.size : end])
            if zlib.crc32(raw) != checksum:
                return
            yield raw
            begin = end
        del buffer[:begin]


def _plain(frame: bytes) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    for begin in range(0, len(frame), _PIECE_BYTES):
        try:
            plain = decompressor.decompress(frame[begin : begin + _PIECE_BYTES])
        except zstandard.ZstdError:
            yield from _up_to_the_damage(frame, begin)
            return
        yield plain
        if decompressor.eof:
            return


def _up_to_the_damage(frame: bytes, begin: int) -> Iterator[bytes]:
    """Decompress byte by byte where a piece was refused: with the error its good part is lost, too."""
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    decompressor.decompress(frame[:begin])
    for place in range(begin, len(frame)):
        try:
            yield decompressor.decompress(frame[place : place + 1])
        except zstandard.ZstdError:
            return
