"""`observerctl export`: a day of the archive as Parquet files, for DuckDB, polars or pandas."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from observer_core.backup.commands import Manner
from observer_core.cli.exits import FAILED, exit_codes
from observer_core.cli.replay import day_range_ns
from observer_core.clock import SystemClock, kst_day
from observer_core.errors import ConfigError
from observer_core.ids import DayNumber
from observer_core.settings import load_client_settings


def export_command(
    day: Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="One Korean day.")],
    form: Annotated[str, typer.Option("--format", help="parquet is the only one.")] = "parquet",
    to: Annotated[Path | None, typer.Option("--to", help="Directory; data/datasets/DAY by default.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Also the payloads as received.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be read and written.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The manifest as JSON on standard output.")] = False,
) -> None:
    """Write the sealed records of a day as Parquet files with schema, quality columns and a manifest."""
    with exit_codes():
        if form != "parquet":
            raise ConfigError(f"--format {form}: say parquet")
        code = _run(DayNumber(kst_day(day_range_ns(day)[0])), to, raw, dry_run, as_json)
    if code:
        raise typer.Exit(code)


def _run(day: DayNumber, to: Path | None, raw: bool, dry_run: bool, as_json: bool) -> int:
    from observer_core.archive.manifest import read_manifest
    from observer_core.sinks.datasets import export_day

    paths = load_client_settings(os.environ).paths
    target = (to or paths.datasets(day)).absolute()
    manner = Manner(as_json, SystemClock())
    if dry_run:
        sealed = read_manifest(paths.manifest(day), day)
        rows = sum(file.rows for file in sealed.files.values())
        line = f"{len(sealed.files)} sealed files with {rows:,} records would be read, {target} written"
        manner.say({"day": day, "files": len(sealed.files), "rows": rows, "target": str(target)}, line)
        return 0 if sealed.files else FAILED
    manifest = export_day(paths, day, target, with_raw=raw, on_progress=manner.progress())
    kind = "" if manifest.complete else " (the day is not over or not sealed: its end is missing)"
    lines = [
        f"  {name}: {file.rows:,} rows, {file.size_bytes:,} bytes, {file.degraded:,} degraded"
        for name, file in manifest.files.items()
    ]
    missing = f"  gaps closed {manifest.gaps}, missed volume {manifest.missed_volume:,}"
    lines.append(f"{missing}, unreadable lines {manifest.unreadable}")
    manner.say(msgspec.to_builtins(manifest), f"{target}: {manifest.rows:,} rows{kind}", *lines)
    return 0
