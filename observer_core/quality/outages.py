"""The outages of one shard: which gap records are open, what each still waits for, and when it closes. Pure.

A gap opens with the symbols that are not observed; every observation of one of them shortens its list; with the
last one it closes. The record is emitted twice, at opening and at closing, under the same id.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from observer_core.messages import Gap, GapReason, Track


@dataclass(slots=True)
class _Open:
    gap: Gap
    waiting: set[str]


class Outages:
    """Open gaps of a shard. Methods return the gap records to append to the journal."""

    def __init__(self, shard: str, epoch: int, track: Track) -> None:
        self._prefix = f"{shard}-{epoch}"
        self._track = track
        self._opened = 0
        self._open: dict[str, _Open] = {}
        self._by_symbol: dict[str, set[str]] = {}

    @property
    def open_count(self) -> int:
        """Return how many gaps are open."""
        return len(self._open)

    def begin(
        self,
        reason: GapReason,
        symbols: Collection[str],
        *,
        from_ns: int,
        now_ns: int,
        detail: str = "",
        gap_id: str | None = None,
    ) -> list[Gap]:
        """Open a gap over the symbols that are not already waited for; nothing if none is left."""
        news = tuple(sorted(symbol for symbol in set(symbols) if symbol not in self._by_symbol))
        if not news:
            return []
        self._opened += 1
        gap = Gap(
            gap_id=gap_id or f"{self._prefix}-{self._opened}",
            track=self._track,
            reason=reason.value,
            symbols=news,
            from_ns=from_ns,
            until_ns=None,
            opened_ns=now_ns,
            detail=detail,
        )
        self._open[gap.gap_id] = _Open(gap, set(news))
        for symbol in news:
            self._by_symbol.setdefault(symbol, set()).add(gap.gap_id)
        return [gap]

    def observed(self, symbols: Iterable[str], now_ns: int) -> list[Gap]:
        """Note that symbols are observed again; return the gaps that this closes."""
        if not self._by_symbol:
            return []
        closed: list[Gap] = []
        for symbol in symbols:
            for gap_id in self._by_symbol.pop(symbol, ()):
                entry = self._open[gap_id]
                entry.waiting.discard(symbol)
                if not entry.waiting:
                    del self._open[gap_id]
                    closed.append(replace(entry.gap, until_ns=now_ns))
        return closed

    def forget(self, symbols: Iterable[str], now_ns: int) -> list[Gap]:
        """Stop waiting for symbols that left the assignment; their gap ends here."""
        return self.observed(symbols, now_ns)
