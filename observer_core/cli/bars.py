"""`observerctl bars`: building the bars of a day again and comparing them with those that were kept on line.

Separate from replay, which brings rows and leaves bars alone: after it, this makes the bars fit again.
"""

import os
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from observer_core.cli.exits import FAILED, exit_codes
from observer_core.cli.output import table
from observer_core.cli.replay import AsJson, day_range_ns
from observer_core.clock import SystemClock, kst_day
from observer_core.errors import ConfigError
from observer_core.settings import load_client_settings

if TYPE_CHECKING:
    from observer_core.sinks.bar_rebuild import RebuildFigures


app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Bars of one and of ten minutes.")


@app.callback()
def _group() -> None:
    """Keep `rebuild` a command of its own name while it is the only one."""


Day = Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="The Korean day.")]
SourceName = Annotated[str, typer.Option("--source", metavar="journal|jsonl|postgres", help="What to build from.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Compare, write nothing.")]


@app.command("rebuild")
def rebuild_command(day: Day, source: SourceName = "journal", dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Make the bars of a day fit its records; bars whose window is not over are left to the writer."""
    with exit_codes():
        figures = _run(day, source, dry_run)
    if as_json:
        print(msgspec.json.encode(figures).decode())
    else:
        _print(figures)
    if figures.unreadable or any(counts.refused for counts in figures.frames.values()):
        raise typer.Exit(FAILED)


def _run(day: str, source_name: str, dry_run: bool) -> "RebuildFigures":
    # Imported here: the driver would cost every other command its quick start.
    from observer_core.sinks.bar_rebuild import rebuild
    from observer_core.sinks.replay_sources import Range, Source, archive_source, journal_source

    wanted = Range(*day_range_ns(day))
    settings = load_client_settings(os.environ)
    if settings.postgres_dsn is None:
        raise ConfigError("OBSERVER_POSTGRES_DSN is empty: set it to the database's connection string")
    match source_name:
        case "journal":
            source: Source | None = journal_source(settings.paths.journals, wanted)
        case "jsonl":
            source = archive_source(settings.paths.data, wanted)
        case "postgres":
            source = None
        case _:
            raise ConfigError(f"--source {source_name}: say journal, jsonl or postgres")
    return rebuild(settings.postgres_dsn, kst_day(wanted.from_ns), SystemClock(), source=source, dry_run=dry_run)


def _print(figures: "RebuildFigures") -> None:
    rows = [
        (name, f"{c.equal:,}", f"{c.changed:,}", f"{c.new:,}", f"{c.strange:,}", f"{c.open:,}", f"{c.refused:,}")
        for name, c in figures.frames.items()
    ]
    head = ("bars", "equal", "changed", "new", "strange", "open", "refused")
    print("\n".join(table(head, rows, frozenset(head[1:]))))
    wrote = "nothing was written" if figures.dry_run else "changed and new ones were written"
    print(
        f"{figures.records:,} records in {figures.duration_s:.1f} s, {figures.unreadable:,} unreadable; {wrote}",
    )
    for change in figures.changes:
        print(change)
