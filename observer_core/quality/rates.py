"""Whether as much arrives as usual: the rate of a shard against what the same phase brought before. Pure.

Every check of a process by itself passed on the day on which ticks fell to 1/500. What was missing is the comparison
with what is expected: by former minutes and sessions of the same phase, and by an absolute floor before any are known.
"""

from typing import Final, NamedTuple

from observer_core.clock import NS_PER_S

_WEIGHT: Final = 0.1
"""Of a window in the expectation; windows below the limit do not count, or it would follow them down."""
RECOVERED_AT: Final = 1.5
"""A rate so much above the limit ends the alarm."""


class RateRule(NamedTuple):
    """When a rate is too low."""

    window_s: float = 30.0
    windows: int = 2
    """So many in a row must be low: with 30 s the alarm comes after at most a minute and a half."""
    share: float = 0.1
    """Of the expectation; the rate of ticks varies by much more than sweeps do."""
    floor_per_s: float = 0.0
    """Never expect less, in records a second; the only expectation before anything is known."""


class RateChange(NamedTuple):
    """The rate fell below its limit, or is back."""

    low: bool
    actual_per_s: float
    expected_per_s: float

    def __str__(self) -> str:
        """Return it as an operator reads it."""
        share = 100.0 * self.actual_per_s / self.expected_per_s if self.expected_per_s else 100.0
        text = f"{self.actual_per_s:.2f} a second, expected {self.expected_per_s:.2f} ({share:.1f} %)"
        return f"records arrive far too slowly: {text}" if self.low else f"records arrive as expected again: {text}"


class RateWatch:
    """The rate of one shard. Feed it the running total often; instants are monotonic."""

    def __init__(self, rule: RateRule, expected: dict[str, float] | None = None) -> None:
        """Take what former sessions brought, in records a second by phase."""
        self.rule = rule
        self.expected = dict(expected or {})
        self.low = False
        self.newest: RateChange | None = None
        """What the last window of the present phase brought, against what was expected."""
        self._key = ""
        self._begun: tuple[int, int] | None = None
        self._low_windows = 0

    def feed(self, key: str, total: int, now_ns: int, floor_per_s: float = 0.0) -> RateChange | None:
        """Take the running total.

        Args:
            key: the phase, or what else makes rates comparable; "" = nothing is expected now.
            total: records so far; a smaller one than before begins anew.
            now_ns: monotonic.
            floor_per_s: what is expected at least.

        Returns:
            The change that the end of a window brought, None mostly.
        """
        if key != self._key or self._begun is None or total < self._begun[1] or not key:
            if key != self._key:
                self.newest, self._low_windows = None, 0
            self._key, self._begun, self.low = key, (now_ns, total), self.low and bool(key)
            return None
        begun_ns, begun_total = self._begun
        length_s = (now_ns - begun_ns) / NS_PER_S
        if length_s < self.rule.window_s:
            return None
        self._begun = now_ns, total
        return self._judge(key, (total - begun_total) / length_s, max(floor_per_s, self.rule.floor_per_s))

    def pause(self) -> None:
        """Count anew from the next total on: what follows is not comparable with what was before."""
        self._begun, self._low_windows = None, 0

    def _judge(self, key: str, actual: float, floor: float) -> RateChange | None:
        known = self.expected.get(key, 0.0)
        limit = max(known * self.rule.share, floor)
        change = self.newest = RateChange(actual < limit, actual, max(known, floor))
        if actual < limit:
            self._low_windows += 1
            if self.low or self._low_windows < self.rule.windows:
                return None
            self.low = True
            return change
        self._low_windows = 0
        self.expected[key] = known + (actual - known) * _WEIGHT if known else actual
        if not self.low or actual < limit * RECOVERED_AT:
            return None
        self.low = False
        return change
