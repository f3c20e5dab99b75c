"""`observerctl alerts`: what is not over, and a message to prove that messages arrive.

Separate because the second part sends: it needs the whole settings, with their addresses, and no running Observer.
"""

import os
import socket
import sys
from typing import Annotated

import typer

from observer_core.cli.exits import FAILED, USAGE, exit_codes
from observer_core.cli.lookups import print_alerts
from observer_core.settings import load_settings

app = typer.Typer(
    invoke_without_command=True, rich_markup_mode=None, help="Alerts that are not over; `test` sends one."
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.callback()
def list_alerts(context: typer.Context, as_json: AsJson = False) -> None:
    """List the alerts that are not over: since when, whether a message went out, who knows of them."""
    if context.invoked_subcommand is None:
        print_alerts(as_json)


@app.command("test")
def test_command() -> None:
    """Send a message to every address of OBSERVER_ALERT_URLS; exit 0 only when it went."""
    with exit_codes():
        settings = load_settings(os.environ)
    if not settings.alert_urls:
        print("there is no address: set OBSERVER_ALERT_URLS", file=sys.stderr)
        raise typer.Exit(USAGE)
    # Imported here: no other command of the program needs asyncio.
    import asyncio

    from observer_core.services.alert_rules import Message
    from observer_core.services.alerts import deliver

    words = f"This is a test from {socket.gethostname()}. Nothing is wrong."
    if not asyncio.run(deliver(settings, Message("Observer: test", words), tries=1)):
        print("not sent: the address is wrong, or nobody answers there", file=sys.stderr)
        raise typer.Exit(FAILED)
    print(f"sent to {len(settings.alert_urls)} addresses")
