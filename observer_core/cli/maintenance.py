"""`observerctl maintenance`: the timetable with its last runs, how backups stand, and what retention will do next.

Works on the files and only reads: nothing has to run, and whatever runs is not disturbed.
"""

import os
from typing import Annotated

import msgspec
import typer

from observer_core.archive.day_retention import as_date
from observer_core.archive.standing import archived_days
from observer_core.cli.exits import exit_codes
from observer_core.cli.output import backup_line, table, task_table
from observer_core.clock import SystemClock
from observer_core.paths import Paths
from observer_core.services.hub_upkeep import read_upkeep, retention_view
from observer_core.settings import load_client_settings

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The daily tasks: what ran, what comes next.")

AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]


@app.command()
def show(as_json: AsJson = False) -> None:
    """Show the timetable, the last run of each task with its duration, and how backups stand."""
    now_ns = SystemClock().now_ns()
    tasks, backup, _ = read_upkeep(_paths(), now_ns)
    if as_json:
        print(msgspec.json.encode({"tasks": tasks, "backup": backup}).decode())
        return
    print("\n".join([*task_table(tasks, now_ns), "", backup_line(backup, now_ns)]))


@app.command()
def retention(as_json: AsJson = False) -> None:
    """Show what the next run of retention does with each day of raw data, and why; changes nothing."""
    found = retention_view(archived_days(_paths()), SystemClock().now_ns())
    if as_json:
        print(
            msgspec.json.encode([{"day": d.day, "action": d.action, "reason": d.reason} for d in found.days]).decode()
        )
        return
    rows = [
        (
            str(as_date(one.day)),
            one.action,
            "yes" if one.secured else "no",
            "yes" if one.anomalous else "no",
            one.reason,
        )
        for one in found.days
    ]
    print("\n".join(table(("DAY", "NEXT", "SECURED", "ANOMALY", "REASON"), rows)) if rows else "there is no raw data")


def _paths() -> Paths:
    with exit_codes():
        return load_client_settings(os.environ).paths
