"""`observerctl gaps`: what is missing.

Work on the files and only read: nothing has to run, and whatever runs is not disturbed.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
import typer

from observer_core.cli.output import table
from observer_core.clock import NS_PER_S, SystemClock, kst_datetime
from observer_core.errors import ConfigError
from observer_core.quality.severity import severity_of
from observer_core.services.hub_archive import GapArchive, GapLine
from observer_core.settings import load_client_settings

FAILED = 1
USAGE = 2

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Reason = Annotated[str, typer.Option("--reason", help="Only gaps of this reason, such as continuity or stream_cut.")]
OnlyOpen = Annotated[bool, typer.Option("--open", help="Only gaps that are still open.")]


def gaps_command(reason: Reason = "", only_open: OnlyOpen = False, as_json: AsJson = False) -> None:
    """List the gap records of the present Korean day: when, why, which symbols, how much is missing."""
    with _exit_codes():
        now_ns = SystemClock().now_ns()
        newest: dict[str, GapLine] = {}
        for line in GapArchive(load_client_settings(os.environ).paths.data).read(now_ns):
            before = newest.get(line.gap_id)
            if before is None or before.until_ns is None or line.until_ns is not None:
                newest[line.gap_id] = line
        chosen = [
            gap
            for gap in sorted(newest.values(), key=lambda gap: gap.from_ns)
            if reason in {"", gap.reason} and not (only_open and gap.until_ns is not None)
        ]
        _print_gaps(chosen, now_ns, as_json)


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


@contextmanager
def _exit_codes() -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        print("\n".join(error.problems), file=sys.stderr)
        raise typer.Exit(USAGE) from error
    except OSError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(FAILED) from error
