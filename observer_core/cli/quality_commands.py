"""`observerctl gaps`: what is missing.

Work on the files and only read: nothing has to run, and whatever runs is not disturbed.
"""

import os
from typing import Annotated

import msgspec
import typer

from observer_core.cli.data_directory import data_paths
from observer_core.cli.exits import exit_codes
from observer_core.cli.output import table
from observer_core.clock import NS_PER_S, SystemClock, kst_datetime
from observer_core.http.symbols import SymbolCompleteness
from observer_core.quality.severity import severity_of
from observer_core.services.calendar_watch import CalendarWatch
from observer_core.services.hub_archive import GapArchive, GapLine
from observer_core.services.symbol_completeness import DayCompleteness, newest_gaps, together
from observer_core.settings import load_client_settings

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Reason = Annotated[str, typer.Option("--reason", help="Only gaps of this reason, such as continuity or stream_cut.")]
Completeness = Annotated[
    bool, typer.Option("--completeness", help="Instead: how complete each symbol is today, by track.")
]
OnlyOpen = Annotated[bool, typer.Option("--open", help="Only gaps that are still open.")]


def gaps_command(
    reason: Reason = "", only_open: OnlyOpen = False, completeness: Completeness = False, as_json: AsJson = False
) -> None:
    """List the gap records of the present Korean day: when, why, which symbols, how much is missing."""
    with exit_codes():
        clock = SystemClock()
        now_ns, paths = clock.now_ns(), data_paths(load_client_settings(os.environ).paths, clock)
        if completeness:
            day = DayCompleteness(paths, CalendarWatch(paths, clock).current(), now_ns)
            _print_completeness([figure for symbol in day.symbols for figure in day.of(symbol)], as_json)
            return
        newest = newest_gaps(GapArchive(paths.data).read_all(now_ns))
        chosen = [
            gap
            for gap in sorted(newest.values(), key=lambda gap: gap.from_ns)
            if reason in {"", gap.reason} and not (only_open and gap.until_ns is not None)
        ]
        _print_gaps(chosen, now_ns, as_json)


def _print_completeness(figures: list[SymbolCompleteness], as_json: bool) -> None:
    """Print the figures of every symbol, the least complete first, and each track together."""
    if as_json:
        for figure in figures:
            print(msgspec.json.encode(figure).decode())
        return
    known = sorted((figure for figure in figures if figure.percent is not None), key=lambda figure: figure.percent or 0)
    rows = [
        (figure.track, figure.symbol, f"{figure.percent or 0:.3f}", figure.basis, _count(figure.executed),
         _count(figure.missed))
        for figure in known
    ]  # fmt: skip
    print("\n".join(table(("track", "symbol", "%", "by", "executed", "missed"), rows, frozenset({"%", "executed"}))))
    for track in sorted({figure.track for figure in known}):
        shares = [figure for figure in known if figure.track == track]
        print(f"{track}: {together(shares):.4f} % of {len(shares):,} symbols together")


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _print_gaps(gaps: list[GapLine], now_ns: int, as_json: bool) -> None:
    if as_json:
        for gap in gaps:
            print(msgspec.json.encode(gap).decode())
        return
    rows = [
        (
            f"{kst_datetime(gap.from_ns):%H:%M:%S}",
            "open" if gap.until_ns is None else f"{(gap.until_ns - gap.from_ns) / NS_PER_S:.1f} s",
            severity_of(gap.from_ns, now_ns if gap.until_ns is None else gap.until_ns).value,
            gap.reason,
            gap.symbols[0] if len(gap.symbols) == 1 else f"{len(gap.symbols)} symbols",
            "" if gap.missed_volume is None else f"{gap.missed_volume:,}",
            gap.detail,
        )
        for gap in gaps
    ]
    head = ("from", "length", "severity", "reason", "symbols", "volume", "detail")
    print("\n".join(table(head, rows, frozenset({"length", "volume"}))))
