"""What consoles and scripts may ask beyond the view: symbols, gaps, logs, audit; each answer bounded in size.

Separate from `view`, which is pushed to everybody whole: these are asked for, one screen at a time. Columns over the
universe hold one byte or word a symbol, so that two thousand symbols fit into some kilobytes.
"""

import math
import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

import msgspec

SYMBOLS_LIMIT: Final = 10_000
TICKS_SHOWN: Final = 40
LINES_LIMIT: Final = 300
GAPS_LIMIT: Final = 300

NEVER: Final = 255
"""Age byte of what was never seen."""
_AGE_UNIT_S: Final = 0.1
_AGE_STEP: Final = 1.06


def age_byte(age_s: float | None) -> int:
    """Return an age as one byte: steps of 6 % from 0.1 s to about 75 hours; `NEVER` for None."""
    if age_s is None:
        return NEVER
    if age_s < _AGE_UNIT_S:
        return 0
    return min(NEVER - 1, 1 + int(math.log(age_s / _AGE_UNIT_S) / _LOG_STEP))


_LOG_STEP: Final = math.log(_AGE_STEP)
_AGES_S: Final = (0.05, *(_AGE_UNIT_S * _AGE_STEP ** (step + 0.5) for step in range(NEVER - 1)))


def age_of_byte(byte: int) -> float | None:
    """Return the age in the middle of the byte's step, in seconds; None for `NEVER`."""
    return None if byte == NEVER else _AGES_S[byte]


class Why(IntEnum):
    """Why a symbol stands as it does; one byte of `SymbolColumns.why`. The larger, the sooner to be looked at."""

    FRESH = 0
    SESSION = 1
    """Nothing is expected: the market's phase."""
    QUIET = 2
    """It is observed, but has not traded for long: illiquid, or not traded at all."""
    HALTED = 3
    INTERRUPTED = 4
    """A volatility interruption (VI)."""
    PAUSED = 5
    """Its shard was paused by an operator."""
    UNKNOWN = 6
    """Not seen yet since the hub started."""
    GAP = 7
    """An open gap record covers it."""
    SHARD = 8
    """Its shard does not run."""
    FEED = 9
    """Nothing explains it: its shard runs, and does not observe it."""


STREAMED: Final = 1
"""Flag: it has a registration of a stream now."""
PINNED: Final = 2
"""Flag: an operator, or the rules, pinned it."""


class _Detail(msgspec.Struct, frozen=True, kw_only=True):
    pass


class SymbolList(_Detail, frozen=True, kw_only=True):
    """Who is collected: what changes with the assignment only."""

    codes: tuple[str, ...]
    names: tuple[str, ...]
    """In Korean, "" = not known."""
    shards: tuple[str, ...]
    owners: bytes
    """Per symbol the index of its sweeping shard in `shards`, 255 = none."""


class SymbolColumns(_Detail, frozen=True, kw_only=True):
    """Freshness of every collected symbol as of one instant; numbers are little-endian."""

    version: str
    """Of the list; the list itself comes only with a version the asker does not have."""
    as_of_ns: int
    late_s: float
    """Age from which an observation is late: about two sweeps."""
    seen: bytes
    """Age byte of the newest observation."""
    traded: bytes
    """Age byte of the last growth of the day's volume, as far as it was observed."""
    rate: bytes
    """Observations in the last whole minute, at most 255."""
    why: bytes
    """`Why` of each symbol."""
    flags: bytes
    prices: bytes
    """Unsigned 32-bit, KRW; 0 = not known."""
    changes: bytes
    """Signed 16-bit, basis points against the previous close; -32768 = not known."""
    listing: SymbolList | None = None


class Tick(_Detail, frozen=True, kw_only=True, array_like=True):
    """One observation."""

    received_ns: int
    kind: str
    """"trade" or "quote"."""
    price: int
    volume: int
    """Of a trade; of a quote what the day's volume grew by."""
    side: str
    """"1" buy, "5" sell, "" not known."""
    quality: str
    shard: str


class BookSide(_Detail, frozen=True, kw_only=True, array_like=True):
    """Best price first."""

    prices: tuple[int, ...]
    sizes: tuple[int, ...]
    total: int | None


class SymbolDetail(_Detail, frozen=True, kw_only=True):
    """One symbol as the hub knows it."""

    code: str
    name: str
    board: str
    shards: tuple[str, ...]
    """Who collects it, the streaming one first."""
    flags: int
    why: int
    reasons: tuple[str, ...]
    """Why it stands as it does, in sentences, the decisive one first."""
    seen_ns: int | None
    traded_ns: int | None
    price: int | None
    change_bp: int | None
    cumulative_volume: int | None
    missed_volume: int
    """Shares of trades of today that are proved to be missing."""
    asks: BookSide | None
    bids: BookSide | None
    book_ns: int | None
    ticks: tuple[Tick, ...]
    """Newest first."""
    minutes: tuple[tuple[int, int, int], ...]
    """Closing price and volume of the last minutes: (begins_ns, close, volume), oldest first."""
    open_gaps: tuple[str, ...]
    as_of_ns: int


class GapRow(_Detail, frozen=True, kw_only=True):
    """One gap of the day, or one that is open."""

    gap_id: str
    track: str
    reason: str
    severity: str
    symbols: int
    examples: tuple[str, ...]
    from_ns: int
    until_ns: int | None
    missed_volume: int | None
    detail: str
    name: str = ""
    """In Korean, where it is of one symbol that is collected."""


class TrackShare(_Detail, frozen=True, kw_only=True, array_like=True):
    """How complete one track's day is so far."""

    track: str
    percent: float | None
    basis: str
    """"volume" or "time", as of a symbol (`docs/completeness.md`)."""
    symbols: int
    """Of which there is a figure."""
    incomplete: int
    """Of them, below 100 per cent."""
    executed: int | None
    missed: int | None
    """Shares that are proved to be missing; None where time is the basis."""


class WorstSymbol(_Detail, frozen=True, kw_only=True, array_like=True):
    """A symbol of which much of the day is missing."""

    code: str
    name: str
    track: str
    percent: float
    basis: str
    missed: int | None
    reason: str
    """Of the gap records that cost it most."""
    is_open: bool
    """Whether a gap record of it is open."""


class DayShare(_Detail, frozen=True, kw_only=True, array_like=True):
    """What is known of a day that is over."""

    day: int
    sealed: bool
    rows: int
    anomalies: tuple[str, ...]
    swept_percent: float | None
    """Of the sessions' time in which its universe was swept; None = no session, or no universe of it."""
    gaps: int
    missed_volume: int
    """Shares that are proved to be missing; how many were executed is not kept."""


class GapList(_Detail, frozen=True, kw_only=True):
    """Open gaps first, then the newest of the day."""

    rows: tuple[GapRow, ...]
    left_out: int
    worst_symbols: tuple[tuple[str, int, float | None], ...]
    """Symbols that miss most volume today: code, shares, per cent of the day's volume that is here."""
    as_of_ns: int
    tracks: tuple[TrackShare, ...] = ()
    worst: tuple[WorstSymbol, ...] = ()
    """The least complete symbols of all tracks, the least complete first."""
    days: tuple[DayShare, ...] = ()
    """Newest first."""
    measured_ns: int | None = None
    """When `tracks` and `worst` were measured; None = not yet."""


class LogLine(_Detail, frozen=True, kw_only=True, array_like=True):
    """One line of a structured log."""

    time: str
    level: str
    process: str
    logger: str
    text: str


class LogTail(_Detail, frozen=True, kw_only=True):
    """The end of one process's log, or of its stack dumps (lines without level)."""

    process: str
    kind: str
    lines: tuple[LogLine, ...]
    """Oldest first."""
    size_bytes: int
    modified_ns: int | None
    """None = there is no such file."""
    truncated: bool
    """Whether older lines that pass were left out."""
    as_of_ns: int


class AuditRow(_Detail, frozen=True, kw_only=True):
    """One line of the audit trail."""

    at_ns: int
    fact: str
    who: str
    reason: str
    verb: str
    target: str
    state: str
    text: str
    ticket: str
    uid: int | None = None
    pid: int | None = None


class AuditTail(_Detail, frozen=True, kw_only=True):
    """The end of the audit trail, oldest first."""

    rows: tuple[AuditRow, ...]
    truncated: bool
    as_of_ns: int


class SymbolRow(NamedTuple):
    """One symbol out of the columns, as screens and scripts read it."""

    code: str
    name: str
    shard: str
    seen_s: float | None
    traded_s: float | None
    rate: int
    why: Why
    flags: int
    price: int | None
    change_bp: int | None


class ProcessHistory(msgspec.Struct, frozen=True, array_like=True):
    """The course of one process's rates, a point a second, newest last."""

    name: str
    columns: tuple[bytes, ...]
    """As `rates.Course.packed` gives them."""


class RateHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The rates of the last quarter of an hour."""

    second: int
    """Wall-clock second of the newest points."""
    processes: tuple[ProcessHistory, ...]


_UNKNOWN_CHANGE: Final = -32_768


def pack_prices(prices: Iterable[int | None]) -> bytes:
    """Return prices as a column."""
    values = [min(price or 0, 0xFFFF_FFFF) for price in prices]
    return struct.pack(f"<{len(values)}I", *values)


def pack_changes(changes: Iterable[int | None]) -> bytes:
    """Return changes in basis points as a column."""
    values = [_UNKNOWN_CHANGE if change is None else max(-32_767, min(32_767, change)) for change in changes]
    return struct.pack(f"<{len(values)}h", *values)


_AGE_OF: Final = (*_AGES_S, None)
_WHYS: Final = tuple(Why)


def symbol_rows(columns: SymbolColumns, listing: SymbolList) -> list[SymbolRow]:
    """Return the rows of the columns over the list of the same version."""
    number = len(listing.codes)
    shards = (*listing.shards, *("" for _ in range(256 - len(listing.shards))))
    return [
        SymbolRow(code, name, shards[owner], _AGE_OF[seen], _AGE_OF[traded], rate, _WHYS[why], flags, price or None,
                  None if change == _UNKNOWN_CHANGE else change)
        for code, name, owner, seen, traded, rate, why, flags, price, change in zip(
            listing.codes, listing.names, listing.owners, columns.seen, columns.traded, columns.rate, columns.why,
            columns.flags, struct.unpack(f"<{number}I", columns.prices), struct.unpack(f"<{number}h", columns.changes),
            strict=True,
        )
    ]  # fmt: skip
