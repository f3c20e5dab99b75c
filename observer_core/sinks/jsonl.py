"""The JSONL archive as a sink: a projection of the journals, each record in exactly one line.

Every file belongs to one shard and a record's file follows from the record, so after a crash the last line of each
file says what is in it: what the journal hands out again is written only beyond that line. The checkpoint bounds how
much is read again.
"""

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from observer_core.archive.layout import Window, parse_path, shard_track, window_of
from observer_core.archive.volumes import device_of
from observer_core.clock import NS_PER_S, Clock
from observer_core.errors import TransientSinkError
from observer_core.ids import Seq, ShardName, SinkName
from observer_core.journal.files import sync_directory
from observer_core.messages import OBSERVATIONS, Batch, Track, track_of
from observer_core.sinks.jsonl_checkpoint import Checkpoint, FileEntry, load_checkpoint, store_checkpoint
from observer_core.sinks.jsonl_files import ArchiveFile, Extent, make_directory, recover, sealed_path
from observer_core.sinks.jsonl_lines import encode_lines, line_objects
from observer_core.sinks.port import NOTHING, Offset, StoredBatch

logger = logging.getLogger(__name__)

JSONL = SinkName("jsonl")
CHECKPOINT_INTERVAL_NS = NS_PER_S
IDLE_NS = 60 * NS_PER_S
"""A file whose window is over is closed when nothing was written to it for so long."""
OPEN_FILES_LIMIT = 128
CLOSED_FILES_KEPT = 1000


class Spare(NamedTuple):
    """Room that is not for lines: on the volumes of some directories, so that their owners can go on."""

    directories: tuple[Path, ...]
    size_bytes: int


class _OpenFile:
    """A file in use, its window and the lines waiting for the next append."""

    def __init__(self, window: Window, path: str, file: ArchiveFile) -> None:
        self.window = window
        self.path = path
        self.file = file
        self.waiting: list[msgspec.Struct] = []
        self.waiting_tail = file.written.tail
        self.used_monotonic_ns = 0


class JsonlSink:
    """Writes lines at once, syncs on commit, and remembers how far in a checkpoint about once a second."""

    def __init__(self, archive: Path, checkpoint: Path, clock: Clock, *, spare: Spare | None = None) -> None:
        """Prepare; nothing is read or written yet.

        Args:
            archive: the directory with a part for each track.
            checkpoint: where the durable offsets are kept.
            clock: for windows and idle files.
            spare: room that lines leave to others; None = the volume may be filled to its end.
        """
        self._spare = spare
        self.rejected_total = 0
        self.note = ""
        self._archive = archive
        self._checkpoint_path = checkpoint
        self._clock = clock
        self._files: dict[str, _OpenFile] = {}
        self._newest: dict[tuple[ShardName, Track], _OpenFile] = {}
        self._known: dict[str, FileEntry] = {}
        """Files that the stored checkpoint names and that were not closed for good."""
        self._durable: dict[ShardName, Offset] = {}
        self._written: dict[ShardName, Offset] = {}
        self._closed_files: deque[str] = deque(maxlen=CLOSED_FILES_KEPT)
        self._checkpoint_due_ns = 0
        self._unsaved = False

    @property
    def name(self) -> SinkName:
        """Return the name under which the checkpoint is kept."""
        return JSONL

    def open(self) -> Mapping[ShardName, Offset]:
        """Read the checkpoint, cut torn lines off the files it names, and return its offsets.

        Raises:
            TransientSinkError: the disk does not answer or is full.
        """
        self._abandon()
        with self._translated():
            self._archive.mkdir(parents=True, exist_ok=True)
            self._checkpoint_path.parent.mkdir(parents=True, exist_ok=True)
            stored = load_checkpoint(self._checkpoint_path)
            found, harmed = self._recovered(stored)
        # Whatever the journal still holds of a harmed shard is compared with its files again.
        self._known = {path: entry for path, entry in found.items() if entry.shard not in harmed}
        self._durable = {shard: offset for shard, offset in stored.offsets.items() if shard not in harmed}
        self._written = dict(self._durable)
        self._unsaved = bool(harmed)
        return dict(self._durable)

    def write(self, batches: Sequence[StoredBatch]) -> None:
        """Append the lines of all batches, one write a file.

        Raises:
            TransientSinkError: the disk is full or failed; every file ends with a whole line.
        """
        touched: dict[str, _OpenFile] = {}
        with self._translated():
            for stored in batches:
                self._take(stored.batch, touched)
            now_ns = self._clock.monotonic_ns()
            for opened in touched.values():
                lines, opened.waiting = opened.waiting, []
                opened.file.append(encode_lines(lines), opened.waiting_tail)
                opened.used_monotonic_ns = now_ns

    def commit(self) -> Mapping[ShardName, Offset]:
        """Sync what was written; return the offsets that advanced.

        Raises:
            TransientSinkError: the disk failed.
        """
        now_ns = self._clock.monotonic_ns()
        with self._translated():
            for opened in self._files.values():
                opened.file.sync()
            advanced = {shard: offset for shard, offset in self._written.items() if offset != self._durable.get(shard)}
            self._durable.update(advanced)
            if advanced:
                # Not at opening, which succeeds on a full disk.
                self.note = ""
            self._unsaved = self._unsaved or bool(advanced)
            self._close_idle(now_ns)
            if self._unsaved and now_ns >= self._checkpoint_due_ns:
                self._store_checkpoint()
                self._checkpoint_due_ns = now_ns + CHECKPOINT_INTERVAL_NS
        return advanced

    def close(self) -> None:
        """Store the checkpoint of the last commit and close the files. Never raises."""
        try:
            if self._unsaved:
                self._store_checkpoint()
        except OSError as error:
            # The former checkpoint stands: more is read again at the next start, nothing is lost.
            logger.warning("checkpoint not stored", extra={"error": str(error)})
        self._abandon()

    def current_files(self) -> tuple[str, ...]:
        """Return the files whose window is not over, relative to the archive."""
        now_ns = self._clock.now_ns()
        return tuple(sorted(path for path, opened in self._files.items() if now_ns < opened.window.ends_ns))

    def take_closed_files(self) -> tuple[str, ...]:
        """Return the files closed for good since the last call, relative to the archive: they may be sealed."""
        closed = tuple(self._closed_files)
        self._closed_files.clear()
        return closed

    def _take(self, batch: Batch, touched: dict[str, _OpenFile]) -> None:
        last = Offset(batch.epoch, batch.last_seq)
        if last <= self._written.get(batch.shard, NOTHING):
            return
        for track, indexes in _by_track(batch).items():
            opened = self._file_for(track, batch.shard, batch.received_ns)
            tail = opened.waiting_tail
            if tail >= (batch.epoch, batch.first_seq):
                indexes = [index for index in indexes if (batch.epoch, batch.first_seq + index) > tail]
            if indexes:
                opened.waiting += line_objects(batch, indexes)
                opened.waiting_tail = Offset(batch.epoch, Seq(batch.first_seq + indexes[-1]))
                touched[opened.path] = opened
        self._written[batch.shard] = last

    def _file_for(self, track: Track, shard: ShardName, received_ns: int) -> _OpenFile:
        newest = self._newest.get((shard, track))
        if newest is not None and newest.window.begins_ns <= received_ns < newest.window.ends_ns:
            return newest
        window = window_of(track, shard, received_ns)
        path = window.path
        opened = self._files.get(path)
        if opened is None:
            opened = self._open_file(window, path)
        self._newest[shard, track] = opened
        return opened

    def _open_file(self, window: Window, path: str) -> _OpenFile:
        full_path = self._archive / path
        entry = self._known.get(path)
        if entry is not None:
            extent = entry.extent
        else:
            make_directory(full_path.parent)
            extent = None
        file = ArchiveFile(full_path, extent, self._keep_free_at(full_path.parent))
        opened = self._files[path] = _OpenFile(window, path, file)
        if entry is None:
            sync_directory(full_path.parent)
            # Named in the checkpoint before its first line, so that after a crash its end is always examined.
            self._store_checkpoint()
        return opened

    def _keep_free_at(self, directory: Path) -> int:
        """Return how much room lines must leave on the volume of a directory."""
        if self._spare is None:
            return 0
        volumes = {device_of(spared) for spared in self._spare.directories}
        return self._spare.size_bytes if device_of(directory) in volumes else 0

    def _recovered(self, stored: Checkpoint) -> tuple[dict[str, FileEntry], set[ShardName]]:
        """Examine the ends of the files in use; return them, and the shards of files shorter than they were."""
        found: dict[str, FileEntry] = {}
        harmed: set[ShardName] = set()
        for path, entry in stored.files.items():
            full_path = self._archive / path
            size_bytes = full_path.stat().st_size if full_path.exists() else 0
            if size_bytes >= entry.size_bytes:
                found[path] = _entry(entry.shard, recover(full_path, entry.extent))
            elif size_bytes or not sealed_path(full_path).exists():
                logger.error("archive file is shorter than it was", extra={"file": path, "bytes": size_bytes})
                harmed.add(entry.shard)
        return found, harmed

    def _close_idle(self, now_ns: int) -> None:
        """Close files whose window is over and that rest, and the longest unused beyond the limit; all are synced."""
        wall_ns = self._clock.now_ns()
        resting = [
            opened
            for opened in self._files.values()
            if opened.window.ends_ns <= wall_ns and now_ns - opened.used_monotonic_ns >= IDLE_NS
        ]
        surplus = len(self._files) - len(resting) - OPEN_FILES_LIMIT
        if surplus > 0:
            others = [opened for opened in self._files.values() if opened not in resting]
            resting += sorted(others, key=lambda opened: opened.used_monotonic_ns)[:surplus]
        for opened in resting:
            opened.file.close()
            del self._files[opened.path]
            self._known[opened.path] = _entry(opened.window.shard, opened.file.durable)
            self._newest = {key: newest for key, newest in self._newest.items() if newest is not opened}
            self._unsaved = True

    def _store_checkpoint(self) -> None:
        open_files = self._files
        past = [path for path, entry in self._known.items() if path not in open_files and self._is_past(path, entry)]
        files = {path: entry for path, entry in self._known.items() if path not in past}
        files.update((path, _entry(opened.window.shard, opened.file.durable)) for path, opened in self._files.items())
        store_checkpoint(self._checkpoint_path, Checkpoint(offsets=self._durable, files=files))
        self._known = files
        self._closed_files += past
        self._unsaved = False

    def _is_past(self, path: str, entry: FileEntry) -> bool:
        """Return whether a file that is not open can get no more lines: its window is over, its records durable."""
        window = parse_path(path)
        over = window is None or window.ends_ns <= self._clock.now_ns()
        return over and entry.extent.tail <= self._durable.get(entry.shard, NOTHING)

    def _abandon(self) -> None:
        for opened in self._files.values():
            opened.file.close()
        self._files = {}
        self._newest = {}

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.note = f"{error.strerror or error}"
            raise TransientSinkError(f"the archive does not take lines: {error}") from error


def _by_track(batch: Batch) -> dict[Track, Sequence[int]]:
    """Return the indexes of the records of each track; most batches are of one kind, which is seen at once."""
    own_track = shard_track(batch.shard)
    if set(map(type, batch.records)) <= OBSERVATIONS:
        return {own_track: range(len(batch.records))}
    found: dict[Track, list[int]] = {}
    for index, record in enumerate(batch.records):
        found.setdefault(track_of(record, own_track), []).append(index)
    return {**found}


def _entry(shard: ShardName, extent: Extent) -> FileEntry:
    return FileEntry(shard=shard, size_bytes=extent.size_bytes, epoch=extent.tail.epoch, seq=extent.tail.seq)
