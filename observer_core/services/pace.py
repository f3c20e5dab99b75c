"""How fast a shard works, by the phase of the market and by what the tape says about the calendar.

While the market is open the sweep never rests; while it is closed it comes at an interval. Those sweeps are also what
finds out that a day called closed is none: a few trades suffice, and everybody collects. A forced market is open.
"""

from collections.abc import Iterable

from observer_core.clock import NS_PER_S, Clock
from observer_core.market.calendar_vote import Tape
from observer_core.market.phases import Phase
from observer_core.market.sessions import phase_at
from observer_core.messages import Quote, Record
from observer_core.services.calendar_watch import CalendarWatch, Vote
from observer_core.settings import Settings

STREAM_EARLY_S = 1_800.0
"""A stream is open so long before the market stirs, and over pauses that are shorter."""
STREAM_LATE_S = 60.0
"""And so long after it closed: what was sent last is still on its way."""


class Pace:
    """The pace of one shard."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._forced = settings.force_open
        self._closed_interval_s = settings.closed_sweep_interval_s
        self._clock = clock
        self._watch = CalendarWatch(settings.paths, clock)
        self._tape = Tape()

    @property
    def phase(self) -> Phase:
        """Return what the market is doing."""
        return Phase.CONTINUOUS if self._forced else self._watch.phase().phase

    @property
    def resting(self) -> bool:
        """Return whether the market is closed, and nobody saw trades on a day that should have none."""
        if self._forced or self._watch.trades_seen:
            return False
        return self._watch.phase().phase is Phase.CLOSED

    @property
    def interval_s(self) -> float:
        """Return the time from the begin of one sweep to that of the next, 0 = at once."""
        return self._closed_interval_s if self.resting else 0.0

    @property
    def opens_ns(self) -> int:
        """Return when the phase now ends, wall clock."""
        return self._watch.phase().until_ns

    @property
    def may_hang_up(self) -> bool:
        """Return whether a stream may end: the last prints have come in, and it is long until the next ones."""
        return self.closed_for(STREAM_LATE_S) and self.opens_ns - self._clock.now_ns() > STREAM_EARLY_S * NS_PER_S

    def closed_for(self, seconds: float) -> bool:
        """Return whether the market is closed now and was so long ago."""
        before_ns = self._clock.now_ns() - int(seconds * NS_PER_S)
        return self.resting and phase_at(before_ns, self._watch.current()).phase is Phase.CLOSED

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
