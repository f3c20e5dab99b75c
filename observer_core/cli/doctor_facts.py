"""What `observerctl doctor` looks at: files, volumes, sockets, database. Probes only; `doctor_checks` judges.

Separate so that the judgement can be tested on facts alone. A probe never raises: what fails is itself a fact.
"""

import fcntl
import grp
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import msgspec

from observer_core.archive.volumes import measure
from observer_core.bus.request import probe
from observer_core.clock import Clock
from observer_core.directories import MOUNTS, DirectoryProblem, directory_problems
from observer_core.errors import ConfigError, LinkError, ObserverError
from observer_core.ids import DayNumber
from observer_core.market.calendar import parse_overrides, shipped_calendar
from observer_core.market.universe import decode_universe
from observer_core.market.universe_config import parse_universe_config
from observer_core.services.config_watch import is_mounted_file
from observer_core.services.universe_files import cached_listings
from observer_core.services.universe_listings import parse_listings
from observer_core.settings import Secret, Settings, load_client_settings, load_settings


@dataclass(frozen=True, slots=True)
class FileFact:
    """One file or directory that should be private or readable."""

    path: Path
    mode: int = 0o600
    error: str = ""
    """Why it cannot be read or understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was found; empty parts were not looked at or are in order."""

    now_ns: int
    settings: Settings | None = None
    config_problems: tuple[str, ...] = ()
    directories: tuple[DirectoryProblem, ...] = ()
    mounted_files: tuple[Path, ...] = ()
    private_files: tuple[FileFact, ...] = ()
    """Env file, token directory, tokens."""
    budgets: tuple[FileFact, ...] = ()
    used_percent: Mapping[str, float] = field(default_factory=dict)
    newest_file: tuple[Path, int] | None = None
    """The youngest file of the state and its time, wall clock ns."""
    database_problems: tuple[str, ...] = ()
    file_problems: tuple[str, ...] = ()
    """Of the files that operators edit, each "file:line: reason"."""
    calendar_ends: date | None = None
    listing_day: int | None = None
    listing_error: str = ""
    universe_sizes: tuple[tuple[str, int], ...] = ()
    """Name and size of the newest snapshots, newest first."""
    universe_error: str = ""
    supervisor: str | None = ""
    """Who holds the supervisor's lock; "" = nobody; None = not known, for the directory or its lock cannot be read."""
    socket_errors: tuple[str, ...] = ()
    port_error: str = ""
    missing_groups: tuple[str, ...] = ()


def gather(environ: Mapping[str, str], clock: Clock, database_check: Callable[[Secret], list[str]]) -> Facts:
    """Look at everything; `database_check` lists what is wrong with the database."""
    now_ns = clock.now_ns()
    env_file = environ.get("OBSERVER_ENV_FILE", "").strip()
    private = [_file_fact(Path(env_file))] if env_file and Path(env_file).is_file() else []
    try:
        settings = load_settings(environ)
    except ConfigError as error:
        # Where a supervisor would run is known without the broker's keys, which only the supervisor itself needs.
        return Facts(
            now_ns=now_ns,
            config_problems=tuple(error.problems),
            private_files=tuple(private),
            supervisor=_client_supervisor(environ),
        )
    paths = settings.paths
    edited = (paths.universe_config, paths.calendar_overrides)
    supervisor = _holder(paths.locks / "supervisor.lock")
    listing_day, listing_error = _listings(settings)
    sizes, universe_error = _universes(paths.universe)
    return Facts(
        now_ns=now_ns,
        settings=settings,
        directories=tuple(directory_problems(settings, MOUNTS)),
        mounted_files=tuple(path for path in edited if is_mounted_file(path)),
        private_files=(*private, *_token_facts(settings.token_cache_dir)),
        budgets=tuple(map(_file_fact, _listed(paths.budgets, "*.bin"))),
        used_percent=_volumes(settings),
        newest_file=_newest(paths.state),
        database_problems=() if settings.postgres_dsn is None else tuple(database_check(settings.postgres_dsn)),
        file_problems=tuple(_edited_problems(settings)),
        calendar_ends=shipped_calendar().last,
        listing_day=listing_day,
        listing_error=listing_error,
        universe_sizes=sizes,
        universe_error=universe_error,
        supervisor=supervisor,
        socket_errors=_socket_errors(settings) if supervisor else (),
        port_error="" if supervisor else _port_error(settings),
        missing_groups=tuple(name for name in (settings.viewers_group, settings.operators_group) if _missing(name)),
    )


def _file_fact(path: Path) -> FileFact:
    try:
        mode = path.stat().st_mode & 0o777
        path.read_bytes()
    except OSError as error:
        return FileFact(path, error=error.strerror or str(error))
    return FileFact(path, mode)


def _token_facts(directory: Path) -> list[FileFact]:
    found: list[FileFact] = []
    try:
        if directory.is_dir():
            # The owner's rights alone count for a directory.
            found.append(FileFact(directory, directory.stat().st_mode & 0o777))
    except OSError as error:
        found.append(FileFact(directory, error=error.strerror or str(error)))
    for path in _listed(directory, "token-*.json"):
        fact = _file_fact(path)
        found.append(fact if fact.error else FileFact(path, fact.mode, _damage(path)))
    return found


def _damage(path: Path) -> str:
    try:
        msgspec.json.decode(path.read_bytes(), type=dict[str, str | int])
    except (OSError, msgspec.DecodeError):
        # Neither content nor decoder's words: they may hold the token.
        return "its content is damaged"
    return ""


def _listed(directory: Path, pattern: str) -> list[Path]:
    try:
        return sorted(directory.glob(pattern))
    except OSError:
        return []


def _volumes(settings: Settings) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, path in (("OBSERVER_DATA_DIR", settings.data_dir), ("OBSERVER_LOG_DIR", settings.log_dir)):
        try:
            found[name] = measure(path).used_percent
        except OSError:
            continue
    return found


def _newest(directory: Path) -> tuple[Path, int] | None:
    newest: tuple[Path, int] | None = None
    for path in _listed(directory, "*"):
        try:
            mtime_ns = path.stat().st_mtime_ns
        except OSError:
            continue
        if newest is None or mtime_ns > newest[1]:
            newest = (path, mtime_ns)
    return newest


def _edited_problems(settings: Settings) -> list[str]:
    problems: list[str] = []
    parsers: tuple[tuple[Path, Callable[[bytes, str], object]], ...] = (
        (settings.paths.universe_config, parse_universe_config),
        (settings.paths.calendar_overrides, parse_overrides),
    )
    for path, parse in parsers:
        try:
            parse(path.read_bytes(), str(path))
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(f"{path}: cannot be read: {error.strerror}")
        except ConfigError as error:
            problems += error.problems
    return problems


def _listings(settings: Settings) -> tuple[int | None, str]:
    days = [
        int(path.name[:8]) for path in _listed(settings.paths.listings, "[0-9]*-*.mst.zip") if path.name[:8].isdigit()
    ]
    if not days:
        return None, ""
    day = max(days)
    files = cached_listings(settings.paths, DayNumber(day))
    if files is None:
        return day, f"a listing file of {day} in {settings.paths.listings} is missing or not readable"
    try:
        parse_listings(files)
    except ObserverError as error:
        return day, f"{settings.paths.listings}: {error}"
    return day, ""


def _universes(directory: Path) -> tuple[tuple[tuple[str, int], ...], str]:
    found: list[tuple[str, int]] = []
    # Names are YYYYMMDD or YYYYMMDD-N.
    for path in sorted(_listed(directory, "[0-9]*.json"), key=lambda path: path.stem, reverse=True)[:2]:
        try:
            found.append((path.stem, len(decode_universe(path.read_bytes()).members)))
        except (OSError, msgspec.DecodeError) as error:
            return tuple(found), f"{path}: {error}"
    return tuple(found), ""


def _client_supervisor(environ: Mapping[str, str]) -> str | None:
    try:
        return _holder(load_client_settings(environ).paths.locks / "supervisor.lock")
    except ConfigError:
        return None


def _holder(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "running"
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError:
        return None
    return ""


def _socket_errors(settings: Settings) -> tuple[str, ...]:
    errors: list[str] = []
    for endpoint in (settings.paths.viewer_endpoint, settings.paths.operator_endpoint):
        try:
            probe(endpoint)
        except LinkError as error:
            errors.append(str(error))
    return tuple(errors)


def _port_error(settings: Settings) -> str:
    if not settings.http_port:
        return ""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.http_host, settings.http_port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attempt.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _missing(group: str) -> bool:
    try:
        grp.getgrnam(group)
    except KeyError:
        return True
    return False
