"""Why a process, a symbol or a gap is in its state, in sentences, and what to do next. Pure.

Separate from the command, which collects what is known; the last sentence is always the next step.
"""

from collections.abc import Sequence

from observer_core.cli.output import duration
from observer_core.clock import NS_PER_S, kst_datetime
from observer_core.details import SymbolDetail, Why
from observer_core.http.readiness import readiness
from observer_core.http.symbols import SymbolCompleteness, SymbolStatus
from observer_core.market.listings import Listing
from observer_core.market.universe import Universe, build_universe
from observer_core.messages import GapReason
from observer_core.services.hub_archive import BackfillLine, GapLine
from observer_core.view import ProcessRow, SystemView

EVENTS_SHOWN = 5
BARS_SHOWN = 8
NOTHING_TO_DO = "nothing to do"

_STATES = {
    "starting": ("it is being started", "wait some seconds; its log says more if it stays so"),
    "stopping": ("it was told to stop and drains", "wait: it is killed at its deadline"),
    "stopped": ("it was stopped on purpose", "observerctl restart {name} --reason …"),
    "backoff": ("it died and waits before it is started again", "read its last exit above and its log"),
    "quarantined": (
        "it died so often that it is left alone until the next session opens",
        "remove the cause (its log), then: observerctl release {name} --reason …",
    ),
    "paused": ("an operator paused it; a gap covers what it misses", "observerctl resume {name} --reason …"),
}

_GAPS: dict[str, tuple[str, str]] = {
    GapReason.RESTART: ("the collecting process was down", "observerctl explain {shard}: why it was restarted"),
    GapReason.STREAM_CUT: ("the stream was disconnected", "it reconnects within the connect budget by itself"),
    GapReason.CALL_FAILED: ("a sweep call failed or lacked these symbols", "the next sweep asks them again by itself"),
    GapReason.PAUSED: ("an operator paused the shard", "observerctl resume {shard} --reason …"),
    GapReason.NOT_SUBSCRIBED: ("the broker did not confirm the registration", "see the shard's log for the code"),
    GapReason.JOURNAL_FAULT: (
        "the journal could not be written, or its tail was damaged",
        "observerctl doctor; journal verify",
    ),
    GapReason.DISK_FULL: (
        "the disk was full and observations were given up",
        "free space: observerctl status shows what is ours",
    ),
    GapReason.REASSIGNED: ("the symbols changed shards", NOTHING_TO_DO),
    GapReason.CONTINUITY: ("the exchange counted trades that never arrived", "compare with the broker's minute bars"),
    GapReason.STALE: ("nothing new of these symbols although they should trade", "observerctl explain {shard}"),
    GapReason.OFF_BOOK: ("block or basket trades, which no stream carries", NOTHING_TO_DO),
}

_WORTH_A_LOOK_WHEN_OVER = frozenset({GapReason.CONTINUITY, GapReason.JOURNAL_FAULT})
"""What is missing stays missing, or something may still be damaged."""

_SYMBOL_STEPS = {
    Why.PAUSED: "observerctl resume {shard} --reason …",
    Why.UNKNOWN: "wait a sweep: the hub has just begun to watch",
    Why.GAP: "observerctl explain {shard}",
    Why.SHARD: "observerctl explain {shard}",
    Why.FEED: "observerctl logs {shard}",
}


def explain_process(view: SystemView, row: ProcessRow, now_ns: int) -> list[str]:
    """Return what is known of a process."""
    why, step = _STATES.get(row.state, ("", ""))
    lines = [f"{row.name} ({row.kind}) is {row.state}" + (f": {why}" if why else "")]
    if row.note:
        lines.append(f"it says: {row.note}")
    if row.last_exit:
        lines.append(f"its last exit: {row.last_exit}")
    if row.next_start_ns is not None:
        lines.append(f"next start in {duration(max(0.0, (row.next_start_ns - now_ns) / NS_PER_S))}")
    if row.restarts:
        causes = ", ".join(f"{cause} {count}" for cause, count in sorted(row.deaths_by_cause.items()))
        lines.append(f"restarted {row.restarts} times" + (f"; deaths by cause: {causes}" if causes else ""))
    failing = [text for text in readiness(view, now_ns).failing if text.split(":")[0].split()[0] == row.name]
    lines += [f"expectation not met: {text}" for text in failing]
    if row.kind in {"swing", "scalp"}:
        lines.append(_collecting(row, view, now_ns))
    events = [event for event in view.events if event.subject == row.name][-EVENTS_SHOWN:]
    lines += [f"{kst_datetime(event.at_ns):%H:%M:%S} {event.severity} {event.name}: {event.text}" for event in events]
    sound = "read its log: " + f"{row.name}.jsonl in OBSERVER_LOG_DIR" if failing else NOTHING_TO_DO
    return [*lines, f"next: {step.format(name=row.name) if step else sound}"]


def _collecting(row: ProcessRow, view: SystemView, now_ns: int) -> str:
    age = "none yet" if row.last_record_ns is None else f"{duration((now_ns - row.last_record_ns) / NS_PER_S)} ago"
    stale = f", {row.stale_symbols} of them stale" if row.stale_symbols else ""
    return f"market {view.market.phase}; {row.symbols} symbols{stale}; newest record {age}; {row.open_gaps} gaps open"


def explain_symbol(
    universe: Universe | None,
    status: SymbolStatus,
    listing: Listing | None,
    standing: SymbolDetail | None = None,
    open_gaps: Sequence[GapLine] = (),
) -> list[str]:
    """Return whether a symbol is collected, by whom, how fresh it is, and if not, which rule dropped it.

    Args:
        universe: the newest one; None = there is none.
        status: what the files say.
        listing: of the newest listing files.
        standing: what the hub says, and so the console; None = no hub answers, or it does not know the symbol.
        open_gaps: the open gap records that cover it, by the files; looked at only without `standing`.
    """
    symbol = status.symbol
    if universe is None:
        return [f"{symbol}: there is no universe yet", "next: observerctl explain maintenance"]
    if symbol not in universe.codes:
        return _not_collected(symbol, universe, listing)
    member = next(member for member in universe.members if member.code == symbol)
    lines = [f"{symbol} {member.name} ({member.board}) is in universe {universe.name}"]
    if not status.shards:
        return [*lines, "no shard has it yet", "next: observerctl explain maintenance"]
    lines.append(f"collected by {', '.join(status.shards)}")
    lines += [
        f"{value.shard}: {value.kind} at {value.price:,} KRW, {duration(value.age_s)} ago, {value.quality}"
        for value in status.last
    ]
    silent = [shard for shard in status.shards if shard not in {value.shard for value in status.last}]
    lines += [f"{shard}: nothing in the end of its live archive file" for shard in silent]
    lines += [_completeness(figure) for figure in status.completeness]
    if standing is not None:
        return [*lines, *standing.reasons, f"next: {_step_of(standing)}"]
    lines.append("no hub answers: this is what the files say")
    lines += [f"open gap: {gap.reason} since {kst_datetime(gap.from_ns):%H:%M:%S}" for gap in open_gaps]
    asked = [gap.gap_id for gap in open_gaps] + silent
    return [*lines, f"next: {f'observerctl explain {asked[0]}' if asked else NOTHING_TO_DO}"]


def _step_of(standing: SymbolDetail) -> str:
    step = _SYMBOL_STEPS.get(Why(standing.why), NOTHING_TO_DO)
    if step == NOTHING_TO_DO and standing.open_gaps:
        # Seen a moment ago, and yet a gap is open: the pause or cut is younger than what counts as late.
        step = _SYMBOL_STEPS[Why.GAP]
    return step.format(shard=standing.shards[-1] if standing.shards else "maintenance")


def _completeness(figure: SymbolCompleteness) -> str:
    if figure.percent is None:
        return f"{figure.track}: nothing to be complete of yet today"
    if figure.basis == "time":
        return f"{figure.track}: {figure.percent:.3f} % of the day so far without a gap record"
    missed = f"{figure.missed or 0:,} of {figure.executed or 0:,} shares are missing"
    return f"{figure.track}: {figure.percent:.3f} % complete today, {missed}"


def _not_collected(symbol: str, universe: Universe, listing: Listing | None) -> list[str]:
    head = f"{symbol} is not in universe {universe.name} ({len(universe.members):,} symbols)"
    if listing is None:
        return [head, "no listing file has it: not listed, or not a code", "next: check the code"]
    dropped = build_universe([listing], universe.rules, universe.day).dropped
    rules = [rule for rule, count in dropped.items() if count]
    why = (
        f"rule {rules[0]} dropped {listing.name}"
        if rules
        else f"{listing.name} was beyond the top of the ranking, or is new"
    )
    return [head, why, f"next: observerctl universe pin {symbol}, or change universe.toml"]


def newest_word(gaps: Sequence[GapLine]) -> GapLine:
    """Return what was said last of a gap; `gaps` are its records in the order of the archive."""
    return next((record for record in reversed(gaps) if record.until_ns is not None), gaps[-1])


def explain_gap(gap: GapLine, fetched: Sequence[BackfillLine] = ()) -> list[str]:
    """Return what a gap is; `fetched` are the broker's bars of its symbol and minutes."""
    why, step = _GAPS.get(gap.reason, (gap.reason, "see the log of the shard"))
    until = "still open" if gap.until_ns is None else f"until {kst_datetime(gap.until_ns):%H:%M:%S.%f}"[:-3]
    shown = ", ".join(gap.symbols[:8]) + (f" and {len(gap.symbols) - 8} more" if len(gap.symbols) > 8 else "")
    lines = [
        f"gap {gap.gap_id}: {gap.reason}: {why}",
        f"from {kst_datetime(gap.from_ns):%Y-%m-%d %H:%M:%S.%f}"[:-3] + f" {until}",
        f"symbols: {shown or 'all of the shard'}",
    ]
    if gap.detail:
        lines.append(f"detail: {gap.detail}")
    if fetched:
        lines.append(_fetched(fetched))
    if fetched or (gap.until_ns is not None and gap.reason not in _WORTH_A_LOOK_WHEN_OVER):
        step = NOTHING_TO_DO
    return [*lines, f"next: {step.format(shard=_shard_of(gap.gap_id))}"]


def _fetched(bars: Sequence[BackfillLine]) -> str:
    shown = [f"{kst_datetime(bar.minute_ns):%H:%M} with {bar.volume:,} shares" for bar in bars[:BARS_SHOWN]]
    more = f" and {len(bars) - BARS_SHOWN} more" if len(bars) > BARS_SHOWN else ""
    return f"fetched afterwards, not observed: the broker's minute bars {', '.join(shown)}{more}"


def _shard_of(gap_id: str) -> str:
    """Return the shard of a gap id, which begins with its name: scalp-0-…"""
    return "-".join(gap_id.split("-")[:2])
