"""What is known of one symbol: freshness, last values and bars, read from the end of the live archive files.

Separate from the application because it reads files: at most `TAIL_BYTES` of two files, in a thread.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from observer_core.archive.layout import SCALP_WINDOW_NS, shard_track, window_of
from observer_core.clock import NS_PER_S
from observer_core.ids import ShardName
from observer_core.market.bars import FRAMES, BarBook
from observer_core.messages import Track

TAIL_BYTES = 4 * 1024 * 1024
"""Read from the end of one file: some minutes of a shard."""

BARS_SHOWN = 60
SYMBOL_FORM = re.compile(r"[0-9A-Z]{6,12}")

OwnersOf: TypeAlias = Callable[[str], tuple[ShardName, ...]]
"""The shards that collect a symbol, the streaming one first; none = not in the universe."""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """Prices of one stretch of time in KRW; volume in shares, as `observer_core.market.bars` counts it."""

    begins_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    records: int
    coverage: float | None = None


class LastValue(msgspec.Struct, frozen=True, kw_only=True):
    """The newest observation by one shard."""

    shard: str
    kind: str
    price: int
    cumulative_volume: int
    received_ns: int
    age_s: float
    quality: str


class SymbolCompleteness(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol on one track, today."""

    symbol: str
    track: str
    percent: float | None
    """None = nothing was executed yet, or no session began yet."""
    basis: str
    """"volume": shares archived of those executed; "time": part of the day without a gap record."""
    executed: int | None = None
    """Shares executed while the symbol was wanted, block deals apart."""
    missed: int | None = None
    """Of them, proved to be missing."""


CompletenessOf: TypeAlias = Callable[[str], tuple[SymbolCompleteness, ...]]
"""How complete a symbol's day is, the stream's figure first; none = it is not collected."""


class SymbolStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Body of /status/{symbol}."""

    symbol: str
    shards: tuple[str, ...]
    """Who collects it."""
    age_s: float | None
    """Of the newest observation; None = not seen lately."""
    last: tuple[LastValue, ...]
    timeframe: str
    bars: tuple[Bar, ...]
    """Oldest first; 1m of the stream, 10m of the sweeps where there are both. The first may be cut by what was read."""
    as_of_ns: int
    completeness: tuple[SymbolCompleteness, ...] = ()


class Observation(msgspec.Struct, frozen=True, gc=False):
    """An archived record: what screens and bars need of it."""

    kind: str
    symbol: str = ""
    price: int = 0
    volume: int = 0
    cumulative_volume: int = 0
    cumulative_value: int | None = None
    received_ns: int = 0
    source_time_ns: int | None = None
    session_code: str = ""
    quality: str = ""
    side: str = ""


_decoder = msgspec.json.Decoder(Observation)


def symbol_status(
    archive: Path, symbol: str, shards: tuple[ShardName, ...], timeframe: str, now_ns: int
) -> SymbolStatus:
    """Return what the ends of the live files say; files that cannot be read count as empty. Blocks."""
    seen = [(shard, observations(archive, shard, symbol, now_ns)) for shard in shards]
    last = tuple(_last_value(shard, lines[-1], now_ns) for shard, lines in seen if lines)
    kind = FRAMES[timeframe].kind
    with_bars = sorted((lines for _, lines in seen if lines), key=lambda lines: lines[-1].kind != kind)
    lines = with_bars[0] if with_bars else []
    return SymbolStatus(
        symbol=symbol,
        shards=tuple(shards),
        age_s=min((value.age_s for value in last), default=None),
        last=last,
        timeframe=timeframe,
        bars=tuple(bars(lines, timeframe)[-BARS_SHOWN:]),
        as_of_ns=now_ns,
    )


def bars(lines: Sequence[Observation], timeframe: str) -> list[Bar]:
    """Return the bars of observations of one shard: as they are kept where the kind fits, else without coverage."""
    kept = FRAMES[timeframe]
    if any(line.kind == kept.kind for line in lines):
        frame = kept
    else:
        other = next(frame for frame in FRAMES.values() if frame is not kept)
        frame = other._replace(length_ns=kept.length_ns)
    book = BarBook(frame)
    for line in lines:
        if line.kind == frame.kind:
            book.add(line)
    return [
        Bar(
            begins_ns=bar.start_ns,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=bar.volume,
            records=bar.records,
            coverage=bar.coverage if frame is kept else None,
        )
        for bar in book.bars()
    ]


def _last_value(shard: str, line: Observation, now_ns: int) -> LastValue:
    return LastValue(
        shard=shard,
        kind=line.kind,
        price=line.price,
        cumulative_volume=line.cumulative_volume,
        received_ns=line.received_ns,
        age_s=round(max(0, now_ns - line.received_ns) / NS_PER_S, 3),
        quality=line.quality,
    )


def observations(archive: Path, shard: ShardName, symbol: str, now_ns: int) -> list[Observation]:
    """Return the trades and quotes of a symbol at the ends of a shard's live files, oldest first. Blocks."""
    track = shard_track(shard)
    # The window before, too: just after a turn the present file is nearly empty.
    length_ns = SCALP_WINDOW_NS if track is Track.SCALP else 3_600 * NS_PER_S
    found: list[Observation] = []
    for at_ns in (now_ns - length_ns, now_ns):
        raw = _tail(archive / window_of(track, shard, at_ns).path)
        found += [line for line in map(_line, _lines_of(raw, symbol)) if line is not None]
    return [line for line in found if line.symbol == symbol and line.kind in {"trade", "quote"}]


def _lines_of(raw: bytes, symbol: str) -> Iterable[bytes]:
    mark = f'"symbol":"{symbol}"'.encode()
    return (line for line in raw.split(b"\n") if mark in line)


def _line(raw: bytes) -> Observation | None:
    try:
        return _decoder.decode(raw)
    except msgspec.DecodeError:
        return None


def _tail(path: Path) -> bytes:
    """Return the complete lines at the end of a file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = max(0, size - TAIL_BYTES)
            file.seek(start)
            raw = file.read(TAIL_BYTES)
    except OSError:
        return b""
    first = raw.find(b"\n") + 1 if start else 0
    return raw[first : raw.rfind(b"\n") + 1]
