"""Answers to the questions beyond the view: symbols, gaps, logs, audit. Whatever reads files does so in a thread.

Separate from `hub_answers`, which is about roles, leases and orders: these only read, for anybody who may watch.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import assert_never

from msgspec.structs import replace

from observer_core.clock import NS_PER_S, Clock
from observer_core.details import AuditTail, GapList, LogTail, SymbolColumns, SymbolDetail, Tick
from observer_core.http.symbols import SYMBOL_FORM, observations
from observer_core.ids import ShardName
from observer_core.logs import log_directory
from observer_core.questions import Answer, GetAudit, GetGaps, GetHistory, GetLog, GetSymbol, GetSymbols, Inquiry
from observer_core.services.hub_audit import AUDIT_FILE
from observer_core.services.hub_completeness import CompletenessBook
from observer_core.services.hub_feed import Feed
from observer_core.services.hub_freshness import Surroundings, columns, detail, surroundings
from observer_core.services.hub_history import HistoryKeeper
from observer_core.services.hub_roster import NOBODY, RosterFiles
from observer_core.services.hub_tails import Wanted, audit_tail, log_tail, stack_tail
from observer_core.settings import Settings
from observer_core.view import SystemView

logger = logging.getLogger(__name__)

READS_AT_ONCE = 2
"""Questions that read files; others wait, so that no number of consoles can take the disk."""

COLUMNS_KEPT_NS = 900_000_000
"""Several consoles that ask within a second get the same columns."""

_SUPERVISOR = "supervisor"


class DetailDesk:
    """The one who looks things up."""

    def __init__(self, settings: Settings, clock: Clock, current_view: Callable[[], SystemView], feed: Feed) -> None:
        self._settings = settings
        self._clock = clock
        self._current_view = current_view
        self._feed = feed
        self._files = RosterFiles(settings.paths)
        self._roster = NOBODY
        self._since_ns = clock.now_ns()
        self._reading = asyncio.Semaphore(READS_AT_ONCE)
        self._columns: SymbolColumns | None = None
        self._completeness = CompletenessBook(settings.paths, clock)
        self._measuring = asyncio.Lock()
        self.history = HistoryKeeper()

    async def keep_roster(self) -> None:
        """Follow the assignment, for ever."""
        while True:
            roster = await asyncio.to_thread(self._files.current)
            if roster is not self._roster:
                self._roster = roster
                self._columns = None
                self._feed.symbols.forget_others((*roster.listing.codes, *roster.streamed))
            await asyncio.sleep(1.0)

    async def answer(self, role: str, question: Inquiry) -> Answer:
        """Return the answer to a question beyond the view."""
        match question:
            case GetSymbols():
                return Answer(request_id=question.request_id, role=role, symbols=self._symbols(question.known))
            case GetSymbol():
                return await self._symbol(role, question)
            case GetGaps():
                return Answer(request_id=question.request_id, role=role, gaps=await self._gaps())
            case GetLog():
                return await self._log(role, question)
            case GetAudit():
                found = await self._read_audit(question.contains)
                return Answer(request_id=question.request_id, role=role, audit=found)
            case GetHistory():
                return Answer(request_id=question.request_id, role=role, history=self.history.answer())
            case _:
                assert_never(question)

    def _around(self, now_ns: int) -> Surroundings:
        gaps = self._feed.gaps.in_gap()
        return surroundings(self._current_view(), self._roster.streamed, gaps, self._since_ns, now_ns)

    def _symbols(self, known: str) -> SymbolColumns:
        now_ns = self._clock.now_ns()
        kept = self._columns
        if kept is None or not 0 <= now_ns - kept.as_of_ns < COLUMNS_KEPT_NS:
            kept = self._columns = columns(self._feed.symbols, self._roster, self._around(now_ns), "")
        return kept if not known or known != kept.version else replace(kept, listing=None)

    async def _gaps(self) -> GapList:
        book = self._completeness
        # Whoever asks while another one's question is being measured gets what is known.
        if book.is_due() and not self._measuring.locked():
            async with self._measuring, self._reading:
                try:
                    await asyncio.to_thread(book.measure)
                except OSError as error:
                    logger.warning("completeness not measured", extra={"error": str(error)})
        found, standing = self._feed.gaps.listed(self._volumes(), self._clock.now_ns()), book.standing
        listing = self._roster.listing
        names = dict(zip(listing.codes, listing.names, strict=True))
        return replace(
            found,
            rows=tuple(
                replace(row, name=names.get(row.examples[0], "")) if row.symbols == 1 and row.examples else row
                for row in found.rows
            ),
            tracks=standing.tracks,
            worst=tuple(replace(one, name=names.get(one.code, "")) for one in standing.worst),
            days=standing.days,
            measured_ns=standing.measured_ns,
        )

    def _volumes(self) -> dict[str, int]:
        readings = self._feed.symbols.readings
        return {code: reading.cumulative_volume for code, reading in readings.items() if reading.cumulative_volume}

    async def _symbol(self, role: str, question: GetSymbol) -> Answer:
        code, roster, now_ns = question.code, self._roster, self._clock.now_ns()
        if SYMBOL_FORM.fullmatch(code) is None:
            return Answer(request_id=question.request_id, role=role, error="not a symbol: 6 to 12 digits and capitals")
        owners = roster.owners_of(code)
        if owners and self._feed.symbols.watch(code, now_ns):
            async with self._reading:
                ticks = await asyncio.to_thread(_archived_ticks, self._settings.data_dir, owners, code, now_ns)
            self._feed.symbols.seed(code, ticks)
        found: SymbolDetail | None = detail(
            code, self._feed.symbols, roster, self._around(now_ns), self._feed.gaps.missed_of(code)
        )
        if found is None:
            text = f"{code} is not collected: observerctl explain {code}"
            return Answer(request_id=question.request_id, role=role, error=text)
        return Answer(request_id=question.request_id, role=role, symbol=found)

    async def _log(self, role: str, question: GetLog) -> Answer:
        names = {_SUPERVISOR, *(row.name for row in self._current_view().processes)}
        if question.process not in names:
            text = f"no process is called so: {', '.join(sorted(names))}"
            return Answer(request_id=question.request_id, role=role, error=text)
        async with self._reading:
            found = await asyncio.to_thread(self._read_log, question)
        return Answer(request_id=question.request_id, role=role, log=found)

    def _read_log(self, question: GetLog) -> LogTail:
        wanted, now_ns, name = Wanted(question.level, question.contains), self._clock.now_ns(), question.process
        if question.kind == "stacks":
            return stack_tail(self._settings.paths.stacks_file(name), name, wanted, now_ns)
        return log_tail(log_directory(name, self._settings) / f"{name}.jsonl", name, wanted, now_ns)

    async def _read_audit(self, contains: str) -> AuditTail:
        path = self._settings.paths.logs / AUDIT_FILE
        async with self._reading:
            return await asyncio.to_thread(audit_tail, path, contains, self._clock.now_ns())


def _archived_ticks(archive: Path, owners: tuple[str, ...], code: str, now_ns: int) -> list[Tick]:
    """Return the last observations of a symbol from the ends of the live archive files, oldest first."""
    found = [
        Tick(
            received_ns=line.received_ns,
            kind=line.kind,
            price=line.price,
            volume=line.volume,
            side=line.side,
            quality=line.quality,
            shard=shard,
        )
        for shard in owners
        for line in observations(archive, ShardName(shard), code, now_ns)[-60:]
    ]
    return sorted((tick for tick in found if now_ns - tick.received_ns < 3_600 * NS_PER_S), key=lambda t: t.received_ns)
