"""Counts and hashes by symbol, of the archive and of Postgres: two sides of one comparison, each read its own way.

Separate from the books, which compare record by record and need the exchange's ledger: these need neither.
"""

import hashlib
import io
import json
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import psycopg
import zstandard

from observer_core.audit.ledger import OBSERVATIONS

_TRACKS = ("swing", "scalp")
_QUERY = """
SELECT symbol, count(*), md5(string_agg(
    concat_ws('|', shard, epoch, seq, kind, coalesce(price::text, ''), coalesce(cumulative_volume::text, '')),
    E'\\n' ORDER BY shard COLLATE "C", epoch, seq))
FROM pattern_records GROUP BY symbol
"""


class SymbolSum(NamedTuple):
    """How many observations of a symbol there are, and a hash of their keys and figures in the order of keys."""

    observations: int
    md5: str


def archive_sums(data_dir: Path) -> dict[str, SymbolSum]:
    """Return the sums of every symbol in the JSONL archive; a record that stands there twice counts twice."""
    lines_of: dict[str, list[tuple[str, int, int, str]]] = defaultdict(list)
    for track in _TRACKS:
        for path in sorted((data_dir / track).rglob("*.jsonl*")):
            if path.suffix in {".jsonl", ".zst"}:
                _read(path, lines_of)
    return {symbol: _sum(entries) for symbol, entries in lines_of.items()}


def postgres_sums(dsn: str) -> dict[str, SymbolSum]:
    """Return the sums of every symbol in `pattern_records`, computed by the server."""
    with psycopg.connect(dsn) as connection:
        return {symbol: SymbolSum(observations, md5) for symbol, observations, md5 in connection.execute(_QUERY)}


def _read(path: Path, lines_of: dict[str, list[tuple[str, int, int, str]]]) -> None:
    with path.open("rb") as raw:
        sealed = path.suffix == ".zst"
        reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) if sealed else raw
        for text in io.BufferedReader(reader) if sealed else raw:
            line = json.loads(text)
            if line["kind"] in OBSERVATIONS:
                figures = f"{line['kind']}|{_text(line, 'price')}|{_text(line, 'cumulative_volume')}"
                lines_of[line["symbol"]].append((line["shard"], line["epoch"], line["seq"], figures))


def _text(line: dict[str, object], name: str) -> str:
    value = line.get(name)
    return "" if value is None else str(value)


def _sum(entries: list[tuple[str, int, int, str]]) -> SymbolSum:
    text = "\n".join(f"{shard}|{epoch}|{seq}|{figures}" for shard, epoch, seq, figures in sorted(entries))
    # Not for safety: the server offers it without an extension.
    return SymbolSum(len(entries), hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())
