"""Segments that are gone although they must be there: found at the next start, so that a gap record covers them.

A missing segment before the low-water mark is normal. A number that was used up on a full disk without a segment is
told from a loss by the records' numbers, which go on without a break.
"""

import logging
from pathlib import Path
from typing import NamedTuple

from observer_core.clock import kst_midnight_ns
from observer_core.errors import JournalError, MalformedMessage
from observer_core.ids import Epoch
from observer_core.journal.files import list_segments
from observer_core.journal.format import SegmentName
from observer_core.journal.low_water import read_low_water
from observer_core.journal.reader import SegmentReader, payload_spans
from observer_core.journal.recovery import read_examined
from observer_core.messages import Book, Quote, Trade, decode_batch

logger = logging.getLogger(__name__)


class Hole(NamedTuple):
    """A stretch of a journal that is missing."""

    before: SegmentName
    """The first segment after it."""
    from_ns: int
    """When the last batch before it was received."""
    until_ns: int
    """When the first batch after it was received."""
    symbols: tuple[str, ...]
    """What the neighbouring segments observed."""


def find_holes(directory: Path, own_epoch: Epoch) -> list[Hole]:
    """Return what is missing in earlier epochs that were not examined before; segments without a break cost nothing.

    Raises:
        JournalError: the directory cannot be listed.
    """
    examined, mark = read_examined(directory), read_low_water(directory)
    names = [name for name in list_segments(directory) if name.epoch < own_epoch]
    found: list[Hole] = []
    for former, name in zip([None, *names], names, strict=False):
        if name.epoch <= examined or not _numbers_break(former, name, mark):
            continue
        hole = _hole(directory, former, name)
        if hole is not None:
            found.append(hole)
    return found


def _numbers_break(former: SegmentName | None, name: SegmentName, mark: tuple[int, int]) -> bool:
    if former is not None and former.epoch == name.epoch:
        return name.ordinal > former.ordinal + 1 and (name.epoch, name.ordinal) > mark
    return name.ordinal > 0 and (name.epoch, name.ordinal) > mark


def _hole(directory: Path, former: SegmentName | None, name: SegmentName) -> Hole | None:
    later = _outline(directory, name)
    if later is None:
        return None
    earlier = None if former is None else _outline(directory, former)
    same_epoch = former is not None and former.epoch == name.epoch
    expected = earlier.last_seq + 1 if earlier is not None and same_epoch else 1
    if later.first_seq == expected:
        return None
    symbols = later.symbols | (earlier.symbols if earlier is not None else set())
    return Hole(
        before=name,
        from_ns=kst_midnight_ns(name.day) if earlier is None else earlier.last_ns,
        until_ns=later.first_ns,
        symbols=tuple(sorted(symbols)),
    )


class _Outline(NamedTuple):
    first_seq: int
    last_seq: int
    first_ns: int
    last_ns: int
    symbols: set[str]


def _outline(directory: Path, name: SegmentName) -> _Outline | None:
    """Return what a segment holds, None when that is nothing readable."""
    found: _Outline | None = None
    try:
        with SegmentReader(directory / name.file_name) as reader:
            for begin, end in payload_spans(reader)[0]:
                batch = decode_batch(reader.read_span(begin, end))
                if found is None:
                    found = _Outline(batch.first_seq, batch.last_seq, batch.received_ns, batch.received_ns, set())
                found = found._replace(last_seq=batch.last_seq, last_ns=batch.received_ns)
                found.symbols.update(
                    record.symbol for record in batch.records if isinstance(record, Trade | Quote | Book)
                )
    except (OSError, JournalError, MalformedMessage) as error:
        logger.warning("journal segment passed over", extra={"segment": name.file_name, "error": str(error)})
    return found
