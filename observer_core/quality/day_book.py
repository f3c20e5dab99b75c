"""What one day's gap records and events say about it, for the rules that call a day anomalous. Pure.

Folded from records in any order, each any number of times. Only what happened while the market could be observed
counts: a system that is stopped over night loses nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from observer_core.clock import NS_PER_S
from observer_core.messages import GapReason
from observer_core.quality.anomaly import DayFacts

RATE_LOW: Final = "rate_below_expectation"
RATE_RECOVERED: Final = "rate_as_expected"
_FAILED_BACKUP: Final = "backup"
_FAILED: Final = frozenset({"error", "critical"})
_OF_SINGLE_TRADES: Final = frozenset({GapReason.CONTINUITY, GapReason.OFF_BOOK, GapReason.STALE})
"""Proofs about single symbols, as long as the pause between two of their trades: no measure of an outage."""
_DISCONNECTIONS: Final = frozenset({GapReason.STREAM_CUT, GapReason.RESTART})


class Stretch(NamedTuple):
    """A stretch of time."""

    from_ns: int
    until_ns: int


class _Gap(NamedTuple):
    reason: str
    from_ns: int
    until_ns: int | None


class DayBook:
    """The records of one day."""

    def __init__(self) -> None:
        self._gaps: dict[str, _Gap] = {}
        self._rates: dict[str, set[tuple[int, bool]]] = defaultdict(set)
        self._failed_backups: set[tuple[int, str]] = set()

    def carry_over(self, former: "DayBook") -> None:
        """Take the gaps that were open when the day before ended."""
        self._gaps.update((gap_id, gap) for gap_id, gap in former._gaps.items() if gap.until_ns is None)

    def take_gap(self, gap_id: str, reason: str, from_ns: int, until_ns: int | None) -> None:
        """Take a gap record, open or closed."""
        known = self._gaps.get(gap_id)
        if until_ns is not None or known is None or known.until_ns is None:
            self._gaps[gap_id] = _Gap(reason, from_ns, until_ns)

    def take_event(self, at_ns: int, name: str, severity: str, subject: str) -> None:
        """Take an event."""
        if name in {RATE_LOW, RATE_RECOVERED}:
            self._rates[subject].add((at_ns, name == RATE_LOW))
        elif name.startswith(_FAILED_BACKUP) and severity in _FAILED:
            self._failed_backups.add((at_ns, name))

    def facts(self, observed: Sequence[Stretch], now_ns: int) -> DayFacts:
        """Return what is known of the day as of now; what only the machine can tell is left at nothing.

        Args:
            observed: when the market could be observed, as the calendar has it.
            now_ns: until when open gaps count.
        """
        lengths: list[float] = []
        cuts = 0
        outages: dict[str, list[Stretch]] = defaultdict(list)
        for gap_id, gap in self._gaps.items():
            parts = _within(observed, gap.from_ns, now_ns if gap.until_ns is None else gap.until_ns)
            if not parts or gap.reason in _OF_SINGLE_TRADES:
                continue
            lengths.append(_length_s(parts))
            shard = shard_of(gap_id)
            if shard.startswith("scalp") and gap.reason in _DISCONNECTIONS:
                cuts += gap.reason == GapReason.STREAM_CUT
                outages[shard] += parts
        return DayFacts(
            reconnects=cuts,
            disconnected_s=max(map(_length_s, outages.values()), default=0.0),
            gaps_s=tuple(lengths),
            low_rate_s=max((_low_s(observed, changes, now_ns) for changes in self._rates.values()), default=0.0),
            failed_backups=len(self._failed_backups),
        )


def shard_of(gap_id: str) -> str:
    """Return the shard that a gap's id names: its first two parts."""
    return "-".join(gap_id.split("-")[:2])


def _length_s(parts: Iterable[Stretch]) -> float:
    """Return the length of some stretches, overlaps once."""
    total_ns = reached_ns = 0
    for from_ns, until_ns in sorted(parts):
        total_ns += max(0, until_ns - max(from_ns, reached_ns))
        reached_ns = max(reached_ns, until_ns)
    return total_ns / NS_PER_S


def _low_s(observed: Sequence[Stretch], changes: Iterable[tuple[int, bool]], now_ns: int) -> float:
    """Return the longest time a rate was low."""
    longest = 0.0
    since_ns: int | None = None
    for at_ns, low in [*sorted(changes), (now_ns, False)]:
        if since_ns is not None:
            longest = max(longest, _length_s(_within(observed, since_ns, at_ns)))
        since_ns = (at_ns if since_ns is None else since_ns) if low else None
    return longest


def _within(observed: Iterable[Stretch], from_ns: int, until_ns: int) -> list[Stretch]:
    """Return the parts of a stretch in which the market could be observed."""
    parts = [Stretch(max(from_ns, begins), min(until_ns, ends)) for begins, ends in observed]
    return [part for part in parts if part.from_ns < part.until_ns]
