"""Sealing one archive file: `.jsonl` becomes `.jsonl.zst`, verified and durable before the original goes.

A crash at any point leaves the live file, or the sealed one, or both with the same lines: a live file whose last line
the sealed one holds is a copy and is removed. Lines that came late stand in a live file beside the sealed one; they
are appended to it as a further zstd frame. The writer holds a shared lock on every file it has open; sealing works
under an exclusive one, so the two never meet in one file.
"""

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec
import zstandard

from observer_core.archive.layout import LIVE_SUFFIX, SEALED_SUFFIX
from observer_core.archive.manifest import SealedFile
from observer_core.errors import ObserverError
from observer_core.journal.files import sync_directory

logger = logging.getLogger(__name__)

PARTIAL_SUFFIX = ".new"
SEALED_MODE = 0o640
_LEVEL = 3
_PIECE_BYTES = 1024 * 1024
_COMPRESSED_PIECE_BYTES = 16 * 1024
"""Read at once of a sealed file: all that it becomes is in memory together, some twenty times as much."""


class SealError(ObserverError):
    """A file cannot be sealed now; it stays as it was."""


class _LineKey(msgspec.Struct, frozen=True):
    epoch: int
    seq: int


_key_decoder = msgspec.json.Decoder(_LineKey)


class _Measured:
    """Counts and hashes lines as they pass."""

    def __init__(self) -> None:
        self.rows = 0
        self.size_bytes = 0
        self.first = (0, 0)
        self.last = (0, 0)
        self._hash = hashlib.sha256()

    def take(self, line: bytes) -> None:
        key = key_of(line)
        self.first = key if not self.rows else self.first
        self.last = key
        self.rows += 1
        self.size_bytes += len(line)
        self._hash.update(line)

    def facts(self) -> tuple[int, int, str]:
        return self.rows, self.size_bytes, self._hash.hexdigest()


def sealed_name(live: Path) -> Path:
    """Return where a live file lies once it is sealed."""
    return live.with_name(live.name.removesuffix(LIVE_SUFFIX) + SEALED_SUFFIX)


def key_of(line: bytes) -> tuple[int, int]:
    """Return (epoch, seq) of a whole line.

    Raises:
        SealError: it is none.
    """
    try:
        key = _key_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SealError(f"a line is not whole: {error}") from error
    if not line.endswith(b"\n"):
        raise SealError("the last line is not ended")
    return key.epoch, key.seq


def sealed_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a sealed file, whatever number of frames it has.

    Raises:
        SealError: it is damaged.
    """
    yield from _lines(_decompressed(path))


def examine(path: Path) -> SealedFile:
    """Read a sealed file through and return what it holds.

    Raises:
        SealError: it is damaged.
        OSError: it cannot be read.
    """
    measured = _Measured()
    for line in sealed_lines(path):
        measured.take(line)
    rows, content_bytes, content_sha256 = measured.facts()
    with path.open("rb") as raw:
        sha256 = hashlib.file_digest(raw, "sha256").hexdigest()
    return SealedFile(
        rows=rows,
        content_bytes=content_bytes,
        content_sha256=content_sha256,
        sealed_bytes=path.stat().st_size,
        sha256=sha256,
        first=measured.first,
        last=measured.last,
    )


@contextmanager
def held_for_sealing(live: Path) -> Iterator[BinaryIO | None]:
    """Open a live file under the exclusive lock; None while the writer has it open.

    Raises:
        OSError: it cannot be opened.
    """
    with live.open("rb") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield file


def seal(live: Path, file: BinaryIO, durable: tuple[int, int]) -> SealedFile | None:
    """Bring the lines of a live file into its sealed form, durably; the live file itself is left to the caller.

    Args:
        live: the path.
        file: the same, open and held.
        durable: the last record of its shard that the archive holds for certain.

    Returns:
        What the sealed file holds; None for a live file without lines beside no sealed one.

    Raises:
        SealError: a line is not whole, not durable yet, or the result is not what went in.
        OSError: no space, for example; only a partial file may be left, which the next attempt overwrites.
    """
    sealed = sealed_name(live)
    former = examine(sealed) if sealed.exists() else None
    after = former.last if former is not None and former.rows else (0, 0)
    last = max((key_of(line) for line in _lines(_pieces(file))), default=(0, 0))
    if last > durable:
        raise SealError(f"the archive is durable up to {durable}, the file reaches {last}")
    if last <= after:
        return former
    file.seek(0)
    partial = sealed.with_name(f".{sealed.name}{PARTIAL_SUFFIX}")
    try:
        expected = _compress(file, after, partial, sealed if former is not None else None)
        found = examine(partial)
        if (found.rows, found.content_bytes, found.content_sha256) != expected:
            raise SealError(f"{partial} does not read back as it was written")
        partial.replace(sealed)
    except (OSError, SealError):
        partial.unlink(missing_ok=True)
        raise
    sync_directory(sealed.parent)
    return found


def write_sealed(path: Path, lines: Iterable[bytes]) -> None:
    """Write lines as a sealed file of one frame, durably.

    Raises:
        OSError: the file may be left in part.
    """
    with path.open("wb") as target:
        _write_frame(target, lines)


def remove_live(live: Path) -> None:
    """Remove a live file whose lines are sealed and listed; the caller still holds it."""
    live.unlink()
    sync_directory(live.parent)


def _compress(file: BinaryIO, after: tuple[int, int], partial: Path, former: Path | None) -> tuple[int, int, str]:
    """Write the former sealed file, if any, and a frame of the newer lines; return what must be read back."""
    measured = _Measured()
    with partial.open("wb") as target:
        if former is not None:
            for line in sealed_lines(former):
                measured.take(line)
            with former.open("rb") as source:
                while piece := source.read(_PIECE_BYTES):
                    target.write(piece)
        _write_frame(target, _newer(file, after, measured))
    return measured.facts()


def _newer(file: BinaryIO, after: tuple[int, int], measured: _Measured) -> Iterator[bytes]:
    for line in _lines(_pieces(file)):
        if key_of(line) > after:
            measured.take(line)
            yield line


def _write_frame(target: BinaryIO, lines: Iterable[bytes]) -> None:
    # As the live file: readable for the group, not for everybody.
    os.fchmod(target.fileno(), SEALED_MODE)
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    with compressor.stream_writer(target, closefd=False) as frame:
        for line in lines:
            frame.write(line)
    target.flush()
    os.fsync(target.fileno())


def _pieces(file: BinaryIO, size_bytes: int = _PIECE_BYTES) -> Iterator[bytes]:
    while piece := file.read(size_bytes):
        yield piece


def _decompressed(path: Path) -> Iterator[bytes]:
    """Yield the content of all frames; unlike a stream reader, tell a frame that was cut off from one that ended."""
    decompressor = zstandard.ZstdDecompressor()
    frame = decompressor.decompressobj()
    begun = False
    with path.open("rb") as file:
        for piece in _pieces(file, _COMPRESSED_PIECE_BYTES):
            rest = piece
            while rest:
                try:
                    content = frame.decompress(rest)
                except zstandard.ZstdError as error:
                    raise SealError(f"{path} is damaged: {error}") from error
                rest, begun = frame.unused_data, not frame.eof
                if frame.eof:
                    frame = decompressor.decompressobj()
                if content:
                    yield content
    if begun:
        raise SealError(f"{path} is damaged: it ends within a frame")


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines with their ends; the last one may lack it."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line + b"\n"
    if rest:
        yield rest
