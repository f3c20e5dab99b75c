"""How long to wait before the next attempt: decorrelated jitter. Pure; owns no clock and never sleeps.

Separate from the loops that wait so that every one of them (stream, sweep, sinks) backs off by the same rule, and
so that the rule is tested without waiting. Jitter keeps shards that lost the broker together from returning together.
"""

from random import Random

_GROWTH = 3.0


class Backoff:
    """Delays between `floor_s` and `cap_s` that grow while attempts fail and start over only after `stable`.

    A successful connect alone is no reason to start over: a loop of connects that never brings data must keep
    growing its delay, because the broker bans clients for it.
    """

    def __init__(self, floor_s: float, cap_s: float, rng: Random) -> None:
        if not 0 < floor_s <= cap_s:
            raise ValueError("a back-off needs 0 < floor_s <= cap_s")
        self._floor_s = floor_s
        self._cap_s = cap_s
        self._rng = rng
        self._last_s = floor_s
        self.attempts = 0
        """Delays given out since the last stable period."""

    def next_delay_s(self) -> float:
        """Return the seconds to wait before the next attempt."""
        self.attempts += 1
        self._last_s = min(self._cap_s, self._rng.uniform(self._floor_s, self._last_s * _GROWTH))
        return self._last_s

    def stable(self) -> None:
        """Start over: what was retried has proved to work (data arrived, not just a connection)."""
        self.attempts = 0
        self._last_s = self._floor_s
