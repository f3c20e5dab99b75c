"""The broker's rate window per key, sliding or fixed, and its guard against endless reconnects; time is an argument.

Separate because these are the strict judges of the collector's pacing: a refusal here is a broken invariant in a
clean run.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Final, assert_never

from observer_core.clock import NS_PER_S
from observer_core.kis.simulator.knobs import Knobs, WindowKind

_WINDOW_NS: Final = NS_PER_S


class RateWindow:
    """Count calls of each key within one second."""

    def __init__(self) -> None:
        self._counted_ns: defaultdict[str, deque[int]] = defaultdict(deque)

    def admit(
        self, key: str, now_ns: int, limit: int, kind: WindowKind = "sliding", *, count_refused: bool = False
    ) -> bool:
        """Tell whether a call arriving at monotonic `now_ns` is within `limit` a second, and count it if so."""
        counted_ns = self._counted_ns[key]
        match kind:
            case "sliding":
                oldest_ns = now_ns - _WINDOW_NS + 1
            case "fixed":
                oldest_ns = now_ns // _WINDOW_NS * _WINDOW_NS
            case _:
                assert_never(kind)
        while counted_ns and counted_ns[0] < oldest_ns:
            counted_ns.popleft()
        admitted = len(counted_ns) < limit
        if admitted or count_refused:
            counted_ns.append(now_ns)
        return admitted


class ConnectGuard:
    """Refuse for a while whoever connects too often; refused attempts do not prolong it."""

    def __init__(self) -> None:
        self._connects_ns: defaultdict[str, deque[int]] = defaultdict(deque)
        self._blocked_until_ns: dict[str, int] = {}

    def admit(self, key: str, now_ns: int, knobs: Knobs) -> bool:
        """Tell whether a connect at monotonic `now_ns` is allowed, and count it."""
        if not knobs.connect_limit:
            return True
        if now_ns < self._blocked_until_ns.get(key, 0):
            return False
        connects_ns = self._connects_ns[key]
        connects_ns.append(now_ns)
        oldest_ns = now_ns - int(knobs.connect_window_s * NS_PER_S) + 1
        while connects_ns[0] < oldest_ns:
            connects_ns.popleft()
        if len(connects_ns) <= knobs.connect_limit:
            return True
        connects_ns.clear()
        self._blocked_until_ns[key] = now_ns + int(knobs.connect_block_s * NS_PER_S)
        return False
