"""Telling how a gap grows: an event when an open one becomes minor, major or critical, and one when it closes. Pure.

The gap record itself is written when it opens and when it closes; between the two only its age says how bad it is.
What crosses a step at once for the same reason is told together: hundreds of symbols may fall silent at the same time.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from observer_core.clock import NS_PER_S, kst_datetime
from observer_core.messages import Event, Gap
from observer_core.quality.severity import Severity, severity_of

GREW: Final = "gap_grew"
CLOSED: Final = "gap_closed"
_STEPS: Final = {Severity.MINOR: "warning", Severity.MAJOR: "error", Severity.CRITICAL: "critical"}
_ORDER: Final = tuple(_STEPS)


class Escalation:
    """What was told of the open gaps of one shard."""

    def __init__(self, shard: str) -> None:
        self._shard = shard
        self._told: dict[str, Severity] = {}

    def look(self, open_gaps: Iterable[Gap], now_ns: int) -> list[Event]:
        """Return an event for every step that gaps have come to since the last look."""
        grown: dict[tuple[str, Severity], list[Gap]] = defaultdict(list)
        for gap in open_gaps:
            severity = severity_of(gap.from_ns, now_ns)
            told = self._told.get(gap.gap_id)
            if severity in _STEPS and (told is None or _ORDER.index(severity) > _ORDER.index(told)):
                self._told[gap.gap_id] = severity
                grown[gap.reason, severity].append(gap)
        return [
            Event(now_ns, GREW, _STEPS[severity], self._subject(gaps), f"{_what(reason, gaps)} is {severity.value}")
            for (reason, severity), gaps in grown.items()
        ]

    def close(self, gaps: Iterable[Gap], now_ns: int) -> list[Event]:
        """Return events about the end of those gaps that were told of."""
        ended: dict[str, list[Gap]] = defaultdict(list)
        for gap in gaps:
            if gap.until_ns is not None and self._told.pop(gap.gap_id, None) is not None:
                ended[gap.reason].append(gap)
        return [
            Event(
                now_ns, CLOSED, "info", self._subject(closed), f"{_what(reason, closed)} ended after {_extent(closed)}"
            )
            for reason, closed in ended.items()
        ]

    def _subject(self, gaps: Sequence[Gap]) -> str:
        return gaps[0].gap_id if len(gaps) == 1 else self._shard


def _what(reason: str, gaps: Sequence[Gap]) -> str:
    symbols = {symbol for gap in gaps for symbol in gap.symbols}
    which = next(iter(symbols)) if len(symbols) == 1 else f"{len(symbols)} symbols"
    return f"{reason} gap of {which} since {kst_datetime(min(gap.from_ns for gap in gaps)):%H:%M:%S}"


def _extent(gaps: Sequence[Gap]) -> str:
    """Return how long the longest of some closed gaps lasted and what they are proved to have cost."""
    length_ns = max((gap.until_ns or gap.from_ns) - gap.from_ns for gap in gaps)
    text = f"{length_ns / NS_PER_S:.1f} s ({severity_of(0, length_ns).value})"
    missed = [gap.missed_volume for gap in gaps if gap.missed_volume is not None]
    return f"{text}, {sum(missed):,} shares missed" if missed else text
