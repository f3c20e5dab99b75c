"""The rate of one shard against what its phase usually brings: watch, memory in a file, events and status figures.

Separate from the tracks, which differ only in what they count and in what they expect before anything is known.
"""

from observer_core.clock import NS_PER_S
from observer_core.messages import Event
from observer_core.quality.rates import RateRule, RateWatch
from observer_core.services.rates_file import RatesFile

_SAVED_EVERY_S = 60.0


class ExpectedRate:
    """Feed it the running total at every look."""

    def __init__(self, shard: str, what: str, file: RatesFile, rule: RateRule) -> None:
        """Begin with what former sessions brought; `what` names the records counted."""
        self._shard = shard
        self._what = what
        self._file = file
        self._watch = RateWatch(rule, file.read())
        self._saved_ns = 0
        self._low = ""

    def look(self, key: str, total: int, now_ns: int, monotonic_ns: int, floor_per_s: float) -> list[Event]:
        """Return the event that the end of a window brought.

        Args:
            key: what makes rates comparable, such as the phase; "" = nothing is expected now.
            total: records so far.
            now_ns: wall clock, of the event.
            monotonic_ns: of the measurement.
            floor_per_s: expected at least, also when no former session is known.
        """
        change = self._watch.feed(key, total, monotonic_ns, floor_per_s)
        if monotonic_ns - self._saved_ns > _SAVED_EVERY_S * NS_PER_S and self._watch.expected:
            self._saved_ns = monotonic_ns
            self._file.write(self._watch.expected)
        if not self._watch.low:
            self._low = ""
        elif self._watch.newest is not None:
            self._low = f"{self._what}: {self._watch.newest}"
        if change is None:
            return []
        name, severity = ("rate_below_expectation", "critical") if change.low else ("rate_as_expected", "info")
        return [Event(now_ns, name, severity, self._shard, f"{self._what}: {change}")]

    def pause(self) -> None:
        """Take no account of now: nothing is asked for, and a gap record says so."""
        self._watch.pause()

    def figures(self) -> dict[str, object]:
        """Return the fields of the shard's status."""
        newest = self._watch.newest
        return {
            "rate_per_s": None if newest is None else round(newest.actual_per_s, 2),
            "expected_rate_per_s": None if newest is None else round(newest.expected_per_s, 2),
            "rate_low": self._low,
        }
