"""Waiting for a dependency that comes up beside us: until it first answers, and for a short time only. Pure.

Programs that start together do not find each other at once. That nobody listens yet is then no fault, so it is neither
counted nor logged as one; it stands in the status all the same. Whatever stays away for longer, and whatever goes away
after it answered once, is a fault from the first moment on.
"""

from observer_core.clock import NS_PER_S

START_PATIENCE_S = 15.0
"""Half of the time for which a condition must hold before somebody is told of it: no alert is late for this."""


class FirstAnswer:
    """Whether something that has never answered this process may still be starting. Instants are monotonic."""

    __slots__ = ("_until_ns",)

    def __init__(self, begun_ns: int, patience_s: float = START_PATIENCE_S) -> None:
        self._until_ns: int | None = begun_ns + int(patience_s * NS_PER_S)

    def came(self) -> None:
        """Note an answer of any kind: from now on, silence is a fault."""
        self._until_ns = None

    def awaited(self, now_ns: int) -> bool:
        """Return whether nobody has answered yet and that is still no fault."""
        return self._until_ns is not None and now_ns < self._until_ns
