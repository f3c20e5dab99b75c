"""`observerctl symbols|logs|audit|alerts`: what the console's pages show, for scripts and for people without it.

Asks the hub as the console does; a symbol's reasons are at `observerctl explain`, gaps at `observerctl gaps`.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import msgspec
import typer

from observer_core.bus.request import Requester, new_request_id
from observer_core.cli.completion import processes
from observer_core.cli.exits import FAILED, exit_codes
from observer_core.cli.output import duration, size, table
from observer_core.clock import SystemClock, kst_datetime
from observer_core.details import PINNED, STREAMED, SymbolRow, Why, symbol_rows
from observer_core.questions import Answer, GetAudit, GetLog, GetSymbols, GetView, Question
from observer_core.settings import load_client_settings
from observer_core.view import SystemView

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Contains = Annotated[str, typer.Option("--contains", help="Only lines with these words; !word turns it round.")]


def symbols_command(
    words: Annotated[list[str] | None, typer.Argument(metavar="[WORD]...", help="In code, name or shard.")] = None,
    stale: Annotated[bool, typer.Option("--stale", help="Only symbols that are not observed as expected.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the freshness of every collected symbol, the worst first, and why each stands as it does."""
    found = _asked(GetSymbols(request_id=new_request_id())).symbols
    if found is None or found.listing is None:
        _fail("the hub answered without symbols")
    rows = symbol_rows(found, found.listing)
    wanted = [word.lower() for word in words or ()]
    chosen = [
        row
        for row in sorted(rows, key=lambda row: (-row.why, -(row.seen_s if row.seen_s is not None else 1e9), row.code))
        if all(word in f"{row.code} {row.name} {row.shard}".lower() for word in wanted)
        and not (stale and row.why in {Why.FRESH, Why.QUIET, Why.SESSION})
    ]
    if as_json:
        for row in chosen:
            _print_json({**row._asdict(), "why": row.why.name.lower()})
        return
    head = ("CODE", "NAME", "SHARD", "SLOT", "AGE", "TRADED", "PRICE", "CHANGE", "OBS/MIN", "WHY")
    _print_table(head, [_symbol_cells(row) for row in chosen], frozenset(head[4:9]))


def _symbol_cells(row: SymbolRow) -> tuple[str, ...]:
    return (
        row.code,
        row.name or "-",
        row.shard,
        f"{'T' if row.flags & STREAMED else ''}{'P' if row.flags & PINNED else ''}",
        duration(row.seen_s),
        duration(row.traded_s),
        "-" if row.price is None else f"{row.price:,}",
        "-" if row.change_bp is None else f"{row.change_bp / 100:+.2f}%",
        str(row.rate),
        row.why.name.lower(),
    )


def logs_command(
    process: Annotated[str, typer.Argument(metavar="NAME", autocompletion=processes, help="Process, or supervisor.")],
    level: Annotated[str, typer.Option("--level", help="Least level: DEBUG, INFO, WARNING, ERROR.")] = "",
    contains: Contains = "",
    stacks: Annotated[bool, typer.Option("--stacks", help="The stack dumps of a process that hung.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the end of a process's log."""
    question = GetLog(
        request_id=new_request_id(),
        process=process,
        kind="stacks" if stacks else "log",
        level=level.upper(),
        contains=contains,
    )
    found = _asked(question).log
    if found is None:
        _fail("the hub answered without a log")
    if found.modified_ns is None:
        _fail(f"{process} has written no such file")
    for line in found.lines:
        if as_json:
            _print_json(msgspec.structs.asdict(line))
        else:
            print(f"{line.time} {line.level:<8}{line.text}" if line.level else line.text)
    if found.truncated:
        print(f"(the end of {size(found.size_bytes)}; older lines are in the file)", file=sys.stderr)


def audit_command(contains: Contains = "", as_json: AsJson = False) -> None:
    """Print the end of the audit trail: who ordered what, why, and what became of it."""
    found = _asked(GetAudit(request_id=new_request_id(), contains=contains)).audit
    if found is None:
        _fail("the hub answered without a trail")
    if as_json:
        for row in found.rows:
            _print_json(row)
        return
    rows = [
        (f"{kst_datetime(row.at_ns):%m-%d %H:%M:%S}", row.who, row.verb or row.fact, row.target, row.state, row.reason,
         row.text)
        for row in found.rows
    ]  # fmt: skip
    _print_table(("AT", "WHO", "ORDER", "TARGET", "STATE", "REASON", "TEXT"), rows, frozenset())


def print_alerts(as_json: bool) -> None:
    """List the alerts that are not over: since when, whether a message went out, who knows of them."""
    alerts = _view().alerts
    if as_json:
        for alert in alerts:
            _print_json(alert)
        return
    rows = [
        (_time(alert.since_ns), alert.key, "sent" if alert.told else "-", alert.acknowledged_by or "-", alert.reason,
         alert.text)
        for alert in alerts
    ]  # fmt: skip
    _print_table(("SINCE", "KEY", "MESSAGE", "KNOWN TO", "REASON", "TEXT"), rows, frozenset())


def _view() -> SystemView:
    view = _asked(GetView(request_id=new_request_id())).view
    if view is None:
        _fail("the hub answered without a view")
    return view


def _asked(question: Question) -> Answer:
    with exit_codes(), Requester(load_client_settings(os.environ).paths.viewer_endpoint, SystemClock()) as requester:
        answer = requester.ask(question)
    if answer.error is not None:
        _fail(answer.error)
    return answer


def _time(at_ns: int) -> str:
    return f"{kst_datetime(at_ns):%H:%M:%S}"


def _print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], right: frozenset[str]) -> None:
    print("\n".join(table(head, rows, right)))


def _print_json(content: Any) -> None:
    print(msgspec.json.encode(content).decode())


def _fail(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    raise typer.Exit(FAILED)
