"""`observerctl replay`: a range of the journals, the archive or backup packages into Postgres, with a dry run.

Separate from `observerctl`, whose other commands ask the hub: this one needs files and a database and no hub.
"""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from observer_core.cli.exits import FAILED, exit_codes
from observer_core.clock import KST, NS_PER_S, Clock, SystemClock, kst_midnight_ns
from observer_core.errors import ConfigError
from observer_core.settings import Secret, load_client_settings

_ONE_DAY_NS = 24 * 3600 * NS_PER_S
_FOR_EVER_NS = 1 << 62

Day = Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="One Korean day.")]
From = Annotated[str, typer.Option("--from", metavar="TIME", help="First instant, ISO; Korean time without a zone.")]
To = Annotated[str, typer.Option("--to", metavar="TIME", help="End, exclusive; the present when left out.")]
SourceName = Annotated[str, typer.Option("--source", metavar="journal|jsonl|backup", help="What to read.")]
Store = Annotated[
    Path | None, typer.Option("--store", help="Directory of backup packages; the server's own by default.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count what would be inserted, insert nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="The figures as JSON on standard output.")]


def replay_command(
    day: Day = "",
    first: From = "",
    until: To = "",
    source: SourceName = "journal",
    store: Store = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Insert into Postgres whatever of a range is missing there; run it as often as you like."""
    with exit_codes():
        wanted = _range_ns(day, first, until)
        settings = load_client_settings(os.environ)
        if settings.postgres_dsn is None:
            raise ConfigError("OBSERVER_POSTGRES_DSN is empty: set it to the database's connection string")
        if source not in {"journal", "jsonl", "backup"}:
            raise ConfigError(f"--source {source}: say journal, jsonl or backup")
        place = {
            "journal": settings.paths.journals,
            "jsonl": settings.data_dir,
            "backup": store or settings.paths.backups,
        }[source]
        rejected = _run((source, place), settings.postgres_dsn, wanted, dry_run, as_json)
    if rejected:
        raise typer.Exit(FAILED)


def _run(place: tuple[str, Path], dsn: Secret, wanted_ns: tuple[int, int], dry_run: bool, as_json: bool) -> int:
    """Replay and print; return how many records were rejected or unreadable."""
    # Imported here: the driver would cost every other command its quick start.
    from observer_core.sinks.replay import ReplayFigures, replay
    from observer_core.sinks.replay_sources import Range, archive_source, backup_source, journal_source

    clock: Clock = SystemClock()
    wanted = Range(*wanted_ns)
    kind, directory = place
    if kind == "journal":
        source = journal_source(directory, wanted)
    elif kind == "backup":
        source = backup_source(directory, wanted)
    else:
        source = archive_source(directory, wanted)

    def say(figures: ReplayFigures) -> None:
        print(_progress(figures.read_bytes, figures.total_bytes, figures.records, figures.left_s), file=sys.stderr)

    figures = replay(dsn, source, clock, dry_run=dry_run, on_progress=say)
    if as_json:
        print(msgspec.json.encode(figures).decode())
    else:
        would = "would be " if dry_run else ""
        print(
            f"{figures.records:,} records in {figures.duration_s:.1f} s: {figures.inserted:,} {would}inserted, "
            f"{figures.existing:,} there already, {figures.rejected:,} rejected, {figures.unreadable:,} unreadable"
        )
        for reason in figures.reasons:
            print(reason)
    return figures.rejected + figures.unreadable


def _progress(read_bytes: int, total_bytes: int, records: int, left_s: float | None) -> str:
    share = 100 * read_bytes / total_bytes if total_bytes else 100.0
    left = "" if left_s is None else f", about {left_s:.0f} s left"
    return f"{share:.0f} % read, {records:,} records{left}"


def _range_ns(day: str, first: str, until: str) -> tuple[int, int]:
    """Return the range asked for.

    Raises:
        ConfigError: neither a day nor a beginning is given, or both, or one of them is not understood.
    """
    if bool(day) == bool(first):
        raise ConfigError("say which range: --day YYYY-MM-DD, or --from TIME and perhaps --to TIME")
    if day:
        return day_range_ns(day)
    begins_ns, ends_ns = _instant_ns("--from", first), _instant_ns("--to", until) if until else _FOR_EVER_NS
    if ends_ns <= begins_ns:
        raise ConfigError(f"--to {until} is not after --from {first}")
    return begins_ns, ends_ns


def day_range_ns(text: str) -> tuple[int, int]:
    """Return when a Korean day begins and ends.

    Raises:
        ConfigError: the text is no date.
    """
    try:
        at = datetime.strptime(text.replace("-", ""), "%Y%m%d").replace(tzinfo=KST)
    except ValueError as error:
        raise ConfigError(f"--day {text} is no date: write YYYY-MM-DD") from error
    begins_ns = kst_midnight_ns(at.year * 10_000 + at.month * 100 + at.day)
    return begins_ns, begins_ns + _ONE_DAY_NS


def _instant_ns(option: str, text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{option} {text} is no time: write 2026-07-16T09:00, with a zone if not Korean") from error
    return int((at if at.tzinfo else at.replace(tzinfo=KST)).timestamp() * NS_PER_S)
