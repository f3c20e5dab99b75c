"""Reads what was kept: JSONL files (sealed or not), Postgres rows and the journals' raw segments."""

import io
import json
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
import psycopg
import zstandard

from observer_core.audit.ledger import OBSERVATIONS, Identity, identity_of

KST_OFFSET = timedelta(hours=9)


class Key(NamedTuple):
    """Position of a record: unique for ever."""

    shard: str
    epoch: int
    seq: int


class Archived(NamedTuple):
    """One observation found in the archive."""

    key: Key
    identity: Identity
    received_ns: int


class Covered(NamedTuple):
    """A gap record in its newest form."""

    symbols: frozenset[str]
    from_ns: int
    until_ns: int | None
    reason: str


@dataclass(slots=True)
class Archive:
    """The JSONL archive as read."""

    observations: list[Archived] = field(default_factory=list)
    gaps: dict[str, Covered] = field(default_factory=dict)
    keys: Counter[Key] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    damaged_lines: list[str] = field(default_factory=list)


def exchange_time(source_time_ns: int | None) -> str:
    """Return an instant as the broker writes it: YYYYMMDDHHMMSS in Korean time."""
    if source_time_ns is None:
        return ""
    at = datetime.fromtimestamp(source_time_ns / 1e9, tz=UTC) + KST_OFFSET
    return at.strftime("%Y%m%d%H%M%S")


def read_jsonl(data_dir: Path) -> Archive:
    """Read every archive file below swing, scalp and system."""
    archive = Archive()
    for track in ("swing", "scalp", "system"):
        for path in sorted((data_dir / track).rglob("*.jsonl*")):
            if path.suffix in {".jsonl", ".zst"} and not _is_copy(path):
                _read_file(path, archive)
    return archive


def _is_copy(path: Path) -> bool:
    """Return whether a live file is what the sealed one beside it ends with: the original, sealed and not yet removed.

    Whatever else stands beside a sealed file counts, so that a doubled line is still seen.
    """
    sealed = path.with_name(f"{path.name}.zst")
    if path.suffix != ".jsonl" or not sealed.exists():
        return False
    with sealed.open("rb") as raw, _opened(raw) as lines:
        return lines.read().endswith(path.read_bytes())


def _opened(raw: BinaryIO) -> io.BufferedReader:
    return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))


def _read_file(path: Path, archive: Archive) -> None:
    with path.open("rb") as raw:
        lines = _opened(raw) if path.suffix == ".zst" else raw
        for number, line in enumerate(lines, start=1):
            try:
                _take(json.loads(line), archive)
            except (ValueError, KeyError, TypeError) as error:
                archive.damaged_lines.append(f"{path}:{number}: {error!r}")


def _take(line: dict[str, Any], archive: Archive) -> None:
    key = Key(line["shard"], line["epoch"], line["seq"])
    kind = line["kind"]
    archive.keys[key] += 1
    archive.kinds[kind] += 1
    if kind in OBSERVATIONS:
        identity = identity_of(kind, line, exchange_time(line["source_time_ns"]))
        archive.observations.append(Archived(key, identity, line["received_ns"]))
    elif kind == "gap":
        archive.gaps[line["gap_id"]] = Covered(
            frozenset(line["symbols"]), line["from_ns"], line["until_ns"], line["reason"]
        )


def read_postgres(dsn: str) -> dict[Key, tuple[str, str, int | None, int | None]]:
    """Return kind, symbol, price and cumulative volume of every row of `pattern_records` by key."""
    rows: dict[Key, tuple[str, str, int | None, int | None]] = {}
    with psycopg.connect(dsn, autocommit=False) as connection, connection.cursor(name="books") as cursor:
        cursor.itersize = 20_000
        cursor.execute("SELECT shard, epoch, seq, kind, symbol, price, cumulative_volume FROM pattern_records")
        for shard, epoch, seq, kind, symbol, price, cumulative in cursor:
            rows[Key(shard, epoch, seq)] = (kind, symbol, price, cumulative)
    return rows


PREAMBLE = struct.Struct(">8sII")
"""magic, length of the header's body, its crc32."""
FRAME = struct.Struct(">IIQ")
"""payload length, crc32 over length, seq and payload, first seq."""
CHECKED = struct.Struct(">IQ")


def read_journals(data_dir: Path) -> set[Key]:
    """Return the keys of all records in all journal segments, parsed here from the bytes."""
    keys: set[Key] = set()
    for path in sorted((data_dir / "journal").glob("*/*.seg")):
        for payload in _payloads(path.read_bytes()):
            batch = msgspec.msgpack.decode(payload)
            shard, epoch, first = batch["shard"], batch["epoch"], batch["first_seq"]
            keys.update(Key(shard, epoch, first + index) for index in range(len(batch["records"])))
    return keys


def _payloads(raw: bytes) -> Iterator[bytes]:
    """Yield the payloads of a segment up to the first frame that is cut off or damaged."""
    if len(raw) < PREAMBLE.size:
        return
    _magic, body_bytes, _crc = PREAMBLE.unpack_from(raw)
    offset = PREAMBLE.size + body_bytes
    while offset + FRAME.size <= len(raw):
        length, crc, seq = FRAME.unpack_from(raw, offset)
        payload = raw[offset + FRAME.size : offset + FRAME.size + length]
        if not length or len(payload) < length or zlib.crc32(payload, zlib.crc32(CHECKED.pack(length, seq))) != crc:
            return
        yield payload
        offset += FRAME.size + length
