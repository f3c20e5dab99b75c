"""The maintenance process: the universe, who collects what, the calendar, the life cycle of the archive, the timetable.

It looks at everything once a second, and at once when the configuration directory changes. Whatever fails is tried
again; meanwhile the shards keep what they have.
"""

import asyncio
import logging
import os
import signal

from msgspec.structs import replace

from observer_core.bus.status import StatusSender
from observer_core.clock import NS_PER_MS, NS_PER_S, kst_day
from observer_core.errors import JournalError, MalformedMessage, ObserverError, ProcessError
from observer_core.exit_codes import ExitCode
from observer_core.messages import ServiceStatus
from observer_core.services.calendar_check import CalendarCheck
from observer_core.services.config_watch import DirectoryWatch, is_mounted_file
from observer_core.services.context import ChildContext
from observer_core.services.day_watch import DayWatch
from observer_core.services.event_journal import EventJournal
from observer_core.services.maintenance_archive import ArchiveKeeper, keep_archive
from observer_core.services.recorded_universe import RecordedUniverse
from observer_core.services.universe import UniverseKeeper
from observer_core.services.universe_renewal import renew_universe
from observer_core.services.upkeep import Upkeep

logger = logging.getLogger(__name__)


class Maintenance:
    """Keeps a universe and an assignment in force for the current day."""

    def __init__(self, context: ChildContext) -> None:
        self._context = context
        self._settings = context.settings
        self._clock = context.clock
        self._stopping = asyncio.Event()
        self._events = EventJournal(context)
        self._sender = StatusSender(self._settings.paths.status_endpoint)
        self._status = ServiceStatus(
            name=context.name,
            kind=context.kind,
            pid=os.getpid(),
            status_seq=0,
            as_of_ns=0,
            state="starting",
        )
        self._watch = DirectoryWatch(self._settings.config_dir)
        self._keeper = self._universe_keeper()
        self._calendar = CalendarCheck(self._settings, self._clock, self._events.tell)
        inline = {"universe": self._renew_universe, "seal": self._check_sealed}
        self._upkeep = Upkeep(self._settings, self._clock, self._events.tell, inline)
        self._reported: tuple[int, int] | None = None

    def _universe_keeper(self) -> UniverseKeeper | RecordedUniverse:
        replay = self._settings.replay
        if replay is None:
            return UniverseKeeper(self._settings, self._clock, self._events.tell)
        return RecordedUniverse(replay.directory, replay.day, self._settings.paths)

    async def run(self) -> int:
        """Work until told to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        if self._context.control_fd >= 0:
            loop.add_reader(self._context.control_fd, self._read_orders)
        self._context.report_ready()
        chores = [
            asyncio.create_task(self._report()),
            asyncio.create_task(self._calendar.run()),
            asyncio.create_task(keep_archive(self._settings, self._clock)),
            asyncio.create_task(DayWatch(self._settings, self._clock, self._events.tell).run()),
            asyncio.create_task(self._upkeep.run()),
        ]
        watcher = asyncio.create_task(self._watch.run(self._stopping))
        await self._look_at_mounts()
        while not self._stopping.is_set():
            await self._keep_universe()
            await self._rest(self._keeper.rest_s)
        await watcher
        for chore in chores:
            chore.cancel()
        await asyncio.wait(chores)
        self._sender.close()
        self._events.close()
        return ExitCode.OK

    async def _look_at_mounts(self) -> None:
        for path in (self._settings.paths.universe_config, self._settings.paths.calendar_overrides):
            if is_mounted_file(path):
                text = f"{path} is mounted as a single file: what editors save is not seen; mount its directory"
                await self._events.tell("config_file_mounted", "warning", path.name, text)

    async def _renew_universe(self) -> str:
        if isinstance(self._keeper, RecordedUniverse):
            return "nothing to do: a recorded day is replayed"
        return await renew_universe(self._settings.paths, self._clock)

    async def _check_sealed(self) -> str:
        left = await asyncio.to_thread(ArchiveKeeper(self._settings, self._clock).overdue)
        if left:
            raise ObserverError(f"{len(left)} archive files are not sealed yet, the first is {left[0]}")
        return "every file whose time is over is sealed"

    async def _keep_universe(self) -> None:
        """Put the day's universe in force if it is not yet, or what changed of it."""
        keeper = self._keeper
        today = kst_day(self._clock.now_ns())
        try:
            await keeper.keep(today)
        except OSError as error:
            logger.warning("universe not kept", extra={"error": str(error)})
            self._note("waiting", str(error))
            return
        if keeper.assignment is not None:
            reported = (keeper.assignment.version, len(keeper.assignment.swing))
            if reported != self._reported:
                self._context.report_assigned(*reported)
                self._reported = reported
        universe = keeper.in_force
        if universe is None:
            self._note("waiting", keeper.note)
        else:
            text = f"universe {universe.name}: {len(universe.members):,} symbols"
            self._note("running", f"{text}; {keeper.note}" if keeper.note else text)

    async def _rest(self, seconds: float) -> None:
        """Wait for the stop, a change of the configuration, or so long."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._stopping, self._watch.changed)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self._watch.changed.clear()

    def _read_orders(self) -> None:
        try:
            self._context.read_orders()
        except EOFError:
            asyncio.get_running_loop().remove_reader(self._context.control_fd)
            self._stopping.set()
        except MalformedMessage as error:
            logger.warning("order not understood", extra={"error": str(error)})

    def _note(self, state: str, note: str) -> None:
        self._status = replace(self._status, state=state, note=note, errors_total=self._keeper.failures_total)

    async def _report(self) -> None:
        interval_s = self._settings.status_interval_ms * NS_PER_MS / NS_PER_S
        while True:
            self._status = replace(self._status, status_seq=self._status.status_seq + 1, as_of_ns=self._clock.now_ns())
            self._sender.send(self._status)
            self._context.report_progress()
            await asyncio.sleep(interval_s)


def run(context: ChildContext) -> int:
    """Be the maintenance process."""

    async def life() -> int:
        return await Maintenance(context).run()

    try:
        return asyncio.run(life())
    except ProcessError:
        logger.exception("maintenance cannot start")
        return ExitCode.LOCKED
    except JournalError:
        logger.exception("maintenance failed")
        return ExitCode.FAILED
