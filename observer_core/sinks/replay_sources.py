"""Where a replay reads from: the shards' journals, the JSONL archive, live and sealed alike, or backup packages.

All give the same thing, portions of batches with the numbers they were first written with. A reader streams: no file
is ever in memory as a whole. What cannot be read is counted and passed over; a replay never stops for it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import zstandard

from observer_core.archive.layout import parse_path
from observer_core.backup.form import BackupError, packages_in
from observer_core.backup.verify import success_digest
from observer_core.clock import kst_day, kst_midnight_ns
from observer_core.errors import JournalError, MalformedMessage
from observer_core.ids import Epoch, Seq, ShardName
from observer_core.journal.files import list_segments
from observer_core.journal.format import SegmentName
from observer_core.journal.reader import SegmentReader
from observer_core.messages import Batch, Book, Quote, Record, Rejection, Track, Trade, decode_batch
from observer_core.sinks.archive_lines import LineDecoder, whole_lines

logger = logging.getLogger(__name__)

PORTION_RECORDS = 5_000
"""About so many records travel in one transaction: a fraction of a second, so that the live writer never waits long."""
_LAST_NS = kst_midnight_ns(20991231)
"""End of a range without an end: days have eight digits."""


class Range(NamedTuple):
    """A stretch of time by receipt, wall clock; the end is exclusive."""

    from_ns: int
    until_ns: int

    def holds(self, at_ns: int) -> bool:
        """Return whether an instant lies in it."""
        return self.from_ns <= at_ns < self.until_ns


class Portion(NamedTuple):
    """Some batches, and how much of the source has been read with them."""

    batches: list[Batch]
    read_bytes: int
    unreadable: int
    """Lines or batches since the last portion that this version cannot read."""


class Source(NamedTuple):
    """What a replay reads."""

    total_bytes: int
    portions: Callable[[], Iterator[Portion]]


def journal_source(journals: Path, wanted: Range) -> Source:
    """Return what the journals of all shards hold for a range; a batch counts by its receipt.

    Raises:
        JournalError: a directory cannot be listed.
    """
    files: list[tuple[Path, SegmentName]] = []
    for directory in sorted(entry for entry in _entries(journals) if entry.is_dir()):
        files += [(directory / name.file_name, name) for name in list_segments(directory)]
    total_bytes = sum(_size(path) for path, _ in files)
    return Source(total_bytes, lambda: _portions(_journal_pieces([path for path, _ in files], wanted)))


def archive_source(archive: Path, wanted: Range, tracks: Sequence[Track] = tuple(Track)) -> Source:
    """Return what the JSONL archive, or some tracks of it, holds for a range.

    Observations count by their own receipt; gaps and other records by the file that they are in, so that a few may
    lie outside the range: they are there already, or belong there.
    """
    files: list[Path] = []
    for track in tracks:
        for path in sorted((archive / track).rglob("*.jsonl*")):
            window = parse_path(path.relative_to(archive).as_posix())
            if window is not None and window.begins_ns < wanted.until_ns and wanted.from_ns < window.ends_ns:
                files.append(path)
    return Source(sum(_size(path) for path in files), lambda: _portions(_archive_pieces(files, wanted)))


def backup_source(store: Path, wanted: Range) -> Source:
    """Return what the finished backup packages of a directory hold for a range.

    Raises:
        BackupError: a day of the range has a package that was never finished, or there is none at all.
    """
    first, last = kst_day(wanted.from_ns), kst_day(min(wanted.until_ns, _LAST_NS) - 1)
    days = [day for day in packages_in(store) if first <= day <= last]
    unfinished = [str(day) for day in days if not success_digest(store / str(day))]
    if unfinished or not days:
        what = (
            f"without SUCCESS marker: {', '.join(unfinished)}" if unfinished else f"no package from {first} to {last}"
        )
        raise BackupError(f"{store}: {what}; see `observerctl backup verify --store {store}`")
    parts = [archive_source(store / str(day) / "data", wanted) for day in days]
    return Source(sum(part.total_bytes for part in parts), lambda: _chained(parts))


def _chained(parts: list[Source]) -> Iterator[Portion]:
    before_bytes = 0
    for part in parts:
        for portion in part.portions():
            yield portion._replace(read_bytes=before_bytes + portion.read_bytes)
        before_bytes += part.total_bytes


class _Piece(NamedTuple):
    batches: list[Batch]
    read_bytes: int
    """In this piece."""
    unreadable: int


def _portions(pieces: Iterable[_Piece]) -> Iterator[Portion]:
    batches: list[Batch] = []
    records = read_bytes = unreadable = 0
    for piece in pieces:
        batches += piece.batches
        records += sum(len(batch.records) for batch in piece.batches)
        read_bytes += piece.read_bytes
        unreadable += piece.unreadable
        if records >= PORTION_RECORDS:
            yield Portion(batches, read_bytes, unreadable)
            batches, records, unreadable = [], 0, 0
    yield Portion(batches, read_bytes, unreadable)


def _journal_pieces(paths: Iterable[Path], wanted: Range) -> Iterator[_Piece]:
    for path in paths:
        try:
            with SegmentReader(path) as reader:
                yield from _segment_pieces(reader, wanted)
        except (OSError, JournalError) as error:
            # Retention may have taken it meanwhile; a damaged header hides one segment, not the rest.
            logger.warning("journal segment passed over", extra={"segment": path.name, "error": str(error)})
            yield _Piece([], 0, 1)


def _segment_pieces(reader: SegmentReader, wanted: Range) -> Iterator[_Piece]:
    offset, at_end = 0, False
    while not at_end:
        piece = reader.read(offset)
        batches: list[Batch] = []
        unreadable = int(piece.damaged)
        for frame in piece.frames:
            try:
                batch = decode_batch(frame.payload)
            except MalformedMessage:
                unreadable += 1
                continue
            if wanted.holds(batch.received_ns):
                batches.append(batch)
        yield _Piece(batches, piece.end_offset - offset, unreadable)
        offset, at_end = piece.end_offset, piece.at_end


class _Lines:
    """Turns archive lines back into batches: a run of consecutive numbers of one shard and session is one."""

    def __init__(self, wanted: Range) -> None:
        self._wanted = wanted
        self._decoder = LineDecoder()
        self._head: tuple[Any, ...] = ()
        self._first_seq = 0
        self._records: list[Record] = []
        self._received_ns = 0
        self.unreadable = 0

    def take(self, line: bytes, fallback_ns: int) -> Batch | None:
        """Add a line; return the batch that it ends, if any.

        Args:
            line: one line of the archive.
            fallback_ns: receipt of records that carry none: the beginning of their file's window.
        """
        archived = self._decoder.decode(line)
        if archived is None:
            self.unreadable += 1
            return None
        shard, epoch, seq, *head, record = archived
        received_ns = record.received_ns if isinstance(record, Trade | Quote | Book | Rejection) else fallback_ns
        if not self._wanted.holds(received_ns) and isinstance(record, Trade | Quote | Book):
            return None
        key = (shard, epoch, *head)
        ended = None
        if key != self._head or seq != self._first_seq + len(self._records) or len(self._records) >= PORTION_RECORDS:
            ended = self.flush()
            self._head, self._first_seq = key, seq
        self._records.append(record)
        self._received_ns = received_ns
        return ended

    def flush(self) -> Batch | None:
        """Return the batch of the lines so far, None when there are none."""
        if not self._records:
            return None
        shard, epoch, session_id, source, schema_version = self._head
        records, self._records = tuple(self._records), []
        return Batch(
            shard=ShardName(shard),
            epoch=Epoch(epoch),
            first_seq=Seq(self._first_seq),
            received_ns=self._received_ns,
            source=source,
            session_id=session_id,
            records=records,
            schema_version=schema_version,
        )


_LINES_A_PIECE = 1_000


def _archive_pieces(paths: Iterable[Path], wanted: Range) -> Iterator[_Piece]:
    for path in paths:
        try:
            with path.open("rb") as raw:
                yield from _file_pieces(path, raw, wanted)
        except (OSError, zstandard.ZstdError) as error:
            # Sealing may have moved it meanwhile: its sealed form is read by the next replay.
            logger.warning("archive file passed over", extra={"file": path.name, "error": str(error)})
            yield _Piece([], 0, 1)


def _file_pieces(path: Path, raw: IO[bytes], wanted: Range) -> Iterator[_Piece]:
    lines = _Lines(wanted)
    batches: list[Batch] = []
    done_bytes = 0
    for number, line in enumerate(whole_lines(path, raw), start=1):
        batch = lines.take(line, wanted.from_ns)
        if batch is not None:
            batches.append(batch)
        if number % _LINES_A_PIECE == 0:
            at_bytes = raw.tell()
            yield _Piece(batches, at_bytes - done_bytes, lines.unreadable)
            batches, done_bytes, lines.unreadable = [], at_bytes, 0
    last = lines.flush()
    yield _Piece([*batches, *([] if last is None else [last])], raw.tell() - done_bytes, lines.unreadable)


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except FileNotFoundError:
        return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
