"""The ends of files that an operator asks for: structured logs, stack dumps, the audit trail. Everything here blocks.

Separate because it reads files: at most `TAIL_BYTES` a question, in a thread, whatever the file's size.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from observer_core.details import LINES_LIMIT, AuditRow, AuditTail, LogLine, LogTail
from observer_core.services.hub_audit import AuditLine

TAIL_BYTES = 256 * 1024
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_TEXT_LIMIT = 400
_FIXED = frozenset({"time", "level", "process", "logger", "event"})

_audit_decoder = msgspec.json.Decoder(AuditLine)


class Wanted(NamedTuple):
    """Which lines pass."""

    level: str = ""
    contains: str = ""


def log_tail(path: Path, process: str, wanted: Wanted, now_ns: int) -> LogTail:
    """Return the last lines of a structured log that pass."""
    raw, size_bytes, modified_ns, whole = _tail(path)
    least = LEVELS.index(wanted.level) if wanted.level in LEVELS else 0
    lines = [line for line in map(_log_line, raw) if line is not None and _rank(line.level) >= least]
    return _log(process, "log", _containing(lines, wanted.contains), (size_bytes, modified_ns, whole, now_ns))


def stack_tail(path: Path, process: str, wanted: Wanted, now_ns: int) -> LogTail:
    """Return the last lines of a file of stack dumps."""
    raw, size_bytes, modified_ns, whole = _tail(path)
    lines = [
        LogLine(time="", level="", process=process, logger="", text=text.decode("utf-8", "replace")[:_TEXT_LIMIT])
        for text in raw
    ]
    return _log(process, "stacks", _containing(lines, wanted.contains), (size_bytes, modified_ns, whole, now_ns))


def audit_tail(path: Path, contains: str, now_ns: int) -> AuditTail:
    """Return the last lines of the audit trail that pass."""
    raw, _, _, whole = _tail(path)
    rows = [row for row in map(_audit_row, raw) if row is not None]
    wanted = contains.lower().split()
    passing = [row for row in rows if all(word in _audit_text(row) for word in wanted)]
    return AuditTail(
        rows=tuple(passing[-LINES_LIMIT:]), truncated=not whole or len(passing) > LINES_LIMIT, as_of_ns=now_ns
    )


def _log(process: str, kind: str, lines: list[LogLine], file: tuple[int, int | None, bool, int]) -> LogTail:
    size_bytes, modified_ns, whole, now_ns = file
    return LogTail(
        process=process,
        kind=kind,
        lines=tuple(lines[-LINES_LIMIT:]),
        size_bytes=size_bytes,
        modified_ns=modified_ns,
        truncated=not whole or len(lines) > LINES_LIMIT,
        as_of_ns=now_ns,
    )


def _tail(path: Path) -> tuple[list[bytes], int, int | None, bool]:
    """Return complete lines at the end of a file, its size and age, and whether that is all of it."""
    try:
        with path.open("rb") as file:
            size_bytes = file.seek(0, 2)
            start = max(0, size_bytes - TAIL_BYTES)
            file.seek(start)
            raw = file.read(TAIL_BYTES)
            modified_ns = path.stat().st_mtime_ns
    except OSError:
        return [], 0, None, True
    lines = raw.split(b"\n")
    return [line for line in lines[1 if start else 0 :] if line.strip()], size_bytes, modified_ns, start == 0


def _containing(lines: Iterable[LogLine], contains: str) -> list[LogLine]:
    words = contains.lower().split()
    if not words:
        return list(lines)

    def passes(line: LogLine) -> bool:
        text = f"{line.level} {line.logger} {line.text}".lower()
        return all(word[1:] not in text if word[:1] == "!" and word[1:] else word in text for word in words)

    return [line for line in lines if passes(line)]


def _log_line(raw: bytes) -> LogLine | None:
    try:
        found: Any = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    text = _text_of(found)
    return LogLine(
        time=str(found.get("time", "")),
        level=str(found.get("level", "")),
        process=str(found.get("process", "")),
        logger=str(found.get("logger", "")),
        text=text[:_TEXT_LIMIT],
    )


def _text_of(found: dict[str, Any]) -> str:
    last: Callable[[Any], str] = lambda trace: str(trace).strip().rpartition("\n")[2]  # noqa: E731 - one word
    parts = [str(found.get("event", ""))]
    parts += [
        f"{key}={last(value) if key == 'traceback' else value}" for key, value in found.items() if key not in _FIXED
    ]
    return " ".join(parts)


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else 0


def _audit_row(raw: bytes) -> AuditRow | None:
    try:
        line = _audit_decoder.decode(raw)
    except msgspec.DecodeError:
        return None
    return AuditRow(
        at_ns=line.at_ns,
        fact=line.fact,
        who=line.who,
        reason=line.reason,
        verb=line.verb,
        target=line.target,
        state=line.state,
        text=line.text,
        ticket=line.ticket,
        uid=line.uid,
        pid=line.pid,
    )


def _audit_text(row: AuditRow) -> str:
    return f"{row.fact} {row.who} {row.reason} {row.verb} {row.target} {row.state} {row.text} {row.ticket}".lower()
