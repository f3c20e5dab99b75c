"""The gaps of the day and which of them are open, folded from gap records in any order. Pure.

Separate from `hub_state` because its input is the data stream (and, after a start, the day's archive), not status.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from observer_core.clock import NS_PER_S, kst_datetime, kst_day
from observer_core.details import GAPS_LIMIT, GapList, GapRow
from observer_core.messages import Gap, GapReason
from observer_core.quality.severity import severity_of
from observer_core.services.hub_archive import GapLine
from observer_core.view import GapView, ProcessRow

NEWEST_SHOWN = 8
WORST_SHOWN = 20
RESTART_LONGEST_S = 120.0
"""A longer hole was an outage of more than the process: it says nothing about a restart."""
_EXAMPLES = 5
_TEXT_LIMIT = 100


class GapBook:
    """Every gap of the present Korean day and every open one, by id."""

    def __init__(self) -> None:
        self._day = 0
        self._today: set[str] = set()
        self._closed: set[str] = set()
        self._closed_before: set[str] = set()
        """On the day before: what opened them may be read again."""
        self._open: dict[str, int] = {}
        """Since when."""
        self._severities: dict[str, str] = {}
        """Of the closed gaps of the day."""
        self._missed: dict[str, tuple[str, int]] = {}
        """Of the proved losses: symbol and volume."""
        self._newest: list[tuple[int, str, str]] = []
        self._rows: dict[str, GapRow] = {}
        """The last ones that were told of; the open ones are all there."""
        self._open_symbols: dict[str, tuple[str, ...]] = {}
        self._outages_s: dict[str, float] = {}

    def add(self, gap: Gap | GapLine, now_ns: int) -> None:
        """Take one gap record; the same gap may come again, also open after closed."""
        self._roll(now_ns)
        if kst_day(gap.from_ns) == self._day or kst_day(gap.opened_ns) == self._day:
            self._today.add(gap.gap_id)
        if gap.until_ns is not None:
            self._closed.add(gap.gap_id)
            self._open.pop(gap.gap_id, None)
            if gap.gap_id in self._today:
                self._severities[gap.gap_id] = severity_of(gap.from_ns, gap.until_ns).value
                if gap.reason == GapReason.CONTINUITY:
                    self._missed[gap.gap_id] = gap.symbols[0] if gap.symbols else "", gap.missed_volume or 0
        elif gap.gap_id not in self._closed and gap.gap_id not in self._closed_before:
            self._open[gap.gap_id] = gap.from_ns
        else:
            return
        self._keep_row(gap)
        self._newest = [entry for entry in self._newest if entry[1] != gap.gap_id]
        self._newest.append((gap.opened_ns, gap.gap_id, _text(gap)))
        self._newest.sort(reverse=True)
        del self._newest[NEWEST_SHOWN:]

    @property
    def open_count(self) -> int:
        """Return how many gaps are open."""
        return len(self._open)

    def view(self, now_ns: int) -> GapView:
        """Return the counts and the newest gaps as of now."""
        self._roll(now_ns)
        open_now = Counter(severity_of(from_ns, now_ns).value for from_ns in self._open.values())
        return GapView(
            open=len(self._open),
            today=len(self._today),
            newest=tuple(text for _, _, text in self._newest),
            as_of_ns=now_ns,
            open_by_severity=dict(open_now),
            today_by_severity=dict(open_now + Counter(self._severities.values())),
            missed_volume=sum(volume for _, volume in self._missed.values()),
        )

    def in_gap(self) -> dict[str, str]:
        """Return the symbols that an open gap covers, each with that gap in words."""
        return {
            symbol: f"{row.reason} since {kst_datetime(row.from_ns):%H:%M:%S}"
            for gap_id, symbols in self._open_symbols.items()
            if (row := self._rows.get(gap_id)) is not None
            for symbol in symbols
        }

    def outages_s(self) -> dict[str, float]:
        """Return by shard how long its last restart left it without data, as far as it was a restart only."""
        return dict(self._outages_s)

    def missed_of(self, symbol: str) -> int:
        """Return the shares of one symbol's trades of today that are proved to be missing."""
        return sum(volume for one, volume in self._missed.values() if one == symbol)

    def listed(self, volumes: Mapping[str, int], now_ns: int) -> GapList:
        """Return the gaps row by row, and the symbols that miss most; `volumes` are the day's so far."""
        self._roll(now_ns)
        rows = [_graded(row, now_ns) for row in self._rows.values()]
        rows.sort(key=lambda row: (row.until_ns is not None, -row.from_ns))
        missed: Counter[str] = Counter()
        for symbol, volume in self._missed.values():
            missed[symbol] += volume
        return GapList(
            rows=tuple(rows[:GAPS_LIMIT]),
            left_out=max(0, len(self._today | self._open.keys()) - min(len(rows), GAPS_LIMIT)),
            worst_symbols=tuple(
                (symbol, lost, round(100 - 100 * lost / volumes[symbol], 4) if volumes.get(symbol) else None)
                for symbol, lost in missed.most_common(WORST_SHOWN)
                if lost
            ),
            as_of_ns=now_ns,
        )

    def _keep_row(self, gap: Gap | GapLine) -> None:
        # Not the record itself: hundreds of symbols each would add up to megabytes on a bad day.
        self._rows.pop(gap.gap_id, None)
        self._rows[gap.gap_id] = GapRow(
            gap_id=gap.gap_id,
            track=gap.track.value if isinstance(gap, Gap) else gap.gap_id.partition("-")[0],
            reason=gap.reason,
            severity="",
            symbols=len(gap.symbols),
            examples=tuple(gap.symbols[:_EXAMPLES]),
            from_ns=gap.from_ns,
            until_ns=gap.until_ns,
            missed_volume=gap.missed_volume,
            detail=gap.detail[:_TEXT_LIMIT],
        )
        if gap.reason == GapReason.RESTART and gap.until_ns is not None:
            length_s = (gap.until_ns - gap.from_ns) / NS_PER_S
            if length_s <= RESTART_LONGEST_S:
                self._outages_s["-".join(gap.gap_id.split("-")[:2])] = round(length_s, 3)
        if gap.until_ns is None:
            self._open_symbols[gap.gap_id] = gap.symbols
        else:
            self._open_symbols.pop(gap.gap_id, None)
        closed = len(self._rows) - len(self._open_symbols)
        if closed > GAPS_LIMIT:
            del self._rows[next(one for one in self._rows if one not in self._open_symbols)]

    def _roll(self, now_ns: int) -> None:
        """Begin a new day: counts start again, open gaps stay."""
        day = kst_day(now_ns)
        if day == self._day:
            return
        self._day = day
        self._today = set(self._open)
        self._rows = {gap_id: row for gap_id, row in self._rows.items() if gap_id in self._open}
        self._closed_before, self._closed = self._closed, set()
        self._severities.clear()
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


def held_open(rows: Iterable[ProcessRow]) -> int:
    """Return how many gaps the shards say they hold open."""
    return sum(row.open_gaps for row in rows)


def with_held(gaps: GapView, rows: Iterable[ProcessRow]) -> GapView:
    """Return the gaps with those that a shard holds open and whose record is still on its way to us."""
    coming = held_open(rows) - gaps.open
    return gaps if coming <= 0 else replace(gaps, open=gaps.open + coming, today=max(gaps.today, gaps.open + coming))


def _graded(row: GapRow, now_ns: int) -> GapRow:
    ends_ns = now_ns if row.until_ns is None else row.until_ns
    return replace(row, severity=severity_of(row.from_ns, ends_ns).value)


def _text(gap: Gap | GapLine) -> str:
    since = f"{kst_datetime(gap.from_ns):%H:%M:%S}"
    until = "open" if gap.until_ns is None else f"{(gap.until_ns - gap.from_ns) / NS_PER_S:.1f} s"
    symbols = gap.symbols[0] if len(gap.symbols) == 1 else f"{len(gap.symbols)} symbols"
    text = f"{since} {gap.reason} {symbols} {until}"
    return f"{text} {gap.detail}".strip()[:_TEXT_LIMIT]
