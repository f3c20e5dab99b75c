"""The hub process: it knows the whole tree, shows it to viewers, and hands operators' orders to the supervisor.

Nothing depends on it: collection and supervision go on without it, and a new one is complete within a second.
This module is the loop; what is known is in `hub_state`, who is answered how in `hub_answers`.
"""

import asyncio
import logging
import os
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib import metadata
from typing import TypeAlias

import zmq
import zmq.asyncio

from observer_core.bus.view_link import VIEW_TOPIC
from observer_core.clock import NS_PER_S, kst_day
from observer_core.errors import LinkError, MalformedMessage, ProcessError
from observer_core.exit_codes import ExitCode
from observer_core.http.server import views_over_http
from observer_core.market.sessions import Phase, phase_at
from observer_core.messages import Event, ServiceStatus, decode_status, encode
from observer_core.orders import Order
from observer_core.pipes import FrameBuffer, read_available, write_frame
from observer_core.questions import Answer
from observer_core.services.alerts import AlertDesk
from observer_core.services.calendar_watch import CalendarWatch
from observer_core.services.context import ChildContext
from observer_core.services.hub_answers import OPERATOR, VIEWER, Colleagues, QuestionDesk
from observer_core.services.hub_archive import GapAndEventArchive
from observer_core.services.hub_audit import AuditTrail
from observer_core.services.hub_budgets import BudgetWatch
from observer_core.services.hub_chronicle import ChronicleFacts, Chronicler
from observer_core.services.hub_details import DetailDesk
from observer_core.services.hub_disk import disk_watch
from observer_core.services.hub_errands import Errands
from observer_core.services.hub_feed import Feed
from observer_core.services.hub_gaps import held_open, with_completeness
from observer_core.services.hub_orders import OrderDesk
from observer_core.services.hub_readings import read_processes
from observer_core.services.hub_sockets import Groups, HubSockets, peer_of
from observer_core.services.hub_state import HubState
from observer_core.services.hub_upkeep import read_upkeep
from observer_core.services.symbol_completeness import completeness_by_files
from observer_core.services.symbol_owners import symbol_owners
from observer_core.tree_messages import SupervisorEvent, TicketUpdate, TreeReport, decode_supervisor_message
from observer_core.view import GapView, MarketView, SystemView

logger = logging.getLogger(__name__)

TURN_S = 0.25
"""The view is made anew four times a second; its volume depends on rows, not on ticks."""

READINGS_S = 2.0
RECOUNT_EVERY = 5
"""Our own files are recounted at every fifth reading."""

UPKEEP_EVERY = 5
"""Timetable and backups are looked at at every fifth reading."""

RECALL_S = 5.0
"""Pause between two looks into the archive for gaps and events; shorter when a gap is known of and not seen."""

_LOOK_UP_AFTER_S = 0.05
"""A question that takes longer waits for a file; the next one is answered meanwhile."""

SUPERVISOR_SILENT_NS = 5 * NS_PER_S

Companion: TypeAlias = Callable[[Callable[[], SystemView]], Awaitable[None]]
"""A task that runs beside the hub over its current view, such as an HTTP server."""


def run(context: ChildContext) -> int:
    """Be the hub, with its HTTP endpoints, until told to stop; return the exit code."""
    try:
        with context.hold_role("hub"):
            over_http = _over_http(context)
            chronicler = Chronicler(
                ChronicleFacts(context.settings.paths.chronicle, context.settings.chronicle_bytes), context.clock
            )
            return asyncio.run(Hub(context).serve((over_http, chronicler.run)))
    except ProcessError as error:
        logger.error("hub not started", extra={"error": str(error)})
        return ExitCode.LOCKED
    except LinkError as error:
        logger.error("hub not started", extra={"error": str(error)})
        return ExitCode.FAILED


def _over_http(context: ChildContext) -> Companion:
    paths, clock = context.settings.paths, context.clock
    return views_over_http(context.settings, clock, symbol_owners(paths), completeness_by_files(paths, clock))


class Hub:
    """One life of the hub; the caller holds its lock."""

    def __init__(self, context: ChildContext) -> None:
        settings = context.settings
        self._context = context
        self._clock = context.clock
        self._settings = settings
        self._stopping = asyncio.Event()
        self._tree_frames = FrameBuffer()
        self._malformed_total = 0
        self._status_seq = 0
        self._second = 0
        self._supervisor_silent = False
        self._tree_heard_ns: int | None = None
        """Monotonic: a wall clock that is set must not look like a silent supervisor."""
        self._viewers = 0
        self._feed = Feed()
        self._gaps_coming = asyncio.Event()
        """Set when a shard holds gaps open of which no record has reached us."""
        self._disk = disk_watch(settings)
        self._budgets = BudgetWatch(settings)
        trail = AuditTrail(settings.paths.logs)
        remembered = trail.recover()
        self._calendar = CalendarWatch(settings.paths, context.clock)
        self._state = HubState(self._blank_view(), tuple(remembered))
        self._alerts = AlertDesk(settings, context.clock)
        errands = Errands(settings, context.clock, self._alerts)
        self._details = DetailDesk(settings, context.clock, self._current_view, self._feed)
        orders = OrderDesk(remembered, errands.refusal)
        colleagues = Colleagues(orders, self._details, errands, self._forward)
        self._desk = QuestionDesk(self._state, trail, colleagues, context.clock)

    async def serve(self, companions: Sequence[Companion] = ()) -> int:
        """Bind, report ready, and work until SIGTERM, SIGINT or the supervisor's end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        sockets = HubSockets(self._settings.paths, Groups(self._settings.viewers_group, self._settings.operators_group))
        try:
            for fd, read in ((self._context.control_fd, self._read_control), (self._context.tree_fd, self._read_tree)):
                if fd >= 0:
                    loop.add_reader(fd, read)
            self._context.report_ready()
            logger.info("hub ready", extra={"run_directory": str(self._settings.run_dir)})
            await self._work(sockets, companions)
        finally:
            sockets.close()
        logger.info("hub stopped")
        return ExitCode.OK

    async def _work(self, sockets: HubSockets, companions: Sequence[Companion]) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._turn(sockets)),
                group.create_task(self._read_machine()),
                group.create_task(self._recall()),
                group.create_task(self._desk.keep_trail()),
                group.create_task(self._details.keep_roster()),
                group.create_task(self._answer(sockets.viewers, VIEWER)),
                group.create_task(self._answer(sockets.operators, OPERATOR)),
            ]
            tasks += [
                group.create_task(_accompany(companion, self._current_view))
                for companion in (*companions, self._alerts.run)
            ]
            await self._stopping.wait()
            for task in tasks:
                task.cancel()

    def _current_view(self) -> SystemView:
        return self._state.view

    async def _turn(self, sockets: HubSockets) -> None:
        """Take in what has arrived and publish what changed, four times a second."""
        next_ns = int(self._clock.monotonic_ns())
        while True:
            now_ns = self._clock.now_ns()
            self._drain_statuses(sockets.status)
            self._count_viewers(sockets.publish)
            self._state.add_events(self._feed.drain(sockets.feed, now_ns))
            gaps = self._feed.gaps.view(now_ns)
            self._state.seen.gaps = with_completeness(gaps, self._state.view.processes)
            self._state.seen.leases = self._desk.leases.live(now_ns)
            self._state.seen.viewers = self._viewers
            if now_ns // NS_PER_S != self._second:
                self._second = now_ns // NS_PER_S
                self._each_second(now_ns)
            delta = self._state.advance(now_ns)
            if delta is not None and self._viewers:
                sockets.publish.send_multipart((VIEW_TOPIC, encode(delta)), zmq.NOBLOCK)
            # A turn that took long is not made up for: what matters is the newest view.
            next_ns = max(next_ns + int(TURN_S * NS_PER_S), self._clock.monotonic_ns())
            await asyncio.sleep((next_ns - self._clock.monotonic_ns()) / NS_PER_S)

    def _each_second(self, now_ns: int) -> None:
        seen = self._state.seen
        seen.market = self._market(now_ns)
        if held_open(self._state.view.processes) > self._feed.gaps.open_count:
            self._gaps_coming.set()
        seen.outages_s = self._feed.gaps.outages_s()
        seen.alerts = self._alerts.rows()
        seen.budgets = self._budgets.rows(self._state.view.processes, self._clock)
        self._details.history.observe(self._state.view.processes, now_ns)
        self._status_seq += 1
        self._state.add_status(
            ServiceStatus(
                name=self._context.name,
                kind="hub",
                pid=os.getpid(),
                status_seq=self._status_seq,
                as_of_ns=now_ns,
                state="running",
                errors_total=self._malformed_total + self._desk.malformed_total + self._feed.malformed_total,
            )
        )
        self._notice_silence(now_ns)
        self._context.report_progress()

    def _notice_silence(self, now_ns: int) -> None:
        heard_ns = self._tree_heard_ns
        silent = heard_ns is not None and self._clock.monotonic_ns() - heard_ns > SUPERVISOR_SILENT_NS
        if silent and not self._supervisor_silent:
            text = "no report for 5 s: processes may start and end unseen"
            self._state.add_event(
                Event(at_ns=now_ns, name="supervisor_silent", severity="error", subject="supervisor", text=text)
            )
        self._supervisor_silent = silent

    def _drain_statuses(self, statuses: "zmq.Socket[bytes]") -> None:
        while statuses.poll(0):
            try:
                self._state.add_status(decode_status(statuses.recv(zmq.NOBLOCK)))
            except MalformedMessage as error:
                self._malformed_total += 1
                logger.warning("malformed status", extra={"reason": error.reason})

    def _count_viewers(self, publish: "zmq.Socket[bytes]") -> None:
        """Follow who subscribes and who leaves: 1 or 0 before the topic."""
        while publish.poll(0):
            word = publish.recv(zmq.NOBLOCK)
            if word[1:] == VIEW_TOPIC:
                self._viewers = max(0, self._viewers + (1 if word[:1] == b"\x01" else -1))

    async def _answer(self, router: zmq.asyncio.Socket, role: str) -> None:
        """Answer one role's questions in the order of their arrival; look-ups in files hold up nobody else's."""
        looking_up: set[asyncio.Task[None]] = set()
        while True:
            frames = await router.recv_multipart(copy=False)
            identity, *rest = frames
            if len(rest) != 1:
                await self._send(router, identity.bytes, self._desk.refuse_frames(role, len(rest)))
                continue
            answering = self._desk.answer(role, peer_of(rest[0]), rest[0].bytes)
            task = asyncio.create_task(self._send_when(router, identity.bytes, answering))
            await asyncio.wait({task}, timeout=_LOOK_UP_AFTER_S)
            if task.done():
                task.result()
                continue
            looking_up.add(task)
            task.add_done_callback(looking_up.discard)

    async def _send_when(self, router: zmq.asyncio.Socket, identity: bytes, answering: Awaitable[Answer]) -> None:
        await self._send(router, identity, await answering)

    async def _send(self, router: zmq.asyncio.Socket, identity: bytes, answer: Answer) -> None:
        try:
            await router.send_multipart((identity, encode(answer)))
        except zmq.ZMQError as error:
            # The one who asked is gone, or does not read: nobody else may wait for that.
            logger.info("answer not sent", extra={"error": str(error)})

    async def _read_machine(self) -> None:
        """Read disks and processes in a thread, for ever."""
        turn = 0
        while True:
            now_ns = self._clock.now_ns()
            try:
                self._state.seen.readings = await asyncio.to_thread(read_processes, self._state.pids())
                if turn % RECOUNT_EVERY == 0:
                    await asyncio.to_thread(self._disk.measure_ours, now_ns)
                self._state.seen.disk = await asyncio.to_thread(self._disk.rows, now_ns)
                if turn % UPKEEP_EVERY == 0:
                    limit_s, seen = self._settings.backup_age_s, self._state.seen
                    upkeep = await asyncio.to_thread(read_upkeep, self._settings.paths, now_ns, limit_s)
                    seen.tasks, seen.backup, seen.retention = upkeep
                for change in self._disk.take_changes():
                    self._state.add_event(change)
            except OSError as error:
                logger.warning("machine not read", extra={"error": str(error)})
            turn += 1
            await asyncio.sleep(READINGS_S)

    async def _recall(self) -> None:
        """Take from the archive what an earlier hub saw, and what the stream lost since, for ever.

        The stream does lose: what a process publishes before its socket has met this hub's goes nowhere.
        """
        archive = GapAndEventArchive(self._settings.data_dir)
        take_events = self._state.recall_events
        while True:
            now_ns = self._clock.now_ns()
            events: list[Event] = []
            for line in await asyncio.to_thread(archive.read, now_ns):
                if isinstance(line, Event):
                    events.append(line)
                else:
                    self._feed.gaps.add(line, now_ns)
            take_events(sorted(events, key=_at_ns))
            take_events = self._state.add_events
            with suppress(TimeoutError):
                async with asyncio.timeout(RECALL_S):
                    await self._gaps_coming.wait()
            self._gaps_coming.clear()

    def _read_control(self) -> None:
        try:
            self._context.read_orders()
        except EOFError:
            self._stopping.set()
        except MalformedMessage as error:
            self._malformed_total += 1
            logger.warning("malformed order of the supervisor", extra={"reason": error.reason})

    def _read_tree(self) -> None:
        try:
            frames = self._tree_frames.feed(read_available(self._context.tree_fd))
        except (EOFError, MalformedMessage) as error:
            # Without the supervisor's word this hub is blind: a new one gets new pipes.
            logger.error("tree pipe ended", extra={"error": str(error)})
            self._stopping.set()
            return
        for raw in frames:
            self._take(raw)

    def _take(self, raw: bytes) -> None:
        try:
            message = decode_supervisor_message(raw)
        except MalformedMessage as error:
            self._malformed_total += 1
            logger.warning("malformed report of the supervisor", extra={"reason": error.reason})
            return
        match message:
            case TreeReport():
                self._tree_heard_ns = self._clock.monotonic_ns()
                self._state.add_tree(message)
            case TicketUpdate():
                self._desk.progress(message)
            case SupervisorEvent():
                self._state.add_event(message.event)

    def _forward(self, order: Order) -> str | None:
        if self._context.order_fd < 0:
            return "no supervisor is connected to this hub"
        try:
            written = write_frame(self._context.order_fd, encode(order))
        except (OSError, ValueError) as error:
            return f"the supervisor cannot be told: {error}"
        return None if written else "the supervisor does not read its orders: look at its log"

    def _market(self, now_ns: int) -> MarketView:
        if self._settings.force_open:
            return MarketView(
                day=kst_day(now_ns), phase=Phase.CONTINUOUS.value, until_ns=None, forced=True, as_of_ns=now_ns
            )
        phase, until_ns = phase_at(now_ns, self._calendar.current())
        return MarketView(day=kst_day(now_ns), phase=phase.value, until_ns=until_ns, forced=False, as_of_ns=now_ns)

    def _blank_view(self) -> SystemView:
        now_ns = self._clock.now_ns()
        return SystemView(
            seq=0,
            as_of_ns=now_ns,
            hub_epoch=secrets.token_hex(4),
            version=_version(),
            host=socket.gethostname(),
            supervisor_pid=None,
            started_ns=None,
            market=self._market(now_ns),
            processes=(),
            writers=(),
            disk=(),
            budgets=(),
            gaps=GapView(open=0, today=0, newest=(), as_of_ns=now_ns),
            events=(),
            tickets=(),
            data_dir=str(self._settings.data_dir),
        )


async def _accompany(companion: Companion, current_view: Callable[[], SystemView]) -> None:
    try:
        await companion(current_view)
    except Exception:
        # Edge of a companion: its failure must not cost the hub its own work.
        logger.exception("companion of the hub failed")


def _at_ns(event: Event) -> int:
    return event.at_ns


def _version() -> str:
    try:
        return metadata.version("observer")
    except metadata.PackageNotFoundError:
        return "unknown"
