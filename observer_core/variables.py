"""Every environment variable of the product, as data: name, default, unit, meaning.

Separate from `settings`, which reads and validates them: templates, documents and contract tests need only this.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: its default as text, unit and meaning."""

    name: str
    default: str
    meaning: str
    unit: str = ""
    group: str = ""
    secret: bool = False
    """Whether the value must never be shown."""


_DIRECTORIES = "Directories (absolute paths)"
_BROKER = "Broker"
_COLLECTION = "Collection"
_STORAGE = "Storage"
_OPERATION = "Operation"

VARIABLES: tuple[Variable, ...] = (
    Variable("OBSERVER_DATA_DIR", "/app/data", "Journal, archive and state", group=_DIRECTORIES),
    Variable("OBSERVER_LOG_DIR", "/app/logs", "Structured logs of all processes", group=_DIRECTORIES),
    Variable(
        "OBSERVER_SYSTEM_LOG_DIR", "", "Logs of supervisor and hub; empty = OBSERVER_LOG_DIR/system", group=_DIRECTORIES
    ),
    Variable(
        "OBSERVER_MAINTENANCE_LOG_DIR",
        "",
        "Logs of maintenance; empty = OBSERVER_LOG_DIR/maintenance",
        group=_DIRECTORIES,
    ),
    Variable(
        "OBSERVER_CONFIG_DIR", "/app/config", "Files that operators edit; deployment_config.json", group=_DIRECTORIES
    ),
    Variable(
        "OBSERVER_RUN_DIR",
        "/run/observer",
        "Sockets; at most 80 characters long",
        group=_DIRECTORIES,
    ),
    Variable("KIS_TOKEN_CACHE_DIR", "/app/secrets/.kis_cache", "Access tokens, files of mode 0600", group=_DIRECTORIES),
    Variable("OBSERVER_ENV_FILE", "", "A KEY=VALUE file read below the environment; empty = none", group=_DIRECTORIES),
    Variable(
        "KIS_APP_KEY", "", "First appkey; more as KIS_APP_KEY_2, KIS_APP_KEY_3 …", "36 characters", _BROKER, secret=True
    ),
    Variable("KIS_APP_SECRET", "", "Its secret; more as KIS_APP_SECRET_2 …", "180 characters", _BROKER, secret=True),
    Variable("KIS_REST_URL", "https://openapi.koreainvestment.com:9443", "REST host", group=_BROKER),
    Variable("KIS_WS_URL", "ws://ops.koreainvestment.com:21000", "WebSocket host", group=_BROKER),
    Variable(
        "KIS_MASTER_URL",
        "https://new.real.download.dws.co.kr/common/master",
        "Where the listing files kospi_code.mst.zip and kosdaq_code.mst.zip lie",
        group=_BROKER,
    ),
    Variable(
        "KIS_VIRTUAL",
        "false",
        "true on the virtual (모의) host: 1 call a second, no multi-price",
        "true|false",
        _BROKER,
    ),
    Variable("KIS_REST_LIMIT_PER_S", "18", "Calls a second and appkey that the broker allows", "calls/s", _BROKER),
    Variable("KIS_REST_TIMEOUT_S", "3", "Longest wait for one answer", "seconds", _BROKER),
    Variable(
        "KIS_STREAM_SILENCE_S", "75", "A stream without any message for so long is taken for dead", "seconds", _BROKER
    ),
    Variable(
        "KIS_SYMBOL_SILENCE_S",
        "30",
        "A registered symbol without a trade for so long is looked at by REST; renewed if its volume grows",
        "seconds",
        _BROKER,
    ),
    Variable("KIS_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64) observer", "User-Agent header", group=_BROKER),
    Variable(
        "OBSERVER_SOURCE",
        "kis",
        "The feed, written into every record: kis, sim (the same adapter at another address) or replay",
        "kis|sim|replay",
        _COLLECTION,
    ),
    Variable("OBSERVER_REPLAY_DIR", "", "Data directory of the recording; for the source replay", group=_COLLECTION),
    Variable("OBSERVER_REPLAY_DAY", "", "Its day; for the source replay", "YYYY-MM-DD", _COLLECTION),
    Variable("OBSERVER_REPLAY_SPEED", "1", "So many times as fast as it was recorded", "times", _COLLECTION),
    Variable(
        "OBSERVER_REPLAY_POSTGRES_DSN",
        "",
        "Database of a replay, never that of a collection; empty = no Postgres writer while replaying",
        group=_COLLECTION,
        secret=True,
    ),
    Variable("OBSERVER_SWING_SHARDS", "4", "Processes that share the sweep of the universe", "processes", _COLLECTION),
    Variable(
        "OBSERVER_SCALP_TRADES",
        "41",
        "Trade registrations per appkey; trades and books together at most 41",
        "registrations",
        _COLLECTION,
    ),
    Variable("OBSERVER_SCALP_BOOKS", "0", "Order-book registrations per appkey", "registrations", _COLLECTION),
    Variable(
        "OBSERVER_KEEP_RAW", "true", "Keep the payload as received beside the parsed fields", "true|false", _COLLECTION
    ),
    Variable(
        "OBSERVER_FORCE_OPEN", "false", "Treat the market as open at any time (simulation)", "true|false", _COLLECTION
    ),
    Variable(
        "OBSERVER_CLOSED_SWEEP_INTERVAL_S",
        "60",
        "From one sweep to the next while the market is closed",
        "seconds",
        _COLLECTION,
    ),
    Variable(
        "OBSERVER_STALE_AFTER_S",
        "60",
        "However often a symbol trades, its silence is a gap only after so long",
        "seconds",
        _COLLECTION,
    ),
    Variable(
        "OBSERVER_RATE_WINDOW_S",
        "20",
        "Records are counted for so long and compared with what is usual; two low windows in a row raise the alarm",
        "seconds",
        _COLLECTION,
    ),
    Variable(
        "OBSERVER_BACKFILL_CALLS_PER_MIN",
        "0",
        "For minutes in which trades are proved missing, ask for the broker's minute bar: so many calls an appkey, "
        "at the lowest priority; 0 = never",
        "calls/min",
        _COLLECTION,
    ),
    Variable(
        "OBSERVER_UNIVERSE_MINIMUM_CLOSE",
        "4000",
        "Lowest previous close of a collected symbol, where there is no universe.toml",
        "KRW",
        _COLLECTION,
    ),
    Variable(
        "OBSERVER_UNIVERSE_TOP",
        "0",
        "Only the N largest by market capitalisation, where there is no universe.toml; 0 = all",
        "symbols",
        _COLLECTION,
    ),
    Variable(
        "OBSERVER_POSTGRES_DSN", "", "libpq connection string; empty = no Postgres writer", group=_STORAGE, secret=True
    ),
    Variable(
        "OBSERVER_SYNC_INTERVAL_MS",
        "100",
        "Longest time a journalled record may stay unsynced",
        "milliseconds",
        _STORAGE,
    ),
    Variable(
        "OBSERVER_DISK_LADDER",
        "75,85,90,95",
        "Used share of a volume at which to warn, to trim, to seal, and to give up observations with a gap record",
        "percent,percent,percent,percent",
        _STORAGE,
    ),
    Variable(
        "OBSERVER_DISK_RESERVE_MIB",
        "16",
        "Space held back for gap records, offsets and a clean stop; at most 2 % of the volume",
        "MiB",
        _STORAGE,
    ),
    Variable(
        "OBSERVER_DAILY_PARQUET",
        "false",
        "Write Parquet files of every day; needs the extra datasets",
        "true|false",
        _STORAGE,
    ),
    Variable(
        "OBSERVER_BACKUP_AGE_H",
        "36",
        "Alarm when a finished day has had no verified backup for so long; 0 = never",
        "hours",
        _STORAGE,
    ),
    Variable(
        "OBSERVER_RECYCLE_MEMORY_MIB",
        "512",
        "A healthy process that holds more is renewed, one at a time; 0 = never",
        "MiB",
        _OPERATION,
    ),
    Variable(
        "OBSERVER_RECYCLE_AGE_H",
        "0",
        "A healthy process that has run for longer is renewed, one at a time; 0 = never",
        "hours",
        _OPERATION,
    ),
    Variable(
        "OBSERVER_ALERT_URLS",
        "",
        "Where alerts go: Apprise addresses with blanks between them; empty = nowhere",
        group=_OPERATION,
        secret=True,
    ),
    Variable("OBSERVER_ALERT_QUIET", "", "Korean hours in which alerts wait; empty = none", "HH:MM-HH:MM", _OPERATION),
    Variable("OBSERVER_ALERT_LIMIT_PER_H", "20", "Most alert messages in an hour", "messages", _OPERATION),
    Variable(
        "OBSERVER_ALLOW_CONTAINER_LAYER",
        "false",
        "Start although the data directory is no mount and goes with the container (trials only)",
        "true|false",
        _OPERATION,
    ),
    Variable(
        "OBSERVER_CHRONICLE_MIB",
        "128",
        "Most space for the recording that observer-tui --replay shows; the oldest hours go first; 0 = none is made",
        "MiB",
        _OPERATION,
    ),
    Variable("OBSERVER_STANDALONE", "true", "Observer runs alone on this server", "true|false", _OPERATION),
    Variable("OBSERVER_HTTP_HOST", "127.0.0.1", "Address of /health, /ready and /status", group=_OPERATION),
    Variable("OBSERVER_HTTP_PORT", "8000", "Its port; 0 = no HTTP", "port", _OPERATION),
    Variable("OBSERVER_STATUS_INTERVAL_MS", "500", "How often processes report", "milliseconds", _OPERATION),
    Variable("OBSERVER_VIEWERS_GROUP", "observer", "Group that may watch", group=_OPERATION),
    Variable("OBSERVER_OPERATORS_GROUP", "observer-ops", "Group that may give orders", group=_OPERATION),
    Variable("OBSERVER_LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR", group=_OPERATION),
    Variable("TZ", "Asia/Seoul", "Time zone of human log lines; data is always KST", group=_OPERATION),
)

DEPRECATED = {
    "QTS_OBSERVER_STANDALONE": "OBSERVER_STANDALONE",
    "KIS_API_KEY": "KIS_APP_KEY",
    "KIS_API_SECRET": "KIS_APP_SECRET",
}
"""Old name → new name; the old one is accepted with a warning."""


def env_template() -> str:
    """Return the text of `env.template`: every variable with default, unit and meaning, as a plain env file."""
    lines = [
        "# Settings of Observer. Plain KEY=VALUE: docker compose, systemd and OBSERVER_ENV_FILE read this form.",
        "# Copy to .env, fill in the empty ones, keep it mode 0600. Precedence: environment > this file >",
        "# deployment_config.json > default. Values here are the defaults.",
    ]
    group = ""
    for variable in VARIABLES:
        if variable.group != group:
            group = variable.group
            lines += ["", f"# --- {group} ---"]
        unit = f" [{variable.unit}]" if variable.unit else ""
        lines += [f"# {variable.meaning}{unit}", f"{variable.name}={variable.default}"]
    return "\n".join(lines) + "\n"
