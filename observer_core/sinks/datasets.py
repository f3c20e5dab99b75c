"""Datasets: the sealed lines of a day as Parquet files, one a kind of record, with schema, quality and a manifest.

Separate because it needs pyarrow (extra `datasets`), which only short-lived processes load, here, at first use. It
streams: of each kind one row group is all that is ever in memory. Prices are KRW, sizes shares, instants UTC.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import msgspec

from observer_core.archive.manifest import DayManifest, read_manifest
from observer_core.archive.sealing import SealError, sealed_lines
from observer_core.backup.form import Progress, digest, file_digest, sync_entries, write_durably
from observer_core.errors import ConfigError, ObserverError
from observer_core.ids import DayNumber
from observer_core.messages import Backfill, Book, Gap, Overflow, Quality, Quote, Record, Rejection, Trade
from observer_core.paths import Paths
from observer_core.sinks.archive_lines import LineDecoder

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

KINDS: dict[type, str] = {
    Trade: "trades", Quote: "quotes", Book: "books", Gap: "gaps", Rejection: "rejections", Overflow: "overflow",
    Backfill: "backfill",
}  # fmt: skip
"""What is exported, and into which file."""

PROVENANCE = ("shard", "epoch", "seq", "session_id", "source", "schema_version")
"""Columns before a record's own."""

ROW_GROUP = 20_000
MANIFEST_NAME = "manifest.json"


class DatasetFile(msgspec.Struct, kw_only=True):
    """One Parquet file."""

    rows: int = 0
    size_bytes: int = 0
    sha256: str = ""
    normal: int = 0
    degraded: int = 0
    columns: dict[str, str] = {}


class DatasetManifest(msgspec.Struct, kw_only=True):
    """What an export wrote; `manifest.json` beside the files."""

    day: int
    complete: bool
    """Whether the day was over and sealed: an export of a day that goes on lacks its end."""
    sealed_sha256: str
    """Of the list of sealed files that it was made from: the same again for the same data."""
    gaps: int = 0
    missed_volume: int = 0
    """Shares of trades that are proved to be missing."""
    unreadable: int = 0
    files: dict[str, DatasetFile] = {}

    @property
    def rows(self) -> int:
        """Return the rows of all files."""
        return sum(file.rows for file in self.files.values())


def export_day(
    paths: Paths,
    day: DayNumber,
    target: Path,
    *,
    with_raw: bool = False,
    on_progress: Progress = lambda _what, _done, _all: None,
) -> DatasetManifest:
    """Write the Parquet files of a day into a directory, which appears whole or not at all.

    Args:
        paths: of the archive.
        day: its sealed files are read.
        target: the directory; one that is there is replaced.
        with_raw: also the payloads as received.
        on_progress: told after every archive file.

    Raises:
        ConfigError: pyarrow is not installed.
        ObserverError: nothing of the day is sealed, or a sealed file is damaged.
        OSError: no space, for example; a former export stays.
    """
    sealed = read_manifest(paths.manifest(day), day)
    if not sealed.files:
        raise ObserverError(f"nothing of {day} is sealed: see `observerctl maintenance retention`")
    partial = target.with_name(f".{target.name}.new")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        manifest = _write(paths, sealed, partial, with_raw, on_progress)
        if target.exists():
            shutil.rmtree(target)
        partial.rename(target)
        sync_entries(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _write(
    paths: Paths, sealed: DayManifest, directory: Path, with_raw: bool, on_progress: Progress
) -> DatasetManifest:
    listed = "\n".join(f"{path} {file.sha256}" for path, file in sorted(sealed.files.items()))
    manifest = DatasetManifest(day=sealed.day, complete=sealed.complete, sealed_sha256=digest(listed.encode()))
    tables = {kind: _Table(kind, directory / f"{name}.parquet", sealed.day, with_raw) for kind, name in KINDS.items()}
    try:
        for record, prefix in _records(paths, sealed, manifest, on_progress):
            table = tables.get(type(record))
            if table is None:
                continue
            table.add(record, prefix)
            if isinstance(record, Gap) and record.until_ns is not None:
                manifest.gaps += 1
                manifest.missed_volume += record.missed_volume or 0
    finally:
        for table in tables.values():
            table.close()
    for table in tables.values():
        table.file.size_bytes = table.path.stat().st_size
        table.file.sha256 = file_digest(table.path)
        manifest.files[table.path.name] = table.file
    write_durably(directory / MANIFEST_NAME, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    return manifest


def _records(
    paths: Paths, sealed: DayManifest, manifest: DatasetManifest, on_progress: Progress
) -> Iterator[tuple[Record, tuple[Any, ...]]]:
    decoder = LineDecoder()
    done, total = 0, sum(file.sealed_bytes for file in sealed.files.values())
    for path, file in sorted(sealed.files.items()):
        try:
            for line in sealed_lines(paths.data / path):
                found = decoder.decode(line)
                if found is None:
                    manifest.unreadable += 1
                else:
                    yield found.record, found[: len(PROVENANCE)]
        except SealError as error:
            raise ObserverError(f"{path} is damaged: {error}; restore it from a backup") from error
        done += file.sealed_bytes
        on_progress(path, done, total)


@dataclass
class _Table:
    """One Parquet file being written."""

    kind: type
    path: Path
    day: int
    with_raw: bool
    file: DatasetFile = field(default_factory=DatasetFile)
    _rows: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        arrow = _library()
        fields = msgspec.structs.fields(self.kind)
        self._names = [one.name for one in fields if self.with_raw or one.name != "raw"]
        prefix = [
            arrow.field(name, arrow.int64() if name in {"epoch", "seq", "schema_version"} else arrow.string(), False)
            for name in PROVENANCE
        ]
        own = [_column(one.name, one.type) for one in fields if one.name in self._names]
        about = {"observer.kind": self.kind.__struct_config__.tag, "observer.day": str(self.day)}  # type: ignore[attr-defined]
        about["observer.units"] = "prices KRW, sizes and volumes shares, instants UTC with nanoseconds"
        self._schema: pyarrow.Schema = arrow.schema([*prefix, *own], metadata=about)
        self.file.columns = {one.name: str(one.type) for one in self._schema}
        self._writer: pyarrow.parquet.ParquetWriter = arrow.parquet.ParquetWriter(
            self.path, self._schema, compression="zstd"
        )

    def add(self, record: Record, prefix: tuple[Any, ...]) -> None:
        """Take a record; a full row group is written."""
        self._rows.append((*prefix, *(getattr(record, name) for name in self._names)))
        self.file.rows += 1
        quality = getattr(record, "quality", None)
        self.file.normal += quality is Quality.NORMAL
        self.file.degraded += quality is Quality.DEGRADED
        if len(self._rows) >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left and end the file."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        arrow = _library()
        columns = [
            arrow.array(values, type=one.type)
            for values, one in zip(zip(*self._rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_batch(arrow.record_batch(columns, schema=self._schema))
        self._rows.clear()


def _column(name: str, annotation: Any) -> "pyarrow.Field":
    """Return the column of a record's field: instants as such, None as null, tuples as lists, words as text."""
    arrow = _library()
    optional = get_origin(annotation) in {Union, UnionType}
    if optional:
        [annotation] = [part for part in get_args(annotation) if part is not type(None)]
    if get_origin(annotation) is tuple:
        item = arrow.int64() if get_args(annotation)[0] is int else arrow.string()
        return arrow.field(name, arrow.list_(item), optional)
    if annotation is int:
        return arrow.field(name, arrow.timestamp("ns", "UTC") if name.endswith("_ns") else arrow.int64(), optional)
    known = {bool: arrow.bool_(), float: arrow.float64()}
    return arrow.field(name, known.get(annotation, arrow.string()), optional)


def _library() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError("pyarrow is not installed: install Observer with the extra `datasets`") from error
    return pyarrow
