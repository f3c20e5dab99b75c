"""Whether trades are missing, proved by the exchange's own cumulative volume; per symbol and day. Pure.

The stream has no sequence numbers (KIS protocol notes §9.22), but each execution carries the day's volume up to and
including itself. A hole in that line is a missed trade of known size; it is reported only after late records had
their time to arrive. What is sent again covers nothing new and is a duplicate.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Final, NamedTuple

from observer_core.clock import NS_PER_S, kst_day
from observer_core.messages import Gap, GapReason, Quote, Track, Trade
from observer_core.quality.volume_line import Hole, VolumeLine

LATE_NS: Final = 2 * NS_PER_S
"""A record may be overtaken by so much without counting as lost."""
SOURCE_RESOLUTION_NS: Final = NS_PER_S
"""The exchange's times are whole seconds, rounded down."""
DUPLICATE: Final = "duplicate"
"""Quality reason of a trade that was sent again."""

_IN_SESSION = "0"
_DAY_NS = 86_400 * NS_PER_S
_KST_OFFSET_NS = 9 * 3600 * NS_PER_S


class Arrival(Enum):
    """How a trade continues its symbol's line."""

    NEXT = "next"
    """It begins where the last one ended."""
    OTHER = "other"
    """It is the first one, follows missing ones, or was overtaken."""
    AGAIN = "again"
    """It was received before."""


_NEXT, _OTHER, _AGAIN = Arrival.NEXT, Arrival.OTHER, Arrival.AGAIN


class Tally(NamedTuple):
    """What is here of one symbol's day, in shares."""

    observed: int
    missed: int

    @property
    def completeness(self) -> float | None:
        """Return the per cent observed; None when nothing was executed yet."""
        total = self.observed + self.missed
        return 100.0 * self.observed / total if total else None


class Reach(NamedTuple):
    """Where a symbol's line begins and how far it reaches, in shares, on which Korean day."""

    day: int
    low: int
    high: int


class Continuity:
    """The volume lines of a shard's symbols. `take` every trade in the order of arrival, `settle` now and then."""

    def __init__(self, shard: str, epoch: int, track: Track = Track.SCALP) -> None:
        self._prefix = f"{shard}-{epoch}-c"
        self._track = track
        self._lines: dict[str, VolumeLine] = {}
        self._pending: set[str] = set()
        self._left: dict[str, list[Hole]] = {}
        """Holes of a former life that wait for `recall`."""
        self._amended: list[tuple[str, Hole]] = []
        self._gaps = 0
        self.duplicates_total = 0

    def take(self, trade: Trade, now_ns: int) -> Arrival:
        """Take one trade; return how it continues what was received before."""
        line = self._lines.get(trade.symbol)
        upper, volume = trade.cumulative_volume, trade.volume
        if (
            line is not None
            and line.high == upper - volume
            and volume > 0
            and trade.source_time_ns < line.day_until_ns
            and trade.session_code == _IN_SESSION
        ):
            # Nearly every trade: it begins where the last one ended.
            line.high = upper
            line.observed += volume
            line.last_ns = trade.source_time_ns
            if line.value + volume * trade.price != trade.cumulative_value:
                line.value_breaks += 1
            line.value = trade.cumulative_value
            return _NEXT
        return self._take_slowly(trade, line, now_ns)

    def take_back(self, trade: Trade, now_ns: int) -> None:
        """Note that a trade, taken a moment ago and no duplicate, could not be kept: it is missing after all."""
        line = self._lines.get(trade.symbol)
        lower, upper = _lower(trade), trade.cumulative_volume
        if line is not None and line.low <= lower < upper <= line.high:
            line.uncover(lower, upper, _earliest(trade), _latest(trade), now_ns)
            self._pending.add(trade.symbol)

    def settle(self, now_ns: int, *, late_ns: int = LATE_NS) -> list[Gap]:
        """Return the gap records of holes that had their time, and of reported ones that changed since."""
        gaps = [self._gap(symbol, hole, now_ns) for symbol, hole in self._amended]
        self._amended.clear()
        for symbol in sorted(self._pending):
            line = self._lines[symbol]
            gaps += [self._gap(symbol, hole, now_ns) for hole in self._report(line, now_ns - late_ns)]
            if not line.holes:
                self._pending.discard(symbol)
        return gaps

    def expect(self, symbol: str, at_ns: int) -> None:
        """Note that a symbol is observed from before its first trade of the day on: its line begins at zero."""
        if symbol not in self._lines:
            self._lines[symbol] = _line(at_ns, at_ns, 0, 0)

    def recall(self, trade: Trade, now_ns: int) -> None:
        """Take the last trade of a former life: what is up to it was accounted for, what is between is missing."""
        line = self._lines.get(trade.symbol)
        if line is None:
            line = self._lines[trade.symbol] = _begin(trade)
            line.from_volume = _lower(trade)
            line.low = 0
            self._inherit(trade.symbol, line)
            return
        if line.day_from_ns <= trade.source_time_ns < line.day_until_ns:
            observed = line.observed
            line.from_volume = min(_lower(trade), line.low if line.from_volume is None else line.from_volume)
            self._cover(trade.symbol, line, (0, trade.cumulative_volume), trade, now_ns)
            line.observed = observed
            self._inherit(trade.symbol, line)

    def recall_holes(self, lead: Iterable[Trade], tail: Iterable[Trade], reported: Iterable[Gap], now_ns: int) -> None:
        """Take the last seconds of a former life, before `recall`: it ended before it could report every hole.

        Args:
            lead: what arrived right before the tail; its holes were reported, and the tail's late ones belong to it.
            tail: its last trades in the order of arrival.
            reported: the proofs that it wrote down meanwhile; what fills their holes amends them.
            now_ns: wall clock.
        """
        known = {(gap.symbols[0], gap.volume_after): gap.gap_id for gap in reported}
        former = Continuity("former", 0, self._track)
        former._follow(lead)
        for line in former._lines.values():
            line.holes.clear()
        former._follow(tail)
        for symbol, line in former._lines.items():
            for hole in line.holes:
                present = self._lines.get(symbol)
                if present is not None:
                    hole.fill(present.low, present.high)
                if hole.spans:
                    hole.found_ns = now_ns
                    hole.gap_id = known.get((symbol, hole.start), "")
                    self._left.setdefault(symbol, []).append(hole)

    def recall_proofs(self, reported: Iterable[Gap]) -> None:
        """Take what a former life proved to be missing after its last trades, after `recall`: it is known."""
        newest: dict[str, Gap] = {}
        for gap in sorted(reported, key=lambda gap: gap.opened_ns):
            newest[gap.gap_id] = gap
        for gap in sorted(newest.values(), key=lambda gap: gap.volume_after or 0):
            line = self._lines.get(gap.symbols[0])
            if line is not None and gap.volume_after == line.high and gap.missed_volume:
                line.high += gap.missed_volume

    def recall_pause(self, before: Trade, first: Trade, reported: Iterable[Gap], now_ns: int) -> None:
        """Take what a former life's trade follows on, after `recall`: it may have ended before it reported the hole."""
        line = self._lines.get(first.symbol)
        if line is None or not line.day_from_ns <= first.source_time_ns < line.day_until_ns:
            return
        same_day = before.source_time_ns >= line.day_from_ns
        start, value = (before.cumulative_volume, before.cumulative_value) if same_day else (0, 0)
        missing = _lower(first) - start
        if missing <= 0 or any(gap.symbols == (first.symbol,) and gap.volume_after == start for gap in reported):
            return
        hole = Hole([(start, start + missing)], _earliest(before), _latest(first), now_ns, start)
        hole.off_book = _is_off_book(first, missing, value)
        line.holes.append(hole)
        self._pending.add(first.symbol)

    def quoted(self, quote: Quote, now_ns: int) -> None:
        """Take what another path counts after the close: what the stream did not reach is missing."""
        line = self._lines.get(quote.symbol)
        volume = quote.cumulative_volume
        if line is None or volume <= line.high or not line.day_from_ns <= quote.received_ns < line.day_until_ns:
            return
        missing, value = volume - line.high, (quote.cumulative_value or 0) - line.value
        hole = Hole([(line.high, volume)], line.last_ns, quote.received_ns, now_ns, line.high)
        hole.off_book = _outside(quote.low, quote.high, missing, value)
        line.holes.append(hole)
        line.high, line.value, line.last_ns = volume, quote.cumulative_value or 0, quote.received_ns
        self._pending.add(quote.symbol)

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop symbols that are not wanted any more, or only now: what happens meanwhile is not missing."""
        for symbol in symbols:
            line = self._lines.pop(symbol, None)
            if line is not None:
                self._end(symbol, line)

    def reached(self, symbol: str) -> int | None:
        """Return the highest cumulative volume received of a symbol today; None before any."""
        line = self._lines.get(symbol)
        return None if line is None else line.high

    def reaches(self, symbols: Iterable[str] | None = None) -> dict[str, Reach]:
        """Return the stretches of these symbols, or of all."""
        chosen = self._lines if symbols is None else [symbol for symbol in symbols if symbol in self._lines]
        return {symbol: self._reach(symbol) for symbol in chosen}

    def _reach(self, symbol: str) -> Reach:
        line = self._lines[symbol]
        low = line.low if line.from_volume is None else line.from_volume
        return Reach(int(kst_day(line.day_from_ns)), low, line.high)

    def tallies(self) -> dict[str, Tally]:
        """Return what is here and what is missing, by symbol."""
        return {symbol: Tally(line.observed, line.missed) for symbol, line in self._lines.items()}

    @property
    def value_breaks_total(self) -> int:
        """Return how often the cumulative value did not grow by price times volume although the volume did."""
        return sum(line.value_breaks for line in self._lines.values())

    def _take_slowly(self, trade: Trade, line: VolumeLine | None, now_ns: int) -> Arrival:
        upper, volume = trade.cumulative_volume, trade.volume
        if line is not None and trade.source_time_ns < line.day_from_ns:
            # An earlier day's: nothing of today's line.
            return _OTHER
        executed = trade.session_code == _IN_SESSION or (line is not None and line.high == upper - volume)
        if line is None or trade.source_time_ns >= line.day_until_ns:
            known = line is not None
            if line is not None:
                self._end(trade.symbol, line)
            line = self._lines[trade.symbol] = _begin(trade)
            if known:
                # The line was followed over midnight: the exchange begins the day at zero, so all of it is due.
                line.low = line.high = line.value = 0
            elif executed:
                line.low = line.high = upper - volume
        # An expected price carries the volume it would have; only the cumulative volume is a fact.
        lower = upper - volume if executed and volume > 0 else upper
        if not executed and upper <= line.high:
            return _OTHER
        new = self._cover(trade.symbol, line, (max(0, lower), upper), trade, now_ns)
        duplicate = not new and volume > 0 and executed
        self.duplicates_total += duplicate
        return _AGAIN if duplicate else _OTHER

    def _follow(self, trades: Iterable[Trade]) -> None:
        """Take what somebody else received, from wherever it begins."""
        for trade in trades:
            if trade.session_code == _IN_SESSION:
                (self.take if trade.symbol in self._lines else self.recall)(trade, trade.received_ns)

    def _inherit(self, symbol: str, line: VolumeLine) -> None:
        for hole in self._left.pop(symbol, []):
            hole.former = bool(hole.gap_id)
            (line.settled if hole.former else line.holes).append(hole)
        if line.holes:
            self._pending.add(symbol)

    def _end(self, symbol: str, line: VolumeLine) -> None:
        """Report what a line still waits for; nothing will fill it."""
        self._amended += [(symbol, hole) for hole in self._report(line, None)]
        self._pending.discard(symbol)

    def _report(self, line: VolumeLine, before_ns: int | None) -> list[Hole]:
        due = line.settle(before_ns)
        for hole in due:
            self._gaps += 1
            hole.gap_id = f"{self._prefix}{self._gaps}"
        return due

    def _cover(self, symbol: str, line: VolumeLine, span: tuple[int, int], trade: Trade, now_ns: int) -> int:
        high, value = line.high, line.value
        new, changed = line.cover(*span, _earliest(trade), _latest(trade), now_ns)
        line.observed += new
        self._amended += [(symbol, hole) for hole in changed]
        if line.high > high:
            if span[0] > high:
                line.holes[-1].off_book = _is_off_book(trade, span[0] - high, value)
            line.value = trade.cumulative_value
        if line.holes:
            self._pending.add(symbol)
        return new

    def _gap(self, symbol: str, hole: Hole, now_ns: int) -> Gap:
        missed = hole.volume
        detail = "" if missed else "what was missing arrived late"
        return Gap(
            gap_id=hole.gap_id,
            track=self._track,
            reason=GapReason.OFF_BOOK if hole.off_book else GapReason.CONTINUITY,
            symbols=(symbol,),
            from_ns=hole.from_ns,
            until_ns=max(hole.from_ns, hole.until_ns),
            opened_ns=now_ns,
            detail=detail,
            missed_volume=missed,
            volume_after=hole.start,
        )


def _begin(trade: Trade) -> VolumeLine:
    line = _line(trade.source_time_ns, _earliest(trade), trade.cumulative_volume, trade.cumulative_value)
    line.first_ns = _latest(trade)
    return line


def _line(source_ns: int, at_ns: int, high: int, value: int) -> VolumeLine:
    day_from_ns = source_ns - (source_ns + _KST_OFFSET_NS) % _DAY_NS
    return VolumeLine(day_from_ns, day_from_ns + _DAY_NS, at_ns, high, value)


def _lower(trade: Trade) -> int:
    """Return the cumulative volume before a trade; an expected price executes nothing."""
    executed = trade.volume if trade.session_code == _IN_SESSION else 0
    return max(0, trade.cumulative_volume - executed)


def _earliest(trade: Trade) -> int:
    """Return the earliest instant by either clock at which the trade was executed."""
    return min(trade.source_time_ns, trade.received_ns)


def _latest(trade: Trade) -> int:
    return max(trade.source_time_ns + SOURCE_RESOLUTION_NS, trade.received_ns)


def _is_off_book(trade: Trade, missing: int, value_before: int) -> bool:
    """Return whether the missing volume cannot all have been executed in the book.

    The day's range that a trade carries includes the missed executions: an average price outside of it proves that
    negotiated volume (block, basket) was added, which no stream shows.
    """
    missing_value = trade.cumulative_value - trade.price * trade.volume - value_before
    return _outside(trade.low, trade.high, missing, missing_value)


def _outside(low: int | None, high: int | None, volume: int, value: int) -> bool:
    """Return whether a volume cannot have been executed within the day's range."""
    return bool(low and high) and not (low or 0) * volume <= value <= (high or 0) * volume
