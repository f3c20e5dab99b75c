"""The form of a backup package: one directory a Korean day, whole only with its SUCCESS marker.

    20261120/data/…  logs/…     what is kept, in the layout of the server
    20261120/manifest.json      the day, who packed it when, every file with size, SHA-256 and rows
    20261120/SHA256SUMS         of all of these, as `sha256sum -c` reads it
    20261120/SUCCESS            the SHA-256 of SHA256SUMS; written last, after everything was read back

Separate because packing, pulling, verifying and restoring must mean the same by it.
"""

import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from observer_core.errors import ObserverError

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
SUCCESS = "SUCCESS"
RECEIPTS = "receipts"
DRILL_MARK = "drill."
"""How the name of a drill's outcome begins among the receipts; the machine and `.json` follow."""
FORM_VERSION = 1
PIECE_BYTES = 1024 * 1024

_DAY = re.compile(r"20\d{6}")
_SUM_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_ALLOWED = re.compile(r"[\w.+=@-]+", re.ASCII)

Progress = Callable[[str, int, int], None]
"""Told while something long runs: what, bytes done, bytes in all."""


class BackupError(ObserverError):
    """A package or a place of packages is not what it must be; the text says what to do."""


class SourceError(BackupError):
    """The place that packages come from does not answer."""


@dataclass(frozen=True, slots=True)
class PackedFile:
    """One file of a package."""

    size_bytes: int
    sha256: str
    rows: int | None = None
    content_sha256: str = ""
    """Of the lines within, where it is a sealed file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageManifest:
    """What a package holds, by path below its directory."""

    day: int
    complete: bool
    """Whether the day was over and sealed; a package of the evening is replaced by one of the night."""
    created_ns: int
    host: str = ""
    version: int = FORM_VERSION
    product: str = ""
    files: dict[str, PackedFile] = field(default_factory=dict)

    @property
    def total_bytes(self) -> int:
        """Return the size of all files."""
        return sum(file.size_bytes for file in self.files.values())

    @property
    def rows(self) -> int:
        """Return the archive lines in it; log lines do not count."""
        return sum(file.rows or 0 for path, file in self.files.items() if path.startswith("data/"))


def machine_name(name: str = "") -> str:
    """Return the name of this machine, fit for a file name; "" = as the system calls it."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", name or platform.node() or "unnamed")[:40]


def is_day(name: str) -> bool:
    """Return whether a directory's name is that of a finished package."""
    return _DAY.fullmatch(name) is not None


def packages_in(store: Path) -> list[int]:
    """Return the days of which a directory holds a package, finished or not, oldest first."""
    try:
        return sorted(int(entry.name) for entry in store.iterdir() if is_day(entry.name) and entry.is_dir())
    except FileNotFoundError:
        return []


def encode_manifest(manifest: PackageManifest) -> bytes:
    """Return the manifest as the file holds it."""
    return (json.dumps(asdict(manifest), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def decode_manifest(raw: bytes) -> PackageManifest:
    """Read a manifest; fields of later versions are skipped.

    Raises:
        BackupError: it is damaged.
    """
    try:
        document: dict[str, Any] = json.loads(raw)
        files = {
            path: PackedFile(
                int(entry["size_bytes"]), str(entry["sha256"]), entry.get("rows"), str(entry.get("content_sha256", ""))
            )
            for path, entry in document["files"].items()
        }
        return PackageManifest(
            day=int(document["day"]),
            complete=bool(document["complete"]),
            created_ns=int(document["created_ns"]),
            host=str(document.get("host", "")),
            version=int(document["version"]),
            product=str(document.get("product", "")),
            files=files,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"{MANIFEST} is damaged: {error!r}") from error


def encode_sums(sums: dict[str, str]) -> bytes:
    """Return the list of sums as `sha256sum -c` reads it."""
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items())).encode()


def decode_sums(raw: bytes) -> dict[str, str]:
    """Return SHA-256 by path.

    Raises:
        BackupError: a line is damaged, or a path leads out of the package.
    """
    sums: dict[str, str] = {}
    try:
        lines = raw.decode().splitlines()
    except UnicodeDecodeError as error:
        raise BackupError(f"{SUMS} is damaged: {error}") from error
    for number, line in enumerate(lines, start=1):
        match = _SUM_LINE.fullmatch(line)
        if match is None:
            raise BackupError(f"{SUMS} is damaged in line {number}")
        sums[safe_path(match[2])] = match[1]
    return sums


def safe_path(path: str) -> str:
    """Return a path of a package, or refuse it: it must stay below the package on every system.

    Raises:
        BackupError: it does not.
    """
    parts = PurePosixPath(path).parts
    if not parts or any(not _ALLOWED.fullmatch(part) or part in {".", ".."} for part in parts):
        raise BackupError(f"{path!r} is no path of a package")
    return "/".join(parts)


def digest(raw: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return hashlib.sha256(raw).hexdigest()


def file_digest(path: Path, on_bytes: Callable[[int], None] = lambda _count: None) -> str:
    """Return the SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    found = hashlib.sha256()
    for piece in pieces(path):
        found.update(piece)
        on_bytes(len(piece))
    return found.hexdigest()


def pieces(path: Path) -> Iterator[bytes]:
    """Yield a file in pieces."""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def write_durably(path: Path, content: bytes) -> None:
    """Replace a small file as a whole; a crash leaves the old or the new one."""
    partial = path.with_name(f".{path.name}.new")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_entries(path.parent)


def sync_entries(directory: Path) -> None:
    """Make created and renamed entries durable, where the system can: Windows does so by itself."""
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
