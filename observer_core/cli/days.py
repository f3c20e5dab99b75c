"""`observerctl days`: what there is of each day, whether it was anomalous, how much of its sweeps is there.

Works on the files: nothing has to run. Declaring a day anomalous is the one thing it writes.
"""

import os
from typing import Annotated

import msgspec
import typer

from observer_core.archive.manifest import DayManifest, read_manifest
from observer_core.archive.verdicts import DECLARED, add_rules, read_verdict
from observer_core.cli.data_directory import data_paths
from observer_core.cli.exits import exit_codes
from observer_core.cli.operator_name import login_name
from observer_core.cli.output import table
from observer_core.cli.replay import day_range_ns
from observer_core.clock import SystemClock, kst_day
from observer_core.errors import ConfigError
from observer_core.ids import DayNumber
from observer_core.paths import Paths
from observer_core.settings import load_client_settings

WORST_SHOWN = 10

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The days of the archive.")

Day = Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="One day, with its completeness.")]
TheDay = Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="The day.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; stands in the verdict with your name.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a day.")]


class DaySummary(msgspec.Struct, frozen=True, kw_only=True):
    """One day of the archive."""

    day: DayNumber
    complete: bool
    """Whether it is over and all its files are sealed."""
    files: int
    rows: int
    sealed_bytes: int
    anomalies: dict[str, str]
    swept_percent: float | None = None
    """Share of the sessions' time in which the symbols of the universe were swept; None = not asked or not known."""
    least_swept: dict[str, float] = {}


@app.command("show")
def show_command(day: Day = "", as_json: AsJson = False) -> None:
    """List the days, or one with the completeness of its sweeps."""
    with exit_codes():
        paths = data_paths(load_client_settings(os.environ).paths, SystemClock())
        if day:
            summaries = [_with_completeness(paths, _summary(paths, _number(day)))]
        else:
            files = sorted(paths.manifest(DayNumber(0)).parent.glob("????????.json"))
            summaries = [_summary(paths, DayNumber(int(file.stem))) for file in files if file.stem.isdigit()]
        if as_json:
            for summary in summaries:
                print(msgspec.json.encode(summary).decode())
            return
        head = ("day", "state", "files", "rows", "sealed MB", "anomalies")
        rows = [
            (
                f"{one.day}",
                "sealed" if one.complete else "open",
                f"{one.files:,}",
                f"{one.rows:,}",
                f"{one.sealed_bytes / 1e6:,.1f}",
                "; ".join(f"{rule}: {text}" for rule, text in one.anomalies.items()) or "-",
            )
            for one in summaries
        ]
        print("\n".join(table(head, rows, frozenset({"files", "rows", "sealed MB"}))))
        for one in summaries if day else ():
            _print_completeness(one)


@app.command("declare")
def declare_command(day: TheDay, reason: Reason) -> None:
    """Call a day anomalous: its raw data is kept longer."""
    with exit_codes():
        if not reason.strip():
            raise ConfigError("--reason is empty: say why")
        paths = load_client_settings(os.environ).paths
        number = _number(day)
        if not add_rules(paths.anomaly(number), number, {DECLARED: f"{reason.strip()} ({login_name()})"}):
            print(f"{number} was declared before: {read_verdict(paths.anomaly(number), number).rules[DECLARED]}")
            return
        print(f"{number} is anomalous: its raw data is kept longer")


def _number(day: str) -> DayNumber:
    return kst_day(day_range_ns(day)[0])


def _summary(paths: Paths, day: DayNumber) -> DaySummary:
    manifest: DayManifest = read_manifest(paths.manifest(day), day)
    return DaySummary(
        day=day,
        complete=manifest.complete,
        files=len(manifest.files),
        rows=sum(file.rows for file in manifest.files.values()),
        sealed_bytes=sum(file.sealed_bytes for file in manifest.files.values()),
        anomalies=read_verdict(paths.anomaly(day), day).rules,
    )


def _with_completeness(paths: Paths, summary: DaySummary) -> DaySummary:
    # Imported here: the archive's readers would cost the list its quick start.
    from observer_core.services.calendar_watch import CalendarWatch
    from observer_core.services.symbol_completeness import gaps_of_day, swept
    from observer_core.services.universe_files import read_universe

    clock = SystemClock()
    universe = read_universe(paths, summary.day)
    if universe is None:
        return summary
    last_ns = min(day_range_ns(f"{summary.day}")[1] - 1, int(clock.now_ns()))
    symbols = [member.code for member in universe.members]
    measure = swept(gaps_of_day(paths, last_ns), symbols, CalendarWatch(paths, clock).current(), last_ns)
    if measure is None or measure.together is None:
        return summary
    least = sorted(measure.by_symbol.items(), key=lambda item: item[1])[:WORST_SHOWN]
    return msgspec.structs.replace(
        summary,
        swept_percent=round(measure.together, 4),
        least_swept={symbol: round(share, 4) for symbol, share in least if share < 100},
    )


def _print_completeness(one: DaySummary) -> None:
    if one.swept_percent is None:
        print("completeness of the sweeps: not known (no session on that day, or no universe of it)")
        return
    print(f"completeness of the sweeps, by time: {one.swept_percent:.4f} %")
    for symbol, share in one.least_swept.items():
        print(f"  {symbol} {share:.4f} %")
