"""The ladder of measures against a full disk: which step a volume stands on, and what is done there. Pure.

A step is taken at once when its threshold is reached and left only well below it, so that a volume at the edge does
not flap. Every process applies the same ladder to what it sees itself: nothing has to be told to anybody on a disk
that takes no more files.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

RELEASE_BELOW_PERCENT = 2.0
"""A step is left when the used share is this far below its threshold."""


class Level(IntEnum):
    """The steps, in rising order of need."""

    NORMAL = 0
    WARN = 1
    TRIM = 2
    SEAL = 3
    DROP = 4

    @property
    def word(self) -> str:
        """Return the name as views and events carry it."""
        return self.name.lower()


MEASURES = {
    Level.NORMAL: "",
    Level.WARN: "make room: nothing is left out yet",
    Level.TRIM: "raw payloads and deep book levels are left out",
    Level.SEAL: "also: logs from WARNING on only, archive files are sealed at once",
    Level.DROP: "observations are given up and covered by gap records; the reserve is released",
}
"""What is done at each step; each includes the ones before it."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """The thresholds, in percent of the volume used."""

    warn: float = 75.0
    trim: float = 85.0
    seal: float = 90.0
    drop: float = 95.0

    def next_level(self, now: Level, used_percent: float) -> Level:
        """Return the step after a measurement: up at once, down only with a margin."""
        reached = self._reached(used_percent)
        if reached >= now:
            return reached
        return min(now, self._reached(used_percent + RELEASE_BELOW_PERCENT))

    def _reached(self, used_percent: float) -> Level:
        thresholds = (self.warn, self.trim, self.seal, self.drop)
        return Level(sum(used_percent >= threshold for threshold in thresholds))


def worst(levels: Iterable[Level]) -> Level:
    """Return the highest of several steps, NORMAL for none."""
    return max(levels, default=Level.NORMAL)
