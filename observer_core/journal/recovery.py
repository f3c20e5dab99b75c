"""What a dead process left behind: bad tails put aside and cut, and the last observation before the restart.

Runs in the shard's own process, in a thread, after collection has begun again: a new process never appends to an
old segment, so nothing waits for this. Nothing here ever prevents a start; what cannot be read is reported.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from observer_core.errors import JournalError, MalformedMessage
from observer_core.ids import Epoch, Seq
from observer_core.journal.files import list_segments, replace_durably, sync_directory
from observer_core.journal.format import SegmentName, scan_frames
from observer_core.journal.reader import SegmentReader, payload_spans, unchecked_spans
from observer_core.messages import Batch, Book, Quote, Record, Trade, decode_batch

logger = logging.getLogger(__name__)

EXAMINED_FILE = "examined"
TORN_SUFFIX = ".torn"
_COPY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TailReport:
    """How the last segment of an earlier epoch ended."""

    epoch: Epoch
    segment: str
    last_seq: Seq
    """Last record of the last valid batch, 0 = the segment holds none."""
    last_batch: Batch | None
    torn_bytes: int
    """Bytes after the last valid batch, now in `torn_file`."""
    torn_file: str = ""
    problem: str = ""
    """Why the segment could not be examined or repaired, "" when it could."""

    @property
    def clean(self) -> bool:
        """Return whether the segment ended with a whole batch and could be read."""
        return not self.torn_bytes and not self.problem


@dataclass(frozen=True, slots=True)
class Buried:
    """Whole batches behind a damaged one: no reader gets to them, so what was observed then counts as missing."""

    segment: SegmentName
    from_ns: int
    until_ns: int
    symbols: tuple[str, ...]
    """Of all batches that can be read."""


def find_buried(directory: Path, own_epoch: Epoch) -> list[Buried]:
    """Return what `examine_tails` is going to cut although it is more than an unfinished batch.

    Raises:
        JournalError: the directory cannot be listed.
    """
    found: list[Buried] = []
    for name in _unexamined(directory, own_epoch):
        try:
            with SegmentReader(directory / name.file_name) as reader:
                spans, end_offset, _ = payload_spans(reader)
                buried = _buried(reader, name, spans, end_offset)
        except (OSError, JournalError) as error:
            logger.warning("journal segment passed over", extra={"segment": name.file_name, "error": str(error)})
            continue
        if buried is not None:
            found.append(buried)
    return found


def examine_tails(directory: Path, own_epoch: Epoch) -> tuple[TailReport, ...]:
    """Examine the last segment of every earlier epoch not examined before, oldest first.

    A bad tail is copied to `<segment>.torn`, then cut off.

    Raises:
        JournalError: the directory cannot be listed.
    """
    reports = tuple(_examine(directory, name) for name in _unexamined(directory, own_epoch))
    try:
        # Epochs with a problem are examined again by the next process: the problem may pass.
        troubled = min((report.epoch for report in reports if report.problem), default=own_epoch)
        replace_durably(directory / EXAMINED_FILE, b"%d\n" % (troubled - 1))
    except OSError as error:
        logger.warning("journal examination not recorded", extra={"directory": str(directory), "error": str(error)})
    return reports


def batches_backwards(
    directory: Path, before_epoch: Epoch, *, segments: int | None = None, kind: type[Record] | None = None
) -> Iterator[Batch]:
    """Yield the batches of the earlier epochs, the newest first.

    Only the batches that are asked for are read and checked, because a restarted shard waits for this. A batch behind
    damage in the middle of a segment is found too; `examine_tails` says what that damage took. Segments that cannot be
    read are passed over.

    Args:
        directory: the journal of one shard.
        before_epoch: the first that does not count.
        segments: how many of the newest are read, None = all.
        kind: only segments with such a record count; None = every one does.

    Raises:
        JournalError: the directory cannot be listed.
    """
    names = [name for name in list_segments(directory) if name.epoch < before_epoch]
    counted = 0
    for name in reversed(names):
        if counted == segments:
            return
        counts = kind is None
        try:
            with SegmentReader(directory / name.file_name) as reader:
                for span in reversed(unchecked_spans(reader)):
                    batch = _checked_batch(reader, span)
                    if batch is not None:
                        counts = counts or any(type(record) is kind for record in batch.records)
                        yield batch
        except (OSError, JournalError) as error:
            logger.warning("journal segment passed over", extra={"segment": name.file_name, "error": str(error)})
        counted += counts


def find_last_observation(directory: Path, before_epoch: Epoch) -> Batch | None:
    """Return the newest batch of the earlier epochs that holds a trade, quote or book; None when there is none.

    Raises:
        JournalError: the directory cannot be listed.
    """
    return next((batch for batch in batches_backwards(directory, before_epoch) if _observed(batch)), None)


def _unexamined(directory: Path, own_epoch: Epoch) -> Iterable[SegmentName]:
    """Return the last segment of every earlier epoch not examined before, oldest first."""
    examined = read_examined(directory)
    return {name.epoch: name for name in list_segments(directory) if examined < name.epoch < own_epoch}.values()


def _examine(directory: Path, name: SegmentName) -> TailReport:
    path = directory / name.file_name
    batch: Batch | None = None
    torn_bytes = 0
    torn_file = ""
    problem = ""
    try:
        with SegmentReader(path) as reader:
            try:
                spans, end_offset, _ = payload_spans(reader)
                batch = _last_batch(reader, spans)
            except JournalError:
                # Not even the header is whole: all of it is tail.
                end_offset = 0
            torn_bytes = reader.size_bytes() - end_offset
        if torn_bytes:
            torn_file = _put_aside(path, end_offset).name
    except OSError as error:
        problem = str(error)
    return TailReport(
        epoch=name.epoch,
        segment=name.file_name,
        last_seq=batch.last_seq if batch is not None else Seq(0),
        last_batch=batch,
        torn_bytes=torn_bytes,
        torn_file=torn_file,
        problem=problem,
    )


def _last_batch(reader: SegmentReader, spans: Sequence[tuple[int, int]]) -> Batch | None:
    for begin, end in reversed(spans):
        with suppress(MalformedMessage):
            # Otherwise valid bytes of a version that this one does not know.
            return decode_batch(reader.read_span(begin, end))
    return None


def _checked_batch(reader: SegmentReader, span: tuple[int, int]) -> Batch | None:
    """Return the batch of a frame whose place was only guessed, None when it is damaged or unknown."""
    frames = scan_frames(reader.read_span(*span), span[0]).frames
    if not frames:
        return None
    try:
        return decode_batch(frames[0].payload)
    except MalformedMessage:
        return None


def _observed(batch: Batch) -> set[str]:
    return {record.symbol for record in batch.records if isinstance(record, Trade | Quote | Book)}


def _buried(
    reader: SegmentReader, name: SegmentName, valid: Sequence[tuple[int, int]], end_offset: int
) -> Buried | None:
    """Look behind the last valid frame for whole ones."""
    header = reader.header()
    behind = [span for span in unchecked_spans(reader) if span[0] > end_offset]
    batches = [batch for span in behind if (batch := _checked_batch(reader, span)) is not None]
    if not batches or header is None:
        return None
    from_ns, symbols = header.wall_ns, set[str]()
    for begin, end in valid:
        with suppress(MalformedMessage):
            batch = decode_batch(reader.read_span(begin, end))
            from_ns = batch.received_ns
            symbols |= _observed(batch)
    symbols = symbols.union(*map(_observed, batches))
    return Buried(name, from_ns, max(batch.received_ns for batch in batches), tuple(sorted(symbols)))


def _put_aside(path: Path, end_offset: int) -> Path:
    """Copy what follows `end_offset` to a file of its own, make that durable, then cut it off."""
    torn = path.with_name(path.name + TORN_SUFFIX)
    number = 1
    while torn.exists():
        torn = path.with_name(f"{path.name}{TORN_SUFFIX}.{number}")
        number += 1
    source = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            _copy_from(source, end_offset, torn)
        except OSError:
            torn.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
        os.ftruncate(source, end_offset)
        os.fsync(source)
    finally:
        os.close(source)
    return torn


def _copy_from(source: int, offset: int, target_path: Path) -> None:
    with target_path.open("xb") as target:
        while piece := os.pread(source, _COPY_BYTES, offset):
            target.write(piece)
            offset += len(piece)
        target.flush()
        os.fsync(target.fileno())


def read_examined(directory: Path) -> int:
    """Return the last epoch whose tail was examined, 0 = none."""
    try:
        return int((directory / EXAMINED_FILE).read_bytes())
    except (OSError, ValueError):
        return 0
