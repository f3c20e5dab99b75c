"""THE contract between processes: records and batches, status, reports; and their only encoders and decoders.

Rules of evolution: a new field is appended and has a default, types never change, unknown fields are skipped,
an unknown tag is an error that receivers count (`MalformedMessage`). Records alone are arrays on the wire.
The views that consoles see are in `observer_core.view`, the orders of the supervisor's pipes in `observer_core.orders`.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

import msgspec

from observer_core.errors import MalformedMessage
from observer_core.ids import Epoch, Seq, ShardName
from observer_core.slot_messages import Candidates, SlotStatus

SCHEMA_VERSION = 1
"""Version of the record layout, written into every batch and row."""


class Quality(StrEnum):
    """Verdict on a record. A rejected observation travels as a `Rejection`, never as one of these rows."""

    NORMAL = "normal"
    DEGRADED = "degraded"


class Track(StrEnum):
    """Which part of the archive a record belongs to."""

    SWING = "swing"
    SCALP = "scalp"
    SYSTEM = "system"


class _Record(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="kind"):
    pass


class Trade(_Record, frozen=True, tag="trade"):
    """One execution of the stream (H0STCNT0). Prices in KRW, sizes in shares; None = the broker left it empty."""

    symbol: str
    source_time_ns: int
    received_ns: int
    price: int
    volume: int
    cumulative_volume: int
    cumulative_value: int
    open: int | None
    high: int | None
    low: int | None
    change: int | None
    ask: int | None
    bid: int | None
    ask_size: int | None
    bid_size: int | None
    total_ask_size: int | None
    total_bid_size: int | None
    side: str
    """CCLD_DVSN as sent: 1 buy, 5 sell, 3 before the opening."""
    session_code: str
    """HOUR_CLS_CODE as sent: 0 in session, A/B/C/D expected prices."""
    operation_code: str
    """NEW_MKOP_CLS_CODE as sent."""
    halted: bool
    vi_reference: int | None
    venue_code: str = ""
    """MARKET_CLS_CODE as sent; empty before the frame had it."""
    quality: Quality = Quality.NORMAL
    reasons: tuple[str, ...] = ()
    raw: str | None = None
    """The record's fields as received, joined by `^`."""


class Quote(_Record, frozen=True, tag="quote"):
    """One symbol of a sweep (REST). The broker gives no time with it: `source_time_ns` is None."""

    symbol: str
    source_time_ns: int | None
    requested_ns: int
    received_ns: int
    price: int
    open: int | None
    high: int | None
    low: int | None
    previous_close: int | None
    base_price: int | None
    change: int | None
    cumulative_volume: int
    cumulative_value: int | None
    ask: int | None
    bid: int | None
    ask_size: int | None
    bid_size: int | None
    total_ask_size: int | None
    total_bid_size: int | None
    upper_limit: int | None
    lower_limit: int | None
    expected_volume: int | None
    session_code: str = ""
    quality: Quality = Quality.NORMAL
    reasons: tuple[str, ...] = ()
    raw: str | None = None
    """The row as received: one JSON object."""


class Book(_Record, frozen=True, tag="book"):
    """Ten levels of the order book (H0STASP0); index 0 is the best. A missing side holds zeros, as sent."""

    symbol: str
    source_time_ns: int
    received_ns: int
    asks: tuple[int, ...]
    bids: tuple[int, ...]
    ask_sizes: tuple[int, ...]
    bid_sizes: tuple[int, ...]
    total_ask_size: int | None
    total_bid_size: int | None
    cumulative_volume: int | None
    expected_price: int | None
    expected_volume: int | None
    session_code: str
    venue_code: str = ""
    quality: Quality = Quality.NORMAL
    reasons: tuple[str, ...] = ()
    raw: str | None = None


class Gap(_Record, frozen=True, tag="gap"):
    """Observations that are missing: from when, until when, which symbols, why. Sent again, same id, when it closes.

    `symbols` is what was assigned when the gap opened. Bounds are wall clock and may reach a little further
    than what was lost, never less far.
    """

    gap_id: str
    track: Track
    reason: str
    """A `GapReason` value; text on the wire so that a newer writer's reasons do not stop an older reader."""
    symbols: tuple[str, ...]
    from_ns: int
    until_ns: int | None
    opened_ns: int
    detail: str = ""
    missed_volume: int | None = None
    missed_records: int | None = None
    volume_after: int | None = None
    """Of a proof: the cumulative volume of the day after which shares are missing."""


class GapReason(StrEnum):
    """Why observations are missing."""

    RESTART = "restart"
    """The collecting process was down."""
    STREAM_CUT = "stream_cut"
    """The WebSocket was disconnected."""
    CALL_FAILED = "call_failed"
    """A sweep call failed or answered without some symbols."""
    PAUSED = "paused"
    """An operator paused the shard."""
    NOT_SUBSCRIBED = "not_subscribed"
    """The broker refused or did not confirm a registration."""
    JOURNAL_FAULT = "journal_fault"
    """The journal could not be written (disk full) or its tail was damaged."""
    DISK_FULL = "disk_full"
    """The disk ladder's last step: observations are given up so that gap records and a clean stop still fit."""
    REASSIGNED = "reassigned"
    """The symbols changed shards and the new one could not observe them at once."""
    CONTINUITY = "continuity"
    """The exchange's own cumulative volume proves that trades were executed which were never received."""
    STALE = "stale"
    """Nothing new of these symbols for longer than session, halts, interruptions and their liquidity explain."""
    OFF_BOOK = "off_book"
    """The cumulative volume grew by trades that no stream carries (block, basket): known, not obtainable."""


class Rejection(_Record, frozen=True, tag="rejection"):
    """An observation that validation or decoding refused; the raw payload is kept so that it can be repaired."""

    symbol: str | None
    received_ns: int
    track: Track
    stage: str
    """Where: "frame", "decode", "validate"."""
    reasons: tuple[str, ...]
    raw: str


class Event(_Record, frozen=True, tag="event"):
    """Something an operator may want to know later: what, about whom, when."""

    at_ns: int
    name: str
    severity: str
    """"info", "warning", "error" or "critical"."""
    subject: str
    text: str


class Usage(_Record, frozen=True, tag="usage"):
    """What one process did and used in one minute."""

    process: str
    minute_ns: int
    records: int
    errors: int
    cpu_ms: int
    memory_bytes: int
    disk_written_bytes: int
    calls: int = 0
    """Broker calls made under a budget."""


class Overflow(_Record, frozen=True, tag="overflow"):
    """A candidate for a tick slot that did not get one, and the state of the system when that was decided."""

    symbol: str
    at_ns: int
    trigger: str
    """A `scalp.triggers.Trigger` value; text on the wire so that newer triggers do not stop an older reader."""
    score: float
    reason: str
    """A `scalp.slots.Refusal` value."""
    appkey: int
    """Ordinal of the appkey whose slots it wanted."""
    capacity: int
    """Slots of the appkey."""
    occupied: int
    lowest_score: float | None
    """The lowest score that held a slot then, pins apart; None = no slot was held by a score."""
    mitigation_level: int = 0
    """0 = none; each step halves the recorded books."""
    cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_latency_ms: float | None = None
    queue_percent: float | None = None


class Backfill(_Record, frozen=True, tag="backfill"):
    """What the broker says afterwards of a minute in which trades are proved to be missing: its own one-minute bar.

    Another source than the stream, of a kind of its own, so that nobody takes it for observed trades: neither
    completeness nor bars count it, and the gap stays as it is. Prices in KRW, volume in shares.
    """

    symbol: str
    minute_ns: int
    """When the minute begins."""
    requested_ns: int
    received_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    """All of the minute, what was observed of it included."""
    cumulative_value: int | None
    """Of the day, at the end of the minute."""
    gap_ids: tuple[str, ...] = ()
    """The first of the gaps for which it was asked; every gap of the symbol that touches the minute is one."""
    endpoint: str = "inquire-time-itemchartprice"
    raw: str | None = None
    """The row as received: one JSON object."""


Record: TypeAlias = Trade | Quote | Book | Gap | Rejection | Event | Usage | Overflow | Backfill


class Batch(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="batch"):
    """Records of one shard, appended and published as one; record i has the sequence number first_seq + i."""

    shard: ShardName
    epoch: Epoch
    first_seq: Seq
    received_ns: int
    source: str
    """Which feed: "kis", "sim", "replay"."""
    session_id: str
    records: tuple[Record, ...]
    schema_version: int = SCHEMA_VERSION

    @property
    def last_seq(self) -> Seq:
        """Return the sequence number of the last record."""
        return Seq(self.first_seq + len(self.records) - 1)


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="t"):
    pass


class ShardStatus(_Message, frozen=True, kw_only=True, tag="shard"):
    """Cumulative counters of a collecting process since its start; rates are computed by the viewer."""

    name: str
    kind: str
    pid: int
    epoch: int
    status_seq: int
    as_of_ns: int
    state: str
    """"starting", "waiting" (for the universe, a token, the connect budget), "collecting", "paused", "stopping"."""
    note: str = ""
    symbols: int = 0
    records_total: int = 0
    errors_total: int = 0
    rejected_total: int = 0
    batches_total: int = 0
    journal_bytes_total: int = 0
    last_record_ns: int | None = None
    next_seq: int = 1
    calls_total: int = 0
    refused_total: int = 0
    reconnects_total: int = 0
    sweep_s: float | None = None
    """Duration of the last complete sweep of this shard's symbols."""
    open_gaps: int = 0
    completeness: float | None = None
    """Per cent of what the exchange had for this shard's symbols today that is here; None = not known yet."""
    stale_symbols: int = 0
    """Symbols of which nothing has been heard for longer than the market's phase and their liquidity explain."""
    stale_examples: tuple[str, ...] = ()
    """Some of them, each with its reason."""
    duplicates_total: int = 0
    """Trades that the broker sent again: stored with a mark, counted once."""
    missed_volume_total: int = 0
    """Shares of trades that are proved to be missing."""
    rate_per_s: float | None = None
    """Records a second in the last window of the rate watch; None = nothing is expected in this phase."""
    expected_rate_per_s: float | None = None
    """What this phase usually brings, or at least the floor."""
    rate_low: str = ""
    """Why the rate is an alarm, "" while it is as expected."""
    reauthenticated_total: int = 0
    """Calls and sessions that the broker refused for their token or approval key."""
    width_changes_total: int = 0
    """Times a stream's records had another number of fields than before."""
    reconnects_by_cause: dict[str, int] = {}
    """How often a session ended for each cause: the broker's code, or the adapter's word."""


class WriterStatus(_Message, frozen=True, kw_only=True, tag="writer"):
    """Where a writer stands; totals since its start."""

    name: str
    pid: int
    status_seq: int
    as_of_ns: int
    state: str
    """"starting", "live", "catching_up", "waiting" (the store is unreachable), "stopping"."""
    note: str = ""
    records_total: int = 0
    errors_total: int = 0
    rejected_total: int = 0
    bytes_total: int = 0
    commits_total: int = 0
    malformed_total: int = 0
    last_commit_ns: int | None = None
    commit_ms: float | None = None
    lag_records: int | None = None
    lag_bytes: int = 0
    """Journal bytes not yet durable in this sink."""
    lag_s: float = 0.0
    """Age of the oldest record that is not yet durable in this sink."""
    offsets: dict[str, tuple[int, int]] = {}
    """Durable (epoch, seq) by shard."""
    current_files: tuple[str, ...] = ()


class ServiceStatus(_Message, frozen=True, kw_only=True, tag="service"):
    """A process that neither collects nor writes: the hub, maintenance, the demo's exchange and database."""

    name: str
    kind: str
    pid: int
    status_seq: int
    as_of_ns: int
    state: str
    note: str = ""
    errors_total: int = 0


ProcessStatus: TypeAlias = ShardStatus | WriterStatus | ServiceStatus
"""What a process says of itself as a whole."""

StatusMessage: TypeAlias = ProcessStatus | SlotStatus


_encoder = msgspec.msgpack.Encoder()
_batch_decoder = msgspec.msgpack.Decoder(Batch)
_candidates_decoder = msgspec.msgpack.Decoder(Candidates)
_status_decoder: msgspec.msgpack.Decoder[StatusMessage] = msgspec.msgpack.Decoder(StatusMessage)

_Decoded = TypeVar("_Decoded")


def encode(message: msgspec.Struct) -> bytes:
    """Return any message of this module, or of `observer_core.view`, as msgpack."""
    return _encoder.encode(message)


def decode_with(decoder: msgspec.msgpack.Decoder[_Decoded], raw: bytes | memoryview) -> _Decoded:
    """Decode or raise `MalformedMessage` with the bytes and the reason."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessage(bytes(raw), str(error)) from error


def decode_batch(raw: bytes | memoryview) -> Batch:
    """Decode a journalled or published batch."""
    return decode_with(_batch_decoder, raw)


def decode_status(raw: bytes) -> StatusMessage:
    """Decode a status message of any process."""
    return decode_with(_status_decoder, raw)


def decode_candidates(raw: bytes) -> Candidates:
    """Decode what a sweeping shard proposes."""
    return decode_with(_candidates_decoder, raw)


OBSERVATIONS: frozenset[type[Record]] = frozenset({Trade, Quote, Book})
"""The kinds of record that say what the exchange sent; they follow their shard into its archive track."""


def track_of(record: Record, shard_track: Track) -> Track:
    """Return the archive track of a record: observations follow their shard, everything else is system."""
    return shard_track if type(record) in OBSERVATIONS else Track.SYSTEM


def line_type(record_type: type[Any], prefix: Sequence[tuple[str, type]]) -> type[msgspec.Struct]:
    """Derive the JSONL form of a record type: an object with `kind`, the prefix fields, then the record's own."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [*prefix]
    for field in msgspec.structs.fields(record_type):
        if field.default is not msgspec.NODEFAULT:
            fields.append((field.name, field.type, field.default))
        else:
            fields.append((field.name, field.type))
    config = record_type.__struct_config__
    return msgspec.defstruct(
        f"{record_type.__name__}Line", fields, frozen=True, gc=False, tag_field="kind", tag=config.tag
    )
