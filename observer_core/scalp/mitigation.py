"""When books are recorded less often, and which ones then. Pure.

Trades are always kept: a book is a snapshot that the next one replaces, an execution is not. Pressure must last before
a step is taken and be gone for longer before it is taken back, and the limit of "gone" is lower than that of "there".
"""

from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from observer_core.clock import NS_PER_S

_Percent = Annotated[float, Meta(gt=0)]
"""Of a limit: what nothing reaches, such as 1000, switches a reading off."""
GONE_BELOW: Final = 0.9
"""Part of a limit below which a reading counts as gone."""


class MitigationRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[mitigation]`."""

    books_hz: Annotated[tuple[Annotated[float, Meta(gt=0)], ...], Meta(min_length=1, max_length=8)] = (2.0, 1.0, 0.5)
    """Books a second recorded of each symbol at every level, the first without pressure."""
    sustained_s: Annotated[float, Meta(gt=0)] = 300.0
    stable_s: Annotated[float, Meta(gt=0)] = 600.0
    cpu_percent: _Percent = 90.0
    memory_percent: _Percent = 90.0
    queue_percent: _Percent = 50.0
    """How full the stream's queue of unread messages is."""
    disk_latency_ms: Annotated[float, Meta(gt=0)] = 500.0
    """How long the journal takes to reach the disk."""


class Pressure(NamedTuple):
    """What was measured; None = cannot be known here."""

    cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_latency_ms: float | None = None
    queue_percent: float | None = None

    def over(self, rules: MitigationRules, share: float = 1.0) -> str:
        """Return which readings exceed that share of their limits, in words; "" when none does."""
        told = (
            ("CPU", self.cpu_percent, rules.cpu_percent, "%"),
            ("memory", self.memory_percent, rules.memory_percent, "%"),
            ("disk latency", self.disk_latency_ms, rules.disk_latency_ms, "ms"),
            ("queue", self.queue_percent, rules.queue_percent, "%"),
        )
        return ", ".join(
            f"{name} {value:.0f} {unit} of {limit:.0f} allowed"
            for name, value, limit, unit in told
            if value is not None and value > limit * share
        )


class Mitigation:
    """The level of one shard. Instants are monotonic."""

    def __init__(self, rules: MitigationRules | None = None) -> None:
        self.rules = rules or MitigationRules()
        self.level = 0
        self.reason = ""
        """What pressed when the level was last raised."""
        self._pressed = False
        self._since_ns: int | None = None

    @property
    def books_hz(self) -> float:
        """Return how many books a second of each symbol are recorded at this level."""
        return self.rules.books_hz[min(self.level, len(self.rules.books_hz) - 1)]

    def feed(self, pressure: Pressure, now_ns: int) -> str:
        """Take a measurement; return why the level changed, "" when it did not."""
        over = pressure.over(self.rules, GONE_BELOW if self._pressed else 1.0)
        if self._since_ns is None or bool(over) != self._pressed:
            self._pressed, self._since_ns = bool(over), now_ns
        lasted_s = (now_ns - self._since_ns) / NS_PER_S
        if self._pressed and lasted_s >= self.rules.sustained_s and self.level < len(self.rules.books_hz) - 1:
            self.level, self._since_ns, self.reason = self.level + 1, now_ns, over
            return f"{over} for {lasted_s:.0f} s"
        if not self._pressed and lasted_s >= self.rules.stable_s and self.level:
            self.level, self._since_ns = self.level - 1, now_ns
            self.reason = self.reason if self.level else ""
            return f"no pressure for {lasted_s:.0f} s"
        return ""


class BookSampler:
    """Chooses the books to record: the first of each symbol, then one after every interval."""

    def __init__(self) -> None:
        self.left_out_total = 0
        self._kept_ns: dict[str, int] = {}

    def keeps(self, symbol: str, received_ns: int, hz: float) -> bool:
        """Return whether this book is recorded."""
        before_ns = self._kept_ns.get(symbol)
        # A clock that was set back must not silence a symbol.
        if before_ns is not None and 0 <= received_ns - before_ns < NS_PER_S / hz:
            self.left_out_total += 1
            return False
        self._kept_ns[symbol] = received_ns
        return True

    def forget(self, symbol: str) -> None:
        """Let the next book of a symbol be recorded, because the last one that was chosen was not."""
        self._kept_ns.pop(symbol, None)
