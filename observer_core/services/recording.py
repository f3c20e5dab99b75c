"""A recorded day: what the archive of a data directory holds of it, shard by shard, in the order it was received.

Read only, and from files alone: the directory may belong to an Observer that is running.
"""

import heapq
import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import zstandard

from observer_core.archive.layout import Window, parse_path, shard_track
from observer_core.clock import kst_day
from observer_core.ids import DayNumber, ShardName
from observer_core.messages import Book, Gap, Quote, Record, Rejection, Track, Trade
from observer_core.paths import Paths
from observer_core.services.assignment import read_assignment
from observer_core.sinks.archive_lines import ArchivedRecord, LineDecoder, whole_lines

logger = logging.getLogger(__name__)

_SYMBOLS_SOUGHT_IN = 20_000
"""Records; only a recording without an assignment is looked through for its symbols."""


class Recorded(NamedTuple):
    """A record of the recording and when it came in, wall clock of the recording."""

    at_ns: int
    record: Record


class Recording:
    """One Korean day below a data directory."""

    def __init__(self, data_dir: Path, day: DayNumber) -> None:
        """List the day's files; nothing is read yet."""
        self._paths = Paths(*(data_dir,) * 5)
        self._files: dict[tuple[ShardName, Track], list[tuple[Window, Path]]] = {}
        date = f"{day:08d}"
        for track in Track:
            directory = data_dir / track / date[:4] / date[4:6] / date[6:]
            for path in directory.rglob("*.jsonl*"):
                window = parse_path(path.relative_to(data_dir).as_posix())
                if window is not None and kst_day(window.begins_ns) == day:
                    self._files.setdefault((window.shard, track), []).append((window, path))

    @property
    def shards(self) -> tuple[ShardName, ...]:
        """Return the shards that observed something, by track and number."""
        names = {shard for shard, track in self._files if track is shard_track(shard) and track is not Track.SYSTEM}
        return tuple(sorted(names, key=lambda name: (name.partition("-")[0], len(name), name)))

    def first_ns(self) -> int | None:
        """Return when the first observation was received, None = there is none."""
        firsts = (self._first_observation_ns(shard) for shard in self.shards)
        return min((at_ns for at_ns in firsts if at_ns is not None), default=None)

    def symbols(self, shard: ShardName) -> tuple[str, ...]:
        """Return what a shard observed: as it was assigned, or as its first records show."""
        assignment = read_assignment(self._paths)
        if assignment is not None:
            assigned = assignment.swing.get(shard) or assignment.scalp.get(shard)
            if assigned:
                return assigned
        seen = (item.record for item in islice(self.records(shard), _SYMBOLS_SOUGHT_IN))
        return tuple(sorted({record.symbol for record in seen if isinstance(record, Trade | Quote | Book)}))

    def records(self, shard: ShardName) -> Iterator[Recorded]:
        """Return a shard's observations, rejections and gaps; what else it said about itself stays behind.

        A file that cannot be read to its end is passed over from there on, with a line in the log.
        """
        own, system = (self._lines(shard, track) for track in (shard_track(shard), Track.SYSTEM))
        at_ns, last = 0, (0, 0)
        for line in heapq.merge(own, system, key=_number):
            if _number(line) <= last:
                # Sealing had not removed the live file yet.
                continue
            last = _number(line)
            at_ns = max(at_ns, _came_in_ns(line.record))
            if isinstance(line.record, Trade | Quote | Book | Rejection | Gap):
                yield Recorded(at_ns, line.record)

    def _first_observation_ns(self, shard: ShardName) -> int | None:
        for line in self._lines(shard, shard_track(shard)):
            if isinstance(line.record, Trade | Quote | Book):
                return line.record.received_ns
        return None

    def _lines(self, shard: ShardName, track: Track) -> Iterator[ArchivedRecord]:
        files = sorted(self._files.get((shard, track), ()))
        decoder = LineDecoder()
        for _, path in files:
            yield from _decoded(path, decoder)


def _decoded(path: Path, decoder: LineDecoder) -> Iterator[ArchivedRecord]:
    unreadable = 0
    try:
        with path.open("rb") as raw:
            for line in whole_lines(path, raw):
                archived = decoder.decode(line)
                if archived is None:
                    unreadable += 1
                else:
                    yield archived
    except (OSError, zstandard.ZstdError) as error:
        logger.error("recorded file passed over", extra={"file": path.name, "error": str(error)})
    if unreadable:
        logger.error("recorded lines are unreadable", extra={"file": path.name, "lines": unreadable})


def _number(line: ArchivedRecord) -> tuple[int, int]:
    return line.epoch, line.seq


def _came_in_ns(record: Record) -> int:
    match record:
        case Trade() | Quote() | Book() | Rejection():
            return record.received_ns
        case Gap():
            # It was written when it opened and again when it closed.
            return record.opened_ns if record.until_ns is None else max(record.opened_ns, record.until_ns)
        case _:
            return 0


def recorded_days(data_dir: Path) -> tuple[DayNumber, ...]:
    """Return the days of which a data directory has observations, oldest first."""
    found: set[DayNumber] = set()
    for track in (Track.SWING, Track.SCALP):
        found |= _days_below(directory.parts[-3:] for directory in (data_dir / track).glob("[0-9]*/[0-9]*/[0-9]*"))
    return tuple(sorted(found))


def _days_below(parts: Iterable[tuple[str, ...]]) -> set[DayNumber]:
    return {DayNumber(int("".join(names))) for names in parts if "".join(names).isdigit()}
