"""`observer-sim`: run the simulated exchange as a server of its own."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from observer_core.clock import KST, NS_PER_S, SystemClock
from observer_core.errors import ConfigError
from observer_core.kis.simulator.credentials import APPKEY_CHARACTERS
from observer_core.kis.simulator.faults import checked
from observer_core.kis.simulator.hours_file import read_hours
from observer_core.kis.simulator.knobs import Knobs, knob_descriptions
from observer_core.kis.simulator.server import Addresses, RunningExchange, running
from observer_core.kis.simulator.trading_days import TradingDays
from observer_core.kis.simulator.trading_hours import REGULAR_HOURS
from observer_core.kis.simulator.venue import VenueOptions

EXIT_OK: Final = 0
EXIT_CONFIG: Final = 2
_OTHER_NAMES: Final = {"ping_interval_s": ("--ping-interval",)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; return 0 then, 2 when it cannot start."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        options = _options(arguments)
    except (ConfigError, ValueError) as error:
        parser.error(str(error))
    try:
        asyncio.run(_serve(arguments, options))
    except ConfigError as error:
        sys.stderr.write(f"observer-sim: {error}\n")
        return EXIT_CONFIG
    return EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="observer-sim",
        description="A simulated KIS exchange on this machine: REST, WebSocket, control.",
        epilog="Every knob can also be changed while it runs: POST /faults on the control port.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--rest-port", type=int, default=0, help="REST port, 0 = choose")
    add("--ws-port", type=int, default=0, help="WebSocket port, 0 = choose")
    add("--control-port", type=int, default=0, help="control port, 0 = choose")
    add("--seed", type=int, default=1, help="the market is a function of it")
    add("--symbols", type=_positive, default=2_000, help="ordinary shares the default universe rule keeps")
    add("--open", action="store_true", help="trade continuously at any time of day and week")
    add("--clock", type=_instant, help="exchange time at start, ISO, KST unless it carries a zone")
    add("--speed", type=_speed, default=1.0, help="exchange seconds per real second")
    add("--activity", type=_speed, default=1.0, help="factor on the rate of executions")
    add("--holiday", action="append", default=[], metavar="DATE", help="closed besides the built-in days; repeatable")
    add("--trading-day", action="append", default=[], metavar="DATE", help="open whatever the calendar; repeatable")
    add("--exam-day", action="append", default=[], metavar="DATE", help="everything an hour later; repeatable")
    add("--hours", type=Path, metavar="FILE", help="other trading hours, in the form of trading_hours.toml")
    add("--master-date", type=_instant, metavar="DATE", help="day the listing files are of")
    add("--ledger", type=Path, help="append everything sent to this file as JSON lines")
    add("--appkey", action="append", default=[], type=_appkey, help="accept only this appkey; repeatable")
    add("--ready-file", type=Path, help="write the addresses here, atomically, when ready")
    _add_knobs(parser)
    return parser


def _add_knobs(parser: argparse.ArgumentParser) -> None:
    """Add an option for every knob; values are checked by the table of knobs."""
    group = parser.add_argument_group("knobs", "lists are separated by commas")
    meanings = knob_descriptions()
    for field in msgspec.structs.fields(Knobs):
        names = [f"--{field.name.replace('_', '-')}", *_OTHER_NAMES.get(field.name, ())]
        shown = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        text = f"{meanings[field.name]} (default: {shown})".replace("%", "%%")
        if isinstance(field.default, bool):
            group.add_argument(
                *names, dest=field.name, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text
            )
        else:
            kind = _listed if isinstance(field.default, tuple) else str
            group.add_argument(*names, dest=field.name, type=kind, default=argparse.SUPPRESS, help=text)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _speed(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _appkey(text: str) -> str:
    if len(text) != APPKEY_CHARACTERS:
        raise argparse.ArgumentTypeError(f"must have {APPKEY_CHARACTERS} characters")
    return text


def _instant(text: str) -> int:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=KST)
    return int(at.timestamp() * NS_PER_S)


def _options(arguments: argparse.Namespace) -> VenueOptions:
    """Return the options of a parsed command line.

    Raises:
        ConfigError: a knob is out of its range or names an unknown code.
        ValueError: a date is none.
    """
    given = {name: value for name, value in vars(arguments).items() if name in Knobs.__struct_fields__}
    try:
        knobs = checked(msgspec.convert(given, Knobs, strict=False))
    except msgspec.ValidationError as error:
        raise ConfigError(str(error)) from error
    return VenueOptions(
        seed=arguments.seed,
        ordinary_symbols=arguments.symbols,
        always_open=arguments.open,
        speed=arguments.speed,
        start_ns=arguments.clock,
        ledger_path=arguments.ledger,
        appkeys=tuple(arguments.appkey),
        knobs=knobs,
        activity=arguments.activity,
        master_ns=arguments.master_date,
        days=TradingDays(arguments.holiday, arguments.trading_day, arguments.exam_day),
        hours=REGULAR_HOURS if arguments.hours is None else read_hours(arguments.hours),
    )


async def _serve(arguments: argparse.Namespace, options: VenueOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    addresses = Addresses(arguments.host, arguments.rest_port, arguments.ws_port, arguments.control_port)
    async with running(options, addresses, SystemClock()) as exchange:
        _announce(exchange, arguments.ready_file)
        await stop.wait()


def _announce(exchange: RunningExchange, ready_file: Path | None) -> None:
    """Print the addresses as one JSON line, and write them to the ready file by a rename."""
    urls = {
        "rest_url": exchange.rest_url,
        "ws_url": exchange.ws_url,
        "control_url": exchange.control_url,
    }
    line = msgspec.json.encode(urls).decode() + "\n"
    if ready_file is not None:
        draft = ready_file.with_name(f"{ready_file.name}.{os.getpid()}.tmp")
        draft.write_text(line, encoding="utf-8")
        draft.replace(ready_file)
    sys.stdout.write(line)
    sys.stdout.flush()
