"""Following one shard: every record once and in order, from live batches where they fit and the journal where not.

A live batch is used only when its first record is the very next one. Everything else, a hole, a duplicate, a restart
of the shard, a rotation, a lost wake-up, is answered by reading the journal from the follower's own place.
"""

import logging
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from observer_core.errors import JournalError, MalformedMessage
from observer_core.ids import Seq, ShardName
from observer_core.journal.format import Frame, Position, SegmentName
from observer_core.journal.reader import CHUNK_BYTES, JournalReader, Piece
from observer_core.messages import Batch, decode_batch
from observer_core.sinks.port import NOTHING, Offset, StoredBatch

logger = logging.getLogger(__name__)

_LOOKS_PER_LISTING = 5
"""Listing a directory is dear, and a shard that begins a segment says so on the bus as well."""


@dataclass(slots=True)
class FollowCounters:
    """What a follower came across since its start."""

    malformed_total: int = 0
    """Batches whose bytes are whole but that this version cannot read; they stay in the journal."""
    missing_total: int = 0
    """Records whose numbers were passed over because no segment holds them."""
    skipped_segments: int = 0
    """Segments that are gone or cannot be read, passed over because a later one exists."""
    damaged_segments: int = 0
    """Segments left at a bad frame because a later one exists."""


class _Place(NamedTuple):
    """Where the journal is read next."""

    segment: SegmentName
    offset: int
    """Bytes from the beginning of the segment; 0 = its first frame."""


class ShardFollower:
    """The state of one shard in one writer; `rewind` before the first use."""

    def __init__(self, shard: ShardName, reader: JournalReader) -> None:
        self.shard = shard
        self.reader = reader
        self.counters = FollowCounters()
        self.behind = True
        """True while the journal may hold batches that were not handed out yet."""
        self._durable = NOTHING
        self._durable_place: _Place | None = None
        """Before it lies nothing but what the sink holds; None = not known yet."""
        self._epoch, self._next_seq = NOTHING.epoch, Seq(NOTHING.seq + 1)
        self._place: _Place | None = None
        self._unknown_records = False
        """True after a malformed batch: how many records it held is not known, so the next number is not a hole."""
        self._live_since_look = False
        self._looks = 0

    @property
    def delivered(self) -> Offset:
        """Return the offset of the last record handed out."""
        return Offset(self._epoch, Seq(self._next_seq - 1))

    @property
    def durable(self) -> Offset:
        """Return the offset that the sink last confirmed."""
        return self._durable

    def rewind(self, durable: Offset) -> None:
        """Hand out again everything after `durable`."""
        self._durable_place = self._durable_place if durable == self._durable else None
        self._durable = durable
        self._epoch = durable.epoch
        self._next_seq = Seq(durable.seq + 1)
        self._place = self._durable_place
        self._unknown_records = False
        self.behind = True

    def confirm(self, durable: Offset) -> None:
        """Note that the sink holds everything up to `durable`."""
        if durable == self.delivered:
            self._durable_place = self._place
        elif durable != self._durable:
            self._durable_place = None
        self._durable = durable

    def offer(self, position: Position, payload: bytes) -> StoredBatch | None:
        """Return a live batch when it is the next one; otherwise note that the journal has to be read."""
        if self.behind:
            return None
        if self._place is not None and position <= _position(self._place):
            return None
        if position.epoch != self._epoch:
            # The former epoch is read to its end first.
            self.behind = True
            return None
        batch = self._decoded(payload)
        if batch is None or batch.shard != self.shard or batch.epoch != self._epoch:
            self.behind = True
            return None
        if batch.first_seq != self._next_seq:
            self.behind = self.behind or batch.first_seq > self._next_seq
            return None
        # First what may fail: a batch counts as handed out only when it is.
        self._advance_live(position)
        self._next_seq = Seq(batch.last_seq + 1)
        self._live_since_look = True
        return StoredBatch(batch, len(payload))

    def look(self) -> None:
        """Compare the journal with what was handed out; called some times a second, for lost wake-ups.

        A shard whose live batches arrived since the last look is left alone: its next batch would show a hole.

        Raises:
            JournalError: the journal directory cannot be read.
        """
        live, self._live_since_look = self._live_since_look, False
        if self.behind or live:
            return
        place = self._place
        if place is None or self.reader.size_bytes(place.segment) > place.offset:
            self.behind = True
            return
        self._looks += 1
        if self._looks % _LOOKS_PER_LISTING == 0:
            self.behind = self._successor(place.segment) is not None

    def catch_up(self, limit_bytes: int = CHUNK_BYTES) -> list[StoredBatch]:
        """Read on in the journal, about `limit_bytes`; at its end `behind` becomes False.

        Raises:
            JournalError: the journal cannot be read now; try again after a pause.
        """
        if self._place is None:
            self._place = self._first_place()
            if self._place is None:
                self.behind = False
                return []
        segment = self._place.segment
        successor = self._successor(segment)
        piece = self._read(self._place, limit_bytes, final=successor is not None)
        begin = self._place.offset
        batches: list[StoredBatch] = []
        for frame in piece.frames:
            if self.delivered == self._durable:
                # Whatever lies before this frame, the sink holds already.
                self._durable_place = _Place(segment, begin)
            stored = self._from_journal(frame)
            if stored is not None:
                batches.append(stored)
            begin = frame.end_offset
        self._place = _Place(segment, piece.end_offset)
        if piece.at_end and successor is None:
            self.behind = False
        elif piece.at_end and successor is not None:
            self.counters.damaged_segments += piece.damaged
            self._place = _Place(successor, 0)
        if self.delivered == self._durable:
            self._durable_place = self._place
        return batches

    def lag_bytes(self) -> int:
        """Return how many journal bytes are not yet durable in the sink, headers included.

        Raises:
            JournalError: the journal directory cannot be read.
        """
        place = self._durable_place
        total = 0
        for segment in self.reader.segments():
            if place is None:
                total += self.reader.size_bytes(segment) if segment.epoch >= self._durable.epoch else 0
            elif segment == place.segment:
                total += max(self.reader.size_bytes(segment) - place.offset, 0)
            elif segment > place.segment:
                total += self.reader.size_bytes(segment)
        return total

    def oldest_pending_ns(self) -> int | None:
        """Return when the oldest batch that is not durable in the sink was received; None when there is none.

        Raises:
            JournalError: the journal cannot be read now.
        """
        place = self._durable_place
        while place is not None:
            successor = self._successor(place.segment)
            for frame in self._read(place, 1, final=False).frames:
                batch = self._decoded(frame.payload)
                return None if batch is None else batch.received_ns
            place = None if successor is None else _Place(successor, 0)
        return None

    def close(self) -> None:
        """Close the journal's files."""
        self.reader.close()

    def _from_journal(self, frame: Frame) -> StoredBatch | None:
        batch = self._decoded(frame.payload)
        if batch is None:
            self.counters.malformed_total += 1
            self._unknown_records = True
            return None
        if batch.epoch != self._epoch:
            self._epoch = batch.epoch
            self._next_seq = Seq(1)
            # The first records of an epoch may be long archived and their segment removed.
            self._unknown_records = True
        if batch.last_seq < self._next_seq:
            return None
        if batch.first_seq < self._next_seq:
            batch = msgspec.structs.replace(
                batch, first_seq=self._next_seq, records=batch.records[self._next_seq - batch.first_seq :]
            )
        elif batch.first_seq > self._next_seq and not self._unknown_records:
            self.counters.missing_total += batch.first_seq - self._next_seq
            logger.error(
                "records missing in the journal",
                extra={"shard": self.shard, "epoch": self._epoch, "from": self._next_seq, "to": batch.first_seq - 1},
            )
        self._unknown_records = False
        self._next_seq = Seq(batch.last_seq + 1)
        return StoredBatch(batch, len(frame.payload))

    def _decoded(self, payload: bytes) -> Batch | None:
        try:
            batch = decode_batch(payload)
        except MalformedMessage as error:
            logger.error("batch not readable", extra={"shard": self.shard, "reason": error.reason})
            return None
        return batch if batch.records else None

    def _advance_live(self, position: Position) -> None:
        place = self._place
        if place is not None and (place.segment.epoch, place.segment.ordinal) == position[:2]:
            self._place = _Place(place.segment, position.end_offset)
            return
        # A rotation: the new segment's day is in its file name only.
        names = [name for name in self.reader.segments() if (name.epoch, name.ordinal) == position[:2]]
        self._place = _Place(names[0], position.end_offset) if names else None

    def _first_place(self) -> _Place | None:
        """Return the beginning of the segment that holds the next record, or of the first after it."""
        chosen: SegmentName | None = None
        for name in self.reader.segments():
            if name.epoch < self._epoch:
                continue
            if chosen is None or (name.epoch == self._epoch and self._first_seq(name) <= self._next_seq):
                chosen = name
        return None if chosen is None else _Place(chosen, 0)

    def _first_seq(self, name: SegmentName) -> int:
        """Return the number of a segment's first record; a segment without one cannot be begun with."""
        try:
            frames = self.reader.read(name, 0, 1).frames
        except (OSError, JournalError):
            frames = []
        return frames[0].seq if frames else self._next_seq + 1

    def _successor(self, segment: SegmentName) -> SegmentName | None:
        # Asked before the read: what the shard appended before it began the next segment is then read too.
        return next((name for name in self.reader.segments() if name > segment), None)

    def _read(self, place: _Place, limit_bytes: int, *, final: bool) -> Piece:
        """Read a piece; a segment that is gone, barred or without a valid header ends where it stands."""
        try:
            return self.reader.read(place.segment, place.offset, limit_bytes)
        except (FileNotFoundError, PermissionError, IsADirectoryError, JournalError) as error:
            if final:
                self.counters.skipped_segments += 1
                logger.error(
                    "journal segment passed over",
                    extra={"shard": self.shard, "segment": place.segment.file_name, "error": str(error)},
                )
            return Piece([], place.offset, True, False)
        except OSError as error:
            raise JournalError(f"{place.segment.file_name} cannot be read now: {error}") from error


def _position(place: _Place) -> Position:
    return Position(place.segment.epoch, place.segment.ordinal, place.offset)
