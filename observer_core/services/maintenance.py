"""The maintenance process: today the universe of the day and who collects what; the life cycle of the archive later.

It looks at the day once a second. Whatever fails is tried again; meanwhile the shards keep what they have.
"""

import asyncio
import logging
import os
import signal
from contextlib import suppress
from random import Random

from msgspec.structs import replace

from observer_core.bus.status import StatusSender
from observer_core.clock import NS_PER_MS, NS_PER_S, kst_day
from observer_core.errors import FeedError, MalformedMessage, ObserverError
from observer_core.exit_codes import ExitCode
from observer_core.ids import DayNumber, ShardName
from observer_core.kis.master import parse_master
from observer_core.kis.transport import download_file
from observer_core.market.listings import Listing
from observer_core.market.sharding import assign, deal
from observer_core.market.universe import Rules, Universe, build_universe, has_collapsed, hottest
from observer_core.messages import ServiceStatus
from observer_core.pacing.backoff import Backoff
from observer_core.services.assignment import (
    Assignment,
    moves,
    newest_universe,
    read_assignment,
    read_universe,
    write_assignment,
    write_universe,
)
from observer_core.services.context import ChildContext
from observer_core.services.scaling import shards_in_force
from observer_core.settings import Settings

logger = logging.getLogger(__name__)

BOARDS = {"kospi": "kospi_code.mst.zip", "kosdaq": "kosdaq_code.mst.zip"}
LOOK_S = 1.0
RETRY_FLOOR_S = 0.2
RETRY_CAP_S = 30.0


class CollapsedUniverseError(ObserverError):
    """The new universe is too small to be believed."""


class Maintenance:
    """Keeps a universe and an assignment in force for the current day."""

    def __init__(self, context: ChildContext) -> None:
        self._context = context
        self._settings = context.settings
        self._clock = context.clock
        self._stopping = asyncio.Event()
        self._sender = StatusSender(self._settings.paths.status_endpoint)
        self._status = ServiceStatus(
            name=context.name,
            kind=context.kind,
            pid=os.getpid(),
            status_seq=0,
            as_of_ns=0,
            state="starting",
        )
        self._day: DayNumber | None = None
        self._shards = 0
        self._backoff = Backoff(RETRY_FLOOR_S, RETRY_CAP_S, Random())  # noqa: S311 - jitter, not a secret

    async def run(self) -> int:
        """Work until told to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        if self._context.control_fd >= 0:
            loop.add_reader(self._context.control_fd, self._read_orders)
        self._context.report_ready()
        reporter = asyncio.create_task(self._report())
        while not self._stopping.is_set():
            if await self._keep_day():
                self._backoff.stable()
                pause_s = LOOK_S
            else:
                pause_s = self._backoff.next_delay_s()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()
        reporter.cancel()
        self._sender.close()
        return ExitCode.OK

    async def _keep_day(self) -> bool:
        """Put the day's universe in force if it is not yet; return whether it is."""
        today = kst_day(self._clock.now_ns())
        shards = shards_in_force(self._settings)
        if (today, shards) == (self._day, self._shards):
            return True
        try:
            universe = read_universe(self._settings.paths, today) or await self._fetch_universe(today)
            assignment = put_in_force(self._settings, universe, shards, self._clock.now_ns())
        except (ObserverError, OSError) as error:
            self._note("waiting", str(error), failed=True)
            logger.warning("no universe of the day yet", extra={"day": today, "error": str(error)})
            return False
        self._day, self._shards = today, shards
        self._context.report_assigned(assignment.version, shards)
        self._note("running", f"universe {today}: {len(universe.members)} symbols")
        logger.info(
            "universe in force",
            extra={"day": today, "symbols": len(universe.members), "listings": universe.listings, **universe.dropped},
        )
        return True

    async def _fetch_universe(self, day: DayNumber) -> Universe:
        listings: list[Listing] = []
        for board, file_name in BOARDS.items():
            body = await download_file(f"{self._settings.master_url}/{file_name}", self._settings.user_agent)
            self._settings.paths.listings.mkdir(parents=True, exist_ok=True)
            (self._settings.paths.listings / f"{day}-{file_name}").write_bytes(body)
            listings += parse_master(body, board, file_name)
        rules = Rules(minimum_close=self._settings.universe_minimum_close, top=self._settings.universe_top)
        universe = build_universe(listings, rules, day)
        before = newest_universe(self._settings.paths, day)
        if has_collapsed(len(universe.members), len(before.members) if before else None):
            raise CollapsedUniverseError(
                f"the listing files give {len(universe.members)} symbols"
                + (f", {len(before.members)} on {before.day}" if before else "")
                + ": not adopted; check the files and the rules"
            )
        write_universe(self._settings.paths, universe)
        return universe

    def _read_orders(self) -> None:
        try:
            self._context.read_orders()
        except EOFError:
            asyncio.get_running_loop().remove_reader(self._context.control_fd)
            self._stopping.set()
        except MalformedMessage as error:
            logger.warning("order not understood", extra={"error": str(error)})

    def _note(self, state: str, note: str, *, failed: bool = False) -> None:
        self._status = replace(
            self._status, state=state, note=note, errors_total=self._status.errors_total + int(failed)
        )

    async def _report(self) -> None:
        interval_s = self._settings.status_interval_ms * NS_PER_MS / NS_PER_S
        while True:
            self._status = replace(self._status, status_seq=self._status.status_seq + 1, as_of_ns=self._clock.now_ns())
            self._sender.send(self._status)
            self._context.report_progress()
            await asyncio.sleep(interval_s)


def put_in_force(settings: Settings, universe: Universe, shards: int, now_ns: int) -> Assignment:
    """Assign the universe to so many sweeping shards, moving as little as possible; write it only when it changed."""
    before = read_assignment(settings.paths)
    swing = [ShardName(f"swing-{index}") for index in range(shards)]
    scalp = [ShardName(f"scalp-{index}") for index in range(len(settings.app_keys))]
    assignment = Assignment(
        day=universe.day,
        version=before.version if before else 1,
        swing=assign([member.code for member in universe.members], swing, before.swing if before else None),
        scalp=deal(hottest(universe), scalp, settings.scalp_trades),
        made_ns=before.made_ns if before else now_ns,
        moved=before.moved if before else {},
    )
    if assignment != before:
        moved = moves(before.swing, assignment.swing) if before else {}
        assignment = replace(assignment, version=assignment.version + 1, made_ns=now_ns, moved=moved)
        write_assignment(settings.paths, assignment)
    return assignment


def run(context: ChildContext) -> int:
    """Be the maintenance process."""

    async def life() -> int:
        return await Maintenance(context).run()

    try:
        return asyncio.run(life())
    except FeedError:
        logger.exception("maintenance failed")
        return ExitCode.FAILED
