"""`observerctl universe`: show what is collected, plan a change, apply it, pin symbols to the streams.

Works on the files: `show` and `plan` need nothing that runs; `apply`, `pin` and `unpin` leave a request for
maintenance, which carries it out, records who asked and why, and answers.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import msgspec
import typer

from observer_core.bus.request import Requester, new_request_id
from observer_core.cli.exits import FAILED, NOBODY, exit_codes
from observer_core.cli.operator_name import login_name
from observer_core.cli.output import table
from observer_core.clock import NS_PER_S, SystemClock, kst_datetime
from observer_core.errors import ConfigError, LinkError, ObserverError
from observer_core.ids import is_symbol
from observer_core.journal.files import replace_durably
from observer_core.market.universe import Universe
from observer_core.market.universe_config import TEMPLATE
from observer_core.market.universe_plan import Plan, named
from observer_core.paths import Paths
from observer_core.questions import GetView
from observer_core.services.assignment import Assignment, read_assignment
from observer_core.services.universe_files import (
    Outcome,
    Request,
    in_force,
    leave_request,
    read_outcome,
    read_pins,
)
from observer_core.services.universe_rules import read_source
from observer_core.settings import load_client_settings

if TYPE_CHECKING:
    from observer_core.services.universe_preview import Preview


_POLL_S = 0.1
_VERIFY_S = 15.0

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Which symbols are collected, and by which rules.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Candidate = Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Rules; universe.toml in force by default.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; goes to the audit log.")]
Operator = Annotated[str, typer.Option("--operator", help="Who you are; your login name by default.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="Longest wait for maintenance, in seconds.")]
Symbols = Annotated[list[str], typer.Argument(metavar="SYMBOL...")]


@app.command()
def show(as_json: AsJson = False) -> None:
    """Show the universe in force, what each rule dropped, the pins, and the last change."""
    paths = _paths()
    with exit_codes():
        universe, assignment = in_force(paths)
    outcome = read_outcome(paths)
    if as_json:
        _print_json(
            {
                "name": universe.name,
                "day": universe.day,
                "symbols": len(universe.members),
                "listings": universe.listings,
                "dropped": universe.dropped,
                "unlisted": universe.unlisted,
                "origin": universe.origin,
                "rules": universe.rules,
                "operator_pins": read_pins(paths),
                "shards": {shard: len(symbols) for shard, symbols in assignment.swing.items()},
                "streams": assignment.scalp,
                "assignment_version": assignment.version,
                "last_change": outcome,
            }
        )
        return
    print("\n".join(_universe_lines(paths, universe, assignment, outcome)))


@app.command()
def template() -> None:
    """Print a universe.toml with the default rules, to begin with."""
    print(TEMPLATE, end="")


@app.command()
def plan(file: Candidate = None, as_json: AsJson = False) -> None:
    """Show what a file of rules would change; exit code 1 when it is wrong or would be refused."""
    paths = _paths()
    found = _preview(paths, file, as_json=as_json)
    if as_json:
        _print_json({"ok": not found.refusal, "plan": found.plan, "refused": found.refusal, "problems": []})
    else:
        print("\n".join(_plan_lines(found)))
    if found.refusal:
        raise typer.Exit(FAILED)


@app.command()
def apply(
    reason: Reason,
    file: Candidate = None,
    operator: Operator = "",
    accept_size: Annotated[
        bool, typer.Option("--accept-size", help="Take the universe even if the guard refuses its size.")
    ] = False,
    timeout: Timeout = 30.0,
) -> None:
    """Check a file of rules, put it in place of universe.toml, and wait until the shards have it."""
    paths = _paths()
    found = _preview(paths, file)
    print("\n".join(_plan_lines(found)))
    if found.refusal and not accept_size:
        _fail("not applied; if it is meant: --accept-size")
    if file is not None:
        _install(paths, file)
    _request(paths, _new_request("apply", operator, reason, accept_size=accept_size), timeout)


@app.command()
def pin(symbols: Symbols, reason: Reason, operator: Operator = "", timeout: Timeout = 30.0) -> None:
    """Collect these symbols, first in line for the tick streams, whatever the rules say."""
    paths, wanted = _paths(), _checked(symbols)
    unknown = _unlisted(paths, wanted)
    if unknown:
        _fail(f"not in the listing files of the day, nothing was changed: {', '.join(unknown)}")
    _request(paths, _new_request("pin", operator, reason, wanted), timeout)


@app.command()
def unpin(symbols: Symbols, reason: Reason, operator: Operator = "", timeout: Timeout = 30.0) -> None:
    """Give pinned symbols back to the rules; pins of universe.toml are changed there."""
    paths = _paths()
    unknown = set(symbols).difference(pin.symbol for pin in read_pins(paths))
    if unknown:
        _fail(f"not pinned by an operator: {', '.join(sorted(unknown))}")
    _request(paths, _new_request("unpin", operator, reason, _checked(symbols)), timeout)


def _unlisted(paths: Paths, symbols: tuple[str, ...]) -> list[str]:
    """Return the symbols that the day's listing files do not have; none where there are no files to look into."""
    # Imported here: the reader of listing files would cost every other command its quick start.
    from observer_core.services.universe_files import cached_listings
    from observer_core.services.universe_listings import parse_listings

    try:
        universe, _ = in_force(paths)
        files = cached_listings(paths, universe.day)
        codes = {listing.code for listing in parse_listings(files)} if files is not None else set(symbols)
    except ObserverError:
        return []
    return sorted(set(symbols) - codes)


def _paths() -> Paths:
    with exit_codes():
        return load_client_settings(os.environ).paths


def _preview(paths: Paths, file: Path | None, *, as_json: bool = False) -> "Preview":
    # Imported here: the broker's adapter behind it would cost every other command its quick start.
    from observer_core.services.universe_preview import preview

    path = paths.universe_config if file is None else file
    if file is not None and not file.exists():
        _fail(f"{file} is not there")
    try:
        return preview(paths, read_source(path), path.name)
    except ConfigError as error:
        if as_json:
            _print_json({"ok": False, "plan": None, "refused": "", "problems": error.problems})
        else:
            print("\n".join(error.problems), file=sys.stderr)
        raise typer.Exit(FAILED) from error


def _install(paths: Paths, file: Path) -> None:
    try:
        replace_durably(paths.universe_config, file.read_bytes())
    except OSError as error:
        _fail(f"{paths.universe_config} cannot be replaced ({error.strerror}): put the file there on the host")


def _new_request(
    verb: str, operator: str, reason: str, symbols: tuple[str, ...] = (), *, accept_size: bool = False
) -> Request:
    return Request(
        request_id=new_request_id(),
        verb=verb,
        who=operator or login_name(),
        reason=reason,
        at_ns=SystemClock().now_ns(),
        symbols=symbols,
        accept_size=accept_size,
    )


def _request(paths: Paths, request: Request, timeout_s: float) -> None:
    """Leave a request, wait for its outcome, and for the shards to follow."""
    try:
        leave_request(paths, request)
    except OSError as error:
        _fail(f"{paths.universe_desk} cannot be written ({error.strerror}): run this as the user of Observer")
    for _waited_s in _looks(timeout_s):
        outcome = read_outcome(paths)
        if outcome is not None and request.request_id in outcome.request_ids:
            print(f"{outcome.state}: {outcome.text}")
            if outcome.state not in {"applied", "unchanged"}:
                raise typer.Exit(FAILED)
            _verify(paths)
            return
    print("maintenance does not answer: is Observer running? the request stays on its desk", file=sys.stderr)
    raise typer.Exit(NOBODY)


def _verify(paths: Paths) -> None:
    """Wait until every shard reports as many symbols as it was assigned."""
    late: list[str] | None = []
    for waited_s in _looks(_VERIFY_S):
        late = _late_shards(paths)
        if late is None:
            print("not verified: the hub does not answer", file=sys.stderr)
            return
        if not late:
            print(f"verified: every shard has its symbols ({waited_s:.1f} s)")
            return
    _fail(f"not verified: {', '.join(late or ())} did not take the symbols within {_VERIFY_S:g} s")


def _late_shards(paths: Paths) -> list[str] | None:
    """Return the shards that report another number of symbols than they should have; None = nobody answers."""
    assignment = read_assignment(paths)
    try:
        with Requester(paths.viewer_endpoint, SystemClock()) as requester:
            view = requester.ask(GetView(request_id=new_request_id())).view
    except LinkError:
        return None
    if view is None or assignment is None:
        return None
    wanted = {str(shard): len(codes) for placement in assignment.placements for shard, codes in placement.items()}
    return [row.name for row in view.processes if row.name in wanted and row.symbols != wanted[row.name]]


def _looks(limit_s: float) -> Iterator[float]:
    """Yield the seconds waited so far, some times a second, until the limit."""
    clock = SystemClock()
    begun_ns = clock.monotonic_ns()
    while (waited_s := (clock.monotonic_ns() - begun_ns) / NS_PER_S) < limit_s:
        yield waited_s
        time.sleep(_POLL_S)


def _universe_lines(paths: Paths, universe: Universe, assignment: Assignment, outcome: Outcome | None) -> list[str]:
    lines = [
        f"universe {universe.name}: {len(universe.members):,} of {universe.listings:,} listings, by {universe.origin}",
        "",
        *table(("DROPPED BY", "LISTINGS"), [(rule, f"{count:,}") for rule, count in universe.dropped.items()],
               frozenset({"LISTINGS"})),
        "",
        *table(("SHARD", "SYMBOLS"), [(shard, f"{len(codes):,}") for placement in assignment.placements
                                      for shard, codes in placement.items()], frozenset({"SYMBOLS"})),
    ]  # fmt: skip
    if universe.rules.pins:
        lines += ["", f"pins: {', '.join(universe.rules.pins)}"]
    lines += [f"  {pin.symbol} by {pin.who}: {pin.reason}" for pin in read_pins(paths)]
    if universe.unlisted:
        lines += ["", f"not listed, so not collected: {', '.join(universe.unlisted)}"]
    if outcome is not None:
        lines += ["", f"last change {kst_datetime(outcome.at_ns):%m-%d %H:%M:%S} {outcome.state}: {outcome.text}"]
        lines += [f"  {problem}" for problem in outcome.problems if problem != outcome.text]
    return lines


def _plan_lines(found: "Preview") -> list[str]:
    lines = [f"plan: {found.plan.text}", *_change_lines(found.plan)]
    if found.universe.unlisted:
        lines.append(f"  not listed, so not collected: {named(found.universe.unlisted)}")
    if found.refusal:
        lines.append(f"refused: {found.refusal}")
    return lines


def _change_lines(change: Plan) -> list[str]:
    parts = {
        "added": change.added,
        "removed": change.removed,
        "into the streams": change.stream_added,
        "out of the streams": change.stream_removed,
    }
    return [f"  {what}: {named(codes)}" for what, codes in parts.items() if codes]


def _checked(symbols: list[str]) -> tuple[str, ...]:
    wrong = [symbol for symbol in symbols if not is_symbol(symbol)]
    if wrong:
        _fail(f"not a symbol: {', '.join(wrong)}")
    return tuple(dict.fromkeys(symbols))


def _print_json(content: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(content), indent=2).decode())


def _fail(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    raise typer.Exit(FAILED)
