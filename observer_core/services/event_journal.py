"""A journal for a process that observes nothing but has something to say: its events reach archive and database.

They take the very way of the observations (journal, bus, writers), so an event is neither lost nor doubled.
"""

import asyncio
import logging

from observer_core.bus.publisher import BatchPublisher
from observer_core.errors import JournalError
from observer_core.ids import ShardName, SinkName
from observer_core.journal.writer import JournalWriter
from observer_core.messages import Event
from observer_core.services.context import ChildContext
from observer_core.services.recorder import Recorder

logger = logging.getLogger(__name__)

LISTENERS = (SinkName("jsonl"), SinkName("postgres"), SinkName("hub"))


class EventJournal:
    """The events of one process; the process holds its lock for as long as this is open."""

    def __init__(self, context: ChildContext) -> None:
        """Take the process's lock and begin an epoch.

        Raises:
            ProcessError: another process of this name runs.
            JournalError: the journal cannot be begun.
        """
        name, settings, clock = ShardName(context.name), context.settings, context.clock
        paths = settings.paths
        self._clock = clock
        self._lock = context.hold_role(name)
        journal = JournalWriter(paths.journal(name), name, clock)
        publisher = BatchPublisher(name, [paths.sink_endpoint(sink) for sink in LISTENERS])
        publisher.connect()
        self._recorder = Recorder(name, settings.source, journal, publisher, clock)
        self._untold: list[Event] = []
        self._syncing = asyncio.Lock()

    async def tell(self, name: str, severity: str, subject: str, text: str) -> None:
        """Record an event durably; one that the journal does not take is tried again with the next."""
        now_ns = self._clock.now_ns()
        logger.log(_LEVELS.get(severity, logging.ERROR), "%s", name, extra={"subject": subject, "text": text})
        self._untold.append(Event(at_ns=now_ns, name=name, severity=severity, subject=subject, text=text))
        try:
            self._recorder.append(self._untold, now_ns)
            self._untold.clear()
            async with self._syncing:
                await asyncio.to_thread(self._recorder.sync)
        except JournalError as error:
            logger.error("event not journalled", extra={"event": name, "error": str(error)})

    def close(self) -> None:
        """Make everything durable and give the lock back."""
        try:
            self._recorder.close()
        except JournalError as error:
            logger.error("journal not closed cleanly", extra={"error": str(error)})
        finally:
            self._lock.close()


_LEVELS = {"info": logging.INFO, "warning": logging.WARNING}
