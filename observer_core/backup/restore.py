"""Bringing a package back, and the drill that proves it can be done: restore to a scratch place, compare everything."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from observer_core.backup.form import (
    DRILL_MARK,
    RECEIPTS,
    BackupError,
    PackedFile,
    Progress,
    file_digest,
    machine_name,
    packages_in,
    pieces,
    sync_entries,
    write_durably,
)
from observer_core.backup.verify import age_problem, read_manifest, success_digest, verify

Places = Mapping[str, Path]
"""Where the parts of a package go: "data" and "logs"; a part without a place is left out."""

Examine = Callable[[Path], tuple[int, str]]
"""Return rows and SHA-256 of the lines of a sealed file; needs more than the standard library."""


@dataclass(slots=True)
class Restored:
    """What a restore did, or in a dry run would have done."""

    day: int
    dry_run: bool = False
    files: int = 0
    total_bytes: int = 0
    existing: int = 0
    """Files that were there already, with the same content."""
    conflicts: list[str] = field(default_factory=list)
    """Files that are there with another content: left alone."""

    def as_json(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return asdict(self)


@dataclass(slots=True)
class Drilled:
    """The outcome of a drill; no problems = green."""

    day: int = 0
    files: int = 0
    total_bytes: int = 0
    rows: int = 0
    files_examined: int = 0
    """Sealed files whose lines were counted and hashed; 0 where that cannot be done."""
    problems: list[str] = field(default_factory=list)

    @property
    def green(self) -> bool:
        """Return whether nothing is wrong."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return {**asdict(self), "green": self.green}


def below(directory: Path) -> Places:
    """Return the places of a restore into one directory."""
    return {"data": directory / "data", "logs": directory / "logs"}


def restore(
    package: Path,
    places: Places,
    *,
    dry_run: bool = False,
    on_progress: Progress = lambda _what, _done, _all: None,
) -> Restored:
    """Copy the files of a package to where they belong; nothing that is there is overwritten.

    Raises:
        BackupError: the package is not whole.
        OSError: a place cannot be written.
    """
    verdict = verify(package)
    if not verdict.whole:
        raise BackupError(f"{package} is not whole: {'; '.join(verdict.problems[:3])}")
    manifest = read_manifest(package)
    restored = Restored(manifest.day, dry_run)
    done = 0
    for path, file in sorted(manifest.files.items()):
        part, _, rest = path.partition("/")
        if part in places:
            _bring(package / path, places[part] / rest, file, restored)
        done += file.size_bytes
        on_progress(path, done, manifest.total_bytes)
    return restored


def _bring(source: Path, target: Path, file: PackedFile, restored: Restored) -> None:
    if target.exists():
        if target.stat().st_size == file.size_bytes and file_digest(target) == file.sha256:
            restored.existing += 1
        else:
            restored.conflicts.append(str(target))
        return
    restored.files += 1
    restored.total_bytes += file.size_bytes
    if restored.dry_run:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.restored")
    with partial.open("wb") as copy:
        for piece in pieces(source):
            copy.write(piece)
    # As a live file of the archive: readable for the group, not for everybody.
    partial.chmod(0o640)
    partial.replace(target)
    sync_entries(target.parent)


def drill(
    store: Path,
    today: int,
    *,
    day: int | None = None,
    days_allowed: int = 2,
    examine: Examine | None = None,
    on_progress: Progress = lambda _what, _done, _all: None,
) -> Drilled:
    """Restore one package, the newest when none is named, to a scratch place and compare it with what was packed.

    Raises:
        OSError: there is no room for the scratch copy.
    """
    drilled = Drilled()
    finished = [found for found in packages_in(store) if success_digest(store / str(found))]
    old = age_problem(store, today, days_allowed) if day is None else None
    if old is not None:
        drilled.problems.append(old)
    drilled.day = day if day is not None else (finished or packages_in(store) or [0])[-1]
    if not drilled.day:
        return drilled
    scratch = Path(tempfile.mkdtemp(prefix=".drill-", dir=store))
    try:
        restore(store / str(drilled.day), below(scratch), on_progress=on_progress)
        _compare(store / str(drilled.day), below(scratch), drilled, examine)
    except BackupError as error:
        drilled.problems.append(str(error))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return drilled


def leave_mark(store: Path, drilled: Drilled, now_ns: int) -> None:
    """Note beside the packages how a drill ended: the server shows it, where it is or when it is pulled from.

    Raises:
        OSError: the store cannot be written.
    """
    machine = machine_name()
    mark = {"drilled_day": drilled.day, "drilled_ns": now_ns, "machine": machine, "problems": drilled.problems[:3]}
    (store / RECEIPTS).mkdir(exist_ok=True)
    write_durably(store / RECEIPTS / f"{DRILL_MARK}{machine}.json", json.dumps(mark).encode())


def _compare(package: Path, places: Places, drilled: Drilled, examine: Examine | None) -> None:
    manifest = read_manifest(package)
    for path, file in sorted(manifest.files.items()):
        part, _, rest = path.partition("/")
        copy = places[part] / rest
        drilled.files += 1
        drilled.total_bytes += file.size_bytes
        if file_digest(copy) != file.sha256:
            drilled.problems.append(f"{path}: the restored copy differs")
        elif examine is not None and file.content_sha256:
            found = examine(copy)
            drilled.files_examined += 1
            drilled.rows += found[0]
            if found != (file.rows, file.content_sha256):
                drilled.problems.append(f"{path}: {found[0]:,} lines, packed were {file.rows or 0:,} others")
