"""Appending to a shard's own journal: one write a batch, synced by time, rotated by size, day and age.

One owner per shard (it holds the shard's lock). `append` runs on the collecting thread and never waits for the disk's
flush; `sync` may run in another thread at the same time.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from observer_core.clock import NS_PER_S, Clock, kst_day, kst_midnight_ns
from observer_core.errors import JournalError
from observer_core.ids import DayNumber, Epoch, ShardName
from observer_core.journal.files import list_segments, replace_durably, sync_directory
from observer_core.journal.format import (
    FRAME_HEADER_BYTES,
    PAYLOAD_BYTES_LIMIT,
    Position,
    SegmentHeader,
    SegmentName,
    frame_header,
    pack_header,
)

EPOCH_FILE = "epoch"
EPOCHS_BEGIN_NS = 1_577_836_800 * NS_PER_S
"""2020-01-01 UTC."""
_NS_PER_DAY = 24 * 3600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class SegmentLimits:
    """When a segment ends; a new Korean day always ends it."""

    size_bytes: int = 8 * 1024 * 1024
    age_s: float = 3600.0


def next_epoch(directory: Path, now_ns: int) -> Epoch:
    """Claim the next epoch of a shard and make the claim durable; creates the journal directory.

    An epoch must not repeat even when the whole journal is lost or an old copy of it is restored: a sink that
    holds a later epoch would take the new records for old ones. So an epoch is never below the minutes since 2020.

    Raises:
        JournalError: the claim cannot be made durable (disk full, rights).
    """
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True, exist_ok=True)
            sync_directory(directory.parent)
        epoch = Epoch(max(last_epoch(directory) + 1, (now_ns - EPOCHS_BEGIN_NS) // (60 * NS_PER_S)))
        replace_durably(directory / EPOCH_FILE, b"%d\n" % epoch)
    except OSError as error:
        raise JournalError(f"no epoch could be claimed in {directory}: {error}") from error
    return epoch


def last_epoch(directory: Path) -> Epoch:
    """Return the highest epoch ever claimed in a journal directory, 0 = none; a damaged epoch file is not believed."""
    try:
        claimed = int((directory / EPOCH_FILE).read_bytes())
    except (OSError, ValueError):
        claimed = 0
    segments = list_segments(directory)
    return Epoch(max(claimed, segments[-1].epoch if segments else 0))


@dataclass(slots=True)
class _Segment:
    """The segment being written."""

    descriptor: int
    ordinal: int
    size_bytes: int
    day_ends_ns: int
    day_begins_ns: int
    expires_monotonic_ns: int
    in_doubt: bool = False
    """True when its end may hold a damaged frame or its sync failed: the next batch goes to a new segment."""

    def takes(self, received_ns: int, monotonic_ns: int, limits: SegmentLimits) -> bool:
        return (
            not self.in_doubt
            and self.size_bytes < limits.size_bytes
            and self.day_begins_ns <= received_ns < self.day_ends_ns
            and monotonic_ns < self.expires_monotonic_ns
        )


class JournalWriter:
    """The journal of one shard in one epoch; the first segment is made with the first batch."""

    def __init__(
        self,
        directory: Path,
        shard: ShardName,
        clock: Clock,
        *,
        build: str = "",
        limits: SegmentLimits | None = None,
    ) -> None:
        """Claim the next epoch.

        Raises:
            JournalError: the epoch could not be made durable.
        """
        self.epoch = next_epoch(directory, clock.now_ns())
        self.bytes_total = 0
        self._directory = directory
        self._shard = shard
        self._clock = clock
        self._build = build
        self._limits = limits or SegmentLimits()
        self._segment: _Segment | None = None
        self._next_ordinal = 0
        self._retired: list[int] = []
        self._directory_changed = False
        self._position = Position(self.epoch, 0, 0)
        self._durable = self._position
        # Order of the two: `_sync_lock` is held for a whole sync, `_swap_lock` only to exchange descriptors.
        self._sync_lock = threading.Lock()
        self._swap_lock = threading.Lock()

    @property
    def position(self) -> Position:
        """Return the place after the last appended batch."""
        return self._position

    @property
    def durable_position(self) -> Position:
        """Return the place up to which a power loss takes nothing."""
        return self._durable

    @property
    def synced(self) -> bool:
        """Return whether a power loss now would take nothing of what was appended."""
        return self._position == self._durable and not self._retired and not self._directory_changed

    def append(self, payload: bytes, seq: int, received_ns: int) -> Position:
        """Write one batch whose first record has the number `seq`; when this returns, a killed process loses nothing.

        Raises:
            JournalError: nothing was appended; a later call may succeed.
        """
        length = len(payload)
        if not 0 < length <= PAYLOAD_BYTES_LIMIT:
            raise JournalError(f"a batch of {length} bytes cannot be journalled")
        segment = self._segment
        now_ns = self._clock.monotonic_ns()
        if segment is None or not segment.takes(received_ns, now_ns, self._limits):
            segment = self._begin_segment(received_ns)
        try:
            written = os.writev(segment.descriptor, (frame_header(payload, seq), payload))
        except OSError as error:
            self._cut_back(segment)
            raise JournalError(f"the journal of {self._shard} cannot be written: {error}") from error
        if written != FRAME_HEADER_BYTES + length:
            self._cut_back(segment)
            raise JournalError(f"the journal of {self._shard} took only a part of a batch: no space left")
        segment.size_bytes += written
        self.bytes_total += written
        self._position = position = Position(self.epoch, segment.ordinal, segment.size_bytes)
        return position

    def sync(self) -> Position:
        """Make everything appended before this call durable and return how far that is; any thread may call it.

        Raises:
            JournalError: the disk refused; the next batch starts a new segment.
        """
        with self._sync_lock:
            with self._swap_lock:
                retired, self._retired = self._retired, []
                segment = self._segment
                position = self._position
                directory_changed, self._directory_changed = self._directory_changed, False
            if position == self._durable and not retired and not directory_changed:
                return position
            try:
                _sync_and_close(retired)
                if segment is not None:
                    os.fdatasync(segment.descriptor)
                if directory_changed:
                    sync_directory(self._directory)
            except OSError as error:
                if segment is not None:
                    # After a failed sync the kernel may have dropped the pages: nothing more is put behind them.
                    segment.in_doubt = True
                self._directory_changed = True
                raise JournalError(f"the journal of {self._shard} cannot be synced: {error}") from error
            self._durable = position
            return position

    def rotate(self) -> None:
        """End the current segment; the next batch begins a new one."""
        with self._swap_lock:
            if self._segment is not None:
                self._retired.append(self._segment.descriptor)
                self._segment = None

    def close(self) -> None:
        """Make everything durable and close.

        Raises:
            JournalError: the last sync failed; the files are closed all the same.
        """
        self.rotate()
        self.sync()

    def _begin_segment(self, received_ns: int) -> _Segment:
        self.rotate()
        day = kst_day(received_ns)
        name = SegmentName(self.epoch, self._next_ordinal, day)
        header = pack_header(self._header(name))
        path = self._directory / name.file_name
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise JournalError(f"no new segment in {self._directory}: {error}") from error
        # The name is used up even when the header fails: a reader may have seen it.
        self._next_ordinal += 1
        try:
            if os.write(descriptor, header) != len(header):
                raise JournalError(f"no space left for a new segment in {self._directory}")
        except (OSError, JournalError) as error:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise JournalError(f"no new segment in {self._directory}: {error}") from error
        day_begins_ns = kst_midnight_ns(day)
        segment = _Segment(
            descriptor=descriptor,
            ordinal=name.ordinal,
            size_bytes=len(header),
            day_begins_ns=day_begins_ns,
            day_ends_ns=day_begins_ns + _NS_PER_DAY,
            expires_monotonic_ns=self._clock.monotonic_ns() + int(self._limits.age_s * NS_PER_S),
        )
        self.bytes_total += len(header)
        with self._swap_lock:
            self._segment = segment
            self._directory_changed = True
        return segment

    def _header(self, name: SegmentName) -> SegmentHeader:
        return SegmentHeader(
            shard=self._shard,
            epoch=name.epoch,
            ordinal=name.ordinal,
            day=DayNumber(name.day),
            wall_ns=self._clock.now_ns(),
            monotonic_ns=self._clock.monotonic_ns(),
            build=self._build,
        )

    def _cut_back(self, segment: _Segment) -> None:
        try:
            os.ftruncate(segment.descriptor, segment.size_bytes)
        except OSError:
            segment.in_doubt = True


def _sync_and_close(descriptors: list[int]) -> None:
    """Sync and close every descriptor, also when one of them fails; raise the first error."""
    failures: list[OSError] = []
    act: Callable[[int], None]
    for descriptor in descriptors:
        for act in (os.fdatasync, os.close):
            try:
                act(descriptor)
            except OSError as error:
                failures.append(error)
    if failures:
        raise failures[0]
