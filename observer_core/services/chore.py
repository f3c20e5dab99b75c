"""One task of maintenance in a process of its own: `python -m observer_core.services.chore`, ordered on standard input.

A process of its own because these tasks load large libraries and touch every byte of a day: what they take goes back to
the system when they end, and what they break does not break maintenance. The order is pickled by our own parent, as
the settings hold secrets that never stand in argv or environment.
"""

import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from observer_core.archive.day_retention import (
    DATABASE_DAYS,
    REMOVES,
    Action,
    Decision,
    as_date,
    decide,
)
from observer_core.archive.disk_ladder import Level
from observer_core.archive.removal import remove_day
from observer_core.archive.standing import archived_days, sealed_days
from observer_core.clock import SystemClock
from observer_core.errors import ObserverError
from observer_core.ids import DayNumber
from observer_core.settings import Settings

NICENESS = 10


@dataclass(frozen=True, slots=True)
class ChoreOrder:
    """What is to be done."""

    task: str
    settings: Settings
    today: DayNumber
    level: Level = Level.NORMAL
    """The disk ladder's step, for retention."""
    dry_run: bool = False


class Notice(msgspec.Struct, frozen=True):
    """An event that maintenance is to record."""

    name: str
    severity: str
    subject: str
    text: str


class ChoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was done; one JSON object on standard output."""

    text: str
    notices: tuple[Notice, ...] = ()


def pack(order: ChoreOrder) -> ChoreReport:
    """Pack every day that lacks a package or has an old one."""
    from observer_core.archive.packing import packer_for

    settings = order.settings
    directories = {"": settings.log_dir, "system": settings.system_log_dir, "maintenance": settings.maintenance_log_dir}
    packer = packer_for(settings.paths, SystemClock(), directories)
    packed = [packer.pack(day) for day in packer.days_to_pack()]
    if not packed:
        return ChoreReport(text="every sealed day is packed already")
    days = ", ".join(f"{one.day}{'' if one.complete else ' (so far)'}" for one in packed)
    return ChoreReport(text=f"packed and verified: {days}; {sum(one.total_bytes for one in packed):,} bytes")


def retain(order: ChoreOrder) -> ChoreReport:
    """Let go what may go, in the archive and in the database."""
    paths = order.settings.paths
    decisions = decide(archived_days(paths), order.today, order.level)
    freed = 0
    for decision in decisions:
        if decision.action in REMOVES and not order.dry_run:
            freed += remove_day(paths, decision.day)
    notices = tuple(_notice(decision) for decision in decisions if decision.action is not Action.KEEP)
    removed = sum(decision.action in REMOVES for decision in decisions)
    text = f"{removed} of {len(decisions)} days removed, {freed:,} bytes freed"
    if order.settings.postgres_dsn is not None:
        from observer_core.sinks.postgres_retention import drop_before

        first = as_date(order.today) - timedelta(days=DATABASE_DAYS)
        partitions, rows = drop_before(order.settings.postgres_dsn, first, dry_run=order.dry_run)
        text += f"; database: {len(partitions)} partitions and {rows:,} rows of other tables older than {first}"
    return ChoreReport(text=text, notices=notices)


def _notice(decision: Decision) -> Notice:
    severity = {Action.OVERDUE: "error", Action.REMOVE_EARLY: "warning", Action.REMOVE_UNSECURED: "critical"}
    verb = "removed" if decision.action in REMOVES else "kept"
    return Notice(
        f"retention_{decision.action}",
        severity.get(decision.action, "info"),
        str(decision.day),
        f"raw data of {as_date(decision.day)} {verb}: {decision.reason}",
    )


def datasets(order: ChoreOrder) -> ChoreReport:
    """Write the Parquet files of every sealed day that has none."""
    if not order.settings.daily_parquet:
        return ChoreReport(text="not wanted: OBSERVER_DAILY_PARQUET is false")
    from observer_core.sinks.datasets import export_day

    paths = order.settings.paths
    wanted = [day for day in sealed_days(paths) if day < order.today and not paths.datasets(day).exists()]
    rows = sum(export_day(paths, day, paths.datasets(day)).rows for day in wanted)
    return ChoreReport(text=f"{len(wanted)} days, {rows:,} rows")


def checks(order: ChoreOrder) -> ChoreReport:
    """Say what would keep the session from being collected."""
    from observer_core.directories import directory_problems

    found = [problem.text for problem in directory_problems(order.settings)]
    if order.settings.postgres_dsn is not None:
        from observer_core.sinks.postgres_retention import reach

        found += reach(order.settings.postgres_dsn)
    notices = tuple(Notice("session_check", "error", "checks", text) for text in found)
    return ChoreReport(
        text=f"{len(found)} problems: see `observerctl doctor`" if found else "all is well", notices=notices
    )


CHORES: dict[str, Callable[[ChoreOrder], ChoreReport]] = {
    "package": pack,
    "retention": retain,
    "datasets": datasets,
    "checks": checks,
}


def main() -> int:
    """Carry out the order on standard input; print the report, or what went wrong, and return 0 or 1."""
    order: ChoreOrder = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by our own parent over a private pipe
    os.nice(NICENESS)
    try:
        report = CHORES[order.task](order)
    except (ObserverError, OSError) as error:
        sys.stdout.write(str(error))
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
