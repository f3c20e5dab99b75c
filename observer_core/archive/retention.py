"""Which journal segments are no longer needed: every registered sink is durably past them and their day is sealed.

The decision is pure; what a segment's last record is has to be read from it, once.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from observer_core.errors import JournalError, MalformedMessage
from observer_core.ids import DayNumber
from observer_core.journal.format import SegmentName
from observer_core.journal.reader import SegmentReader, payload_spans
from observer_core.messages import decode_batch

Key = tuple[int, int]
"""(epoch, seq)."""


def removable_segments(
    segments: Sequence[SegmentName],
    last_record: Callable[[SegmentName], Key | None],
    durable: Sequence[Key],
    sealed_days: Collection[DayNumber],
) -> list[SegmentName]:
    """Return the oldest segments that may go; never the newest, and never one behind another that stays.

    Args:
        segments: of one shard, in the order of writing.
        last_record: gives a segment's last record, None when that cannot be told.
        durable: the last durable record of this shard in every registered sink; empty = nothing is removable.
        sealed_days: days whose archive files are all sealed.
    """
    found: list[SegmentName] = []
    if not durable:
        return found
    held = min(durable)
    for name in segments[:-1]:
        if name.day not in sealed_days:
            break
        last = last_record(name)
        if last is None or last > held:
            break
        found.append(name)
    return found


def read_last_record(directory: Path, name: SegmentName) -> Key | None:
    """Return a segment's last record, (0, 0) when it holds none; None when it cannot be told."""
    try:
        with SegmentReader(directory / name.file_name) as reader:
            for begin, end in reversed(payload_spans(reader)[0]):
                batch = decode_batch(reader.read_span(begin, end))
                return batch.epoch, batch.last_seq
    except (OSError, JournalError, MalformedMessage):
        return None
    return 0, 0
