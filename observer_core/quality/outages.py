"""The outages of one shard: which gap records are open, what each still waits for, and when it closes. Pure.

A gap opens with the symbols that are not observed; every observation of one of them shortens its list; with the
last one it closes. The record is emitted twice, at opening and at closing, under the same id.
"""

from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from observer_core.messages import Gap, GapReason, Track


@dataclass(slots=True)
class _Open:
    gap: Gap
    waiting: set[str]


class Outages:
    """Open gaps of a shard; a symbol waits in at most one. Methods return the gap records to append to the journal."""

    def __init__(self, shard: str, epoch: int, track: Track, mark: str = "") -> None:
        """Begin without any; `mark` keeps the ids of several books of one shard apart."""
        self._prefix = f"{shard}-{epoch}-{mark}"
        self._track = track
        self._opened = 0
        self._open: dict[str, _Open] = {}
        self._gap_of: dict[str, str] = {}

    @property
    def open_count(self) -> int:
        """Return how many gaps are open."""
        return len(self._open)

    @property
    def waiting(self) -> frozenset[str]:
        """Return the symbols that open gaps wait for."""
        return frozenset(self._gap_of)

    @property
    def open_gaps(self) -> tuple[Gap, ...]:
        """Return the open gaps as they were opened, oldest first."""
        return tuple(entry.gap for entry in self._open.values())

    def begin(
        self, reason: GapReason | str, symbols: Collection[str], *, from_ns: int, now_ns: int, detail: str = ""
    ) -> list[Gap]:
        """Open a gap over the symbols that no open gap waits for yet; nothing if none is left."""
        news = tuple(sorted(set(symbols).difference(self._gap_of)))
        if not news:
            return []
        self._opened += 1
        gap = Gap(
            gap_id=f"{self._prefix}{self._opened}",
            track=self._track,
            reason=str(reason),
            symbols=news,
            from_ns=min(from_ns, now_ns),
            until_ns=None,
            opened_ns=now_ns,
            detail=detail,
        )
        self._open[gap.gap_id] = _Open(gap, set(news))
        self._gap_of.update(dict.fromkeys(news, gap.gap_id))
        return [gap]

    def observed(self, symbols: Iterable[str], now_ns: int, reasons: Container[str] | None = None) -> list[Gap]:
        """Note that symbols are observed again, or no longer wanted; return the gaps that this closes.

        Args:
            symbols: which.
            now_ns: wall clock.
            reasons: of the gaps for which this counts; None = all.
        """
        if not self._gap_of:
            return []
        closed: list[Gap] = []
        for symbol in symbols:
            gap_id = self._gap_of.get(symbol)
            if gap_id is None:
                continue
            entry = self._open[gap_id]
            if reasons is not None and entry.gap.reason not in reasons:
                continue
            del self._gap_of[symbol]
            entry.waiting.discard(symbol)
            if not entry.waiting:
                del self._open[gap_id]
                # A clock may have been set back meanwhile.
                closed.append(replace(entry.gap, until_ns=max(now_ns, entry.gap.from_ns)))
        return closed

    def settle(self, now_ns: int) -> list[Gap]:
        """Cut gaps of which a part is observed again: the record closes, the rest goes on in one of its own.

        Called at the end of a sweep, so that one symbol that never answers does not stretch the gap of the others.
        """
        records: list[Gap] = []
        for entry in list(self._open.values()):
            if len(entry.waiting) == len(entry.gap.symbols):
                continue
            waiting = entry.waiting.copy()
            records += self.observed(waiting, now_ns)
            records += self.begin(
                entry.gap.reason, waiting, from_ns=now_ns, now_ns=now_ns, detail=f"continues {entry.gap.gap_id}"
            )
        return records
