"""How the archive's days stand: which are packed, of which a verified copy lies elsewhere, which are old or anomalous.

Read from the files alone, so that the hub, retention, the packer and the command line agree; nothing is remembered.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from observer_core.archive.day_retention import ArchivedDay
from observer_core.archive.manifest import read_manifest
from observer_core.archive.verdicts import read_verdict
from observer_core.backup.form import DRILL_MARK, BackupError, PackageManifest, packages_in
from observer_core.backup.verify import read_manifest as read_package
from observer_core.backup.verify import success_digest
from observer_core.clock import NS_PER_S, kst_midnight_ns
from observer_core.ids import DayNumber
from observer_core.messages import Track
from observer_core.paths import Paths
from observer_core.view import BackupView

_NS_PER_DAY = 24 * 3600 * NS_PER_S
_DAY_PARTS = re.compile(r"20\d{6}")


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever pulled a package says about it."""

    day: int
    sums_sha256: str
    machine: str = ""
    verified_ns: int = 0


class DrillMark(msgspec.Struct, frozen=True, kw_only=True):
    """How the last drill of one machine ended."""

    drilled_day: int
    drilled_ns: int
    machine: str = ""
    problems: tuple[str, ...] = ()
    """None = green."""


_mark_decoder = msgspec.json.Decoder(DrillMark)
_receipt_decoder = msgspec.json.Decoder(Receipt)


def days_with_data(paths: Paths) -> list[DayNumber]:
    """Return the days of which there is raw data or a package, oldest first."""
    found = {"".join(directory.parts[-3:]) for track in Track for directory in (paths.data / track).glob("????/??/??")}
    found |= {str(day) for day in packages_in(paths.backups)}
    return sorted(DayNumber(int(name)) for name in found if _DAY_PARTS.fullmatch(name))


def sealed_days(paths: Paths) -> list[DayNumber]:
    """Return the days of which something is sealed, oldest first."""
    names = sorted(path.stem for path in paths.manifest(DayNumber(0)).parent.glob("*.json"))
    return [DayNumber(int(name)) for name in names if _DAY_PARTS.fullmatch(name)]


def needs_packing(paths: Paths, day: DayNumber) -> bool:
    """Return whether a day has sealed files that its package lacks, or was not over when it was packed."""
    sealed = read_manifest(paths.manifest(day), day)
    if not sealed.files:
        return False
    packed = package_of(paths, day)
    if packed is None:
        return True
    there = {path: file.sha256 for path, file in packed.files.items() if file.content_sha256}
    wanted = {f"data/{path}": file.sha256 for path, file in sealed.files.items()}
    return there != wanted or packed.complete != sealed.complete


def package_of(paths: Paths, day: DayNumber) -> PackageManifest | None:
    """Return the manifest of a day's finished package, None when there is none."""
    if not success_digest(paths.backup(day)):
        return None
    try:
        return read_package(paths.backup(day))
    except BackupError:
        return None


def receipts(paths: Paths) -> Iterator[Receipt]:
    """Yield every receipt that can be read."""
    for path in sorted(paths.receipts.glob("*.json")):
        try:
            yield _receipt_decoder.decode(path.read_bytes())
        except (OSError, msgspec.DecodeError):
            continue


def newest_drill(paths: Paths) -> DrillMark | None:
    """Return how the newest drill that this machine knows of ended; None when it knows of none."""
    found = []
    for path in paths.receipts.glob(f"{DRILL_MARK}*.json"):
        with suppress(OSError, msgspec.DecodeError):
            found.append(_mark_decoder.decode(path.read_bytes()))
    return max(found, key=lambda mark: mark.drilled_ns, default=None)


def archived_days(paths: Paths) -> list[ArchivedDay]:
    """Return every day of raw data as retention judges it."""
    said = {receipt.sums_sha256 for receipt in receipts(paths)}
    return [_archived(paths, day, said) for day in days_with_data(paths)]


def _archived(paths: Paths, day: DayNumber, said: set[str]) -> ArchivedDay:
    packed = package_of(paths, day)
    whole = packed is not None and packed.complete and not needs_packing(paths, day)
    sealed = read_manifest(paths.manifest(day), day)
    return ArchivedDay(
        day=day,
        anomalous=bool(read_verdict(paths.anomaly(day), day).rules),
        sealed=sealed.complete,
        secured=whole and success_digest(paths.backup(day)) in said,
        sealed_bytes=sum(file.sealed_bytes for file in sealed.files.values()),
    )


def backup_view(paths: Paths, days: Sequence[ArchivedDay] | None = None, limit_s: float = 0.0) -> BackupView:
    """Return how backups stand, for screens, metrics and alerts; `days` where the caller has them already."""
    packages = [day for day in packages_in(paths.backups) if success_digest(paths.backup(DayNumber(day)))]
    newest = package_of(paths, DayNumber(packages[-1])) if packages else None
    left = list(receipts(paths))
    last = max(left, key=lambda receipt: receipt.verified_ns, default=None)
    drill = newest_drill(paths)
    known = archived_days(paths) if days is None else days
    unsecured = [one.day for one in known if one.sealed and not one.secured]
    return BackupView(
        packages=len(packages),
        newest_day=None if newest is None else newest.day,
        newest_ns=None if newest is None else newest.created_ns,
        verified_day=None if last is None else last.day,
        verified_ns=None if last is None else last.verified_ns,
        verified_by="" if last is None else last.machine,
        unsecured_days=len(unsecured),
        unsecured_since_ns=kst_midnight_ns(unsecured[0]) + _NS_PER_DAY if unsecured else None,
        limit_s=limit_s,
        newest_bytes=None if newest is None else newest.total_bytes,
        newest_complete=None if newest is None else newest.complete,
        drilled_day=None if drill is None else drill.drilled_day,
        drilled_ns=None if drill is None else drill.drilled_ns,
        drilled_by="" if drill is None else drill.machine,
        drill_problems=() if drill is None else drill.problems,
    )


def day_directories(paths: Paths, day: DayNumber) -> list[Path]:
    """Return where the raw data of a day lies, track by track."""
    text = f"{day:08d}"
    return [paths.data / track / text[:4] / text[4:6] / text[6:] for track in Track]
