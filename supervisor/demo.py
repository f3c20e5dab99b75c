"""What `--demo` adds to the tree: the simulated exchange and an embedded Postgres, and the settings that point at them.

The rest of the system is the real one: the same children, the same adapter, two other addresses.
"""

import random
import socket
import string
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from observer_core.errors import ConfigError
from observer_core.ids import ProcessName
from observer_core.settings import APP_KEY_LENGTH, APP_SECRET_LENGTH
from observer_core.sinks.embedded import STOP_SIGNAL, embedded_dsn
from observer_core.sinks.embedded_programs import server_programs
from supervisor.specs import ChildSpec, Program

LEDGER_FILE = "ledger.jsonl"
READY_FILE = "exchange.json"
DATABASE_DIRECTORY = "postgres"

_OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_FIRST_OUTGOING_PORT = 32_768
_LOWEST_PORT = 10_240
_PORT_TRIES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What an operator may vary about the simulated market."""

    directory: Path
    """Absolute; holds data, logs, ledger and database."""
    run_directory: Path
    """Absolute and short: sockets live here."""
    symbols: int = 2000
    seed: int = 1
    speed: float = 1.0
    swing_shards: int = 4
    http_port: int = 0


@dataclass(frozen=True, slots=True)
class Demo:
    """The composed demo."""

    environment: Mapping[str, str]
    """Settings of the demo; they replace the operator's own so that no real credential is ever used."""
    children: tuple[ChildSpec, ...]
    ledger: Path
    control_url: str


def compose_demo(options: DemoOptions) -> Demo:
    """Choose ports and credentials and describe the two extra children.

    Raises:
        ConfigError: the extra `embedded` is not installed.
    """
    server_programs()
    directory = options.directory
    rest_port, stream_port, control_port = free_ports(3)
    generator = random.Random(options.seed)  # noqa: S311 - made-up credentials of a simulated exchange
    letters = string.ascii_letters + string.digits
    environment = {
        "OBSERVER_DATA_DIR": str(directory / "data"),
        "OBSERVER_LOG_DIR": str(directory / "logs"),
        "OBSERVER_CONFIG_DIR": str(directory / "config"),
        "OBSERVER_RUN_DIR": str(options.run_directory),
        "KIS_TOKEN_CACHE_DIR": str(directory / "secrets"),
        "KIS_APP_KEY": "".join(generator.choices(letters, k=APP_KEY_LENGTH)),
        "KIS_APP_SECRET": "".join(generator.choices(letters, k=APP_SECRET_LENGTH)),
        "KIS_REST_URL": f"http://127.0.0.1:{rest_port}",
        "KIS_WS_URL": f"ws://127.0.0.1:{stream_port}",
        "KIS_MASTER_URL": f"http://127.0.0.1:{rest_port}/common/master",
        "OBSERVER_SOURCE": "sim",
        "OBSERVER_FORCE_OPEN": "true",
        # All 41 registrations, some of them books, so that every kind of record is seen.
        "OBSERVER_SCALP_TRADES": "36",
        "OBSERVER_SCALP_BOOKS": "5",
        "OBSERVER_SWING_SHARDS": str(options.swing_shards),
        "OBSERVER_HTTP_PORT": str(options.http_port),
        "OBSERVER_POSTGRES_DSN": embedded_dsn(database_socket_directory(options.run_directory)).reveal(),
    }
    exchange = Program(
        arguments=(
            sys.executable,
            "-m",
            "observer_core.kis.simulator",
            "--rest-port",
            str(rest_port),
            "--ws-port",
            str(stream_port),
            "--control-port",
            str(control_port),
            "--seed",
            str(options.seed),
            "--symbols",
            str(options.symbols),
            "--speed",
            str(options.speed),
            "--open",
            "--ledger",
            str(directory / LEDGER_FILE),
            "--ready-file",
            str(directory / READY_FILE),
        ),
        output=directory / "logs" / "exchange.out",
    )
    database = Program(
        arguments=database_command(directory, options.run_directory), output=directory / "logs" / "database.out"
    )
    children = (
        ChildSpec(ProcessName("exchange"), "exchange", exchange),
        ChildSpec(ProcessName("database"), "database", database, stop_signal=STOP_SIGNAL),
    )
    return Demo(environment, children, directory / LEDGER_FILE, f"http://127.0.0.1:{control_port}")


def database_socket_directory(run_directory: Path) -> Path:
    """Return where the database listens: apart from our own sockets, because the server's account owns it."""
    return run_directory / "database"


def database_command(directory: Path, run_directory: Path) -> tuple[str, ...]:
    """Return the command that becomes the demo's database server."""
    socket_directory = database_socket_directory(run_directory)
    program = (sys.executable, "-m", "observer_core.sinks.embedded")
    return (*program, str(directory / DATABASE_DIRECTORY), str(socket_directory))


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that are free now, and that no outgoing connection is ever given.

    Who is to listen there starts later, and again after a death; meanwhile clients try to connect. A port out of the
    kernel's own range could be given to one of them, which then talks to itself and keeps the server out.

    Raises:
        ConfigError: there are not so many.
    """
    held: list[socket.socket] = []
    try:
        for port in random.SystemRandom().sample(range(_LOWEST_PORT, _first_outgoing_port()), _PORT_TRIES):
            with suppress(OSError):
                held.append(socket.create_server(("127.0.0.1", port)))
            if len(held) == count:
                return [server.getsockname()[1] for server in held]
    finally:
        for server in held:
            server.close()
    raise ConfigError("no free ports on 127.0.0.1: end what listens there")


def _first_outgoing_port() -> int:
    try:
        first = int(_OUTGOING_PORTS.read_text().split()[0])
    except (OSError, ValueError):
        first = 0
    # An operator may have widened the range: then there is nothing better than a port that is free now.
    return first if first >= _LOWEST_PORT + _PORT_TRIES else _USUAL_FIRST_OUTGOING_PORT


def own_directory(directory: Path) -> None:
    """Make the demo's directory, refusing one that holds something else.

    Raises:
        ConfigError: it is not empty and was not made by a demo.
    """
    marker = directory / ".observer-demo"
    if directory.exists() and any(directory.iterdir()) and not marker.exists():
        raise ConfigError(f"{directory} is not empty and no demo made it: choose another directory")
    directory.mkdir(parents=True, exist_ok=True)
    marker.touch()
