"""The dead-letter file of a sink: rows it could not take, with the reason, until an operator repairs or drops them.

Separate from the sinks because these rows leave the exactly-once path: a letter is synced before the offset passes
its row, so a crash in between repeats the letter (same shard, epoch and seq) and never loses it.
"""

import base64
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from observer_core.clock import kst_day
from observer_core.errors import MalformedMessage
from observer_core.ids import SinkName
from observer_core.messages import Batch, Record, decode_batch, encode

_READ_BYTES = 64 * 1024


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One refused row."""

    at_ns: int
    sink: str
    reason: str
    code: str
    """SQLSTATE or the class of the client's error."""
    shard: str
    epoch: int
    seq: int
    kind: str
    symbol: str | None
    text: str
    """The record in readable form; for eyes only."""
    batch: str
    """A batch of this one record as journalled, base64: what a retry decodes."""

    def decode(self) -> Batch:
        """Return the row as a batch of one record.

        Raises:
            MalformedMessage: the letter was damaged.
        """
        return decode_batch(base64.b64decode(self.batch))


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(DeadLetter)


def letter_for(single: Batch, *, sink: SinkName, at_ns: int, code: str, reason: str) -> DeadLetter:
    """Describe the only record of a batch as refused."""
    record = single.records[0]
    return DeadLetter(
        at_ns=at_ns,
        sink=sink,
        reason=reason,
        code=code,
        shard=single.shard,
        epoch=single.epoch,
        seq=single.first_seq,
        kind=type(record).__name__.lower(),
        symbol=getattr(record, "symbol", None),
        text=_readable(record),
        batch=base64.b64encode(encode(single)).decode("ascii"),
    )


def _readable(record: Record) -> str:
    return _encoder.encode(msgspec.structs.asdict(record)).decode()


class DeadLetterFile:
    """Appends letters to `<directory>/<sink>-YYYYMMDD.jsonl`."""

    def __init__(self, directory: Path, sink: SinkName) -> None:
        self._directory = directory
        self._sink = sink

    def path(self, at_ns: int) -> Path:
        """Return the file of the Korean day of an instant."""
        return self._directory / f"{self._sink}-{kst_day(at_ns)}.jsonl"

    def append(self, letters: Sequence[DeadLetter], at_ns: int) -> None:
        """Write letters and sync them to the disk.

        Raises:
            OSError: they are not safe; the rows must not be passed over.
        """
        if not letters:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self.path(at_ns)
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            _cut_torn_line(descriptor)
            _append_whole(descriptor, memoryview(_encoder.encode_lines(letters)))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            _sync_directory(self._directory)


def _cut_torn_line(descriptor: int) -> None:
    """Cut off what a crash left of a letter, which is given again: the next one would become part of that line."""
    end = size_bytes = os.fstat(descriptor).st_size
    while end:
        begin = max(0, end - _READ_BYTES)
        newline = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if newline >= 0:
            end = begin + newline + 1
            break
        end = begin
    if end < size_bytes:
        os.ftruncate(descriptor, end)


def _append_whole(descriptor: int, lines: memoryview) -> None:
    size_bytes = os.fstat(descriptor).st_size
    try:
        while lines:
            lines = lines[os.write(descriptor, lines) :]
    except OSError:
        os.ftruncate(descriptor, size_bytes)
        raise


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_letters(path: Path) -> Iterator[DeadLetter]:
    """Yield the letters of a file; a torn last line, left by a crash, is passed over.

    Raises:
        MalformedMessage: a complete line is no letter.
    """
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            try:
                yield _decoder.decode(line)
            except msgspec.DecodeError as error:
                raise MalformedMessage(line, f"{path.name}: {error}") from error
