"""How complete a day is, by symbol and track: by volume where the exchange proves it, else by time without gaps.

Asked by commands, over HTTP and by the hub's page of gaps, from files alone: the gap records of the day and the shards'
day volumes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from observer_core.archive.layout import shard_track
from observer_core.clock import NS_PER_S, Clock, kst_datetime, kst_day, kst_midnight_ns
from observer_core.http.symbols import CompletenessOf, SymbolCompleteness
from observer_core.ids import ShardName
from observer_core.market.calendar import Calendar
from observer_core.market.sessions import KRX
from observer_core.messages import GapReason, Track
from observer_core.paths import Paths
from observer_core.quality.completeness import Measure, by_time, observed_share
from observer_core.quality.continuity import Tally
from observer_core.services.assignment import read_assignment
from observer_core.services.calendar_watch import CalendarWatch
from observer_core.services.day_volumes import read_day_volumes
from observer_core.services.hub_archive import GapArchive, GapLine

_PROVED = frozenset({GapReason.CONTINUITY.value, GapReason.OFF_BOOK.value})


def newest_gaps(lines: Iterable[GapLine], known: Mapping[str, GapLine] | None = None) -> dict[str, GapLine]:
    """Return the last word on each gap, upon those known; a closing one outlives an opening one that is read later."""
    newest = dict(known or {})
    for line in lines:
        before = newest.get(line.gap_id)
        if before is None or before.until_ns is None or line.until_ns is not None:
            newest[line.gap_id] = line
    return newest


def together(figures: Sequence[SymbolCompleteness]) -> float | None:
    """Return the per cent of one track's symbols together: of their volume, else the mean of their times."""
    executed = sum(figure.executed or 0 for figure in figures)
    if executed:
        return 100 - 100 * sum(figure.missed or 0 for figure in figures) / executed
    known = [figure.percent for figure in figures if figure.percent is not None]
    return sum(known) / len(known) if known else None


def gaps_of_day(paths: Paths, last_ns: int) -> list[GapLine]:
    """Return the last words on the gaps of a Korean day, up to an instant of it. Blocks."""
    day = kst_day(last_ns)
    newest = newest_gaps(GapArchive(paths.data).read_all(last_ns)).values()
    # The archive is read from an hour before the day on.
    return [gap for gap in newest if gap.until_ns is None or kst_day(gap.until_ns) == day]


def swept(gaps: Iterable[GapLine], symbols: Iterable[str], calendar: Calendar, last_ns: int) -> Measure | None:
    """Return how much of a day's sessions, up to an instant of that day, symbols were swept; None without a session.

    Args:
        gaps: of that day, as `gaps_of_day` gives them.
        symbols: the universe of the day.
        calendar: gives the sessions.
        last_ns: the day, and until when it counts.
    """
    if not calendar.sessions(kst_datetime(last_ns).date(), KRX):
        return None
    of_sweeps = [gap for gap in gaps if shard_track(ShardName(gap.gap_id)) is Track.SWING]
    return by_time(of_sweeps, symbols, *_day_so_far(calendar, last_ns))


class DayCompleteness:
    """The completeness of the Korean day so far; reads the day's gap records once, for any number of symbols."""

    def __init__(self, paths: Paths, calendar: Calendar, now_ns: int, gaps: Iterable[GapLine] | None = None) -> None:
        """Read the files; `gaps` are the last words on the day's gaps where the caller has them already."""
        self._now_ns = now_ns
        self._from_ns, self._until_ns = _day_so_far(calendar, now_ns)
        self._assignment = read_assignment(paths)
        swing = self._assignment.swing.values() if self._assignment is not None else ()
        self._swept = frozenset[str]().union(*swing)
        day = int(kst_day(now_ns))
        shards = self._assignment.scalp if self._assignment is not None else {}
        self._stretches = [read_day_volumes(paths.day_volumes(shard), day) for shard in shards]
        self._proved: dict[str, Tally] = {}
        self._missed: dict[str, list[GapLine]] = {}
        """By streamed symbol: the proofs that trades of it are missing."""
        self._outages: dict[Track, dict[str, list[GapLine]]] = {track: {} for track in Track}
        found = newest_gaps(GapArchive(paths.data).read_all(now_ns)).values() if gaps is None else gaps
        for gap in found:
            self._take(gap)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return every symbol that is collected, or was streamed today."""
        streamed = {symbol for stretches in self._stretches for symbol in stretches}
        return tuple(sorted(streamed | self._swept))

    def of(self, symbol: str) -> tuple[SymbolCompleteness, ...]:
        """Return the figures of a symbol, the stream's first."""
        found = [figure for figure in (self._by_volume(symbol), self._by_time(symbol)) if figure is not None]
        return tuple(found)

    def cause(self, figure: SymbolCompleteness) -> tuple[str, bool]:
        """Return the reason of the gap records that cost a symbol most, and whether one of it is open now.

        Where missing trades are proved within an outage, the outage is the reason; else the proof itself.
        """
        outages = self._outages[Track(figure.track)].get(figure.symbol, [])
        costs: Counter[str] = Counter()
        if figure.basis == "time":
            for gap in outages:
                ends_ns = self._now_ns if gap.until_ns is None else gap.until_ns
                costs[gap.reason] += max(0, min(ends_ns, self._until_ns) - max(gap.from_ns, self._from_ns))
        for proof in self._missed.get(figure.symbol, []) if figure.basis == "volume" else ():
            within = next((gap for gap in outages if _overlap(gap, proof)), proof)
            costs[within.reason] += proof.missed_volume or 0
        reason = costs.most_common(1)[0][0] if costs else ""
        return reason, any(gap.until_ns is None for gap in outages)

    def _take(self, gap: GapLine) -> None:
        if gap.reason in _PROVED and gap.symbols:
            symbol = gap.symbols[0]
            off_book, missed = self._proved.get(symbol, Tally(0, 0))
            volume = gap.missed_volume or 0
            at_book = gap.reason == GapReason.CONTINUITY
            self._proved[symbol] = Tally(off_book + volume * (not at_book), missed + volume * at_book)
            if at_book:
                self._missed.setdefault(symbol, []).append(gap)
            return
        outages = self._outages[shard_track(ShardName(gap.gap_id))]
        for symbol in gap.symbols:
            outages.setdefault(symbol, []).append(gap)

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
        if symbol not in self._swept:
            return None
        percent = None
        if self._until_ns > self._from_ns:
            percent = observed_share(self._outages[Track.SWING].get(symbol, ()), self._from_ns, self._until_ns)
        return SymbolCompleteness(symbol=symbol, track=Track.SWING, percent=percent, basis="time")


def _overlap(gap: GapLine, other: GapLine) -> bool:
    ends_ns, other_ends_ns = gap.until_ns or gap.from_ns, other.until_ns or other.from_ns
    return gap.from_ns <= other_ends_ns and (gap.until_ns is None or other.from_ns <= ends_ns)


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
