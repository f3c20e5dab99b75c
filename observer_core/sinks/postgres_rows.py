"""Records as rows: pure functions from (batch, record, sequence number) to the values of a table's columns.

Separate from the sink because this is the client's whole cost per row. COPY BINARY carries lengths and bytes without
types, so times, days, arrays and jsonb are handed over in their wire form (PostgreSQL's `*_recv` functions):
timestamptz as int8 microseconds and date as int4 days, both since 2000-01-01; jsonb as version 1 and text.
"""

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, assert_never

import msgspec

from observer_core.clock import NS_PER_S
from observer_core.messages import (
    Backfill,
    Batch,
    Book,
    Event,
    Gap,
    Overflow,
    Quality,
    Quote,
    Record,
    Rejection,
    Trade,
    Usage,
)
from observer_core.sinks.port import TIME_OF

Row: TypeAlias = tuple[Any, ...]

KOREAN_OFFSET_NS = 9 * 3600 * NS_PER_S
NS_PER_DAY = 86_400 * NS_PER_S
POSTGRES_EPOCH = date(2000, 1, 1)
POSTGRES_EPOCH_DAYS = (POSTGRES_EPOCH - date(1970, 1, 1)).days
POSTGRES_EPOCH_US = POSTGRES_EPOCH_DAYS * 86_400_000_000
FIRST_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
TEXT_OID = 25
INT8_OID = 20

POISON_ERRORS: tuple[type[Exception], ...] = (struct.error, ValueError, TypeError, OverflowError, UnicodeError)
"""What the conversion raises for values that no column takes."""


_SYSTEM_STATE = (
    "capacity",
    "occupied",
    "lowest_score",
    "mitigation_level",
    "cpu_percent",
    "memory_percent",
    "disk_latency_ms",
    "queue_percent",
)
"""Fields of an overflow that stand together in its column `state`."""


DAY_VALUE = 4
"""Where the day stands in the row of an observation."""


class Layout(NamedTuple):
    """Columns of a COPY and the types under which the client encodes them."""

    columns: tuple[str, ...]
    types: tuple[str, ...]


_PREFIX = (
    ("received_ns", "int8"),
    ("seq", "int8"),
    ("received_at", "int8"),
    ("source_time", "int8"),
    ("day", "int4"),
    ("epoch", "int4"),
    ("schema_version", "int2"),
    ("shard", "text"),
    ("track", "text"),
    ("source", "text"),
    ("session_id", "text"),
    ("kind", "text"),
    ("symbol", "text"),
    ("quality", "text"),
    ("reasons", "bytea"),
    ("payload_raw", "bytea"),
    ("session_code", "text"),
)


def _layout(*parts: tuple[str, tuple[str, ...]]) -> Layout:
    columns = [*_PREFIX, *((name, kind) for kind, names in parts for name in names)]
    return Layout(tuple(name for name, _ in columns), tuple(kind for _, kind in columns))


LAYOUTS: Mapping[type[Record], Layout] = {
    Trade: _layout(
        ("int8", ("price", "volume", "cumulative_volume", "cumulative_value", "open", "high", "low", "change")),
        ("int8", ("ask", "bid", "ask_size", "bid_size", "total_ask_size", "total_bid_size", "vi_reference")),
        ("bool", ("halted",)),
        ("text", ("side", "operation_code", "venue_code")),
    ),
    Quote: _layout(
        ("int8", ("requested_at", "price", "cumulative_volume", "cumulative_value", "open", "high", "low", "change")),
        ("int8", ("previous_close", "base_price", "ask", "bid", "ask_size", "bid_size", "total_ask_size")),
        ("int8", ("total_bid_size", "upper_limit", "lower_limit", "expected_volume")),
    ),
    Book: _layout(
        ("int8", ("total_ask_size", "total_bid_size", "cumulative_volume", "expected_price", "expected_volume")),
        ("bytea", ("asks", "bids", "ask_sizes", "bid_sizes")),
        ("text", ("venue_code",)),
    ),
}
"""How each kind of observation enters `pattern_records`; columns that a kind lacks are left NULL by the server."""


def shard_track(shard: str) -> str:
    """Return the track of a shard's observations: the part of its name before the last number."""
    return shard.rpartition("-")[0] or shard


def day_index(at_ns: int) -> int:
    """Return the Korean day of an instant, counted from 1970-01-01."""
    return (at_ns + KOREAN_OFFSET_NS) // NS_PER_DAY


def day_date(index: int) -> date:
    """Return the date of a day counted from 1970-01-01.

    Raises:
        OverflowError: beyond what dates can say.
    """
    return date(1970, 1, 1) + timedelta(days=index)


@lru_cache(maxsize=4096)
def text_array(texts: tuple[str, ...]) -> bytes:
    """Return a text[] in wire form."""
    if not texts:
        return struct.pack(">iii", 0, 0, TEXT_OID)
    encoded = [text.encode() for text in texts]
    if any(b"\0" in text for text in encoded):
        raise ValueError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    items = b"".join(struct.pack(">i", len(text)) + text for text in encoded)
    return struct.pack(">iiiii", 1, 0, TEXT_OID, len(encoded), 1) + items


@lru_cache(maxsize=64)
def _integer_array_format(length: int) -> struct.Struct:
    return struct.Struct(">iiiii" + "iq" * length)


def integer_array(numbers: tuple[int, ...]) -> bytes:
    """Return an int8[] in wire form.

    Raises:
        struct.error: a number has more than 64 bits.
    """
    length = len(numbers)
    if not length:
        return struct.pack(">iii", 0, 0, INT8_OID)
    interleaved = [8] * (2 * length)
    interleaved[1::2] = numbers
    return _integer_array_format(length).pack(1, 0, INT8_OID, length, 1, *interleaved)


_QUALITY_TEXTS = {quality: quality.value for quality in Quality}
_encode_json = msgspec.json.Encoder().encode


def json_string(text: str | None) -> bytes | None:
    """Return text as a jsonb string in wire form; None stays NULL."""
    return None if text is None else b"\x01" + _encode_json(text)


def instant(at_ns: int) -> datetime:
    """Return an instant with microseconds, exact."""
    return FIRST_INSTANT + timedelta(microseconds=at_ns // 1000)


class RowMaker:
    """Converts the records of one batch; what they share is looked up once."""

    __slots__ = ("_epoch", "_schema_version", "_session_id", "_shard", "_shared", "_source")

    def __init__(self, batch: Batch) -> None:
        self._shard = str(batch.shard)
        self._epoch = batch.epoch
        self._source = batch.source
        self._session_id = batch.session_id
        self._schema_version = batch.schema_version
        # In the order of the layouts.
        self._shared = (
            self._epoch, self._schema_version, self._shard, shard_track(batch.shard), self._source, self._session_id,
        )  # fmt: skip

    def _prefix(self, record: Trade | Quote | Book, kind: str, seq: int) -> Row:
        received_ns = record.received_ns
        source_ns = record.source_time_ns
        return (
            received_ns,
            seq,
            received_ns // 1000 - POSTGRES_EPOCH_US,
            None if source_ns is None else source_ns // 1000 - POSTGRES_EPOCH_US,
            (received_ns + KOREAN_OFFSET_NS) // NS_PER_DAY - POSTGRES_EPOCH_DAYS,
            *self._shared,
            kind,
            record.symbol,
            _QUALITY_TEXTS[record.quality],
            text_array(record.reasons),
            json_string(record.raw),
            record.session_code,
        )

    def trade(self, trade: Trade, seq: int) -> Row:
        """Return a trade in the order of its layout."""
        return (
            *self._prefix(trade, "trade", seq),
            trade.price,
            trade.volume,
            trade.cumulative_volume,
            trade.cumulative_value,
            trade.open,
            trade.high,
            trade.low,
            trade.change,
            trade.ask,
            trade.bid,
            trade.ask_size,
            trade.bid_size,
            trade.total_ask_size,
            trade.total_bid_size,
            trade.vi_reference,
            trade.halted,
            trade.side,
            trade.operation_code,
            trade.venue_code,
        )

    def quote(self, quote: Quote, seq: int) -> Row:
        """Return a quote in the order of its layout."""
        return (
            *self._prefix(quote, "quote", seq),
            quote.requested_ns // 1000 - POSTGRES_EPOCH_US,
            quote.price,
            quote.cumulative_volume,
            quote.cumulative_value,
            quote.open,
            quote.high,
            quote.low,
            quote.change,
            quote.previous_close,
            quote.base_price,
            quote.ask,
            quote.bid,
            quote.ask_size,
            quote.bid_size,
            quote.total_ask_size,
            quote.total_bid_size,
            quote.upper_limit,
            quote.lower_limit,
            quote.expected_volume,
        )

    def book(self, book: Book, seq: int) -> Row:
        """Return a book in the order of its layout."""
        return (
            *self._prefix(book, "book", seq),
            book.total_ask_size,
            book.total_bid_size,
            book.cumulative_volume,
            book.expected_price,
            book.expected_volume,
            integer_array(book.asks),
            integer_array(book.bids),
            integer_array(book.ask_sizes),
            integer_array(book.bid_sizes),
            book.venue_code,
        )

    def side_row(self, record: Record, seq: int) -> Row:
        """Return the parameters of the statement in `SIDE_STATEMENTS` for a record that is no observation."""
        key = (day_date(day_index(TIME_OF[type(record)](record))), self._shard, self._epoch, seq)
        match record:
            case Gap():
                return (*key, *_gap_values(record))
            case Rejection():
                return (
                    *key,
                    record.received_ns,
                    instant(record.received_ns),
                    self._schema_version,
                    record.track.value,
                    record.stage,
                    record.symbol,
                    self._source,
                    self._session_id,
                    list(record.reasons),
                    record.raw,
                )
            case Event():
                at = instant(record.at_ns)
                return (*key, record.at_ns, at, record.severity, record.name, record.subject, record.text)
            case Usage():
                return (*key, *_usage_values(record))
            case Overflow():
                return (*key, *_overflow_values(record))
            case Backfill():
                return (*key, self._source, *_backfill_values(record))
            case Trade() | Quote() | Book():
                raise TypeError("an observation goes by COPY")
            case _:
                assert_never(record)


def _gap_values(gap: Gap) -> Row:
    return (
        gap.gap_id,
        gap.track.value,
        gap.reason,
        list(gap.symbols),
        gap.from_ns,
        instant(gap.from_ns),
        gap.until_ns,
        None if gap.until_ns is None else instant(gap.until_ns),
        gap.opened_ns,
        gap.detail,
        gap.missed_volume,
        gap.missed_records,
    )


def _usage_values(usage: Usage) -> Row:
    return (
        usage.process,
        instant(usage.minute_ns),
        usage.records,
        usage.errors,
        usage.cpu_ms,
        usage.memory_bytes,
        usage.disk_written_bytes,
        usage.calls,
    )


def _overflow_values(overflow: Overflow) -> Row:
    state = {name: getattr(overflow, name) for name in _SYSTEM_STATE}
    return (
        overflow.at_ns,
        instant(overflow.at_ns),
        overflow.symbol,
        overflow.trigger,
        overflow.score,
        overflow.reason,
        overflow.appkey,
        msgspec.json.encode(state).decode(),
    )


def _backfill_values(bar: Backfill) -> Row:
    return (
        bar.endpoint,
        bar.received_ns,
        instant(bar.requested_ns),
        instant(bar.minute_ns),
        bar.symbol,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        bar.cumulative_value,
        list(bar.gap_ids),
        bar.raw,
    )


OBSERVATION_MAKERS: Mapping[type[Record], Callable[[RowMaker, Any, int], Row]] = {
    Trade: RowMaker.trade,
    Quote: RowMaker.quote,
    Book: RowMaker.book,
}

SIDE_STATEMENTS: Mapping[type[Record], str] = {
    Gap: "upsert_gap",
    Rejection: "insert_rejection",
    Event: "insert_event",
    Usage: "insert_usage",
    Overflow: "insert_overflow",
    Backfill: "insert_backfill",
}
"""Name of the statement that takes each kind of record that is no observation."""
