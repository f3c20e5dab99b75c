"""Is a package whole? Every file is there, has its size and its SHA-256; nothing is believed without reading it."""

from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from observer_core.backup.form import (
    MANIFEST,
    SUCCESS,
    SUMS,
    BackupError,
    PackageManifest,
    Progress,
    decode_manifest,
    decode_sums,
    digest,
    file_digest,
    packages_in,
)


@dataclass(slots=True)
class Verdict:
    """What was found in one package; no problems = it is whole."""

    day: int
    complete: bool = False
    files: int = 0
    total_bytes: int = 0
    rows: int = 0
    sums_sha256: str = ""
    """Identity of the package: the SHA-256 of its list of sums."""
    problems: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Return whether nothing is wrong."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return {**asdict(self), "whole": self.whole}


def success_digest(package: Path) -> str:
    """Return the identity of a finished package, "" for one that is not finished."""
    try:
        words = (package / SUCCESS).read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return ""
    return words[0] if words else ""


def read_manifest(package: Path) -> PackageManifest:
    """Return the manifest of a package.

    Raises:
        BackupError: it is missing or damaged.
    """
    try:
        return decode_manifest((package / MANIFEST).read_bytes())
    except OSError as error:
        raise BackupError(f"{package / MANIFEST} cannot be read: {error.strerror}") from error


def verify(package: Path, on_progress: Progress = lambda _what, _done, _all: None, *, marked: bool = True) -> Verdict:
    """Read a package through and say what is wrong with it; `marked=False` for one that has no marker yet."""
    verdict = Verdict(int(package.name) if package.name.isdigit() else 0)
    try:
        raw_sums = (package / SUMS).read_bytes()
        sums = decode_sums(raw_sums)
        verdict.sums_sha256 = digest(raw_sums)
        manifest = read_manifest(package)
    except OSError as error:
        verdict.problems.append(f"{SUMS} is missing: the package is not finished ({error.strerror})")
        return verdict
    except BackupError as error:
        verdict.problems.append(str(error))
        return verdict
    verdict.day, verdict.complete = manifest.day, manifest.complete
    verdict.files, verdict.total_bytes, verdict.rows = len(manifest.files), manifest.total_bytes, manifest.rows
    if marked:
        verdict.problems += _marker_problems(package, verdict.sums_sha256)
    for path in sorted(manifest.files.keys() - sums.keys()):
        verdict.problems.append(f"{path}: in {MANIFEST}, but not in {SUMS}")
    verdict.problems += _file_problems(package, sums, manifest, on_progress)
    return verdict


def _marker_problems(package: Path, identity: str) -> list[str]:
    said = success_digest(package)
    if not said:
        return [f"{SUCCESS} marker is missing: the package was never finished or never verified"]
    return [] if said == identity else [f"{SUMS} was changed after the {SUCCESS} marker was written"]


def _file_problems(package: Path, sums: dict[str, str], manifest: PackageManifest, on_progress: Progress) -> list[str]:
    found: list[str] = []
    done = 0
    for path, expected in sorted(sums.items()):
        file, listed = package / path, manifest.files.get(path)
        try:
            size_bytes = file.stat().st_size
            if listed is not None and size_bytes != listed.size_bytes:
                found.append(f"{path}: damaged: {size_bytes:,} bytes, the package lists {listed.size_bytes:,}")
            elif file_digest(file) != expected:
                found.append(f"{path}: damaged: its SHA-256 differs from the list")
        except FileNotFoundError:
            found.append(f"{path}: missing")
        except OSError as error:
            found.append(f"{path}: cannot be read: {error.strerror}")
        done += 0 if listed is None else listed.size_bytes
        on_progress(path, done, manifest.total_bytes)
    return found


def age_problem(store: Path, today: int, days_allowed: int) -> str | None:
    """Return in words that the newest finished package is too old, None when it is young enough."""
    finished = [day for day in packages_in(store) if success_digest(store / str(day))]
    if not finished:
        return f"there is no finished backup in {store}"
    age = (_date(today) - _date(finished[-1])).days
    if age <= days_allowed:
        return None
    return (
        f"the newest backup is old: of {_date(finished[-1])}, {age} days ago, at most {days_allowed} are allowed; "
        "look at the transfer log and pull again"
    )


def _date(day: int) -> date:
    return date(day // 10_000, day // 100 % 100, day % 100)
