"""Packing a day on the server: sealed files, snapshots and the day's log lines become one package with its marker.

Files that lie on the same volume are linked, not copied: a sealed file is never changed in place, so the package costs
no space until the archive lets the day go. The package appears under its name only when it was read back whole.
"""

import errno
import os
import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import msgspec
import zstandard

from observer_core.archive.manifest import DayManifest, read_manifest
from observer_core.archive.sealing import SealError, examine
from observer_core.archive.standing import needs_packing, sealed_days
from observer_core.backup.form import (
    MANIFEST,
    SUCCESS,
    SUMS,
    BackupError,
    PackageManifest,
    PackedFile,
    Progress,
    digest,
    encode_manifest,
    encode_sums,
    file_digest,
    write_durably,
)
from observer_core.backup.verify import read_manifest as read_package
from observer_core.backup.verify import verify
from observer_core.clock import Clock, kst_day
from observer_core.ids import DayNumber
from observer_core.journal.files import sync_directory
from observer_core.paths import Paths

_LOG_LEVEL = 6
_NEW = ".new"
_FORMER = ".former"


class _LogTime(msgspec.Struct, frozen=True):
    time: str = ""
    at_ns: int = 0


_time_decoder = msgspec.json.Decoder(_LogTime)


@dataclass(frozen=True, slots=True)
class Packer:
    """What packing needs to know of an installation."""

    paths: Paths
    log_directories: Mapping[str, Path]
    """Directories of structured logs by the name under which a package holds them; "" = the main one."""
    clock: Clock
    host: str = ""
    product: str = ""

    def days_to_pack(self) -> list[DayNumber]:
        """Return the days, oldest first, whose package is missing or older than what is sealed of them."""
        return [day for day in sealed_days(self.paths) if needs_packing(self.paths, day)]

    def pack(self, day: DayNumber, on_progress: Progress = lambda _what, _done, _all: None) -> PackageManifest:
        """Make the package of a day anew and put it in place of the former one.

        Raises:
            BackupError: nothing of the day is sealed, or what was written does not read back.
            OSError: no space, for example; the former package stays.
        """
        sealed = read_manifest(self.paths.manifest(day), day)
        if not sealed.files:
            raise BackupError(f"nothing of {day} is sealed yet: see `observerctl status`")
        store = self.paths.backups
        _make_store(store, self.paths.receipts)
        package = store / f".{day}{_NEW}" / str(day)
        shutil.rmtree(package.parent, ignore_errors=True)
        try:
            manifest = self._fill(package, day, sealed)
            identity = _finish(package, manifest)
            problems = verify(package, on_progress, marked=False).problems
            if problems:
                raise BackupError(f"package of {day} does not read back: {'; '.join(problems[:3])}")
            write_durably(package / SUCCESS, f"{identity}\n".encode())
            self._put_in_place(package, day)
        finally:
            shutil.rmtree(package.parent, ignore_errors=True)
        return manifest

    def _fill(self, package: Path, day: DayNumber, sealed: DayManifest) -> PackageManifest:
        files: dict[str, PackedFile] = {}
        for path, facts in sorted(sealed.files.items()):
            _link(self.paths.data / path, package / "data" / path)
            files[f"data/{path}"] = PackedFile(facts.sealed_bytes, facts.sha256, facts.rows, facts.content_sha256)
        for plain in (self.paths.manifest(day), self.paths.universe / f"{day}.json"):
            if plain.exists():
                path = f"data/{plain.relative_to(self.paths.data)}"
                _copy(plain, package / path)
                files[path] = _facts(package / path)
        for path, rows in self._pack_logs(package, day):
            files[path] = replace(_facts(package / path), rows=rows)
        return PackageManifest(
            day=day,
            complete=sealed.complete,
            created_ns=self.clock.now_ns(),
            host=self.host,
            product=self.product,
            files=files,
        )

    def _pack_logs(self, package: Path, day: DayNumber) -> Iterator[tuple[str, int]]:
        """Write the day's lines of every log, or keep the former package's where rotation took some since."""
        former = self._former_logs(day)
        for name, directory in self.log_directories.items():
            for log in sorted(directory.glob("*.jsonl")):
                path = "/".join(part for part in ("logs", name, f"{log.name}.zst") if part)
                rows = _write_log(package / path, log, day)
                if rows < former.get(path, 0):
                    (package / path).unlink()
                    _link(self.paths.backup(day) / path, package / path)
                    rows = former[path]
                if rows:
                    yield path, rows
                else:
                    (package / path).unlink()

    def _former_logs(self, day: DayNumber) -> dict[str, int]:
        try:
            files = read_package(self.paths.backup(day)).files
        except BackupError:
            return {}
        return {path: file.rows or 0 for path, file in files.items() if path.startswith("logs/")}

    def _put_in_place(self, package: Path, day: DayNumber) -> None:
        place = self.paths.backup(day)
        former = place.with_name(f".{day}{_FORMER}")
        shutil.rmtree(former, ignore_errors=True)
        if place.exists():
            place.rename(former)
        package.rename(place)
        sync_directory(place.parent)
        shutil.rmtree(former, ignore_errors=True)


def _finish(package: Path, manifest: PackageManifest) -> str:
    raw_manifest = encode_manifest(manifest)
    raw_sums = encode_sums({MANIFEST: digest(raw_manifest)} | {path: f.sha256 for path, f in manifest.files.items()})
    write_durably(package / MANIFEST, raw_manifest)
    write_durably(package / SUMS, raw_sums)
    return digest(raw_sums)


def _make_store(store: Path, receipts: Path) -> None:
    store.mkdir(mode=0o750, parents=True, exist_ok=True)
    if not receipts.exists():
        receipts.mkdir()
        # Whoever pulls leaves receipts here, with another account of the same group.
        receipts.chmod(0o770)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP}:
            raise
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o640)


def _facts(path: Path) -> PackedFile:
    return PackedFile(path.stat().st_size, file_digest(path))


def _write_log(target: Path, log: Path, day: DayNumber) -> int:
    """Compress the lines of a day out of a log and its rotated predecessors; return how many there are."""
    target.parent.mkdir(parents=True, exist_ok=True)
    rows = 0
    with target.open("wb") as file:
        target.chmod(0o640)
        with zstandard.ZstdCompressor(level=_LOG_LEVEL, write_checksum=True).stream_writer(
            file, closefd=False
        ) as frame:
            for line in _log_lines(_rotated(log), day):
                frame.write(line)
                rows += 1
    return rows


def _rotated(log: Path) -> list[Path]:
    """Return a log's files, oldest first."""
    older = [path for path in log.parent.glob(f"{log.name}.*") if path.suffix[1:].isdigit()]
    return [*sorted(older, key=lambda path: int(path.suffix[1:]), reverse=True), log]


def _log_lines(files: Iterable[Path], day: DayNumber) -> Iterator[bytes]:
    text = f"{day:08d}"
    begins = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    for path in files:
        try:
            with path.open("rb") as file:
                yield from (line for line in file if _is_of(line, begins, day))
        except FileNotFoundError:
            # Rotated away this very moment.
            continue


def _is_of(line: bytes, begins: str, day: DayNumber) -> bool:
    try:
        facts = _time_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return facts.time.startswith(begins) if facts.time else bool(facts.at_ns) and kst_day(facts.at_ns) == day


def packer_for(paths: Paths, clock: Clock, log_directories: Mapping[str, Path] | None = None) -> Packer:
    """Return the packer of an installation; its log directories are the usual ones unless given."""
    usual = {"": paths.logs, "system": paths.logs / "system", "maintenance": paths.logs / "maintenance"}
    return Packer(
        paths, usual if log_directories is None else log_directories, clock, socket.gethostname(), product_version()
    )


def product_version() -> str:
    """Return the version that packs."""
    try:
        return metadata.version("observer")
    except metadata.PackageNotFoundError:
        return "unknown"


def examine_lines(path: Path) -> tuple[int, str]:
    """Return rows and SHA-256 of the lines of a sealed file, for the drill.

    Raises:
        BackupError: it is damaged.
    """
    try:
        found = examine(path)
    except SealError as error:
        raise BackupError(str(error)) from error
    return found.rows, found.content_sha256
