"""`observerctl slots`: who holds the tick slots, who got none, and the file that decides.

Pins are orders about the universe: `observerctl universe pin SYMBOL`.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from observer_core.bus.request import Requester, new_request_id
from observer_core.cli.exits import FAILED, exit_codes
from observer_core.cli.output import duration, table
from observer_core.clock import NS_PER_S, SystemClock, kst_datetime
from observer_core.questions import GetView
from observer_core.scalp.config import TEMPLATE, parse_scalp_config
from observer_core.settings import load_client_settings
from observer_core.view import SlotView

LOSERS_SHOWN = 10

app = typer.Typer(
    invoke_without_command=True, rich_markup_mode=None, help="The tick slots, and the symbols that got none."
)

AsJson = Annotated[bool, typer.Option("--json", help="The slots as one JSON object.")]


@app.callback()
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show who holds the tick slots and since when, the newest candidates that got none, and the mitigation."""
    if context.invoked_subcommand is not None:
        return
    with exit_codes():
        clock = SystemClock()
        with Requester(load_client_settings(os.environ).paths.viewer_endpoint, clock) as requester:
            view = requester.ask(GetView(request_id=new_request_id())).view
        slots = None if view is None else view.slots
        if slots is None:
            print("no streaming shard has told its slots yet", file=sys.stderr)
            raise typer.Exit(FAILED)
        print(msgspec.json.encode(slots).decode() if as_json else "\n".join(slot_lines(slots, clock.now_ns())))


@app.command()
def template() -> None:
    """Print a scalp.toml that says the defaults; put it into the configuration directory and change it there."""
    print(TEMPLATE, end="")


@app.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="A scalp.toml to be.")]) -> None:
    """Say what is wrong with a file, with its lines, before it is put in force."""
    with exit_codes():
        parse_scalp_config(file.read_bytes(), file.name)
        print(f"{file.name} is valid")


def slot_lines(slots: SlotView, now_ns: int) -> list[str]:
    """Return the slots as an operator reads them."""
    rows = [
        (
            f"{row.appkey}/{row.slot}",
            row.symbol,
            "pin" if row.pinned else row.trigger,
            f"{row.score:.2f}",
            duration((now_ns - row.since_ns) / NS_PER_S),
            duration(max(0.0, (row.dwell_until_ns - now_ns) / NS_PER_S)) if row.dwell_until_ns > now_ns else "-",
            "-" if row.last_record_ns is None else duration(max(0.0, (now_ns - row.last_record_ns) / NS_PER_S)),
        )
        for row in slots.slots
    ]
    head = ("SLOT", "SYMBOL", "TRIGGER", "SCORE", "HELD", "DWELL LEFT", "LAST TICK")
    losers = [
        (f"{kst_datetime(row.at_ns):%H:%M:%S}", row.symbol, row.trigger, f"{row.score:.2f}", row.reason)
        for row in slots.newest_overflow[:LOSERS_SHOWN]
    ]
    return [
        f"{len(slots.slots)} of {slots.capacity} slots held; {slots.candidates_total:,} candidates, "
        f"{slots.overflow_total:,} got none; as of {duration((now_ns - slots.as_of_ns) / NS_PER_S)} ago",
        f"mitigation level {slots.mitigation_level}"
        + (f": {slots.mitigation_reason}" if slots.mitigation_reason else ""),
        "",
        *table(head, rows, frozenset({"SCORE", "HELD", "DWELL LEFT", "LAST TICK"})),
        *(["", *table(("GOT NONE", "SYMBOL", "TRIGGER", "SCORE", "REASON"), losers)] if losers else []),
    ]
