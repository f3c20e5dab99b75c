"""How fresh each symbol is and why it stands as it does: readings, roster, processes and gaps, judged together. Pure.

Separate from `hub_symbols`, which only remembers: the verdicts need what the whole hub knows.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from observer_core.clock import NS_PER_S, kst_datetime
from observer_core.details import (
    NEVER,
    PINNED,
    STREAMED,
    SymbolColumns,
    SymbolDetail,
    Why,
    age_byte,
    pack_changes,
    pack_prices,
)
from observer_core.quality.staleness import INTERRUPTION_S
from observer_core.services.hub_roster import Roster
from observer_core.services.hub_symbols import Reading, SymbolBook
from observer_core.view import ProcessRow, SystemView

LATE_FLOOR_S: Final = 5.0
SWEEPS_LATE: Final = 2.0
QUIET_S: Final = 600.0
"""A symbol that has not traded for so long is called quiet."""
_MINUTE_NS: Final = 60 * NS_PER_S
_TRADING: Final = frozenset({"continuous", "after_market", "pre_market"})
_BLANK: Final = Reading()


class Surroundings(NamedTuple):
    """What a verdict on a symbol depends on besides its own reading."""

    now_ns: int
    trading: bool
    phase: str
    late_ns: int
    since_ns: int
    """Since when the hub watches."""
    rows: Mapping[str, ProcessRow]
    in_gap: Mapping[str, str]
    """Symbol → open gap, in words."""
    streamed: Mapping[str, str]


def surroundings(
    view: SystemView, streamed: Mapping[str, str], in_gap: Mapping[str, str], since_ns: int, now_ns: int
) -> Surroundings:
    """Return the surroundings of this moment."""
    sweeps = [row.sweep_s for row in view.processes if row.kind == "swing" and row.sweep_s]
    late_s = max(LATE_FLOOR_S, SWEEPS_LATE * max(sweeps, default=0.0))
    if view.slots is not None and view.slots.slots:
        streamed = {row.symbol: f"scalp-{row.appkey}" for row in view.slots.slots}
    return Surroundings(
        now_ns=now_ns,
        trading=view.market.forced or view.market.phase in _TRADING,
        phase=view.market.phase,
        late_ns=int(late_s * NS_PER_S),
        since_ns=since_ns,
        rows={row.name: row for row in view.processes},
        in_gap=in_gap,
        streamed=streamed,
    )


def why_of(code: str, reading: Reading, owner: ProcessRow | None, around: Surroundings) -> Why:
    """Return why a symbol stands as it does."""
    if around.now_ns - reading.seen_ns <= around.late_ns:
        return _why_of_seen(reading, around)
    if owner is not None and owner.state == "paused":
        return Why.PAUSED
    if owner is None or owner.pid is None or owner.state not in {"running", "starting"}:
        return Why.SHARD
    if not around.trading:
        return Why.SESSION
    if code in around.in_gap:
        return Why.GAP
    if not reading.seen_ns and around.now_ns - around.since_ns <= around.late_ns:
        return Why.UNKNOWN
    return Why.FEED


def _why_of_seen(reading: Reading, around: Surroundings) -> Why:
    if reading.halted:
        return Why.HALTED
    if around.now_ns - reading.interrupted_ns < INTERRUPTION_S * NS_PER_S and around.trading:
        return Why.INTERRUPTED
    quiet_since_ns = max(reading.traded_ns, around.since_ns)
    if around.trading and around.now_ns - quiet_since_ns > QUIET_S * NS_PER_S:
        return Why.QUIET
    return Why.FRESH


def columns(book: SymbolBook, roster: Roster, around: Surroundings, known: str) -> SymbolColumns:
    """Return the columns; with the list unless the asker knows its version."""
    listing = roster.listing
    readings = [book.readings.get(code, _BLANK) for code in listing.codes]
    owners = [around.rows.get(shard) for shard in listing.shards]
    now_ns, minute = around.now_ns, around.now_ns // _MINUTE_NS
    return SymbolColumns(
        version=roster.version,
        as_of_ns=now_ns,
        late_s=around.late_ns / NS_PER_S,
        seen=bytes(_age(reading.seen_ns, now_ns) for reading in readings),
        traded=bytes(_age(reading.traded_ns, now_ns) for reading in readings),
        rate=bytes(min(255, reading.rate(minute)) for reading in readings),
        why=bytes(
            why_of(code, reading, owners[owner] if owner < len(owners) else None, around)
            for code, reading, owner in zip(listing.codes, readings, listing.owners, strict=True)
        ),
        flags=bytes(_flags(code, roster, around) for code in listing.codes),
        prices=pack_prices(reading.price for reading in readings),
        changes=pack_changes(reading.change_bp for reading in readings),
        listing=None if known == roster.version else listing,
    )


def _age(at_ns: int, now_ns: int) -> int:
    return age_byte(max(0, now_ns - at_ns) / NS_PER_S) if at_ns else NEVER


def _flags(code: str, roster: Roster, around: Surroundings) -> int:
    return (STREAMED if code in around.streamed else 0) | (PINNED if code in roster.pinned else 0)


def detail(
    code: str, book: SymbolBook, roster: Roster, around: Surroundings, missed_volume: int
) -> SymbolDetail | None:
    """Return everything about one symbol; None when it is not collected."""
    shards = roster.owners_of(code)
    if not shards and code not in around.streamed:
        return None
    reading = book.readings.get(code, _BLANK)
    why = why_of(code, reading, around.rows.get(shards[-1]) if shards else None, around)
    depth = book.depth(code)
    return SymbolDetail(
        code=code,
        name=roster.name_of(code),
        board=roster.boards.get(code, ""),
        shards=shards,
        flags=_flags(code, roster, around),
        why=why,
        reasons=tuple(_reasons(code, why, reading, shards, around)),
        seen_ns=reading.seen_ns or None,
        traded_ns=reading.traded_ns or None,
        price=reading.price or None,
        change_bp=reading.change_bp,
        cumulative_volume=reading.cumulative_volume,
        missed_volume=missed_volume,
        asks=None if depth is None else depth.asks,
        bids=None if depth is None else depth.bids,
        book_ns=None if depth is None else depth.at_ns,
        ticks=book.ticks(code),
        minutes=tuple(reading.minutes()),
        open_gaps=(around.in_gap[code],) if code in around.in_gap else (),
        as_of_ns=around.now_ns,
    )


def _reasons(code: str, why: Why, reading: Reading, shards: tuple[str, ...], around: Surroundings) -> list[str]:
    shard = shards[-1] if shards else ""
    row = around.rows.get(shard)
    sentences = [_decisive(code, why, reading, shard, row, around)]
    if reading.seen_ns:
        sentences.append(f"last observed {_time(reading.seen_ns)}, expected every {_sweep(row)}")
    else:
        sentences.append(f"not observed since the hub began at {_time(around.since_ns)}")
    if reading.traded_ns:
        sentences.append(f"its volume last grew at {_time(reading.traded_ns)}")
    else:
        sentences.append(f"its volume has not grown since the hub began at {_time(around.since_ns)}")
    if code in around.in_gap and why is not Why.GAP:
        sentences.append(f"open gap: {around.in_gap[code]}")
    return sentences


def _decisive(code: str, why: Why, reading: Reading, shard: str, row: ProcessRow | None, around: Surroundings) -> str:
    state = "is not there" if row is None else f"is {row.state}"
    note = "" if row is None else row.last_exit or row.note
    words = {
        Why.FRESH: "it is observed as expected",
        Why.SESSION: f"nothing is expected: the market's phase is {around.phase.replace('_', ' ')}",
        Why.QUIET: "it is observed as expected, but does not trade: illiquid, or not traded today",
        Why.HALTED: "trading in it is halted",
        Why.INTERRUPTED: f"volatility interruption (VI) since about {_time(reading.interrupted_ns)}",
        Why.PAUSED: f"its shard {shard} was paused by an operator",
        Why.UNKNOWN: "not seen yet: the hub has just begun to watch",
        Why.GAP: f"an open gap covers it: {around.in_gap.get(code, '')}",
        Why.SHARD: f"its shard {shard or '(none)'} {state}" + (f": {note}" if note else ""),
        Why.FEED: f"nothing explains it: {shard} runs and does not observe it; look at its log",
    }
    return words[why]


def _sweep(row: ProcessRow | None) -> str:
    return "sweep" if row is None or not row.sweep_s else f"{row.sweep_s:.1f} s"


def _time(at_ns: int) -> str:
    return f"{kst_datetime(at_ns):%H:%M:%S}"
