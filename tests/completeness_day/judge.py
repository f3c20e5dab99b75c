"""The judgement on a compressed day: what the exchange executed is archived or proved missing, exactly, and no more.

Faults that prove nothing about volume (a cut, a kill, silence, a frozen row) are compared with the gaps they must
leave. Every line of the verdict is a figure against a figure.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from observer_core.clock import NS_PER_S
from tests.completeness_day.account import Archive, Exchange, Execution, Line, read_archive, read_exchange
from tests.completeness_day.script import Injection

SLACK_NS = NS_PER_S
"""An injection is written down when it is ordered; it takes effect within this."""
OUTAGES = ("stream_cut", "restart")


class Finding(NamedTuple):
    """One line of the verdict."""

    what: str
    figures: str
    good: bool

    def __str__(self) -> str:
        """Return it as it is printed."""
        return f"{'ok ' if self.good else 'BAD'}  {self.what:<58} {self.figures}"


class Case(NamedTuple):
    """Everything a day left."""

    exchange: Exchange
    archive: Archive
    injections: list[Injection]
    command: list[Line]
    """What `observerctl gaps --completeness` says of every symbol."""
    http: list[Line]
    """What `/status/{symbol}` says of every streamed symbol."""


def judge(case: Case) -> list[Finding]:
    """Return the verdict; all findings must be good."""
    checks: tuple[Callable[[Case], Iterable[Finding]], ...] = (
        _oracle, _volume, _trades, _blocks, _duplicates, _cuts, _kills, _stale, _widths, _figures,
    )  # fmt: skip
    return [finding for check in checks for finding in check(case)]


def missing_of(case: Case) -> dict[Execution, int]:
    """Return what was executed and is not archived, and when that was."""
    arrived = {execution for execution, _ in case.archive.trades}
    return {execution: at_ns for execution, at_ns in case.exchange.executed.items() if execution not in arrived}


def missing_volume(ledger: Path, data: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Return by symbol the shares that the exchange executed and the archive lacks, and those that gap records report.

    Trades after the last one that arrived of a symbol are left out: only a close proves them.
    """
    case = Case(read_exchange(ledger), read_archive(data), [], [], [])
    reached: dict[str, int] = {}
    first: dict[str, int] = {}
    for (symbol, volume, cumulative), _ in case.archive.trades:
        reached[symbol] = max(reached.get(symbol, 0), cumulative)
        first[symbol] = min(first.get(symbol, cumulative), cumulative - volume)
    expected = _by_symbol(
        (execution, execution.volume)
        for execution in missing_of(case)
        if first.get(execution.symbol, 0) < execution.cumulative <= reached.get(execution.symbol, 0)
    )
    reported: Counter[str] = Counter()
    for gap in gaps_of(case, "continuity"):
        reported[gap["symbols"][0]] += gap["missed_volume"]
    return dict(expected), {symbol: volume for symbol, volume in reported.items() if volume}


def gaps_of(case: Case, *reasons: str, track: str = "") -> list[Line]:
    """Return the gaps of some reasons."""
    return [gap for gap in case.archive.gaps.values() if gap["reason"] in reasons and track in {"", gap["track"]}]


def _oracle(case: Case) -> Iterable[Finding]:
    exchange = case.exchange
    yield Finding("the ledger's own line of every symbol is whole", f"{len(exchange.holes)} holes", not exchange.holes)
    arrived = {execution for execution, _ in case.archive.trades}
    invented = arrived - exchange.executed.keys()
    yield Finding(
        "archived trades that were executed", f"{len(arrived - invented):,} of {len(arrived):,}", not invented
    )
    expected = case.archive.expected
    yield Finding("expected prices of auctions among the frames", f"{expected:,}, none of them a trade", expected > 0)
    yield Finding("records refused", f"{case.archive.rejected}", case.archive.rejected == 0)
    still = [gap for gap in case.archive.gaps.values() if gap["until_ns"] is None]
    yield Finding("gap records still open at the end", f"{len(still)}", not still)


def _volume(case: Case) -> Iterable[Finding]:
    executed = _by_symbol((execution, execution.volume) for execution in case.exchange.executed)
    expected = _by_symbol((execution, execution.volume) for execution in missing_of(case))
    reported: Counter[str] = Counter()
    for gap in gaps_of(case, "continuity"):
        reported[gap["symbols"][0]] += gap["missed_volume"]
    wrong = {symbol for symbol in executed if reported[symbol] != expected[symbol]}
    figures = f"{sum(reported.values()):,} of {sum(expected.values()):,} shares; {len(executed) - len(wrong)} of "
    text = f"{figures}{len(executed)} symbols exact"
    examples = ", ".join(f"{symbol} {reported[symbol]:,} for {expected[symbol]:,}" for symbol in sorted(wrong)[:3])
    yield Finding("missed volume in gap records", f"{text} {examples}", not wrong and sum(expected.values()) > 0)


def _trades(case: Case) -> Iterable[Finding]:
    missing = missing_of(case)
    proofs = [gap for gap in gaps_of(case, "continuity") if gap["missed_volume"]]
    by_symbol: dict[str, list[Line]] = defaultdict(list)
    for gap in proofs:
        by_symbol[gap["symbols"][0]].append(gap)
    unproved = [e for e, at_ns in missing.items() if not any(_covers(gap, at_ns) for gap in by_symbol[e.symbol])]
    proved = len(missing) - len(unproved)
    share = 100 * proved / max(1, len(missing))
    yield Finding("missing trades in a gap of their symbol (recall)", f"{proved:,} of {len(missing):,}: {share:.2f} %",
                  not unproved and bool(missing))  # fmt: skip
    times: dict[str, list[int]] = defaultdict(list)
    for execution, at_ns in missing.items():
        times[execution.symbol].append(at_ns)
    right = sum(any(_covers(gap, at_ns) for at_ns in times[gap["symbols"][0]]) for gap in proofs)
    share = 100 * right / max(1, len(proofs))
    yield Finding("continuity gaps with a missing trade (precision)", f"{right:,} of {len(proofs):,}: {share:.2f} %",
                  right == len(proofs) > 0)  # fmt: skip
    why = Counter(case.exchange.kept.get(execution, "cut in transit") for execution in missing)
    yield Finding("missing trades by cause", ", ".join(f"{cause} {count:,}" for cause, count in sorted(why.items())),
                  {"dropped", "silent_symbol", "no_session"} <= why.keys())  # fmt: skip


def _blocks(case: Case) -> Iterable[Finding]:
    reported: Counter[str] = Counter()
    for gap in gaps_of(case, "off_book"):
        reported[gap["symbols"][0]] += gap["missed_volume"]
    dealt = case.exchange.blocks
    figures = f"{sum(reported.values()):,} of {sum(dealt.values()):,} shares in {len(dealt)} symbols"
    yield Finding("block deals known as such, not as missing trades", figures, dict(reported) == dealt and bool(dealt))


def _duplicates(case: Case) -> Iterable[Finding]:
    stored = Counter(execution for execution, _ in case.archive.trades)
    marked = Counter(execution for execution, reasons in case.archive.trades if "duplicate" in reasons)
    more = stored - case.exchange.sent
    again = Counter({execution: count - 1 for execution, count in stored.items() if count > 1})
    wrong = [*(again - marked), *(marked - again), *more][:3]
    figures = f"{sum(again.values()):,} stored again, {sum(marked.values()):,} marked, {sum(more.values())} too many"
    yield Finding(
        "frames sent twice are stored twice and marked",
        f"{figures} {wrong or ''}",
        marked == again and not more and bool(again),
    )


def _cuts(case: Case) -> Iterable[Finding]:
    cuts = [injection for injection in case.injections if injection.what == "cut"]
    yield from _outage("cut", cuts, gaps_of(case, "stream_cut"), case)


def _kills(case: Case) -> Iterable[Finding]:
    kills = [injection for injection in case.injections if injection.what == "kill scalp-0"]
    yield from _outage("kill -9 of the shard", kills, gaps_of(case, "restart", track="scalp"), case)


def _outage(what: str, injected: list[Injection], gaps: list[Line], case: Case) -> Iterable[Finding]:
    """Compare injected outages with their gaps: each lies over every symbol until the next session's confirmation.

    A kill may come before the stream is back from a cut, or before the shard noticed it: a restart gap covers it then.
    """
    outages = gaps_of(case, *OUTAGES, track="scalp")
    symbols = {execution.symbol for execution in case.exchange.executed}
    found = 0
    for injection in injected:
        opened = [since for since, _ in case.exchange.sessions if since > injection.from_ns]
        back_ns = min(opened, default=0)
        covered = {
            symbol
            for gap in outages
            if gap["from_ns"] <= injection.until_ns <= gap["until_ns"]
            for symbol in gap["symbols"]
            if any(
                symbol in later["symbols"] and later["from_ns"] <= gap["until_ns"] and later["until_ns"] >= back_ns
                for later in outages
            )
        }
        found += symbols <= covered
    strange = [
        gap
        for gap in gaps
        if not any(
            gap["from_ns"] <= i.until_ns + SLACK_NS and i.from_ns - SLACK_NS <= gap["until_ns"] for i in injected
        )
    ]
    figures = f"{found} of {len(injected)} over all {len(symbols)} symbols, {len(strange)} gaps without one"
    yield Finding(f"{what}: outage gaps", figures, found == len(injected) > 0 and not strange)


def _stale(case: Case) -> Iterable[Finding]:
    for what, track in (("silent", "scalp"), ("frozen_row", "swing")):
        (injection,) = [injection for injection in case.injections if injection.what == what]
        gaps = gaps_of(case, "stale", track=track)
        covered = {
            gap["symbols"][0]
            for gap in gaps
            if gap["from_ns"] <= injection.from_ns + SLACK_NS and gap["until_ns"] >= injection.until_ns - SLACK_NS
        }
        right = covered & set(injection.symbols)
        strange = {gap["symbols"][0] for gap in gaps} - set(injection.symbols)
        figures = f"{len(right)} of {len(injection.symbols)} symbols, {len(strange)} others"
        yield Finding(f"{what}: staleness gaps over the whole of it", figures, len(right) == len(injection.symbols)
                      and not strange)  # fmt: skip
    quiet = {symbol for i in case.injections if i.what in {"vi", "halt"} for symbol in i.symbols}
    excused = quiet - {gap["symbols"][0] for gap in gaps_of(case, "stale")}
    yield Finding("interrupted and halted symbols are not stale", f"{len(excused)} of {len(quiet)}", excused == quiet)


def _widths(case: Case) -> Iterable[Finding]:
    """Each width is told once in each life of the shard: a new one knows only the documented width."""
    told = Counter(
        (line["epoch"], line["text"].split()[2]) for line in case.archive.events
        if line["name"] == "frame_width_changed" and line["text"].startswith("H0STCNT0")
    )  # fmt: skip
    widths = {str(injection.value) for injection in case.injections if injection.what == "width"}
    lives = {width: [epoch for epoch, known in told if known == width] for width in widths}
    figures = ", ".join(f"{width}: once in {len(epochs)} lives" for width, epochs in sorted(lives.items()))
    yield Finding("frame widths: one alarm each", figures, all(lives.values()) and set(told.values()) == {1})


def _figures(case: Case) -> Iterable[Finding]:
    """Compare the product's own per cents with those of the ledger, symbol by symbol."""
    executed = _by_symbol((execution, execution.volume) for execution in case.exchange.executed)
    missing = _by_symbol((execution, execution.volume) for execution in missing_of(case))
    for what, lines in (("observerctl gaps --completeness", case.command), ("/status/SYMBOL", case.http)):
        said = {line["symbol"]: line for line in lines if line["track"] == "scalp"}
        right = [
            symbol
            for symbol, volume in executed.items()
            if symbol in said
            and (said[symbol]["executed"], said[symbol]["missed"]) == (volume, missing[symbol])
            and abs(said[symbol]["percent"] - 100 * (volume - missing[symbol]) / volume) < 1e-9
        ]
        swept = [line["percent"] for line in lines if line["track"] == "swing" and line["symbol"] in executed]
        wrong = "".join(f"; {s}: {said.get(s)} for {volume}/{missing[s]}" for s, volume in executed.items()
                        if s not in right)[:200]  # fmt: skip
        figures = f"{len(right)} of {len(executed)} symbols exact; sweeps {min(swept, default=0):.2f} % at least"
        yield Finding(f"completeness by {what}", figures + wrong, len(right) == len(executed) and bool(swept))


def _covers(gap: Line, at_ns: int) -> bool:
    return bool(gap["from_ns"] <= at_ns <= gap["until_ns"])


def _by_symbol(pairs: Iterable[tuple[Execution, int]]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for execution, volume in pairs:
        sums[execution.symbol] += volume
    return sums
