"""The keys of a replay: play, skip, speed, incidents, a time of the day. In a live console none of them is there."""

from observer_core.clock import NS_PER_S, Clock
from observer_core.errors import ChronicleError
from observer_tui.drawing_app import ConsoleOptions
from observer_tui.feed import Feed
from observer_tui.options import SPEEDS, time_of_day
from observer_tui.ordering_app import OrderingApp
from observer_tui.ui_state import stepped


class ReplayingApp(OrderingApp):
    """The console's replay."""

    def __init__(self, feed: Feed, clock: Clock, options: ConsoleOptions) -> None:
        super().__init__(feed, clock, options)
        self._replay = options.replay

    @property
    def replaying(self) -> bool:
        """Return whether this console shows a recorded day."""
        return self._replay is not None

    def action_play(self) -> None:
        """Go on, or stand."""
        if self._replay is not None:
            self._replay.player.play()
            self._moved()

    def action_skip(self, seconds: int) -> None:
        """Go some seconds on or back."""
        if self._replay is not None:
            self._replay.player.seek(self._replay.player.at_ns + seconds * NS_PER_S)
            self._moved()

    def action_speed(self, step: int) -> None:
        """Play faster or slower."""
        if self._replay is not None:
            player = self._replay.player
            player.set_speed(int(stepped(float(player.speed), tuple(map(float, SPEEDS)), step)))
            self._moved()

    def action_incident(self, step: int) -> None:
        """Go to the next or previous incident and stand there."""
        if self._replay is None:
            return
        player = self._replay.player
        if player.incidents is None:
            self.notice("the recording is still being read", "warn")
            return
        found = player.incident(step)
        self._moved()
        if found is None:
            self.notice("no further incident on this day", "warn")
            return
        number, incident = found
        text = self.words.of_core(incident.text)
        self.notice("incident {number} of {total}: {text}", "warn", number=number, total=len(player.incidents),
                    text=text)  # fmt: skip

    def replay_command(self, word: str, argument: str) -> None:
        """Go to a time of the day, or take a speed."""
        if self._replay is None:
            self.notice("only in a replay: observer-tui --replay DAY", "warn")
            return
        player = self._replay.player
        if word == "speed":
            player.set_speed(int(argument))
        else:
            try:
                player.seek(player.day.instant(time_of_day(argument)))
            except ChronicleError as error:
                self.notice("{error}", "warn", error=self.words.of_core(str(error)))
                return
        self._moved()

    def _moved(self) -> None:
        """Show at once where the replay stands now."""
        if self._replay is not None:
            self._replay.moved()
        self._accept()
        self.draw()
