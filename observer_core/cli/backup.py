"""`observerctl backup`: pack days, verify, pull, restore and drill packages, and write the program for a PC.

Works on files: nothing has to run, and whatever runs is not disturbed. Exit codes: 0 all is well; 1 damaged, missing,
old or failed; 2 wrong usage or settings; 3 the source does not answer.
"""

import os
import sys
import zipfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from observer_core.backup.commands import (
    DEFAULT_SSH,
    DONE,
    FAILED,
    USAGE,
    Manner,
    drill_command,
    finished,
    guarded,
    pull_command,
    restore_command,
    verify_command,
)
from observer_core.backup.pull import Place
from observer_core.backup.restore import Places, below
from observer_core.cli.exits import exit_codes
from observer_core.clock import SystemClock
from observer_core.ids import DayNumber
from observer_core.settings import ClientSettings, load_client_settings

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Daily packages of data and logs. Exit codes: 0 well; 1 damaged, old or failed; 2 usage; 3 no answer.",
)

Day = Annotated[int | None, typer.Option("--day", metavar="YYYYMMDD", help="One day.")]
Store = Annotated[Path | None, typer.Option("--store", help="Directory of packages; the server's own by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")]

PC_SHARED = ("clock", "errors", "ids")
"""What the program for a PC takes along besides the package itself; standard library only, all of it."""
_FIRST_LINE = b"#!/usr/bin/env python3\n"
_MAIN = "import sys\nfrom observer_core.backup.__main__ import main\nsys.exit(main())\n"


@app.command()
def create(day: Day = None, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Pack a day, or every day whose package is missing or out of date, and verify what was packed."""

    def run(settings: ClientSettings, manner: Manner) -> int:
        # Imported here: compression would cost every other command its quick start.
        from observer_core.archive.packing import packer_for

        packer = packer_for(settings.paths, manner.clock)
        days = packer.days_to_pack() if day is None else [DayNumber(day)]
        for one in days:
            if dry_run:
                manner.say({"day": one, "dry_run": True}, f"{one}: would be packed")
                continue
            package = packer.pack(one, manner.progress())
            kind = "" if package.complete else " (the day is not over or not sealed yet: it is packed anew later)"
            line = f"{one}: packed and verified: {len(package.files)} files, {package.total_bytes:,} bytes"
            document = {"day": one, "complete": package.complete, "files": len(package.files), "rows": package.rows}
            manner.say(document, f"{line}, {package.rows:,} records{kind}")
        if not days:
            manner.say({"packed": 0}, "every sealed day is packed already")
        return DONE

    _run(run, as_json)


@app.command()
def verify(
    day: Day = None,
    store: Store = None,
    max_age: Annotated[int | None, typer.Option("--max-age", metavar="DAYS", help="Also fail when older.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read packages through: every file, its size and its SHA-256."""
    _run(lambda settings, manner: verify_command(store or settings.paths.backups, day, max_age, manner), as_json)


@app.command()
def pull(
    source: Annotated[str, typer.Option("--from", help="HOST:/path/data/backup over SSH, or a directory.")],
    to: Annotated[Path, typer.Option("--to", help="Directory of the packages here.")],
    ssh: Annotated[str, typer.Option("--ssh", help="How to call ssh.")] = DEFAULT_SSH,
    name: Annotated[str, typer.Option("--name", help="Name of this machine in the receipt.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Read packages here again, load what is damaged.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Bring every package here that is missing; goes on where an attempt broke off, makes up for missed days."""
    _run(
        lambda _settings, manner: pull_command(source, Place(to, manner.clock, name, check), ssh, dry_run, manner),
        as_json,
    )


@app.command()
def restore(
    to: Annotated[Path | None, typer.Option("--to", help="Files go to TO/data and TO/logs.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Data goes to OBSERVER_DATA_DIR; logs stay.")] = False,
    day: Day = None,
    store: Store = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Copy the files of finished packages to where they belong; nothing that is there is overwritten."""

    def run(settings: ClientSettings, manner: Manner) -> int:
        if (to is None) != in_place:
            print("say where to: --to DIRECTORY, or --in-place", file=sys.stderr)
            return USAGE
        places: Places = {"data": settings.paths.data} if to is None else below(to)
        return restore_command(finished(store or settings.paths.backups, day), places, dry_run, manner)

    _run(run, as_json)


@app.command()
def drill(
    day: Day = None,
    store: Store = None,
    max_age: Annotated[int, typer.Option("--max-age", metavar="DAYS", help="Oldest allowed for the newest.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Restore the newest package to a scratch place, compare every file, count and hash every record."""

    def run(settings: ClientSettings, manner: Manner) -> int:
        from observer_core.archive.packing import examine_lines

        return drill_command(store or settings.paths.backups, day, max_age, examine_lines, manner)

    _run(run, as_json)


@app.command()
def tool(
    to: Annotated[Path, typer.Option("--to", help="The file to write.")] = Path("observer-backup.pyz"),
) -> None:
    """Write the backup program for a PC: one file that plain Python 3.11 runs, on Windows, too."""
    try:
        write_tool(to)
    except OSError as error:
        print(f"{to} cannot be written: {error.strerror}", file=sys.stderr)
        raise typer.Exit(FAILED) from error
    print(f"{to} written; on the PC: python {to.name} pull --from HOST:DATA/backup --to DIRECTORY")


def write_tool(path: Path) -> None:
    """Write the program for a PC.

    Raises:
        OSError: it cannot be written.
    """
    core = resources.files("observer_core")
    with path.open("wb") as file:
        file.write(_FIRST_LINE)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("__main__.py", _MAIN)
            for name in ("__init__", *PC_SHARED):
                archive.writestr(f"observer_core/{name}.py", (core / f"{name}.py").read_bytes())
            for entry in (core / "backup").iterdir():
                if entry.name.endswith(".py"):
                    archive.writestr(f"observer_core/backup/{entry.name}", entry.read_bytes())


def _run(command: Callable[[ClientSettings, Manner], int], as_json: bool) -> None:
    with exit_codes():
        settings = load_client_settings(os.environ)
    code = guarded(lambda: command(settings, Manner(as_json, SystemClock())))
    if code:
        raise typer.Exit(code)
