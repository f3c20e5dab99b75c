"""The lines of the archive read back into records, from live and sealed files alike; the reverse of `jsonl_lines`.

Separate from what they are read for: bringing a range into Postgres again, or feeding a recorded day to the shards.
"""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import msgspec
import zstandard

from observer_core.archive.layout import SEALED_SUFFIX
from observer_core.ids import Epoch, Seq, ShardName
from observer_core.messages import Record
from observer_core.sinks.jsonl_lines import LINE_PREFIX, LINE_TYPES

_PREFIX_FIELDS = len(LINE_PREFIX)
_RECORD_TYPES = {line_type: record_type for record_type, line_type in LINE_TYPES.items()}
_AnyLine: TypeAlias = Any


class ArchivedRecord(NamedTuple):
    """A record, its number, and what its batch said about it."""

    shard: ShardName
    epoch: Epoch
    seq: Seq
    session_id: str
    source: str
    schema_version: int
    record: Record


class LineDecoder:
    """Decodes lines of any kind."""

    def __init__(self) -> None:
        self._decoder: msgspec.json.Decoder[_AnyLine] = msgspec.json.Decoder(_union())

    def decode(self, line: bytes) -> ArchivedRecord | None:
        """Return what a line holds, None when this version cannot read it."""
        try:
            parsed = self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        values = msgspec.structs.astuple(parsed)
        shard, epoch, seq, _day, session_id, source, schema_version = values[:_PREFIX_FIELDS]
        record: Record = _RECORD_TYPES[type(parsed)](*values[_PREFIX_FIELDS:])
        return ArchivedRecord(shard, epoch, seq, session_id, source, schema_version, record)


def whole_lines(path: Path, raw: IO[bytes]) -> Iterator[bytes]:
    """Return the whole lines of an open file; a torn last one is left out.

    Raises:
        OSError: the file cannot be read.
        zstandard.ZstdError: a sealed file is damaged.
    """
    opened: Iterable[bytes] = raw
    if path.name.endswith(SEALED_SUFFIX):
        decompressed = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True, closefd=False)
        opened = io.BufferedReader(decompressed)
    for line in opened:
        if not line.endswith(b"\n"):
            # The writer is in the middle of it, or a crash was: either way the journal has it.
            break
        yield line


def _union() -> Any:
    union: Any = None
    for line_type in LINE_TYPES.values():
        union = line_type if union is None else union | line_type
    return union
