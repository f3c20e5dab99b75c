"""The broker's rate window per appkey, sliding or fixed; time is an argument.

Separate because it is the strict judge of the collector's pacing: a refusal here is a broken invariant in a
clean run.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Final, Literal, assert_never

from observer_core.clock import NS_PER_S

WindowKind = Literal["sliding", "fixed"]
_WINDOW_NS: Final = NS_PER_S


class RateWindow:
    """Count accepted calls of each key within one second."""

    def __init__(self) -> None:
        self._accepted_ns: defaultdict[str, deque[int]] = defaultdict(deque)

    def admit(self, key: str, now_ns: int, limit: int, kind: WindowKind = "sliding") -> bool:
        """Tell whether a call arriving at monotonic `now_ns` is within `limit` a second, and count it if so."""
        accepted_ns = self._accepted_ns[key]
        match kind:
            case "sliding":
                oldest_ns = now_ns - _WINDOW_NS + 1
            case "fixed":
                oldest_ns = now_ns // _WINDOW_NS * _WINDOW_NS
            case _:
                assert_never(kind)
        while accepted_ns and accepted_ns[0] < oldest_ns:
            accepted_ns.popleft()
        if len(accepted_ns) >= limit:
            return False
        accepted_ns.append(now_ns)
        return True
