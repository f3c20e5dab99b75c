"""Reads what was kept: JSONL files (sealed or not), Postgres rows and the journals' raw segments."""

import io
import json
import re
import struct
import zlib
from bisect import bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from sys import intern
from typing import Any, BinaryIO, NamedTuple

import msgspec
import psycopg
import zstandard

from observer_core.audit.ledger import OBSERVATIONS, Identity, identity_of

KST_OFFSET = timedelta(hours=9)
BOOK_SAMPLING = re.compile(r"^at most ([0-9.]+) books a second")


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
    books_hz: float | None = None
    """The lowest rate at which books were recorded, as the archive's own events say; None = every book."""
    damaged_lines: list[str] = field(default_factory=list)
    identities: dict[Identity, Identity] = field(default_factory=dict)
    """Each identity once, shared with the ledger's: they are most of the memory."""


def exchange_time(source_time_ns: int | None) -> str:
    """Return an instant as the broker writes it: YYYYMMDDHHMMSS in Korean time."""
    if source_time_ns is None:
        return ""
    at = datetime.fromtimestamp(source_time_ns / 1e9, tz=UTC) + KST_OFFSET
    return at.strftime("%Y%m%d%H%M%S")


def read_jsonl(data_dir: Path, identities: dict[Identity, Identity] | None = None) -> Archive:
    """Read every archive file below swing, scalp and system."""
    archive = Archive(identities={} if identities is None else identities)
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
    key = Key(intern(line["shard"]), line["epoch"], line["seq"])
    kind = intern(line["kind"])
    archive.keys[key] += 1
    archive.kinds[kind] += 1
    if kind in OBSERVATIONS:
        identity = identity_of(kind, line, exchange_time(line["source_time_ns"]))
        identity = archive.identities.setdefault(identity, identity)
        archive.observations.append(Archived(key, identity, line["received_ns"]))
    elif kind == "gap":
        archive.gaps[line["gap_id"]] = Covered(
            frozenset(line["symbols"]), line["from_ns"], line["until_ns"], line["reason"]
        )
    elif kind == "event" and line["name"] == "book_sampling":
        hz = float(BOOK_SAMPLING.findall(line["text"])[0])
        archive.books_hz = hz if archive.books_hz is None else min(hz, archive.books_hz)


Row = tuple[str, str, int | None, int | None]
"""Kind, symbol, price and cumulative volume of a row."""


def read_postgres(dsn: str) -> Iterator[tuple[Key, Row]]:
    """Yield every row of `pattern_records` with its key; never holds them all."""
    with psycopg.connect(dsn, autocommit=False) as connection, connection.cursor(name="books") as cursor:
        cursor.itersize = 20_000
        cursor.execute("SELECT shard, epoch, seq, kind, symbol, price, cumulative_volume FROM pattern_records")
        for shard, epoch, seq, kind, symbol, price, cumulative in cursor:
            yield Key(shard, epoch, seq), (kind, symbol, price, cumulative)


PREAMBLE = struct.Struct(">8sII")
"""magic, length of the header's body, its crc32."""
FRAME = struct.Struct(">IIQ")
"""payload length, crc32 over length, seq and payload, first seq."""
CHECKED = struct.Struct(">IQ")


class Journalled:
    """The keys of all journalled records, kept as runs of numbers: a day has millions of them."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
        self._oldest: dict[str, tuple[int, int]] = {}

    def add(self, shard: str, epoch: int, first: int, last: int) -> None:
        """Add the records `first` to `last` of a shard's epoch."""
        self._oldest[shard] = min(self._oldest.get(shard, (epoch, first)), (epoch, first))
        runs = self._runs[shard, epoch]
        if runs and runs[-1][0] <= first <= runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], max(last, runs[-1][1]))
        else:
            insort(runs, (first, last))

    def __contains__(self, key: Key) -> bool:
        """Return whether a record is journalled."""
        runs = self._runs.get((key.shard, key.epoch), [])
        position = bisect_right(runs, key.seq, key=itemgetter(0)) - 1
        return position >= 0 and key.seq <= runs[position][1]

    def __iter__(self) -> Iterator[Key]:
        """Yield every key, runs that overlap more than once."""
        for (shard, epoch), runs in self._runs.items():
            for first, last in runs:
                yield from (Key(shard, epoch, seq) for seq in range(first, last + 1))

    def lacks(self, key: Key) -> bool:
        """Return whether a record should be journalled and is not: older ones may be gone by retention."""
        oldest = self._oldest.get(key.shard)
        return oldest is not None and (key.epoch, key.seq) >= oldest and key not in self


def read_journals(data_dir: Path) -> Journalled:
    """Return the keys of all records in all journal segments, parsed here from the bytes."""
    journalled = Journalled()
    for path in sorted((data_dir / "journal").glob("*/*.seg")):
        for payload in _payloads(path.read_bytes()):
            batch = msgspec.msgpack.decode(payload)
            shard, epoch, first = batch["shard"], batch["epoch"], batch["first_seq"]
            if batch["records"]:
                journalled.add(shard, epoch, first, first + len(batch["records"]) - 1)
    return journalled


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
