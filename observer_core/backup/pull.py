"""Pulling packages: whatever the source has finished and this place has not, resumed where an attempt broke off.

A file is loaded beside its place and moved there when its SHA-256 is right; the SUCCESS marker comes last, after the
whole package was read back here. Then a receipt is left at the source: it alone lets the server drop old days.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from observer_core.backup.form import (
    DRILL_MARK,
    MANIFEST,
    RECEIPTS,
    SUCCESS,
    SUMS,
    BackupError,
    PackageManifest,
    Progress,
    SourceError,
    decode_manifest,
    decode_sums,
    digest,
    file_digest,
    machine_name,
    sync_entries,
    write_durably,
)
from observer_core.backup.sources import Source
from observer_core.backup.verify import success_digest, verify
from observer_core.clock import NS_PER_S, Clock, kst_datetime

TRANSFER_LOG = "transfer.jsonl"
PART_SUFFIX = ".part"


@dataclass(slots=True)
class Transfer:
    """What one pull did with one package; a line of the transfer log."""

    day: int
    at: str = ""
    result: str = "pulled"
    """"pulled", "there already", "would be pulled" or "failed"."""
    files: int = 0
    loaded_bytes: int = 0
    resumed_bytes: int = 0
    """Found here from an attempt that broke off."""
    kept_files: int = 0
    """Unchanged since an earlier package of the day."""
    duration_s: float = 0.0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Where packages are pulled to, with the clock for log and receipts."""

    store: Path
    clock: Clock
    name: str = ""
    """Of this machine, in receipts; "" = as the system calls it."""
    check: bool = False
    """Read again what was verified before, and load what is damaged."""

    @property
    def machine(self) -> str:
        """Return the name for receipts, fit for a file name."""
        return machine_name(self.name)


def pull(
    source: Source, place: Place, *, dry_run: bool = False, on_progress: Progress = lambda _what, _done, _all: None
) -> Iterator[Transfer]:
    """Bring every package here that is missing or was made anew, oldest first; yield what became of each.

    Raises:
        SourceError: the source does not answer at all.
    """
    for day in source.days():
        transfer = Transfer(day, at=kst_datetime(place.clock.now_ns()).isoformat(timespec="seconds"))
        begun_ns = place.clock.monotonic_ns()
        try:
            _pull_day(source, place, transfer, dry_run, on_progress)
        except (BackupError, OSError) as error:
            transfer.result = "failed"
            transfer.problems.append(str(error))
        transfer.duration_s = round((place.clock.monotonic_ns() - begun_ns) / NS_PER_S, 3)
        if not dry_run and (transfer.result != "there already" or transfer.problems):
            _log(place.store, transfer)
        yield transfer
    if not dry_run:
        _hand_over_drills(source, place)


def _pull_day(source: Source, place: Place, transfer: Transfer, dry_run: bool, on_progress: Progress) -> None:
    day = str(transfer.day)
    package = place.store / day
    identity = (source.small(f"{day}/{SUCCESS}").decode(errors="replace").split() or [""])[0]
    if identity == success_digest(package) and not (place.check and not verify(package).whole):
        transfer.result = "there already"
        if not dry_run:
            _hand_over_receipt(source, place, transfer, identity)
        return
    raw_sums, raw_manifest = source.small(f"{day}/{SUMS}"), source.small(f"{day}/{MANIFEST}")
    if digest(raw_sums) != identity:
        raise BackupError(f"{day}: {SUMS} does not belong to its {SUCCESS} marker: pack the day anew on the server")
    sums, manifest = decode_sums(raw_sums), decode_manifest(raw_manifest)
    transfer.files = len(manifest.files)
    if dry_run:
        transfer.result, transfer.loaded_bytes = "would be pulled", manifest.total_bytes
        return
    package.mkdir(parents=True, exist_ok=True)
    # From here to its end the package is none.
    (package / SUCCESS).unlink(missing_ok=True)
    _load_files(source, package, sums, transfer, _Bar(manifest, on_progress))
    write_durably(package / MANIFEST, raw_manifest)
    write_durably(package / SUMS, raw_sums)
    _remove_strangers(package, sums.keys() | {SUMS})
    write_durably(package / SUCCESS, f"{identity}\n".encode())
    verdict = verify(package)
    if not verdict.whole:
        (package / SUCCESS).unlink(missing_ok=True)
        raise BackupError(f"{day}: what arrived is not whole: {'; '.join(verdict.problems[:3])}")
    _leave_receipt(source, place, transfer, identity)


class _Bar:
    """Counts the bytes of one package for whoever watches."""

    def __init__(self, manifest: PackageManifest, on_progress: Progress) -> None:
        self._sizes = {path: file.size_bytes for path, file in manifest.files.items()}
        self._all = manifest.total_bytes
        self._tell = on_progress
        self._done = 0

    def add(self, path: str, count: int) -> None:
        self._done += count
        self._tell(path, self._done, self._all)

    def add_whole(self, path: str) -> None:
        self.add(path, self._sizes.get(path, 0))


def _load_files(source: Source, package: Path, sums: dict[str, str], transfer: Transfer, bar: _Bar) -> None:
    missing: list[str] = []
    for path, expected in sorted(sums.items()):
        with suppress(OSError):
            if path != MANIFEST and file_digest(package / path) == expected:
                transfer.kept_files += 1
                bar.add_whole(path)
                continue
        if path != MANIFEST:
            missing.append(path)
    offsets = {path: _part_size(package / path) for path in missing}
    wanted = [(f"{package.name}/{path}", offsets[path]) for path in missing]
    for path, rest in zip(missing, source.contents(wanted), strict=True):
        _load(package / path, offsets[path], rest, lambda count, path=path: bar.add(path, count))  # type: ignore[misc]
        transfer.resumed_bytes += offsets[path]
        transfer.loaded_bytes += _part_size(package / path) - offsets[path]
        _take(package / path, sums[path])


def _load(target: Path, offset: int, rest: Iterator[bytes], on_bytes: Callable[[int], None]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with _part(target).open("ab") as part:
        on_bytes(offset)
        for piece in rest:
            part.write(piece)
            part.flush()
            on_bytes(len(piece))


def _take(target: Path, expected: str) -> None:
    part = _part(target)
    if file_digest(part) != expected:
        part.unlink()
        raise BackupError(f"{target.name}: what arrived differs from the list; pull again, it is loaded anew")
    part.replace(target)
    sync_entries(target.parent)


def _remove_strangers(package: Path, wanted: set[str]) -> None:
    """Remove what an earlier package of the day had and this one has not."""
    for path in sorted(package.rglob("*"), reverse=True):
        if path.is_dir():
            with suppress(OSError):
                path.rmdir()
        elif path.relative_to(package).as_posix() not in wanted:
            path.unlink()


def _hand_over_receipt(source: Source, place: Place, transfer: Transfer, identity: str) -> None:
    """Leave a receipt that could not be left when the package came."""
    if not (place.store / f".receipt-{transfer.day}-{identity[:16]}").exists():
        _leave_receipt(source, place, transfer, identity)


def _leave_receipt(source: Source, place: Place, transfer: Transfer, identity: str) -> None:
    """Tell the source that a verified copy is here; without it the server keeps the day."""
    now_ns = place.clock.now_ns()
    content = {"day": transfer.day, "sums_sha256": identity, "machine": place.machine, "verified_ns": now_ns}
    try:
        source.leave_receipt(f"{transfer.day}.{place.machine}.json", json.dumps(content).encode())
    except SourceError as error:
        transfer.problems.append(f"no receipt left, the server will not let this day go: {error}")
    else:
        (place.store / f".receipt-{transfer.day}-{identity[:16]}").touch()


def _hand_over_drills(source: Source, place: Place) -> None:
    """Tell the source how the newest drills of this place ended; what cannot be told now is told by the next pull."""
    for mark in sorted((place.store / RECEIPTS).glob(f"{DRILL_MARK}*.json")):
        told = place.store / f".receipt-{mark.name}"
        with suppress(OSError, SourceError):
            content = mark.read_bytes()
            if not told.exists() or told.read_bytes() != content:
                source.leave_receipt(mark.name, content)
                told.write_bytes(content)


def _log(store: Path, transfer: Transfer) -> None:
    store.mkdir(parents=True, exist_ok=True)
    with (store / TRANSFER_LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(asdict(transfer), ensure_ascii=False) + "\n")


def _part(target: Path) -> Path:
    return target.with_name(target.name + PART_SUFFIX)


def _part_size(target: Path) -> int:
    try:
        return _part(target).stat().st_size
    except FileNotFoundError:
        return 0
