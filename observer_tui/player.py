"""Plays a recorded day: where it stands, how fast it goes, the view of that instant, and the rates of all before it.

The replay's counterpart of the link: it folds every recorded view, however fast it plays, so that charts and rates are
those of the day. Reads files, draws nothing; the time that passes is a clock's, the time that is shown is its own.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from observer_core.chronicle.reader import HOLE_NS, Incident, RecordedDay
from observer_core.clock import NS_PER_S, Clock
from observer_core.ids import MonotonicNs, TimeNs
from observer_core.view import SystemView
from observer_tui.feed import ReplayFacts
from observer_tui.meters import HISTORY_S, Meters
from observer_tui.options import SPEEDS


class Player:
    """A recording at one instant, going on or not."""

    def __init__(self, day: RecordedDay, clock: Clock, at_ns: int) -> None:
        self.day = day
        self.view: SystemView | None = None
        self.meters = Meters()
        self.at_ns = at_ns
        self.speed = SPEEDS[0]
        self.playing = False
        self.incidents: list[Incident] | None = None
        """None = they are still being looked for."""
        self._clock = clock
        self._counted_ns = clock.monotonic_ns()
        """Until when the time that passed is in `at_ns`."""
        self._ahead: Iterator[SystemView] = iter(())
        self._next: SystemView | None = None
        self.seek(at_ns)

    @property
    def shown_ns(self) -> int:
        """Return the time the figures are of: that of the view, or of the instant where nothing was recorded."""
        if self.view is None or self._is_hole():
            return self.at_ns
        return self.view.as_of_ns

    @property
    def reason(self) -> str:
        """Return why there is nothing to show at this instant; "" where there is."""
        return "nothing was recorded then: the hub did not run" if self._is_hole() else ""

    def _is_hole(self) -> bool:
        return self.view is not None and self.at_ns - self.view.as_of_ns > HOLE_NS

    def facts(self) -> ReplayFacts:
        """Return what the screen says of the replay."""
        times = None if self.incidents is None else tuple(one.at_ns for one in self.incidents)
        return ReplayFacts(self.at_ns, self.day.first_ns, self.day.last_ns, self.speed, self.playing, times)

    def due_s(self) -> float | None:
        """Return in how many seconds there may be another view; None while it stands."""
        if not self.playing:
            return None
        if self._next is None:
            return 1.0
        return min(1.0, max(0.1, (self._next.as_of_ns - self.at_ns) / NS_PER_S / self.speed))

    def advance(self) -> bool:
        """Go on by the time that passed; return whether anything that is shown changed."""
        now_ns = self._clock.monotonic_ns()
        passed_ns, self._counted_ns = now_ns - self._counted_ns, now_ns
        if not self.playing:
            return False
        self.at_ns = min(self.day.last_ns, self.at_ns + passed_ns * self.speed)
        self._take_until(self.at_ns)
        self.playing = self.at_ns < self.day.last_ns
        return True

    def play(self) -> None:
        """Go on, or stand."""
        self.advance()
        self.playing = not self.playing and self.at_ns < self.day.last_ns

    def stand(self) -> None:
        """Stand at this instant."""
        self.advance()
        self.playing = False

    def set_speed(self, speed: int) -> None:
        """Go so many times as fast as it was."""
        self.advance()
        self.speed = speed

    def seek(self, at_ns: int) -> None:
        """Go to an instant of the recording, the nearest one there is."""
        at_ns = max(self.day.first_ns, min(self.day.last_ns, at_ns))
        self.advance()
        if not self.at_ns <= at_ns <= self.at_ns + HISTORY_S * NS_PER_S or self.view is None:
            # A quarter of an hour before it fills the charts.
            self.view, self.meters = None, Meters()
            self._ahead = self.day.views(at_ns - HISTORY_S * NS_PER_S)
            self._next = next(self._ahead, None)
        self.at_ns = at_ns
        self._take_until(at_ns)

    def incident(self, step: int) -> tuple[int, Incident] | None:
        """Go to the next or previous incident and stand there; return its number and itself, None without one."""
        self.stand()
        times = [one.at_ns for one in self.incidents or ()]
        place = bisect_right(times, self.at_ns) if step > 0 else bisect_left(times, self.at_ns) - 1
        if not self.incidents or not 0 <= place < len(times):
            return None
        self.seek(times[place])
        return place + 1, self.incidents[place]

    def _take_until(self, at_ns: int) -> None:
        while self._next is not None and self._next.as_of_ns <= at_ns:
            self.view = self._next
            self.meters.observe(self.view)
            self.meters.advance(self.view.as_of_ns, live=True)
            self._next = next(self._ahead, None)


class ReplayClock:
    """The clock of a console that replays: what is shown is as old as it was then; the terminal's time goes on."""

    def __init__(self, player: Player, clock: Clock) -> None:
        self._player = player
        self._clock = clock

    def now_ns(self) -> TimeNs:
        """Return the replayed time."""
        return TimeNs(self._player.shown_ns)

    def monotonic_ns(self) -> MonotonicNs:
        """Return the time that passes for the operator."""
        return self._clock.monotonic_ns()
