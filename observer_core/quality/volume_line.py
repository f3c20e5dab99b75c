"""The day's cumulative volume of one symbol as a line: which stretches executions cover, and where the holes are. Pure.

Every execution covers the stretch from its cumulative volume less its own size up to its cumulative volume, so the
order of arrival does not matter: a late one fills its hole, one that was sent again covers nothing new.
"""

from dataclasses import dataclass
from typing import Final

SETTLED_KEPT: Final = 64
"""Reported holes that are remembered per symbol, in case what is missing arrives after all."""


@dataclass(slots=True)
class Hole:
    """Volume between two received executions that no received one covers."""

    spans: list[tuple[int, int]]
    """What is missing: exclusive lower and inclusive upper cumulative volume."""
    from_ns: int
    until_ns: int
    found_ns: int
    start: int
    """The cumulative volume it was found after; whatever fills it, it stays the same hole."""
    off_book: bool = False
    gap_id: str = ""
    """Empty until it is reported."""
    former: bool = False
    """Reported by a former life, whose figures count it."""

    @property
    def volume(self) -> int:
        """Return how many shares are missing."""
        return sum(upper - lower for lower, upper in self.spans)

    def fill(self, lower: int, upper: int) -> int:
        """Cover a stretch; return how much of it was missing."""
        filled = 0
        left: list[tuple[int, int]] = []
        for start, end in self.spans:
            from_, until = max(start, lower), min(end, upper)
            if from_ >= until:
                left.append((start, end))
                continue
            filled += until - from_
            if start < from_:
                left.append((start, from_))
            if until < end:
                left.append((until, end))
        self.spans = left
        return filled


class VolumeLine:
    """One symbol on one day. `high` and `low` bound what is known; between them only the holes are missing."""

    __slots__ = ("day_from_ns", "day_until_ns", "first_ns", "from_volume", "high", "holes", "last_ns", "low",
                 "observed", "settled", "value", "value_breaks")  # fmt: skip

    def __init__(self, day_from_ns: int, day_until_ns: int, at_ns: int, high: int, value: int) -> None:
        self.day_from_ns = day_from_ns
        self.day_until_ns = day_until_ns
        self.first_ns = self.last_ns = at_ns
        """Earliest and latest instant that bound the known stretch."""
        self.low = self.high = high
        self.from_volume: int | None = None
        """What `low` was before the line took everything below a former life's last trade for known; None = `low`."""
        self.value = value
        """Cumulative value in KRW at `high`."""
        self.observed = 0
        """Shares of received executions, each counted once."""
        self.value_breaks = 0
        self.holes: list[Hole] = []
        self.settled: list[Hole] = []

    @property
    def missed(self) -> int:
        """Return how many shares of executions are missing; off-book volume is not."""
        return sum(hole.volume for hole in (*self.holes, *self.settled) if not (hole.off_book or hole.former))

    def cover(self, lower: int, upper: int, from_ns: int, until_ns: int, now_ns: int) -> tuple[int, list[Hole]]:
        """Cover a stretch whose execution happened between two instants.

        Returns:
            How many shares of it were not covered before, and the reported holes that it changed.
        """
        new, changed = 0, []
        if lower < self.high and upper > self.low:
            for hole in self.holes:
                new += hole.fill(lower, upper)
            self.holes = [hole for hole in self.holes if hole.spans]
            for hole in self.settled:
                if filled := hole.fill(lower, upper):
                    new += filled
                    changed.append(hole)
        if upper > self.high:
            if lower > self.high:
                self.holes.append(Hole([(self.high, lower)], self.last_ns, until_ns, now_ns, self.high))
            new += upper - max(lower, self.high)
            self.high = upper
            self.last_ns = from_ns
        if lower < self.low:
            if upper < self.low:
                self.holes.append(Hole([(upper, self.low)], from_ns, self.first_ns, now_ns, upper))
            new += min(upper, self.low) - lower
            self.low = lower
            self.first_ns = until_ns
        return new, changed

    def uncover(self, lower: int, upper: int, from_ns: int, until_ns: int, now_ns: int) -> None:
        """Make a hole of a stretch that was covered; it grows the last one when it follows on that."""
        self.observed -= upper - lower
        last = self.holes[-1] if self.holes else None
        if last is not None and not last.off_book and last.spans[-1][1] == lower:
            last.spans[-1] = last.spans[-1][0], upper
            last.until_ns, last.found_ns = max(last.until_ns, until_ns), now_ns
        else:
            self.holes.append(Hole([(lower, upper)], from_ns, until_ns, now_ns, lower))

    def settle(self, before_ns: int | None) -> list[Hole]:
        """Take the holes found before an instant, None = all, as reported from now on; return them."""
        due = [hole for hole in self.holes if before_ns is None or hole.found_ns <= before_ns]
        if due:
            self.holes = [hole for hole in self.holes if hole not in due]
            self.settled += due
            # Two of them become one: its sum stays exact, only what could still fill it is known less well.
            while len(self.settled) > SETTLED_KEPT:
                first, second = self.settled[:2]
                second.spans = first.spans + second.spans
                del self.settled[0]
        return due
