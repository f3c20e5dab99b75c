"""The controls: damage what a run left in one small way, and put it right again; the books must notice each."""

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg

from observer_core.settings import Secret

FRAME_HEADER_BYTES = 16


def drop_one_record(data_dir: Path) -> str:
    """Remove one observation from the JSONL archive and from nowhere else; return what it was."""
    for path in sorted((data_dir / "swing").rglob("*.jsonl")):
        lines = path.read_bytes().splitlines(keepends=True)
        for position, line in enumerate(lines):
            if json.loads(line)["kind"] == "quote":
                path.write_bytes(b"".join(lines[:position] + lines[position + 1 :]))
                return f"{path.name}:{position + 1}"
    raise LookupError("the archive holds no quote to remove")


@contextlib.contextmanager
def without_archive_line(data_dir: Path, _dsn: Secret) -> Iterator[str]:
    """Take one observation out of the archive."""
    kept = {path: path.read_bytes() for path in (data_dir / "swing").rglob("*.jsonl")}
    try:
        yield f"archive line {drop_one_record(data_dir)} removed"
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


@contextlib.contextmanager
def with_doubled_archive_line(data_dir: Path, _dsn: Secret) -> Iterator[str]:
    """Write one observation of the archive twice."""
    path = min((data_dir / "scalp").rglob("*.jsonl"))
    content = path.read_bytes()
    line = next(line for line in content.splitlines(keepends=True) if json.loads(line)["kind"] == "trade")
    path.write_bytes(content + line)
    try:
        yield f"line of {path.name} doubled"
    finally:
        path.write_bytes(content)


@contextlib.contextmanager
def without_row(_data_dir: Path, dsn: Secret) -> Iterator[str]:
    """Delete one row of Postgres."""
    with psycopg.connect(dsn.reveal(), autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE chaos_kept AS SELECT * FROM pattern_records ORDER BY day, shard, epoch, seq LIMIT 1"
        )
        connection.execute(
            "DELETE FROM pattern_records p USING chaos_kept k"
            " WHERE (p.day, p.shard, p.epoch, p.seq) = (k.day, k.shard, k.epoch, k.seq)"
        )
        try:
            yield "one row deleted"
        finally:
            connection.execute("INSERT INTO pattern_records SELECT * FROM chaos_kept")
            connection.execute("DROP TABLE chaos_kept")


@contextlib.contextmanager
def without_frame(data_dir: Path, _dsn: Secret) -> Iterator[str]:
    """Cut the last frame off a journal segment."""
    path = max((data_dir / "journal").glob("swing-*/*.seg"), key=lambda path: path.stat().st_size)
    content = path.read_bytes()
    offset = last = 16 + int.from_bytes(content[8:12], "big")
    while offset + FRAME_HEADER_BYTES <= len(content):
        last = offset
        offset += FRAME_HEADER_BYTES + int.from_bytes(content[offset : offset + 4], "big")
    path.write_bytes(content[:last])
    try:
        yield f"last frame of {path.parent.name}/{path.name} cut off"
    finally:
        path.write_bytes(content)


@contextlib.contextmanager
def with_invented_observation(data_dir: Path, _dsn: Secret) -> Iterator[str]:
    """Take one quote out of what the exchange says it sent: the archive then holds what never existed."""
    ledger = data_dir.parent / "ledger.jsonl"
    content = ledger.read_bytes()
    lines = content.splitlines(keepends=True)
    position = next(number for number, line in enumerate(lines) if b'"kind":"trade"' in line)
    ledger.write_bytes(b"".join(lines[:position] + lines[position + 1 :]))
    try:
        yield "one trade taken out of the exchange's ledger"
    finally:
        ledger.write_bytes(content)


CONTROLS: tuple[Callable[[Path, Secret], AbstractContextManager[str]], ...] = (
    without_archive_line,
    with_doubled_archive_line,
    without_row,
    without_frame,
    with_invented_observation,
)
