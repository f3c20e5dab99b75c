"""How fast a shard works, by the phase of the market and by what the tape says about the calendar.

While the market is open the sweep never rests; while it is closed it comes at an interval. Those sweeps are also what
finds out that a day called closed is none: a few trades suffice, and everybody collects. A forced market is open.
"""

from collections.abc import Iterable

from observer_core.clock import Clock
from observer_core.market.calendar_vote import Tape
from observer_core.market.phases import Phase
from observer_core.messages import Quote, Record
from observer_core.services.calendar_watch import CalendarWatch, Vote
from observer_core.settings import Settings


class Pace:
    """The pace of one shard."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._forced = settings.force_open
        self._closed_interval_s = settings.closed_sweep_interval_s
        self._clock = clock
        self._watch = CalendarWatch(settings.paths, clock)
        self._tape = Tape()

    @property
    def resting(self) -> bool:
        """Return whether the market is closed."""
        return not self._forced and self._watch.phase().phase is Phase.CLOSED

    @property
    def interval_s(self) -> float:
        """Return the time from the begin of one sweep to that of the next, 0 = at once."""
        return self._closed_interval_s if self.resting else 0.0

    @property
    def opens_ns(self) -> int:
        """Return when the phase now ends, wall clock."""
        return self._watch.phase().until_ns

    def observed(self, records: Iterable[Record]) -> None:
        """Take what an answer held."""
        if not self._forced:
            for record in records:
                if isinstance(record, Quote):
                    self._tape.add(record.symbol, record.cumulative_volume)

    def swept(self) -> None:
        """Let the tape vote after a sweep."""
        if self._forced:
            return
        now_ns = self._clock.now_ns()
        says = self._tape.judge(self._watch.phase().phase, now_ns)
        if says is None:
            return
        if not says:
            self._watch.record_vote(Vote.TAPE_SILENT)
        elif not self._watch.is_session:
            self._watch.record_vote(Vote.TAPE_TRADES)
