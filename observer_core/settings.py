"""The one schema of the product's settings, and the one function that reads the environment.

Precedence: environment > env file (`OBSERVER_ENV_FILE`) > `deployment_config.json` > default. Every problem is
found before any is reported. The variables themselves are data: `observer_core.variables`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from observer_core.env_file import exposure, misspelt_names, read_env_file
from observer_core.errors import ConfigError
from observer_core.ids import DayNumber
from observer_core.paths import Paths
from observer_core.variables import DEPRECATED, VARIABLES

APP_KEY_LENGTH = 36
APP_SECRET_LENGTH = 180
APP_KEYS_LIMIT = 16


class Secret:
    """Text that never shows in a repr, a log or an error."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for the wire only."""
        return self._text

    def __repr__(self) -> str:
        """Return a mask."""
        return "***"

    def __eq__(self, other: object) -> bool:
        """Compare by text."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """Hash by text."""
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class AppKey:
    """One pair of broker credentials."""

    key: Secret
    secret: Secret


@dataclass(frozen=True, slots=True)
class Replay:
    """Which recording is replayed, and how fast."""

    directory: Path
    day: DayNumber
    speed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, validated; built by `load_settings` only (tests may use `dataclasses.replace`)."""

    data_dir: Path
    log_dir: Path
    system_log_dir: Path
    maintenance_log_dir: Path
    config_dir: Path
    run_dir: Path
    token_cache_dir: Path
    app_keys: tuple[AppKey, ...]
    rest_url: str
    ws_url: str
    master_url: str
    virtual_host: bool
    rest_limit_per_s: float
    rest_timeout_s: float
    stream_silence_s: float
    symbol_silence_s: float
    user_agent: str
    source: str
    swing_shards: int
    scalp_trades: int
    scalp_books: int
    keep_raw: bool
    force_open: bool
    closed_sweep_interval_s: float
    stale_after_s: float
    rate_window_s: float
    universe_minimum_close: int
    universe_top: int | None
    postgres_dsn: Secret | None
    sync_interval_ms: int
    standalone: bool
    http_host: str
    http_port: int
    status_interval_ms: int
    viewers_group: str
    operators_group: str
    log_level: str
    backfill_calls_per_min: int = 0
    """0 = never."""
    disk_ladder_percent: tuple[float, ...] = (75.0, 85.0, 90.0, 95.0)
    """Used shares at which to warn, trim, seal and drop."""
    disk_reserve_bytes: int = 16 * 1024 * 1024
    daily_parquet: bool = False
    backup_age_s: float = 36 * 3600.0
    """0 = never."""
    recycle_memory_bytes: int = 512 * 1024 * 1024
    """0 = never."""
    recycle_age_s: float = 0.0
    """0 = never."""
    alert_urls: tuple[Secret, ...] = ()
    """Where alerts go: addresses of the notification library, with their credentials."""
    alert_quiet_minutes: tuple[int, int] = (0, 0)
    """Minutes of the Korean day from and until which alerts wait; equal = never."""
    alert_limit_per_h: int = 20
    allow_container_layer: bool = False
    """Whether data may lie where it goes with the container."""
    chronicle_bytes: int = 128 * 1024 * 1024
    """Most that the recording of the hub's view may take; 0 = none is made."""
    replay: Replay | None = None
    """Set when, and only when, the source is replay."""
    warnings: tuple[str, ...] = field(default=())
    """Deprecated names in use and similar; logged once at start."""

    @property
    def paths(self) -> Paths:
        """Return the file-system layout below the configured directories."""
        return Paths(
            data=self.data_dir,
            logs=self.log_dir,
            config=self.config_dir,
            run=self.run_dir,
            token_cache=self.token_cache_dir,
        )


_T = TypeVar("_T")


class _Reader:
    """Reads typed values and collects every problem instead of stopping at the first."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        return self.values[name].strip()

    def parsed(self, name: str, parse: Callable[[str], _T], expected: str, fallback: _T) -> _T:
        text = self.text(name)
        try:
            return parse(text)
        except ValueError:
            self.problems.append(f"{name}={text!r} is not {expected}; set it to {expected}")
            return fallback

    def whole(self, name: str, low: int, high: int) -> int:
        def parse(text: str) -> int:
            value = int(text)
            if not low <= value <= high:
                raise ValueError
            return value

        return self.parsed(name, parse, f"a whole number from {low} to {high}", low)

    def number(self, name: str, low: float, high: float) -> float:
        def parse(text: str) -> float:
            value = float(text)
            if not low <= value <= high:
                raise ValueError
            return value

        return self.parsed(name, parse, f"a number from {low:g} to {high:g}", low)

    def flag(self, name: str) -> bool:
        def parse(text: str) -> bool:
            if text.lower() in {"true", "1", "yes", "on"}:
                return True
            if text.lower() in {"false", "0", "no", "off"}:
                return False
            raise ValueError

        return self.parsed(name, parse, "true or false", False)

    def rising_percentages(self, name: str, count: int) -> tuple[float, ...]:
        def parse(text: str) -> tuple[float, ...]:
            values = tuple(float(part) for part in text.split(","))
            rising = all(low < high for low, high in zip((0.0, *values), (*values, 100.1), strict=True))
            if len(values) != count or not rising:
                raise ValueError
            return values

        return self.parsed(name, parse, f"{count} rising percentages with commas between them", (100.0,) * count)

    def minutes(self, name: str) -> tuple[int, int]:
        def parse(text: str) -> tuple[int, int]:
            bounds = [part.split(":") for part in text.split("-")]
            (from_h, from_m), (until_h, until_m) = [(int(hour), int(minute)) for hour, minute in bounds]
            if not (0 <= from_h < 24 and 0 <= until_h < 24 and 0 <= from_m < 60 and 0 <= until_m < 60):
                raise ValueError
            return from_h * 60 + from_m, until_h * 60 + until_m

        return self.parsed(name, parse, "HH:MM-HH:MM", (0, 0)) if self.text(name) else (0, 0)

    def directory(self, name: str, fallback: Path | None = None) -> Path:
        text = self.text(name)
        if not text and fallback is not None:
            return fallback
        path = Path(text)
        if not path.is_absolute():
            self.problems.append(f"{name}={text!r} is not an absolute path; give the full path of the directory")
        return path

    def day(self, name: str) -> DayNumber:
        def parse(text: str) -> DayNumber:
            return DayNumber(int(f"{date.fromisoformat(text):%Y%m%d}"))

        return self.parsed(name, parse, "a day, YYYY-MM-DD", DayNumber(0))

    def url(self, name: str, *schemes: str) -> str:
        text = self.text(name).rstrip("/")
        if not text.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            self.problems.append(
                f"{name}={text!r} does not begin with {' or '.join(schemes)}://; give the full address"
            )
        return text

    def choice(self, name: str, *allowed: str) -> str:
        text = self.text(name)
        if text not in allowed:
            self.problems.append(f"{name}={text!r} is not one of {', '.join(allowed)}")
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """What programs that attach to a running system need: no credentials of the broker."""

    run_dir: Path
    data_dir: Path
    log_dir: Path
    config_dir: Path
    postgres_dsn: Secret | None

    @property
    def paths(self) -> Paths:
        """Return the file-system layout below the directories that a client knows."""
        return Paths(
            data=self.data_dir, logs=self.log_dir, config=self.config_dir, run=self.run_dir, token_cache=Path()
        )


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Build the settings from an environment mapping.

    Raises:
        ConfigError: listing every problem found, each with the variable, its value and the remedy.
    """
    settings, problems = read_settings(environ)
    if problems:
        raise ConfigError(problems)
    return settings


def read_settings(environ: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Return the settings as far as they can be understood, and every problem: for checks that go on from there."""
    problems: list[str] = []
    warnings: list[str] = []
    values, overrides = _merged(environ, problems, warnings)
    reader = _Reader(values)
    reader.problems.extend(problems)
    # A replay asks no broker: whatever keys there are, it does not have them.
    replayed = reader.text("OBSERVER_SOURCE") == "replay"
    app_keys = () if replayed else _read_app_keys({**values, **overrides}, reader.problems)
    return _build(reader, app_keys, tuple(warnings)), reader.problems


def load_client_settings(environ: Mapping[str, str]) -> ClientSettings:
    """Build what a client needs, from the same sources in the same order.

    Raises:
        ConfigError: listing every problem found.
    """
    problems: list[str] = []
    values, _ = _merged(environ, problems, [])
    reader = _Reader(values)
    reader.problems.extend(problems)
    dsn = reader.text("OBSERVER_POSTGRES_DSN")
    settings = ClientSettings(
        run_dir=reader.directory("OBSERVER_RUN_DIR"),
        data_dir=reader.directory("OBSERVER_DATA_DIR"),
        log_dir=reader.directory("OBSERVER_LOG_DIR"),
        config_dir=reader.directory("OBSERVER_CONFIG_DIR"),
        postgres_dsn=Secret(dsn) if dsn else None,
    )
    if reader.problems:
        raise ConfigError(reader.problems)
    return settings


def _merged(
    environ: Mapping[str, str], problems: list[str], warnings: list[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return every variable's value in force, and environment over env file as they stand."""
    values = {variable.name: variable.default for variable in VARIABLES}
    env_file = environ.get("OBSERVER_ENV_FILE", "").strip()
    file_values = read_env_file(Path(env_file), problems) if env_file else {}
    overrides = {**file_values, **environ}
    for old, new in DEPRECATED.items():
        for name in [key for key in overrides if key == old or key.startswith(f"{old}_")]:
            renamed = new + name[len(old) :]
            warnings.append(f"{name} is deprecated: use {renamed}")
            overrides.setdefault(renamed, overrides[name])
    warnings += [*misspelt_names(overrides), *(exposure(Path(env_file), file_values) if env_file else [])]
    config_dir = Path(overrides.get("OBSERVER_CONFIG_DIR", values["OBSERVER_CONFIG_DIR"]))
    values.update(_read_deployment_config(config_dir / "deployment_config.json", problems))
    values.update({name: value for name, value in overrides.items() if name in values})
    return values, overrides


def _build(reader: _Reader, app_keys: tuple[AppKey, ...], warnings: tuple[str, ...]) -> Settings:
    log_dir = reader.directory("OBSERVER_LOG_DIR")
    replay = _read_replay(reader)
    # A replay's rows have the keys of rows that a collection may have: they never go into one database.
    dsn = reader.text("OBSERVER_POSTGRES_DSN" if replay is None else "OBSERVER_REPLAY_POSTGRES_DSN")
    top = reader.whole("OBSERVER_UNIVERSE_TOP", 0, 100_000)
    trades = reader.whole("OBSERVER_SCALP_TRADES", 0, 41)
    books = reader.whole("OBSERVER_SCALP_BOOKS", 0, 41)
    if trades + books > 41:
        reader.problems.append(
            f"OBSERVER_SCALP_TRADES={trades} and OBSERVER_SCALP_BOOKS={books} are {trades + books} registrations; "
            "the broker takes 41 per appkey in all"
        )
    run_dir = reader.directory("OBSERVER_RUN_DIR")
    if len(str(run_dir)) > 80:
        reader.problems.append(
            f"OBSERVER_RUN_DIR={str(run_dir)!r} is longer than 80 characters; sockets need a short path"
        )
    return Settings(
        data_dir=reader.directory("OBSERVER_DATA_DIR"),
        log_dir=log_dir,
        system_log_dir=reader.directory("OBSERVER_SYSTEM_LOG_DIR", log_dir / "system"),
        maintenance_log_dir=reader.directory("OBSERVER_MAINTENANCE_LOG_DIR", log_dir / "maintenance"),
        config_dir=reader.directory("OBSERVER_CONFIG_DIR"),
        run_dir=run_dir,
        token_cache_dir=reader.directory("KIS_TOKEN_CACHE_DIR"),
        app_keys=app_keys,
        rest_url=reader.url("KIS_REST_URL", "http", "https"),
        ws_url=reader.url("KIS_WS_URL", "ws", "wss"),
        master_url=reader.url("KIS_MASTER_URL", "http", "https"),
        virtual_host=reader.flag("KIS_VIRTUAL"),
        rest_limit_per_s=reader.number("KIS_REST_LIMIT_PER_S", 0.1, 1000),
        rest_timeout_s=reader.number("KIS_REST_TIMEOUT_S", 0.1, 60),
        stream_silence_s=reader.number("KIS_STREAM_SILENCE_S", 1, 3_600),
        symbol_silence_s=reader.number("KIS_SYMBOL_SILENCE_S", 1, 3_600),
        user_agent=reader.text("KIS_USER_AGENT"),
        source=reader.choice("OBSERVER_SOURCE", "kis", "sim", "replay"),
        swing_shards=reader.whole("OBSERVER_SWING_SHARDS", 1, 64),
        scalp_trades=trades,
        scalp_books=books,
        keep_raw=reader.flag("OBSERVER_KEEP_RAW"),
        force_open=reader.flag("OBSERVER_FORCE_OPEN") or replay is not None,
        closed_sweep_interval_s=reader.number("OBSERVER_CLOSED_SWEEP_INTERVAL_S", 0, 86_400),
        stale_after_s=reader.number("OBSERVER_STALE_AFTER_S", 1, 3_600),
        rate_window_s=reader.number("OBSERVER_RATE_WINDOW_S", 1, 3_600),
        backfill_calls_per_min=reader.whole("OBSERVER_BACKFILL_CALLS_PER_MIN", 0, 60),
        universe_minimum_close=reader.whole("OBSERVER_UNIVERSE_MINIMUM_CLOSE", 0, 100_000_000),
        universe_top=top or None,
        postgres_dsn=Secret(dsn) if dsn else None,
        sync_interval_ms=reader.whole("OBSERVER_SYNC_INTERVAL_MS", 1, 10_000),
        standalone=reader.flag("OBSERVER_STANDALONE"),
        http_host=reader.text("OBSERVER_HTTP_HOST"),
        http_port=reader.whole("OBSERVER_HTTP_PORT", 0, 65_535),
        status_interval_ms=reader.whole("OBSERVER_STATUS_INTERVAL_MS", 50, 10_000),
        viewers_group=reader.text("OBSERVER_VIEWERS_GROUP"),
        operators_group=reader.text("OBSERVER_OPERATORS_GROUP"),
        log_level=reader.choice("OBSERVER_LOG_LEVEL", "DEBUG", "INFO", "WARNING", "ERROR"),
        disk_ladder_percent=reader.rising_percentages("OBSERVER_DISK_LADDER", 4),
        disk_reserve_bytes=reader.whole("OBSERVER_DISK_RESERVE_MIB", 1, 1024) * 1024 * 1024,
        daily_parquet=reader.flag("OBSERVER_DAILY_PARQUET"),
        backup_age_s=reader.number("OBSERVER_BACKUP_AGE_H", 0, 10_000) * 3600,
        recycle_memory_bytes=reader.whole("OBSERVER_RECYCLE_MEMORY_MIB", 0, 1 << 20) * 1024 * 1024,
        recycle_age_s=reader.number("OBSERVER_RECYCLE_AGE_H", 0, 10_000) * 3600,
        alert_urls=tuple(map(Secret, reader.text("OBSERVER_ALERT_URLS").split())),
        alert_quiet_minutes=reader.minutes("OBSERVER_ALERT_QUIET"),
        alert_limit_per_h=reader.whole("OBSERVER_ALERT_LIMIT_PER_H", 1, 3_600),
        allow_container_layer=reader.flag("OBSERVER_ALLOW_CONTAINER_LAYER"),
        chronicle_bytes=reader.whole("OBSERVER_CHRONICLE_MIB", 0, 1 << 20) * 1024 * 1024,
        replay=replay,
        warnings=warnings,
    )


def _read_replay(reader: _Reader) -> Replay | None:
    if reader.text("OBSERVER_SOURCE") != "replay":
        return None
    directory, day = reader.directory("OBSERVER_REPLAY_DIR"), reader.day("OBSERVER_REPLAY_DAY")
    dsn = reader.text("OBSERVER_REPLAY_POSTGRES_DSN")
    if dsn and dsn == reader.text("OBSERVER_POSTGRES_DSN"):
        # The value itself is never part of the message.
        reader.problems.append("OBSERVER_REPLAY_POSTGRES_DSN is OBSERVER_POSTGRES_DSN; give a replay its own database")
    return Replay(directory, day, reader.number("OBSERVER_REPLAY_SPEED", 0.01, 100_000))


def _read_app_keys(values: Mapping[str, str], problems: list[str]) -> tuple[AppKey, ...]:
    found: list[AppKey] = []
    for number in range(1, APP_KEYS_LIMIT + 1):
        suffix = "" if number == 1 else f"_{number}"
        key, secret = (values.get(f"KIS_APP_{part}{suffix}", "").strip() for part in ("KEY", "SECRET"))
        if not key and not secret:
            if number == 1:
                problems.append("KIS_APP_KEY and KIS_APP_SECRET are empty; set them, or run with --demo")
            continue
        # The values themselves are never part of the message.
        if len(key) != APP_KEY_LENGTH:
            problems.append(f"KIS_APP_KEY{suffix} has {len(key)} characters, not {APP_KEY_LENGTH}; copy it again")
        if len(secret) != APP_SECRET_LENGTH:
            problems.append(
                f"KIS_APP_SECRET{suffix} has {len(secret)} characters, not {APP_SECRET_LENGTH}; copy it again"
            )
        found.append(AppKey(Secret(key), Secret(secret)))
    return tuple(found)


_DEPLOYMENT_KEYS = frozenset({"deployment", "paths", "environment"})


def _read_deployment_config(path: Path, problems: list[str]) -> dict[str, str]:
    """Read `paths` and `environment` (both objects of variable names to values) of the optional file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        problems.append(f"{path} cannot be read ({error}); correct its rights or remove it")
        return {}
    try:
        document: Any = json.loads(text)
    except ValueError as error:
        problems.append(f"{path} is not JSON ({error}); correct that line")
        return {}
    if not isinstance(document, dict) or set(document) - _DEPLOYMENT_KEYS:
        problems.append(f"{path} may only have the keys deployment, environment and paths; remove the others")
        return {}
    known = {variable.name for variable in VARIABLES}
    values: dict[str, str] = {}
    for section in ("paths", "environment"):
        for name, value in dict(document.get(section) or {}).items():
            if name not in known:
                problems.append(f"{path}: {section}.{name} is not a variable of Observer; see env.template")
            else:
                values[name] = str(value)
    return values
