"""The connect budget of one appkey: how often a WebSocket may be opened, kept over restarts of every process.

Separate from the stream because a shard that crashes right after each connect must not crash its way into a ban: the
broker blocks clients that connect and disconnect in an endless loop (KIS protocol notes §4), so the count has to
outlive the process. It uses wall-clock time, because a ban outlives a reboot too.
"""

import struct
from collections.abc import Sequence
from pathlib import Path

from observer_core.clock import NS_PER_S
from observer_core.pacing.budget_file import BudgetFile

CONNECTS = 6
WINDOW_S = 60.0
FLOOR_S = 1.0
"""Spacing after the first connect of a window; doubles with every further one."""

_MAGIC = b"OBSCONN1"
_CAPACITY = 64
_LOCK_BUSY_S = 0.005
_TIMES = struct.Struct(f"={_CAPACITY}Q")
_FILE_BYTES = len(_MAGIC) + _TIMES.size


def connect_path(budgets: Path, ordinal: int) -> Path:
    """Return the file of an appkey's connect budget."""
    return budgets / f"connect-{ordinal}.bin"


def wait_ns(earlier_ns: Sequence[int], now_ns: int, limit: int, window_s: float, floor_s: float) -> int:
    """Return how long a connect must wait, given the times of earlier ones within the window, oldest first.

    The first connect of a quiet window is free, so that one restart costs nothing; each further one waits twice as
    long as the one before, and the budget's last word is `limit` connects per window.
    """
    if not earlier_ns:
        return 0
    window_ns = int(window_s * NS_PER_S)
    spacing_ns = min(window_ns, int(floor_s * 2 ** (len(earlier_ns) - 1) * NS_PER_S))
    free_ns = earlier_ns[-1] + spacing_ns
    if len(earlier_ns) >= limit:
        free_ns = max(free_ns, earlier_ns[-limit] + window_ns)
    return max(0, free_ns - now_ns)


class ConnectBudget:
    """At most `limit` connects per window, and growing pauses between them, over all processes and restarts."""

    def __init__(self, path: Path, limit: int = CONNECTS, window_s: float = WINDOW_S, floor_s: float = FLOOR_S) -> None:
        if not 0 < limit <= _CAPACITY:
            raise ValueError(f"a connect limit is above 0 and at most {_CAPACITY}")
        self._file = BudgetFile(path, _FILE_BYTES)
        self._limit = limit
        self._window_s = window_s
        self._floor_s = floor_s

    def take(self, now_ns: int) -> float | None:
        """Take one connect and return None, or return the seconds after which asking again makes sense.

        Args:
            now_ns: wall-clock nanoseconds.
        """
        if not self._file.try_lock():
            return _LOCK_BUSY_S
        try:
            earlier_ns = self._earlier(now_ns)
            wait = wait_ns(earlier_ns, now_ns, self._limit, self._window_s, self._floor_s)
            # Stored in both cases: times in the future are now taken as the present, once and not at every call.
            self._store([*earlier_ns, now_ns] if wait == 0 else earlier_ns)
            return wait / NS_PER_S if wait else None
        finally:
            self._file.unlock()

    def used(self, now_ns: int) -> int:
        """Return how many connects the current window holds."""
        return len(self._earlier(now_ns))

    def close(self) -> None:
        """Give the descriptor back; nothing is lost."""
        self._file.close()

    def _earlier(self, now_ns: int) -> list[int]:
        data = self._file.read(0, _FILE_BYTES)
        if data[: len(_MAGIC)] != _MAGIC:
            return []
        since_ns = now_ns - int(self._window_s * NS_PER_S)
        # A clock that was set back leaves times in the future: they count as now, or they would block for as long.
        return sorted(min(at_ns, now_ns) for at_ns in _TIMES.unpack(data[len(_MAGIC) :]) if at_ns > since_ns)

    def _store(self, times_ns: Sequence[int]) -> None:
        kept = list(times_ns)[-_CAPACITY:]
        self._file.write(0, _MAGIC + _TIMES.pack(*kept, *[0] * (_CAPACITY - len(kept))))
