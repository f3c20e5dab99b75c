"""How complete the day of one symbol is, by track: by volume where the exchange proves it, else by time without gaps.

Asked by commands and over HTTP, from files alone: the gap records of the day and the shards' day volumes.
"""

from collections.abc import Iterable

from observer_core.archive.layout import shard_track
from observer_core.clock import NS_PER_S, Clock, kst_datetime, kst_day, kst_midnight_ns
from observer_core.http.symbols import CompletenessOf, SymbolCompleteness
from observer_core.ids import ShardName
from observer_core.market.calendar import Calendar
from observer_core.market.sessions import KRX
from observer_core.messages import GapReason, Track
from observer_core.paths import Paths
from observer_core.quality.completeness import by_time
from observer_core.quality.continuity import Tally
from observer_core.services.assignment import read_assignment
from observer_core.services.calendar_watch import CalendarWatch
from observer_core.services.day_volumes import read_day_volumes
from observer_core.services.hub_archive import GapArchive, GapLine

_PROVED = frozenset({GapReason.CONTINUITY.value, GapReason.OFF_BOOK.value})


def newest_gaps(lines: Iterable[GapLine]) -> dict[str, GapLine]:
    """Return the last word on each gap; a closing one outlives an opening one that is read later."""
    newest: dict[str, GapLine] = {}
    for line in lines:
        before = newest.get(line.gap_id)
        if before is None or before.until_ns is None or line.until_ns is not None:
            newest[line.gap_id] = line
    return newest


class DayCompleteness:
    """The completeness of the Korean day so far; reads the day's gap records once, for any number of symbols."""

    def __init__(self, paths: Paths, calendar: Calendar, now_ns: int) -> None:
        self._now_ns = now_ns
        self._from_ns, self._until_ns = _day_so_far(calendar, now_ns)
        self._assignment = read_assignment(paths)
        day = int(kst_day(now_ns))
        shards = self._assignment.scalp if self._assignment is not None else {}
        self._stretches = [read_day_volumes(paths.day_volumes(shard), day) for shard in shards]
        self._proved: dict[str, Tally] = {}
        self._outages: dict[str, list[GapLine]] = {}
        for gap in newest_gaps(GapArchive(paths.data).read(now_ns)).values():
            self._take(gap)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return every symbol that is collected, or was streamed today."""
        streamed = {symbol for stretches in self._stretches for symbol in stretches}
        swept = self._assignment.swing.values() if self._assignment is not None else ()
        return tuple(sorted(streamed.union(*swept)))

    def of(self, symbol: str) -> tuple[SymbolCompleteness, ...]:
        """Return the figures of a symbol, the stream's first."""
        found = [figure for figure in (self._by_volume(symbol), self._by_time(symbol)) if figure is not None]
        return tuple(found)

    def _take(self, gap: GapLine) -> None:
        if gap.reason in _PROVED and gap.symbols:
            off_book, missed = self._proved.get(gap.symbols[0], Tally(0, 0))
            volume = gap.missed_volume or 0
            at_book = gap.reason == GapReason.CONTINUITY
            self._proved[gap.symbols[0]] = Tally(off_book + volume * (not at_book), missed + volume * at_book)
        elif shard_track(ShardName(gap.gap_id)) is Track.SWING:
            for symbol in gap.symbols:
                self._outages.setdefault(symbol, []).append(gap)

    def _by_volume(self, symbol: str) -> SymbolCompleteness | None:
        stretches = [found[symbol] for found in self._stretches if symbol in found]
        if not stretches:
            return None
        off_book, missed = self._proved.get(symbol, Tally(0, 0))
        executed = sum(stretch.executed for stretch in stretches) - off_book
        percent = 100.0 * (executed - missed) / executed if executed > 0 else None
        return SymbolCompleteness(
            symbol=symbol, track=Track.SCALP, percent=percent, basis="volume", executed=executed, missed=missed
        )

    def _by_time(self, symbol: str) -> SymbolCompleteness | None:
        if self._assignment is None or not any(symbol in swept for swept in self._assignment.swing.values()):
            return None
        share = by_time(self._outages.get(symbol, ()), (symbol,), self._from_ns, self._until_ns).by_symbol
        return SymbolCompleteness(symbol=symbol, track=Track.SWING, percent=share.get(symbol), basis="time")


def _day_so_far(calendar: Calendar, now_ns: int) -> tuple[int, int]:
    """Return the part of the day that counts: from the first phase, or midnight on a day without any, until now."""
    midnight_ns = kst_midnight_ns(kst_day(now_ns))
    sessions = calendar.sessions(kst_datetime(now_ns).date(), KRX)
    if not sessions:
        return midnight_ns, now_ns
    bounds = [midnight_ns + second * NS_PER_S for second in (sessions[0].from_s, sessions[-1].until_s)]
    return bounds[0], min(now_ns, bounds[1])


def completeness_by_files(paths: Paths, clock: Clock) -> CompletenessOf:
    """Return the question "how complete is this symbol today", answered from the files at every call."""

    def completeness_of(symbol: str) -> tuple[SymbolCompleteness, ...]:
        return DayCompleteness(paths, CalendarWatch(paths, clock).current(), clock.now_ns()).of(symbol)

    return completeness_of
