"""The feed of a recorded day: the player behind the console's port. Needs no core, reads files only."""

import asyncio
import contextlib
from datetime import time
from pathlib import Path

from observer_core.chronicle.reader import RecordedDay
from observer_core.clock import Clock
from observer_core.errors import LinkError
from observer_core.ids import DayNumber
from observer_core.questions import Answer, Question
from observer_core.view import SystemView
from observer_tui.feed import LinkFacts, LinkState
from observer_tui.meters import Meters
from observer_tui.player import Player, ReplayClock


def open_recording(directory: Path, number: DayNumber, at: time | None, clock: Clock) -> "ReplayFeed":
    """Return the feed of a recorded day, standing at a time of it, or at its beginning.

    Raises:
        ChronicleError: there is no recording of that day, or of that time.
    """
    day = RecordedDay(directory, number)
    at_ns = day.first_ns if at is None else day.instant(at)
    return ReplayFeed(Player(day, clock, at_ns))


class ReplayFeed:
    """A feed that shows what was recorded."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self._moved = asyncio.Event()
        self._search: asyncio.Task[None] | None = None

    def clock(self, clock: Clock) -> Clock:
        """Return the clock of a console that shows this."""
        return ReplayClock(self.player, clock)

    async def start(self) -> None:
        """Show the first instant, and look for the day's incidents meanwhile."""
        self.moved()
        self._search = asyncio.create_task(self._find_incidents())

    async def close(self) -> None:
        """Stop looking."""
        search, self._search = self._search, None
        if search is not None:
            search.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await search

    async def _find_incidents(self) -> None:
        self.player.incidents = await asyncio.to_thread(self.player.day.incidents)
        self.moved()

    def moved(self) -> None:
        """Tell that the player was told to do something else."""
        self._moved.set()

    @property
    def view(self) -> SystemView | None:
        """The view of the replayed instant."""
        return self.player.view

    @property
    def meters(self) -> Meters:
        """The rates of the recording."""
        return self.player.meters

    @property
    def link(self) -> LinkFacts:
        """How the replay stands: a recorded instant is as good as a live one, a hole is not."""
        player, reason = self.player, self.player.reason
        state = LinkState.STALE if reason else LinkState.LIVE
        since_ns = 0 if player.view is None else player.view.as_of_ns
        return LinkFacts(state, reason, since_ns, age_s=0.0, replay=player.facts())

    async def wait_change(self) -> None:
        """Return when another instant is to be shown."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.player.due_s()):
                    await self._moved.wait()
            moved = self._moved.is_set()
            self._moved.clear()
            if self.player.advance() or moved:
                return

    async def ask(self, question: Question) -> Answer:
        """Refuse: only the view is recorded."""
        raise LinkError(f"not recorded: {type(question).__name__}")

    async def reconnect(self) -> None:
        """Do nothing: there is no link."""
