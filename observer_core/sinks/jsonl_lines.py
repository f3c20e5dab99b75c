"""The lines of the JSONL archive: one JSON object a record, and the key that says which record a line holds."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from observer_core.clock import NS_PER_S, kst_day
from observer_core.ids import DayNumber, Epoch, Seq, ShardName
from observer_core.messages import (
    Backfill,
    Batch,
    Book,
    Event,
    Gap,
    Overflow,
    Quote,
    Rejection,
    Trade,
    Usage,
    line_type,
)
from observer_core.sinks.port import TIME_OF, Offset

LINE_PREFIX: tuple[tuple[str, type], ...] = (
    ("shard", str),
    ("epoch", int),
    ("seq", int),
    ("day", int),
    ("session_id", str),
    ("source", str),
    ("schema_version", int),
)
"""What every line begins with, after `kind`; the record's own fields follow."""

LINE_TYPES: Mapping[type, type[msgspec.Struct]] = {
    record_type: line_type(record_type, LINE_PREFIX)
    for record_type in (Trade, Quote, Book, Gap, Rejection, Event, Usage, Overflow, Backfill)
}

_NS_PER_DAY = 24 * 3600 * NS_PER_S
_KST_OFFSET_NS = 9 * 3600 * NS_PER_S


class LineKey(msgspec.Struct, frozen=True):
    """Which record a line holds."""

    shard: ShardName
    epoch: Epoch
    seq: Seq

    @property
    def offset(self) -> Offset:
        """Return it as an offset of its shard."""
        return Offset(self.epoch, self.seq)


_encoder = msgspec.json.Encoder()
_key_decoder = msgspec.json.Decoder(LineKey)


def line_objects(batch: Batch, chosen: Sequence[int]) -> list[msgspec.Struct]:
    """Return the line objects of the chosen records of a batch, by index."""
    after = (batch.session_id, batch.source, batch.schema_version)
    shard, epoch, first_seq, records = batch.shard, batch.epoch, batch.first_seq, batch.records
    types, times, fields = LINE_TYPES, TIME_OF, msgspec.structs.astuple
    found: list[msgspec.Struct] = []
    day, known_days = _day(0), 0
    for index in chosen:
        record = records[index]
        kind = type(record)
        days = (times[kind](record) + _KST_OFFSET_NS) // _NS_PER_DAY
        if days != known_days:
            day, known_days = _day(days), days
        found.append(types[kind](shard, epoch, first_seq + index, day, *after, *fields(record)))
    return found


@lru_cache(maxsize=64)
def _day(days_since_1970: int) -> DayNumber:
    return kst_day(days_since_1970 * _NS_PER_DAY)


def encode_lines(objects: Sequence[msgspec.Struct]) -> bytes:
    """Return the objects as UTF-8 lines, each ended by a newline."""
    return _encoder.encode_lines(objects)


def line_key(line: bytes | memoryview) -> LineKey | None:
    """Return the key of a line, None when it is not a whole line of the archive."""
    try:
        return _key_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
