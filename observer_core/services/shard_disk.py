"""How a shard acts on the disk ladder: what it leaves out, when it gives observations up, and what it says about it.

Separate from the shard's life: the shard asks two questions a batch, which are two attributes.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from observer_core.archive.disk_ladder import MEASURES, Ladder, Level
from observer_core.archive.volumes import HeldBack, VolumeWatch, reserves
from observer_core.messages import Book, Event, Quote, Record, Trade
from observer_core.paths import Paths
from observer_core.settings import Settings

logger = logging.getLogger(__name__)

LEVELS_KEPT = 3
"""Of the ten levels of a book, when deep ones are left out."""
JOURNAL = "journal"
LOGS = "logs"


class DiskReactions:
    """The step of the ladder as one process sees it, and its two consequences for a batch."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.trimming = False
        """Raw payloads and deep book levels are left out."""
        self.dropping = False
        """Observations are given up: the journal's volume is full, or it refused a batch."""
        self._name = name
        self._paths = settings.paths
        self._reserve_bytes = settings.disk_reserve_bytes
        self._watch = watch_over(settings)
        self._level = Level.NORMAL

    def look(self, now_ns: int) -> list[Event]:
        """Measure; take or leave measures; return what is worth remembering. A few microseconds, twice a second."""
        before, dropped = self._level, self.dropping
        self._watch.look()
        levels = self._watch.levels
        self._level = self._watch.worst
        self.trimming = any(level >= Level.TRIM for name, level in levels.items() if name != LOGS)
        self.dropping = levels[JOURNAL] is Level.DROP
        if self.dropping and not dropped:
            self.release_reserves()
        quiet_logs(self._level)
        if self._level is before:
            return []
        full = ", ".join(name for name, level in levels.items() if level is self._level and level)
        text = f"disk ladder at {self._level.word}" + (f" ({full}): {MEASURES[self._level]}" if full else "")
        severity = ("info", "warning", "warning", "error", "critical")[self._level]
        return [Event(now_ns, "disk_level", severity, self._name, text)]

    def refused(self) -> None:
        """Note that the journal refused a batch: nothing is tried again before the next look."""
        self.dropping = True
        self.release_reserves()

    def release_reserves(self) -> None:
        """Give the space held back to whoever writes gap records and offsets now."""
        release_reserves(self._paths, self._reserve_bytes)


def release_reserves(paths: Paths, reserve_bytes: int) -> None:
    """Give the space held back on the volumes of journals and state to gap records, offsets and a clean stop."""
    for reserve in reserves(paths, reserve_bytes):
        reserve.release()


def watch_over(settings: Settings) -> VolumeWatch:
    """Return a watch over the volumes of an installation, each with its step of the ladder."""
    held = HeldBack(settings.paths, settings.disk_reserve_bytes)
    return VolumeWatch(watched(settings), Ladder(*settings.disk_ladder_percent), held)


def watched(settings: Settings) -> Mapping[str, Path]:
    """Return the directories whose volumes the ladder is applied to, by purpose."""
    paths = settings.paths
    archive = {track: paths.data / track for track in ("swing", "scalp", "system")}
    return {JOURNAL: paths.journals, **archive, LOGS: settings.log_dir}


def quiet_logs(level: Level) -> None:
    """Leave out what is not at least a warning from the third step on."""
    logging.disable(logging.INFO if level >= Level.SEAL else logging.NOTSET)


def trimmed(records: Sequence[Record]) -> list[Record]:
    """Return records without what is optional: the raw payload, and all but the best levels of a book."""
    found: list[Record] = []
    for record in records:
        if isinstance(record, Book):
            found.append(
                replace(
                    record,
                    raw=None,
                    asks=record.asks[:LEVELS_KEPT],
                    bids=record.bids[:LEVELS_KEPT],
                    ask_sizes=record.ask_sizes[:LEVELS_KEPT],
                    bid_sizes=record.bid_sizes[:LEVELS_KEPT],
                )
            )
        elif isinstance(record, Trade | Quote) and record.raw is not None:
            found.append(replace(record, raw=None))
        else:
            found.append(record)
    return found
