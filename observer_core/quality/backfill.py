"""Which minutes of which symbols to ask the broker about again, and what of its answers fills them. Pure.

Only what is proved is asked for: the minutes that a `continuity` gap of today touches, each once. The broker keeps
minutes of the current day only, so whatever was not asked for by midnight is given up, and said to be.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from observer_core.clock import NS_PER_S, kst_day, kst_midnight_ns
from observer_core.messages import Backfill, Gap, GapReason

MINUTE_NS: Final = 60 * NS_PER_S
MINUTES_PER_CALL: Final = 29
"""An answer has thirty rows, and its newest one cannot be believed."""
SETTLED_NS: Final = 10 * NS_PER_S
"""A minute is asked for so long after its end: its last trades are still being counted."""

GAPS_NAMED: Final = 8
"""So many gaps of a minute are kept by name: a stream that loses a fifth has a hundred a minute and symbol."""


class Ask(NamedTuple):
    """One call: a symbol, the minute up to which it asks, and the minutes before that it is for."""

    symbol: str
    until_ns: int
    minutes: tuple[int, ...]


class Found(NamedTuple):
    """What an answer has of the minutes asked for."""

    bars: list[Backfill]
    """Of minutes in which something was executed."""
    absent: int
    """Minutes without a row."""


class Backlog(msgspec.Struct):
    """The minutes of one Korean day; it can be stored as it is."""

    day: int = 0
    wanted: dict[str, dict[int, list[str]]] = {}
    """By symbol and beginning of the minute, the first gaps that want it."""
    done: dict[str, set[int]] = {}
    tries: dict[str, int] = {}
    """Calls in a row that failed."""

    def begin_day(self, now_ns: int) -> int:
        """Follow the calendar; return how many minutes of the day before were left."""
        today = int(kst_day(now_ns))
        if today == self.day:
            return 0
        left = sum(map(len, self.wanted.values()))
        self.day, self.wanted, self.done, self.tries = today, {}, {}, {}
        return left

    def want(self, gap: Gap, now_ns: int) -> bool:
        """Take the newest word on a gap, `begin_day` before it; return whether anything changed."""
        if gap.reason != GapReason.CONTINUITY or gap.until_ns is None:
            return False
        (symbol,) = gap.symbols
        if not gap.missed_volume:
            return self._withdraw(symbol, gap.gap_id)
        first_ns = max(gap.from_ns, kst_midnight_ns(self.day)) // MINUTE_NS * MINUTE_NS
        done, wanted = self.done.get(symbol, set()), self.wanted.get(symbol, {})
        changed = False
        # The exchange's clock may be a little ahead of ours; a time far ahead is nonsense.
        for minute_ns in range(first_ns, min(gap.until_ns, now_ns + MINUTE_NS), MINUTE_NS):
            gaps = wanted.get(minute_ns, [])
            if minute_ns not in done and gap.gap_id not in gaps and len(gaps) < GAPS_NAMED:
                wanted[minute_ns] = [*gaps, gap.gap_id]
                changed = True
        if changed:
            self.wanted[symbol] = wanted
        return changed

    def next_ask(self, now_ns: int) -> Ask | None:
        """Return the call that is due: from the oldest minute on, failed symbols last; None = nothing is."""
        over_ns = (now_ns - SETTLED_NS) // MINUTE_NS * MINUTE_NS
        due = [(self.tries.get(symbol, 0), min(minutes), symbol) for symbol, minutes in self.wanted.items()]
        due = [one for one in due if one[1] < over_ns]
        if not due:
            return None
        _, oldest_ns, symbol = min(due)
        # Minutes before the one asked for are over; that one is the row that cannot be believed.
        until_ns = min(oldest_ns + MINUTES_PER_CALL * MINUTE_NS, over_ns)
        return Ask(symbol, until_ns, tuple(sorted(minute for minute in self.wanted[symbol] if minute < until_ns)))

    def match(self, ask: Ask, bars: Iterable[Backfill]) -> Found:
        """Return what an answer has of the minutes asked for, with the gaps that wanted them; nothing changes yet."""
        rows = {bar.minute_ns: bar for bar in bars if bar.symbol == ask.symbol}
        wanted = self.wanted.get(ask.symbol, {})
        found = [
            replace(rows[minute], gap_ids=tuple(wanted.get(minute, ())))
            for minute in ask.minutes
            if minute in rows and rows[minute].volume
        ]
        return Found(found, sum(minute not in rows for minute in ask.minutes))

    def finish(self, ask: Ask) -> None:
        """Note that a call needs no repeating: what it brought is stored, or will never come."""
        wanted = self.wanted.get(ask.symbol, {})
        for minute in ask.minutes:
            wanted.pop(minute, None)
        if not wanted:
            self.wanted.pop(ask.symbol, None)
        self.done.setdefault(ask.symbol, set()).update(ask.minutes)
        self.tries.pop(ask.symbol, None)

    def postpone(self, ask: Ask) -> None:
        """Note that a call failed and is to be made again, after those of other symbols."""
        self.tries[ask.symbol] = self.tries.get(ask.symbol, 0) + 1

    def _withdraw(self, symbol: str, gap_id: str) -> bool:
        """Drop what only this gap wanted: nothing is missing any more."""
        before = self.wanted.get(symbol, {})
        # A full list may stand for more gaps than it names, so it stays as it is.
        after = {
            minute: kept
            for minute, gaps in before.items()
            if (kept := gaps if len(gaps) == GAPS_NAMED else [one for one in gaps if one != gap_id])
        }
        if after == before:
            return False
        if after:
            self.wanted[symbol] = after
        else:
            del self.wanted[symbol]
        return True
