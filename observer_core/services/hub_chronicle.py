"""The hub's chronicle: once a second its view, every few seconds to disk, for the console's replay.

A companion of the hub: it looks at the current view as a console would, so nothing else in the hub knows of it. What
cannot be written is counted and told once; the hub goes on.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from observer_core.chronicle.files import ChronicleWriter
from observer_core.clock import NS_PER_S, Clock
from observer_core.view import SystemView

logger = logging.getLogger(__name__)

LOOK_S = 1.0
SLOTS_NS = 5 * NS_PER_S
"""The slots of the streaming shards are kept only so often."""

CLOSED_LOOK_NS = 5 * NS_PER_S
"""While the market is closed and nothing happens, a view is kept only so often."""

WRITE_EVERY_NS = 5 * NS_PER_S
"""So much is lost when the hub is killed."""


class ChronicleFacts(NamedTuple):
    """Where the recording goes, and how large it may get; 0 = none is made."""

    directory: Path
    limit_bytes: int


class Chronicler:
    """Records the views of one hub's life."""

    def __init__(self, facts: ChronicleFacts, clock: Clock) -> None:
        self._limit_bytes = facts.limit_bytes
        self._writer = ChronicleWriter(facts.directory, facts.limit_bytes)
        self._clock = clock
        self._pending: list[SystemView] = []
        self._kept: SystemView | None = None
        self._written_ns = 0
        self.failures_total = 0
        self._failing = False

    async def run(self, current_view: Callable[[], SystemView]) -> None:
        """Record until cancelled; then write what is left, the last view among it."""
        if not self._limit_bytes:
            return
        try:
            while True:
                self.look(current_view())
                if self._clock.monotonic_ns() - self._written_ns >= WRITE_EVERY_NS:
                    self._written_ns = self._clock.monotonic_ns()
                    views, self._pending = self._pending, []
                    await asyncio.to_thread(self._write, views)
                await asyncio.sleep(LOOK_S)
        finally:
            self.look(current_view())
            self.end()

    def look(self, view: SystemView) -> None:
        """Keep a view that is new, and worth it."""
        kept = self._kept
        if kept is not None and (view.seq == kept.seq or not _is_worth_keeping(view, kept)):
            return
        self._kept = _thinned(view, kept)
        self._pending.append(self._kept)

    def _write(self, views: list[SystemView]) -> None:
        if not views:
            return
        try:
            self._writer.write(views)
        except OSError as error:
            self.failures_total += 1
            if not self._failing:
                self._failing = True
                logger.warning("view not recorded", extra={"error": str(error)})
            return
        if self._failing:
            self._failing = False
            logger.info("view is recorded again", extra={"failures": self.failures_total})

    def end(self) -> None:
        """Write what is left; milliseconds, and the hub is stopping: no thread is worth it."""
        self._write(self._pending)
        try:
            self._writer.close()
        except OSError as error:
            logger.warning("recording of the view not ended", extra={"error": str(error)})


def _thinned(view: SystemView, kept: SystemView | None) -> SystemView:
    """Return the view with the slots of a moment ago: their scores change all the time and would be half of it all."""
    slots, former = view.slots, None if kept is None else kept.slots
    if slots is None or former is None or not 0 <= slots.as_of_ns - former.as_of_ns < SLOTS_NS:
        return view
    return msgspec.structs.replace(view, slots=former)


def _is_worth_keeping(view: SystemView, kept: SystemView) -> bool:
    """Return whether a second counts: always while the market moves, else when something happened, or now and then."""
    if view.market.phase != "closed" or view.hub_epoch != kept.hub_epoch:
        return True
    if not 0 <= view.as_of_ns - kept.as_of_ns < CLOSED_LOOK_NS:
        return True
    return _happenings(view) != _happenings(kept)


def _happenings(view: SystemView) -> tuple[object, ...]:
    states = tuple((row.name, row.state) for row in view.processes)
    return view.events, view.alerts, view.tickets, view.leases, view.gaps.open, states
