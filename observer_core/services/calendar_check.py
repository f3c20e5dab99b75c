"""Asks the broker once a day whether the market opens, and raises an alarm where calendar, broker and tape disagree.

Part of maintenance; what the shards do about it they decide themselves by the same votes.
"""

import asyncio
import logging
from datetime import date
from random import Random

from observer_core.clock import NS_PER_S, Clock, kst_datetime
from observer_core.errors import FeedError, MalformedMessage
from observer_core.ids import AppKeyOrdinal
from observer_core.kis.rest import open_rest
from observer_core.services.calendar_watch import CalendarWatch, Vote
from observer_core.services.universe import Tell
from observer_core.settings import Settings

logger = logging.getLogger(__name__)

ASK_FROM_HOUR = 6
"""Korean time: after the broker's nightly maintenance, before anything opens."""
RETRY_S = 900.0
TRIES_A_DAY = 4
ASK_LIMIT_S = 30.0
"""Longest wait for one answer, a wait for a token included."""
LOOK_S = 1.0
_VOTES_KEPT_DAYS = 10


class CalendarCheck:
    """The calendar's watchman."""

    def __init__(self, settings: Settings, clock: Clock, tell: Tell) -> None:
        self._settings = settings
        self._clock = clock
        self._tell = tell
        self._watch = CalendarWatch(settings.paths, clock)
        self._day: date | None = None
        self.asked = 0
        """How often the broker was asked."""
        self._tries = 0
        self._next_try_ns = 0
        self._told: set[str] = set()

    async def run(self) -> None:
        """Look once a second until cancelled; a task of its own, because asking the broker may take a while."""
        while True:
            try:
                await self.keep()
            except OSError as error:
                logger.warning("calendar not checked", extra={"error": str(error)})
            await asyncio.sleep(LOOK_S)

    async def keep(self) -> None:
        """Ask the broker when it is time, and tell what is new; a forced market is not checked."""
        if self._settings.force_open:
            return
        at = kst_datetime(self._clock.now_ns())
        if at.date() != self._day:
            self._day, self._tries, self._next_try_ns = at.date(), 0, 0
            self._told.clear()
            self._forget_old_votes()
        if at.hour >= ASK_FROM_HOUR and self._may_ask():
            await self._ask(at.date())
        calendar = self._watch.current()
        if self._watch.problem:
            await self._once("calendar_overrides_invalid", self._watch.problem)
        if not self._watch.today.agreed:
            text = f"{at.date()}: {self._watch.today.text} ({calendar.reason(at.date())})"
            await self._once("calendar_disagreement", text)

    def _may_ask(self) -> bool:
        if self._settings.virtual_host or self._tries >= TRIES_A_DAY:
            return False
        if self._clock.monotonic_ns() < self._next_try_ns:
            return False
        return not (self._watch.has_vote(Vote.BROKER_OPEN) or self._watch.has_vote(Vote.BROKER_CLOSED))

    async def _ask(self, day: date) -> None:
        self._tries += 1
        self.asked += 1
        self._next_try_ns = self._clock.monotonic_ns() + int(RETRY_S * NS_PER_S)
        client = open_rest(self._settings, AppKeyOrdinal(0), self._clock, Random())  # noqa: S311 - jitter
        try:
            async with asyncio.timeout(ASK_LIMIT_S):
                days = await client.opening_days(day)
        except (FeedError, MalformedMessage, TimeoutError) as error:
            logger.warning("broker not asked about the day", extra={"error": str(error), "tries": self._tries})
            return
        finally:
            await client.aclose()
        if day not in days:
            logger.warning("broker says nothing about the day", extra={"days": len(days)})
            return
        self._watch.record_vote(Vote.BROKER_OPEN if days[day] else Vote.BROKER_CLOSED)

    async def _once(self, event: str, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            await self._tell(event, "error", "calendar", text)

    def _forget_old_votes(self) -> None:
        votes = self._settings.paths.calendar_votes
        days = sorted({path.name[:8] for path in votes.glob("[0-9]*-*")})
        for old in days[:-_VOTES_KEPT_DAYS]:
            for path in votes.glob(f"{old}-*"):
                path.unlink(missing_ok=True)
