"""The gaps of the day and which of them are open, folded from gap records in any order. Pure.

Separate from `hub_state` because its input is the data stream (and, after a start, the day's archive), not status.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from msgspec.structs import replace

from observer_core.clock import NS_PER_S, kst_datetime, kst_day
from observer_core.messages import Gap, GapReason
from observer_core.quality.severity import severity_of
from observer_core.services.hub_archive import GapLine
from observer_core.view import GapView, ProcessRow

NEWEST_SHOWN = 8
_TEXT_LIMIT = 100


class GapBook:
    """Every gap of the present Korean day and every open one, by id."""

    def __init__(self) -> None:
        self._day = 0
        self._today: set[str] = set()
        self._closed: set[str] = set()
        self._open: dict[str, int] = {}
        """Since when."""
        self._lengths: dict[str, tuple[int, int]] = {}
        """Of the closed gaps of the day: from and until."""
        self._missed: dict[str, int] = {}
        self._newest: list[tuple[int, str, str]] = []

    def add(self, gap: Gap | GapLine, now_ns: int) -> None:
        """Take one gap record; the same gap may come again, also open after closed."""
        self._roll(now_ns)
        if kst_day(gap.from_ns) == self._day or kst_day(gap.opened_ns) == self._day:
            self._today.add(gap.gap_id)
        if gap.until_ns is not None:
            self._closed.add(gap.gap_id)
            self._open.pop(gap.gap_id, None)
            if gap.gap_id in self._today:
                self._lengths[gap.gap_id] = gap.from_ns, gap.until_ns
                if gap.reason == GapReason.CONTINUITY:
                    self._missed[gap.gap_id] = gap.missed_volume or 0
        elif gap.gap_id not in self._closed:
            self._open[gap.gap_id] = gap.from_ns
        else:
            return
        self._newest = [entry for entry in self._newest if entry[1] != gap.gap_id]
        self._newest.append((gap.opened_ns, gap.gap_id, _text(gap)))
        self._newest.sort(reverse=True)
        del self._newest[NEWEST_SHOWN:]

    def view(self, now_ns: int) -> GapView:
        """Return the counts and the newest gaps as of now."""
        self._roll(now_ns)
        open_now = Counter(severity_of(from_ns, now_ns).value for from_ns in self._open.values())
        closed = Counter(severity_of(*bounds).value for bounds in self._lengths.values())
        return GapView(
            open=len(self._open),
            today=len(self._today),
            newest=tuple(text for _, _, text in self._newest),
            as_of_ns=now_ns,
            open_by_severity=dict(open_now),
            today_by_severity=dict(open_now + closed),
            missed_volume=sum(self._missed.values()),
        )

    def _roll(self, now_ns: int) -> None:
        """Begin a new day: counts start again, open gaps stay."""
        day = kst_day(now_ns)
        if day == self._day:
            return
        self._day = day
        self._today = set(self._open)
        self._closed = set()
        self._lengths.clear()
        self._missed.clear()


def with_completeness(gaps: GapView, rows: Iterable[ProcessRow]) -> GapView:
    """Return the gaps with what the shards say of the completeness of their tracks; symbols weigh alike."""
    weights: dict[str, list[tuple[float, int]]] = defaultdict(list)
    stale = 0
    for row in rows:
        stale += row.stale_symbols
        if row.completeness is not None:
            weights[row.kind].append((row.completeness, max(1, row.symbols)))
    shares = {
        track: round(sum(share * weight for share, weight in parts) / sum(weight for _, weight in parts), 4)
        for track, parts in weights.items()
    }
    return replace(gaps, completeness_today=shares, stale_symbols=stale)


def _text(gap: Gap | GapLine) -> str:
    since = f"{kst_datetime(gap.from_ns):%H:%M:%S}"
    until = "open" if gap.until_ns is None else f"{(gap.until_ns - gap.from_ns) / NS_PER_S:.1f} s"
    symbols = gap.symbols[0] if len(gap.symbols) == 1 else f"{len(gap.symbols)} symbols"
    text = f"{since} {gap.reason} {symbols} {until}"
    return f"{text} {gap.detail}".strip()[:_TEXT_LIMIT]
