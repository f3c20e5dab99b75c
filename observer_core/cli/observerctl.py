"""observerctl: the control protocol for scripts and for people without the console.

Exit codes: 0 done; 1 refused or failed; 2 wrong usage or settings; 3 nobody answers (no supervisor, no hub, or this
user may not ask). Data goes to standard output, everything else to standard error.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from typing import Annotated, NoReturn

import msgspec
import typer

from observer_core.bus.request import Requester, new_request_id
from observer_core.cli import completion
from observer_core.cli.alerts import app as alerts
from observer_core.cli.backup import app as backup
from observer_core.cli.bars import app as bars
from observer_core.cli.days import app as days
from observer_core.cli.dlq import app as letters
from observer_core.cli.exits import FAILED, exit_codes
from observer_core.cli.export import export_command
from observer_core.cli.journal import app as journal
from observer_core.cli.lookups import audit_command, logs_command, symbols_command
from observer_core.cli.maintenance import app as maintenance
from observer_core.cli.operator_name import login_name
from observer_core.cli.output import status_lines, ticket_line
from observer_core.cli.pauses import pauses_command
from observer_core.cli.quality_commands import gaps_command
from observer_core.cli.replay import replay_command
from observer_core.cli.slots import app as slots
from observer_core.cli.universe import app as universe
from observer_core.clock import NS_PER_S, Clock, SystemClock
from observer_core.errors import ConfigError, LinkError
from observer_core.orders import Errand, Verb
from observer_core.questions import AcquireLease, Answer, Command, GetTicket, GetView
from observer_core.settings import ClientSettings, Secret, load_client_settings
from observer_core.tree_messages import TicketUpdate
from observer_core.view import SystemView

_LEASE_S = 30
_WATCH_S = 1.0
_POLL_S = 0.1
_FINAL = frozenset({"done", "failed", "refused"})
_CLEAR_SCREEN = "\x1b[H\x1b[2J"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Ask a running Observer, and give it orders. The run directory is OBSERVER_RUN_DIR.",
)
database = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The schema of the Postgres database.")
app.add_typer(database, name="db")
app.add_typer(universe, name="universe")
app.add_typer(journal, name="journal")
app.add_typer(backup, name="backup")
app.add_typer(maintenance, name="maintenance")
app.add_typer(letters, name="dlq")
app.add_typer(bars, name="bars")
app.add_typer(days, name="days")
app.add_typer(slots, name="slots")
app.command("replay")(replay_command)
app.command("export")(export_command)
app.command("gaps")(gaps_command)
app.command("symbols")(symbols_command)
app.command("logs")(logs_command)
app.command("audit")(audit_command)
app.add_typer(alerts, name="alerts")
app.command("pauses")(pauses_command)

Target = Annotated[
    str,
    typer.Argument(
        metavar="NAME", autocompletion=completion.processes, help="Process, as `observerctl status` names it."
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; goes to the audit log.")]
Operator = Annotated[str, typer.Option("--operator", help="Who you are; your login name by default.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it is done or has failed.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="Longest wait of --wait, in seconds.")]


def main() -> None:
    """Run the command line."""
    completion.prepare()
    app(prog_name=completion.PROGRAM)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"observerctl {metadata.version('observer')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    _show_completion: completion.ShowCompletion = None,
    _install_completion: completion.InstallCompletion = None,
) -> None:
    """Take the options that belong to no command."""


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="The view as JSON; with --watch one line each.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Print again every second until interrupted.")] = False,
) -> None:
    """Show every process, writer and disk, gaps, budgets and the newest events."""
    with exit_codes():
        settings, clock = load_client_settings(os.environ), SystemClock()
        if not watch:
            _show(_fetch_view(settings, clock), clock, as_json=as_json, compact=not sys.stdout.isatty())
            return
        _watch(settings, clock, as_json)


@app.command()
def restart(name: Target, reason: Reason, operator: Operator = "", wait: Wait = False, timeout: Timeout = 30.0) -> None:
    """Stop one process and start it anew; no other is touched."""
    _order(Verb.RESTART, name, reason, operator, timeout if wait else 0.0)


@app.command()
def pause(name: Target, reason: Reason, operator: Operator = "", wait: Wait = False, timeout: Timeout = 30.0) -> None:
    """Stop collecting in one shard, which stays alive; a gap record covers what is missed."""
    _order(Verb.PAUSE, name, reason, operator, timeout if wait else 0.0)


@app.command()
def resume(name: Target, reason: Reason, operator: Operator = "", wait: Wait = False, timeout: Timeout = 30.0) -> None:
    """Collect again in a paused shard."""
    _order(Verb.RESUME, name, reason, operator, timeout if wait else 0.0)


@app.command()
def release(name: Target, reason: Reason, operator: Operator = "", wait: Wait = False, timeout: Timeout = 30.0) -> None:
    """Start a quarantined or waiting process at once; its earlier deaths do not count any more."""
    _order(Verb.RELEASE, name, reason, operator, timeout if wait else 0.0)


@app.command()
def scale(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="swing: the shards that sweep the universe.")],
    count: Annotated[int, typer.Argument(metavar="N", min=1, help="How many there shall be.")],
    reason: Reason,
    operator: Operator = "",
    wait: Wait = False,
    timeout: Timeout = 120.0,
) -> None:
    """Run more or fewer sweeping shards from now on; their symbols move without a hole, no other process is touched."""
    _order(Verb.SCALE, kind, reason, operator, timeout if wait else 0.0, count)


@app.command()
def acknowledge(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Alert, as `observerctl alerts` names it.")],
    reason: Reason,
    operator: Operator = "",
) -> None:
    """Take note of an alert: everybody sees who knows of it, and nobody is sent a message about its beginning."""
    _order(Errand.ACKNOWLEDGE, key, reason, operator, 5.0)


@app.command()
def ticket(ticket_id: Annotated[str, typer.Argument(metavar="TICKET")]) -> None:
    """Say what became of a command."""
    with exit_codes(), Requester(load_client_settings(os.environ).paths.viewer_endpoint, SystemClock()) as requester:
        _finish(_ticket_of(requester.ask(GetTicket(request_id=new_request_id(), ticket=ticket_id))))


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON.")] = False) -> None:
    """Check settings, directories, mounts, rights, clock, disk, database, tokens, calendar, listings and sockets."""
    # Imported here, as below: the probes need much that would cost every other command its quick start.
    from observer_core.cli.doctor import diagnose

    raise typer.Exit(diagnose(as_json=as_json))


@app.command()
def explain(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SHARD|SYMBOL|GAP",
            autocompletion=completion.processes,
            help="Process, symbol code, or gap id.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="The explanation as JSON.")] = False,
) -> None:
    """Say why a process, a symbol or a gap is in its state, and what to do next."""
    with exit_codes():
        from observer_core.cli.explain import print_explanation

        found = print_explanation(subject, as_json=as_json)
    if not found:
        _refuse(f"nothing is called {subject}: `observerctl status` lists processes and the newest gaps")


@database.command("upgrade")
def upgrade_database(revision: Annotated[str, typer.Argument(metavar="REVISION")] = "head") -> None:
    """Bring the schema up to a revision; nothing happens when it is there already."""
    with exit_codes(ConfigError):
        # Imported here: Alembic and SQLAlchemy would cost every other command its quick start.
        from observer_core.cli.db import upgrade

        print(f"schema is at {upgrade(_dsn(), revision)}")


@database.command("check")
def check_database() -> None:
    """Say what is wrong with the database; exit code 1 if anything is."""
    with exit_codes(ConfigError):
        from observer_core.cli.db import check

        problems = check(_dsn())
        for problem in problems:
            print(problem)
        if problems:
            raise typer.Exit(FAILED)
        print("the database is in order")


def _dsn() -> Secret:
    dsn = load_client_settings(os.environ).postgres_dsn
    if dsn is None:
        raise ConfigError("OBSERVER_POSTGRES_DSN is empty: set it to the database's connection string")
    return dsn


def _order(verb: Verb | Errand, name: str, reason: str, operator: str, wait_s: float, count: int | None = None) -> None:
    """Take a lease, give one order, give the lease back; then wait for its end if asked to."""
    with exit_codes():
        clock = SystemClock()
        who = operator or login_name()
        paths = load_client_settings(os.environ).paths
        with Requester(paths.operator_endpoint, clock) as requester:
            _lease(requester, who, reason, _LEASE_S)
            command = Command(
                request_id=new_request_id(), verb=verb.value, target=name, operator=who, reason=reason, count=count
            )
            try:
                update = _ticket_of(requester.ask(command))
            except LinkError as error:
                # Not sent again: it may have been carried out.
                raise LinkError(f"{error}\nwhat became of it: observerctl ticket {command.request_id}") from error
            if wait_s:
                update = _until_final(requester, update, clock, wait_s)
            # A hub that was just restarted has forgotten the lease already.
            with suppress(LinkError):
                _lease(requester, who, reason, 0)
        _finish(update, waited=bool(wait_s))


def _until_final(requester: Requester, update: TicketUpdate, clock: Clock, wait_s: float) -> TicketUpdate:
    deadline_ns = clock.monotonic_ns() + int(wait_s * NS_PER_S)
    while update.state not in _FINAL and clock.monotonic_ns() < deadline_ns:
        time.sleep(_POLL_S)
        try:
            update = _ticket_of(requester.ask(GetTicket(request_id=new_request_id(), ticket=update.ticket)))
        except LinkError as error:
            # The hub may be the one that is being restarted: its successor knows the ticket.
            print(error, file=sys.stderr)
    return update


def _finish(update: TicketUpdate, *, waited: bool = False) -> None:
    print(ticket_line(update))
    if update.state in {"failed", "refused"}:
        raise typer.Exit(FAILED)
    if waited and update.state not in _FINAL:
        print(f"not finished in time; ask later: observerctl ticket {update.ticket}", file=sys.stderr)
        raise typer.Exit(FAILED)


def _lease(requester: Requester, who: str, reason: str, seconds: int) -> None:
    answer = requester.ask(AcquireLease(request_id=new_request_id(), operator=who, reason=reason, seconds=seconds))
    if answer.error is not None:
        _refuse(answer.error)


def _ticket_of(answer: Answer) -> TicketUpdate:
    if answer.ticket is None:
        _refuse(answer.error or "the hub answered without a ticket")
    return answer.ticket


def _refuse(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    raise typer.Exit(FAILED)


def _fetch_view(settings: ClientSettings, clock: Clock) -> SystemView:
    with Requester(settings.paths.viewer_endpoint, clock) as requester:
        answer = requester.ask(GetView(request_id=new_request_id()))
    if answer.view is None:
        raise LinkError(answer.error or "the hub answered without a view")
    return answer.view


def _watch(settings: ClientSettings, clock: Clock, as_json: bool) -> None:
    """Show the view every second; a hub that is gone is said once a second and waited for."""
    with _until_interrupted():
        while True:
            try:
                view = _fetch_view(settings, clock)
            except LinkError as error:
                print(error, file=sys.stderr)
            else:
                if not as_json and sys.stdout.isatty():
                    print(_CLEAR_SCREEN, end="")
                _show(view, clock, as_json=as_json, compact=True)
            time.sleep(_WATCH_S)


@contextmanager
def _until_interrupted() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        return


def _show(view: SystemView, clock: Clock, *, as_json: bool, compact: bool) -> None:
    if not as_json:
        print("\n".join(status_lines(view, clock.now_ns())), flush=True)
        return
    text = msgspec.json.encode(view)
    print((text if compact else msgspec.json.format(text, indent=2)).decode(), flush=True)


if __name__ == "__main__":
    main()
