"""What every collecting process is made of: lock, journal, publication, outages, status, orders, and a clean stop.

A track (swing, scalp) adds one coroutine that reads the broker and calls `record`. Nothing it read is lost silently:
what the journal does not take becomes a gap record, kept until the journal takes that.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import zmq
from msgspec.structs import replace

from observer_core.bus.publisher import BatchPublisher
from observer_core.bus.status import StatusSender
from observer_core.clock import NS_PER_MS, NS_PER_S, kst_day
from observer_core.errors import JournalError, MalformedMessage, ProcessError
from observer_core.exit_codes import ExitCode
from observer_core.ids import Epoch, ShardName, SinkName
from observer_core.journal.recovery import find_last_observation
from observer_core.journal.writer import JournalWriter
from observer_core.messages import (
    Book,
    Event,
    Gap,
    GapReason,
    Quote,
    Record,
    Rejection,
    ShardStatus,
    StatusMessage,
    Track,
    Trade,
)
from observer_core.orders import ChildOrder
from observer_core.quality.delays import delay_ns
from observer_core.quality.escalation import Escalation
from observer_core.quality.outages import Outages
from observer_core.quality.unwritten import Unwritten
from observer_core.services.context import ChildContext
from observer_core.services.journal_repair import JournalRepair
from observer_core.services.open_gaps import OpenGapsFile
from observer_core.services.recorder import Recorder
from observer_core.services.shard_disk import DiskReactions, release_reserves, trimmed

logger = logging.getLogger(__name__)

SUBSCRIBERS = (SinkName("jsonl"), SinkName("postgres"), SinkName("hub"))
"""Who listens to the shards: both writers, and the hub for gap records."""

PROGRESS_INTERVAL_S = 1.0
JOURNAL_PAUSE_S = 0.5
FIRST_REPORT_S = 0.1
"""At the latest so long after the start, a shard says how it is."""
REPAIR_AFTER_S = 1.0
JOURNAL_REASONS = frozenset({GapReason.JOURNAL_FAULT, GapReason.DISK_FULL})
EPOCH_AFTER_ALL = Epoch(1 << 32)


class Shard:
    """One collecting process. Use: `Shard(context, track)`, then `run(collect)`."""

    def __init__(self, context: ChildContext, track: Track) -> None:
        self.context = context
        self.settings = context.settings
        self.clock = context.clock
        self.name = ShardName(context.name)
        paths = self.settings.paths
        self._lock = context.hold_role(self.name)
        try:
            self._journal = JournalWriter(paths.journal(self.name), self.name, self.clock)
        except JournalError:
            self._lock.close()
            raise
        self._publisher = BatchPublisher(self.name, [paths.sink_endpoint(sink) for sink in SUBSCRIBERS])
        self._status_sender: StatusSender | None = None
        self.recorder = Recorder(self.name, self.settings.source, self._journal, self._publisher, self.clock)
        self.outages = Outages(self.name, self._journal.epoch, track)
        self._stale = Outages(self.name, self._journal.epoch, track, mark="s")
        self._escalation = Escalation(self.name)
        self._track = track
        self.stopping = asyncio.Event()
        self.running = asyncio.Event()
        """Clear while an operator has paused this shard."""
        self.status = ShardStatus(
            name=self.name,
            kind=context.kind,
            pid=os.getpid(),
            epoch=self._journal.epoch,
            status_seq=0,
            as_of_ns=0,
            state="starting",
        )
        self._unwritten = Unwritten()
        """Records that the journal must take before any other: openings and closings it refused so far."""
        self._open_gaps = OpenGapsFile(paths.journal(self.name))
        # A life that was killed could not close its gaps: they end here, and the restart gap goes on.
        born_ns = self.clock.now_ns()
        self._unwritten.add(replace(gap, until_ns=gap.until_ns or born_ns) for gap in self._open_gaps.left)
        self._told_day = kst_day(born_ns)
        """On which open gaps were written down last."""
        self._disk = DiskReactions(self.name, self.settings)
        self._observing = asyncio.Event()
        self.sync_ms = 0.0
        """How long the journal took to reach the disk, the last time."""

    @property
    def bus_context(self) -> "zmq.Context[zmq.Socket[bytes]]":
        """Return the context that all sockets of this process share; close them before the shard."""
        return self._publisher.context

    @property
    def journal_directory(self) -> Path:
        """Return where this shard's segments are."""
        return self.settings.paths.journal(self.name)

    @property
    def in_flight_ns(self) -> int:
        """Return how far back a gap reaches: the longest time an observation can be on its way."""
        return int(self.settings.rest_timeout_s * NS_PER_S)

    async def run(self, collect: Callable[[], Awaitable[None]]) -> int:
        """Collect until told to stop; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        if self.context.control_fd >= 0:
            loop.add_reader(self.context.control_fd, self._read_orders)
        if not self.context.start_paused:
            self.running.set()
        code = ExitCode.OK
        try:
            async with asyncio.TaskGroup() as group:
                chores = [group.create_task(chore()) for chore in (self._keep_synced, self._report, self._repair)]
                await collect()
                for chore in chores:
                    chore.cancel()
        finally:
            code = self._close()
        return code

    def open_restart_gap(self, symbols: Collection[str]) -> bool:
        """Note what this shard missed since the last observation of its former life; before anything is recorded.

        It reads one segment, some milliseconds, in the calling thread: another thread would have to share the
        interpreter with the first call, which takes both of them longer.

        Returns:
            Whether there was a former life.
        """
        now_ns = self.clock.now_ns()
        last = find_last_observation(self.journal_directory, self.recorder.epoch)
        if last is None:
            return False
        opened = self.outages.begin(
            GapReason.RESTART,
            symbols,
            from_ns=min(last.received_ns, now_ns) - max(self.in_flight_ns, delay_ns(last.records, last.received_ns)),
            now_ns=now_ns,
            detail=f"no observation after epoch {last.epoch} seq {last.last_seq}",
        )
        self._unwritten.add(opened)
        self._remember_gaps()
        return True

    async def last_observed_ns(self, shard: ShardName) -> int | None:
        """Return when a shard, dead or alive, received its newest observation; None = its journal holds none."""
        directory = self.settings.paths.journal(shard)
        last = await asyncio.to_thread(find_last_observation, directory, EPOCH_AFTER_ALL)
        return None if last is None else last.received_ns

    def record(self, records: Sequence[Record], received_ns: int) -> bool:
        """Append and publish what was read; close the gaps that these observations end.

        Returns:
            Whether the journal took it; otherwise a gap covers it.
        """
        if self._disk.dropping:
            self._give_up(records, received_ns, GapReason.DISK_FULL)
            return False
        if self._disk.trimming:
            records = trimmed(records)
        if not self._append(records, received_ns):
            self._disk.refused()
            self._give_up(records, received_ns, GapReason.JOURNAL_FAULT)
            return False
        self._resume_by(records)
        rejected = sum(isinstance(record, Rejection) for record in records)
        if rejected:
            self.update(rejected_total=self.status.rejected_total + rejected)
        if any(isinstance(record, Trade | Quote | Book) for record in records):
            self.be_ready()
        return True

    @property
    def may_add(self) -> bool:
        """Return whether there is room for what is good to have and not owed."""
        return not self._disk.dropping and not self._unwritten

    def note(self, records: Sequence[Record]) -> bool:
        """Write down gap records and events, now or as soon as the journal takes them; return whether it was now."""
        return self._write(records)

    def tell(self, status: StatusMessage) -> None:
        """Send the hub a status other than the shard's own."""
        if self._status_sender is not None:
            self._status_sender.send(status)

    def be_ready(self) -> None:
        """Report, once, that this shard does its work: it observes, or there is nothing to observe now."""
        if not self._observing.is_set():
            self._observing.set()
            self.context.report_ready()

    async def until_observing(self) -> None:
        """Wait for the first observation of this life."""
        await self._observing.wait()

    def miss(self, reason: GapReason, symbols: Collection[str], *, from_ns: int, detail: str = "") -> None:
        """Open a gap over symbols and write it down, now or as soon as the journal takes it."""
        now_ns = self.clock.now_ns()
        self._write_gaps(self.outages.begin(reason, symbols, from_ns=from_ns, now_ns=now_ns, detail=detail))

    def resume(self, symbols: Iterable[str]) -> None:
        """Close the gaps that waited for these symbols only."""
        self._write_gaps(self.outages.observed(symbols, self.clock.now_ns()))

    def _resume_by(self, records: Sequence[Record]) -> None:
        """Close the gaps that these end: a book shows that the journal takes records, not that trades come."""
        if not self.outages.open_count:
            return
        now_ns = self.clock.now_ns()
        prices = [record.symbol for record in records if isinstance(record, Trade | Quote)]
        books = [record.symbol for record in records if isinstance(record, Book)]
        self._write_gaps(
            [*self.outages.observed(prices, now_ns), *self.outages.observed(books, now_ns, JOURNAL_REASONS)]
        )

    def hold_stale(self, since_ns: Mapping[str, int]) -> None:
        """Keep a gap open over every symbol that is stale now, from its last sign of life on; close the others."""
        if not since_ns and not self._stale.open_count:
            return
        now_ns = self.clock.now_ns()
        changed = self._stale.observed(self._stale.waiting - since_ns.keys(), now_ns)
        for symbol, from_ns in since_ns.items():
            changed += self._stale.begin(GapReason.STALE, [symbol], from_ns=from_ns, now_ns=now_ns)
        self._write_gaps(changed)

    def settle(self) -> None:
        """Cut open gaps of which a part is observed again."""
        self._write_gaps(self.outages.settle(self.clock.now_ns()))

    def retell_gaps(self, now_ns: int) -> None:
        """Write the open gaps down once more when a day begins: each day's files say what was open on it."""
        if kst_day(now_ns) != self._told_day:
            self._told_day = kst_day(now_ns)
            self._write([*self.outages.open_gaps, *self._stale.open_gaps])

    def update(self, **changes: object) -> None:
        """Change fields of the status that the next report carries."""
        self.status = replace(self.status, **changes)

    async def pause(self, seconds: float) -> None:
        """Wait, but not longer than until the stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()

    async def until_running(self) -> None:
        """Wait while paused; return at once when stopping."""
        if self.running.is_set() or self.stopping.is_set():
            return
        waits = [asyncio.ensure_future(event.wait()) for event in (self.running, self.stopping)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _give_up(self, records: Sequence[Record], received_ns: int, reason: GapReason) -> None:
        """Cover observations that the journal cannot take by a gap; one gap a symbol, however long it lasts."""
        symbols = {symbol for record in records if (symbol := _observed(record)) is not None}
        self.miss(reason, symbols, from_ns=received_ns - self.in_flight_ns)
        self._unwritten.add(record for record in records if _observed(record) is None)

    def _write_gaps(self, changed: Sequence[Gap]) -> None:
        """Write down gaps that began or ended; the next life knows of a beginning before, of an end after that."""
        if not changed:
            return
        if any(gap.until_ns is None for gap in changed):
            self._remember_gaps(changed)
        self._write(changed)
        self._remember_gaps()

    def _remember_gaps(self, changing: Sequence[Gap] = ()) -> None:
        """Leave to the next life what is open, and what ended without the journal having taken it."""
        open_gaps = (*self.outages.open_gaps, *self._stale.open_gaps)
        self._open_gaps.remember((*open_gaps, *changing, *self._unwritten.gaps))

    def _write(self, records: Sequence[Record]) -> bool:
        if not records:
            return True
        now_ns = self.clock.now_ns()
        records = [*records, *self._escalation.close((one for one in records if isinstance(one, Gap)), now_ns)]
        taken = self._append(records, now_ns)
        if not taken:
            self._unwritten.add(records)
            self._remember_gaps()
        return taken

    def _append(self, records: Sequence[Record], received_ns: int) -> bool:
        owed = self._owed()
        records = (*owed, *records)
        if not records:
            return True
        try:
            self.recorder.append(records, received_ns)
        except JournalError as error:
            self.update(errors_total=self.status.errors_total + 1, note=str(error))
            logger.error("batch not journalled", extra={"records": len(records), "error": str(error)})
            return False
        if owed:
            self._unwritten.clear()
            self._remember_gaps()
        return True

    def _owed(self) -> tuple[Record, ...]:
        """Return what the journal must take first, and a word on what could not be kept for it."""
        owed, left_out = self._unwritten.records(), self._unwritten.left_out
        if not left_out:
            return owed
        text = f"the journal took nothing; not kept and in no gap record: {left_out}"
        return (*owed, Event(self.clock.now_ns(), "records_left_out", "error", self.name, text))

    def _read_orders(self) -> None:
        try:
            orders = self.context.read_orders()
        except EOFError:
            # The supervisor is gone: stop as if it had said so.
            asyncio.get_running_loop().remove_reader(self.context.control_fd)
            self.stopping.set()
            return
        except MalformedMessage as error:
            logger.warning("order not understood", extra={"error": str(error)})
            return
        for order in orders:
            self._obey(order)

    def _obey(self, order: ChildOrder) -> None:
        if order.verb == "pause":
            self.running.clear()
        elif order.verb == "resume":
            self.running.set()
        else:
            logger.warning("order unknown", extra={"verb": order.verb})
        logger.info("order obeyed", extra={"verb": order.verb})

    async def _keep_synced(self) -> None:
        interval_s = self.settings.sync_interval_ms * NS_PER_MS / NS_PER_S
        while True:
            await asyncio.sleep(interval_s)
            if self._journal.synced:
                # Nothing to sync, which is most of the time while the market is closed: no thread is woken for it.
                continue
            begun_ns = self.clock.monotonic_ns()
            try:
                await asyncio.to_thread(self._journal.sync)
                self.sync_ms = (self.clock.monotonic_ns() - begun_ns) / NS_PER_MS
            except JournalError as error:
                self.update(errors_total=self.status.errors_total + 1, note=str(error))
                logger.warning("journal not synced", extra={"error": str(error)})

    async def _report(self) -> None:
        interval_s = self.settings.status_interval_ms * NS_PER_MS / NS_PER_S
        next_progress_s = 0.0
        loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            # It would only delay the first observation.
            async with asyncio.timeout(FIRST_REPORT_S):
                await self._observing.wait()
        while True:
            self._heed_disk()
            self.retell_gaps(self.clock.now_ns())
            self._escalate()
            self._send_status()
            if loop.time() >= next_progress_s:
                self.context.report_progress()
                next_progress_s = loop.time() + PROGRESS_INTERVAL_S
            await asyncio.sleep(interval_s)

    def _heed_disk(self) -> None:
        """Measure the volumes; write down a change of the ladder's step and whatever was refused so far."""
        self._write(self._disk.look(self.clock.now_ns()))
        if self._unwritten:
            self._append((), self.clock.now_ns())

    def _escalate(self) -> None:
        """Write down which open gaps have become worse."""
        open_gaps = (*self.outages.open_gaps, *self._stale.open_gaps)
        if open_gaps:
            self._write(self._escalation.look(open_gaps, self.clock.now_ns()))

    def connect_bus(self) -> None:
        """Connect to the writers now, so that the next batch reaches them without the detour over the journal."""
        if not self.stopping.is_set():
            self._publisher.connect()

    def _send_status(self) -> None:
        recorder = self.recorder
        self.update(
            status_seq=self.status.status_seq + 1,
            as_of_ns=self.clock.now_ns(),
            records_total=recorder.records_total,
            batches_total=recorder.batches_total,
            journal_bytes_total=recorder.journal_bytes_total,
            last_record_ns=recorder.last_record_ns,
            next_seq=recorder.next_seq,
            open_gaps=self.outages.open_count + self._stale.open_count,
        )
        if self._status_sender is None:
            self._status_sender = self._publisher.status_sender(self.settings.paths.status_endpoint)
        self._status_sender.send(self.status)

    async def _repair(self) -> None:
        """Put bad tails of former lives aside; they end in the restart gap, which was noted already."""
        with suppress(TimeoutError):
            # Its reads and syncs would only delay the first observation.
            async with asyncio.timeout(REPAIR_AFTER_S):
                await self._observing.wait()
        repair = JournalRepair(self.name, self._track, self.journal_directory, self.clock)
        await repair.run(self.recorder.epoch, self._write)

    def _close(self) -> ExitCode:
        code = ExitCode.OK
        self.update(state="stopping")
        self._send_status()
        self._append((), self.clock.now_ns())
        if self._status_sender is not None:
            # Before the bus, whose threads it uses.
            self._status_sender.close()
        try:
            self.recorder.close()
        except JournalError as error:
            logger.error("journal not closed cleanly", extra={"error": str(error)})
            code = ExitCode.UNCLEAN
        self._lock.close()
        return ExitCode.UNCLEAN if self._unwritten else code


def _observed(record: Record) -> str | None:
    """Return the symbol of an observation, refused ones included; None = no gap record can stand for it."""
    return record.symbol if isinstance(record, Trade | Quote | Book | Rejection) else None


async def _claim(context: ChildContext, track: Track) -> Shard:
    """Build the shard; while the journal's volume takes nothing, wait for it instead of dying over and over."""
    while True:
        try:
            return Shard(context, track)
        except JournalError as error:
            logger.error("waiting for the journal", extra={"error": str(error)})
            release_reserves(context.settings.paths, context.settings.disk_reserve_bytes)
            context.report_progress()
            await asyncio.sleep(JOURNAL_PAUSE_S)


def run_shard(context: ChildContext, track: Track, collect: Callable[[Shard], Awaitable[None]]) -> int:
    """Build a shard in a fresh event loop and run it; the body of a child process."""

    async def life() -> int:
        shard = await _claim(context, track)
        return await shard.run(lambda: collect(shard))

    try:
        return asyncio.run(life())
    except ProcessError:
        logger.exception("shard cannot start")
        return ExitCode.LOCKED
