"""The life cycle of the archive, run beside maintenance's other work: seal what is over, list it, remove journal
segments that nobody needs, hold the reserve.

Everything slow happens in one thread of low priority; whatever fails is tried at the next pass, and every step is
safe to repeat after a crash.
"""

import asyncio
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from observer_core.archive.disk_ladder import Level
from observer_core.archive.layout import LIVE_SUFFIX, SEALED_SUFFIX, Window, parse_path
from observer_core.archive.manifest import SealedFile, read_manifest, write_manifest
from observer_core.archive.retention import Key, read_last_record, removable_segments
from observer_core.archive.sealing import SealError, examine, held_for_sealing, remove_live, seal, sealed_name
from observer_core.archive.verdicts import read_verdict
from observer_core.archive.volumes import VolumeWatch, reserves
from observer_core.clock import NS_PER_S, Clock, kst_day, kst_midnight_ns
from observer_core.errors import JournalError
from observer_core.ids import DayNumber, ShardName, SinkName
from observer_core.journal.files import list_segments
from observer_core.journal.format import SegmentName
from observer_core.journal.low_water import remove_segments
from observer_core.messages import Track
from observer_core.services.archive_rebuild import rebuild_sealed
from observer_core.services.shard_disk import quiet_logs, watch_over
from observer_core.settings import Settings
from observer_core.sinks.jsonl_checkpoint import Checkpoint, load_checkpoint

logger = logging.getLogger(__name__)

LOOK_S = 1.0
PASS_EVERY_S = 20.0
FORCED_PASS_EVERY_S = 2.0
WINDOW_GRACE_NS = 30 * NS_PER_S
"""A window is over for the writer's last lines, too, by then; the writer's own checkpoint has the last word."""
SEAL_PATIENCE_NS = 300 * NS_PER_S
DAY_GRACE_NS = 600 * NS_PER_S
_NS_PER_DAY = 24 * 3600 * NS_PER_S
JSONL = SinkName("jsonl")
POSTGRES = SinkName("postgres")


@dataclass(slots=True)
class PassReport:
    """What one pass did."""

    sealed: int = 0
    segments_removed: int = 0
    freed_bytes: int = 0
    problems: list[str] = field(default_factory=list)


class ArchiveKeeper:
    """One pass after the other over archive and journals; used by one thread."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._paths = settings.paths
        self._clock = clock
        self._sinks = (JSONL, *((POSTGRES,) if settings.postgres_dsn is not None else ()))
        """Every sink whose durable offset holds segments back."""
        self._last_records: dict[tuple[ShardName, SegmentName], Key] = {}
        self._complete: set[DayNumber] = set()
        self.stopping = False
        """Set by another thread: a pass ends with the file it is at."""

    def run_pass(self) -> PassReport:
        """Seal, list and remove whatever can be now."""
        report = PassReport()
        for live, window in self._live_files():
            if self.stopping:
                return report
            self._seal(live, window, report)
        self._complete = {day for day in self._days() if self._list_day(day, report)}
        for directory in self._journal_directories():
            self._remove_segments(directory, report)
        return report

    def overdue(self) -> list[str]:
        """Return the live files that should have been sealed for minutes."""
        before_ns = self._clock.now_ns() - SEAL_PATIENCE_NS
        return [
            str(live.relative_to(self._paths.data)) for live, window in self._live_files() if window.ends_ns < before_ns
        ]

    def _live_files(self) -> Iterator[tuple[Path, Window]]:
        """Yield the live files whose window is over."""
        before_ns = self._clock.now_ns() - WINDOW_GRACE_NS
        for track in Track:
            for live in sorted((self._paths.data / track).glob(f"????/??/??/??/*{LIVE_SUFFIX}")):
                window = parse_path(str(live.relative_to(self._paths.data)))
                if window is not None and window.ends_ns <= before_ns:
                    yield live, window

    def _seal(self, live: Path, window: Window, report: PassReport) -> None:
        path = str(live.relative_to(self._paths.data))
        try:
            with held_for_sealing(live) as file:
                # Read under the lock: what is not listed and not open now stays so until the lock is given back.
                checkpoint = load_checkpoint(self._paths.checkpoint(JSONL))
                if file is None or path in checkpoint.files:
                    return
                sealed = seal(live, file, checkpoint.offsets.get(window.shard, (0, 0)))
                if sealed is not None:
                    self._list_file(kst_day(window.begins_ns), sealed_name(live))
                remove_live(live)
        except (OSError, SealError) as error:
            report.problems.append(f"{path}: {error}")
            logger.warning("archive file not sealed", extra={"file": path, "error": str(error)})
            if isinstance(error, SealError) and sealed_name(live).exists():
                # It may be the sealed file beside it that is damaged.
                with suppress(OSError, SealError):
                    self._list_file(kst_day(window.begins_ns), sealed_name(live))
        else:
            report.sealed += 1

    def _list_file(self, day: DayNumber, sealed: Path) -> None:
        manifest_file = self._paths.manifest(day)
        manifest = read_manifest(manifest_file, day)
        path = str(sealed.relative_to(self._paths.data))
        files = {**manifest.files, path: self._examine(sealed, manifest.files.get(path))}
        write_manifest(manifest_file, replace(manifest, files=files))

    def _days(self) -> set[DayNumber]:
        """Return every day of which there are archive files or segments."""
        found = {
            DayNumber(int("".join(directory.parts[-3:])))
            for track in Track
            for directory in (self._paths.data / track).glob("????/??/??")
            if "".join(directory.parts[-3:]).isdigit()
        }
        for directory in self._journal_directories():
            found.update(name.day for name in _segments(directory))
        return found

    def _list_day(self, day: DayNumber, report: PassReport) -> bool:
        """Bring the manifest of a day up to its files; return whether the day is over and sealed."""
        manifest = read_manifest(self._paths.manifest(day), day)
        text = f"{day:08d}"
        directories = [self._paths.data / track / text[:4] / text[4:6] / text[6:] for track in Track]
        live = any(next(directory.glob(f"??/*{LIVE_SUFFIX}"), None) for directory in directories)
        over = self._clock.now_ns() >= kst_midnight_ns(day) + _NS_PER_DAY + DAY_GRACE_NS
        try:
            files = dict(manifest.files)
            for directory in directories:
                for sealed in directory.glob(f"??/*{SEALED_SUFFIX}"):
                    path = str(sealed.relative_to(self._paths.data))
                    if path not in files or files[path].sealed_bytes != sealed.stat().st_size:
                        files[path] = self._examine(sealed, files.get(path))
            anomalies = read_verdict(self._paths.anomaly(day), day).rules
            now = replace(manifest, files=files, complete=over and not live, anomalies=anomalies)
            if now != manifest:
                write_manifest(self._paths.manifest(day), now)
        except (OSError, SealError) as error:
            report.problems.append(f"manifest of {day}: {error}")
            logger.warning("manifest not written", extra={"day": day, "error": str(error)})
            return False
        return now.complete

    def _examine(self, sealed: Path, listed: SealedFile | None) -> SealedFile:
        """Return what a sealed file holds; one that was whole once is made anew."""
        try:
            return examine(sealed)
        except SealError:
            window = parse_path(str(sealed.relative_to(self._paths.data)))
            if listed is None or window is None:
                raise
            return rebuild_sealed(self._paths, sealed, window, listed)

    def _journal_directories(self) -> list[Path]:
        with suppress(OSError):
            return sorted(entry for entry in self._paths.journals.iterdir() if entry.is_dir())
        return []

    def _remove_segments(self, directory: Path, report: PassReport) -> None:
        shard = ShardName(directory.name)
        checkpoints = [self._checkpoint(sink) for sink in self._sinks]
        durable: list[Key] = [point.offsets.get(shard, (0, 0)) for point in checkpoints]
        segments = _segments(directory)
        removable = removable_segments(
            segments, lambda name: self._last_record(directory, shard, name), durable, self._complete
        )
        try:
            report.freed_bytes += remove_segments(directory, removable)
        except OSError as error:
            report.problems.append(f"{shard}: {error}")
            logger.warning("segments not removed", extra={"shard": shard, "error": str(error)})
            return
        for name in removable:
            self._last_records.pop((shard, name), None)
        report.segments_removed += len(removable)
        if removable:
            logger.info("segments removed", extra={"shard": shard, "segments": len(removable)})

    def _checkpoint(self, sink: SinkName) -> Checkpoint:
        try:
            return load_checkpoint(self._paths.checkpoint(sink))
        except OSError:
            return Checkpoint()

    def _last_record(self, directory: Path, shard: ShardName, name: SegmentName) -> Key | None:
        known = self._last_records.get((shard, name))
        if known is None:
            known = read_last_record(directory, name)
            if known is not None:
                # Segments with a successor do not change any more.
                self._last_records[shard, name] = known
        return known


def _segments(directory: Path) -> list[SegmentName]:
    try:
        return list_segments(directory)
    except JournalError:
        return []


async def keep_archive(settings: Settings, clock: Clock) -> None:
    """Run passes and hold the reserve until cancelled."""
    keeper = ArchiveKeeper(settings, clock)
    watch = watch_over(settings)
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, "archive", initializer=_give_way)
    due_ns = 0
    try:
        while True:
            watch.look()
            quiet_logs(watch.worst)
            await loop.run_in_executor(thread, tend_reserves, settings, watch)
            if clock.monotonic_ns() >= due_ns:
                await loop.run_in_executor(thread, _pass, keeper)
                pause_s = FORCED_PASS_EVERY_S if watch.worst >= Level.SEAL else PASS_EVERY_S
                due_ns = clock.monotonic_ns() + int(pause_s * NS_PER_S)
            await asyncio.sleep(LOOK_S)
    finally:
        # A pass may be broken off anywhere: nothing waits for its end.
        keeper.stopping = True
        thread.shutdown(wait=False, cancel_futures=True)


def _give_way() -> None:
    # Of this thread only: collecting and writing go first on a machine of one processor.
    os.nice(10)


def _pass(keeper: ArchiveKeeper) -> None:
    try:
        report = keeper.run_pass()
    except Exception:
        # Edge of the thread: a fault here must not end maintenance, and the next pass begins anew.
        logger.exception("archive pass failed")
        return
    if report.sealed or report.segments_removed:
        logger.info(
            "archive pass",
            extra={
                "sealed": report.sealed,
                "segments_removed": report.segments_removed,
                "freed_bytes": report.freed_bytes,
            },
        )


def tend_reserves(settings: Settings, watch: VolumeWatch) -> None:
    """Hold the reserves while there is room, release them when observations are given up."""
    held = reserves(settings.paths, settings.disk_reserve_bytes)
    for reserve in held:
        if watch.worst < Level.SEAL:
            reserve.hold()
        elif watch.worst is Level.DROP:
            reserve.release()
