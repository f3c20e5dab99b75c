"""Logging of every process: structured rotating files, and human lines on standard output for the supervisor.

Secrets are masked at this edge, whatever a message contains: the known credentials by value, tokens by their form.
"""

import json
import logging
import logging.handlers
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from observer_core.clock import NS_PER_S, kst_datetime
from observer_core.settings import Settings

ROTATE_BYTES = 8 * 1024 * 1024
FILES_KEPT = 5

_SYSTEM_PROCESSES = frozenset({"supervisor", "hub"})
_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_TOKEN_FORMS = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]+"  # a JSON web token
    r"|(?i:bearer)\s+\S+"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # an approval key
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user:password in an address
    r"|(?i:password)\s*=\s*\S+"
)


class Redactor:
    """Replaces secrets in text by a mask."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= 8}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """Return the text with every known secret and everything that looks like a token masked."""
        if self._known is not None:
            text = self._known.sub("***", text)
        return _TOKEN_FORMS.sub("***", text)


def redactor_for(settings: Settings) -> Redactor:
    """Return the redactor that knows this installation's credentials."""
    secrets = [part.reveal() for pair in settings.app_keys for part in (pair.key, pair.secret)]
    return Redactor([*secrets, *(url.reveal() for url in settings.alert_urls)])


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, process, logger, event, and what was passed as `extra`."""

    def __init__(self, process: str, redact: Redactor) -> None:
        super().__init__()
        self._process = process
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": kst_datetime(int(record.created * NS_PER_S)).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": self._process,
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update(_extras(record))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return self._redact(json.dumps(line, ensure_ascii=False, default=str))


class HumanFormatter(logging.Formatter):
    """One readable line: Korean time, level, process, event, key=value."""

    def __init__(self, process: str, redact: Redactor) -> None:
        super().__init__()
        self._process = process
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback below it where there is one."""
        at = kst_datetime(int(record.created * NS_PER_S)).strftime("%H:%M:%S.%f")[:-3]
        pairs = " ".join(f"{key}={value}" for key, value in _extras(record).items())
        text = f"{at} {record.levelname:<7} {self._process:<12} {record.getMessage()} {pairs}".rstrip()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return self._redact(text)


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD_ATTRIBUTES}


def log_directory(process: str, settings: Settings) -> Path:
    """Return where a process logs: system processes and maintenance have directories of their own."""
    if process in _SYSTEM_PROCESSES:
        return settings.system_log_dir
    if process == "maintenance":
        return settings.maintenance_log_dir
    return settings.log_dir


def configure(process: str, settings: Settings) -> None:
    """Set up logging of this process anew; a child calls it right after the fork.

    Raises:
        OSError: the log directory cannot be created or written.
    """
    redact = redactor_for(settings)
    directory = log_directory(process, settings)
    directory.mkdir(parents=True, exist_ok=True)
    file = logging.handlers.RotatingFileHandler(
        directory / f"{process}.jsonl", maxBytes=ROTATE_BYTES, backupCount=FILES_KEPT, encoding="utf-8", delay=True
    )
    file.setFormatter(JsonFormatter(process, redact))
    human = logging.StreamHandler(sys.stdout)
    human.setFormatter(HumanFormatter(process, redact))
    human.setLevel(logging.INFO if process == "supervisor" else logging.WARNING)
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    for handler in (file, human):
        root.addHandler(handler)
    set_level(root, logging.getLevelNamesMapping()[settings.log_level])
    # A full disk or a closed pipe must not turn a log line into an error of the data path.
    logging.raiseExceptions = False
    for chatty in ("httpx", "httpcore", "websockets", "asyncio", "watchfiles"):
        set_level(logging.getLogger(chatty), logging.WARNING)


def set_level(logger: logging.Logger, level: int) -> None:
    """Set a level that is not set yet: setting one empties a cache in every logger, pages that a child must copy."""
    if logger.level != level:
        logger.setLevel(level)
