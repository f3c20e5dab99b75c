"""A scalp shard: holds one appkey's stream session and records every execution and book it brings.

A connect is paid for from the budget before it is made; a session that ends is an outage of its symbols until the
broker has confirmed them again. Stopping takes the registrations back first, so that nothing sent is left unread.
"""

import asyncio
import contextlib
import logging
from collections.abc import Collection, Coroutine, Sequence
from random import Random

from observer_core.clock import NS_PER_S, kst_datetime, kst_day
from observer_core.errors import (
    FatalFeedError,
    FeedError,
    JournalError,
    ReauthenticateError,
    SymbolRefusedError,
    TransientFeedError,
)
from observer_core.ids import AppKeyOrdinal
from observer_core.journal.last_trades import FormerTail, former_tail, last_trades
from observer_core.kis.classify import ALREADY_SUBSCRIBED, SUBSCRIBED, stream_failure
from observer_core.kis.fields import TR_BOOK, TR_TRADE
from observer_core.kis.rest import RestClient, open_rest
from observer_core.kis.stream import Received, StreamSession, open_stream
from observer_core.kis.wire import ControlMessage, Registration
from observer_core.market.phases import Phase
from observer_core.messages import Event, GapReason, Quote, Record, Track
from observer_core.pacing.backoff import Backoff
from observer_core.pacing.connect import ConnectBudget, connect_path
from observer_core.pacing.rate import Priority
from observer_core.quality.delays import delay_ns
from observer_core.quality.rates import RateRule
from observer_core.services.assignment import AssignmentWatch
from observer_core.services.backfill import MinuteBackfill
from observer_core.services.context import ChildContext
from observer_core.services.day_volumes import DayVolumes
from observer_core.services.feed import source_of
from observer_core.services.mitigation_watch import MitigationWatch
from observer_core.services.pace import Pace
from observer_core.services.rates_file import RatesFile
from observer_core.services.scalp_config import ScalpConfig
from observer_core.services.shard import Shard, run_shard
from observer_core.services.single_price import ask_price
from observer_core.services.slot_desk import SlotDesk
from observer_core.services.stream_alarms import Close, CutAlarm, SilenceProof
from observer_core.services.stream_intake import Intake, StreamIntake
from observer_core.services.trade_quality import TradeQuality

logger = logging.getLogger(__name__)

WAIT_FOR_UNIVERSE_S = 0.05
REST_LOOK_S = 1.0
LOOK_S = 0.25
"""How often the loop looks up from the stream: at orders, at the silence, at unanswered registrations."""
UNCONFIRMED_LIMIT_S = 10.0
STREAM_IN_FLIGHT_NS = NS_PER_S
CLOSE_DEADLINE_S = 3.0
BACKOFF_FLOOR_S = 0.2
BACKOFF_CAP_S = 60.0
FATAL_PAUSE_S = 60.0
LIMITS_PAUSE_S = 10.0
PAUSED = "paused by an operator"


class ScalpCollector:
    """The life of one appkey's stream: connect, register, listen, again."""

    def __init__(self, shard: Shard, client: RestClient, budget: ConnectBudget, desk: SlotDesk) -> None:
        self._shard = shard
        self._desk = desk
        self._client = client
        self._budget = budget
        self._clock = shard.clock
        self._watch = AssignmentWatch(shard.settings.paths)
        self._pace = Pace(shard.settings, shard.clock)
        self._symbols: tuple[str, ...] = ()
        self._applied: list[Registration] = []
        """What the open session was asked for."""
        self._backoff = Backoff(BACKOFF_FLOOR_S, BACKOFF_CAP_S, Random())  # noqa: S311 - jitter, not a secret
        self._heard_ns: int | None = None
        """Wall-clock time of the last message of any session."""
        self._quality = TradeQuality(
            shard.status,
            RatesFile(shard.settings.paths.rates(shard.name)),
            RateRule(window_s=shard.settings.rate_window_s),
            # A simulated exchange may run at another pace than our clock.
            clock_comparable=shard.settings.source != "sim",
            volumes=DayVolumes(shard.settings.paths.day_volumes(shard.name), shard.clock.now_ns()),
            stale_after_s=shard.settings.stale_after_s,
        )
        self._backfill = MinuteBackfill(shard, client, self._pace)
        self._cut_alarm = CutAlarm(shard.name)
        self._proof = SilenceProof(shard.settings.symbol_silence_s)
        self._intake = StreamIntake(shard.name, self._proof, shard.clock, keep_raw=shard.settings.keep_raw)
        self._mitigation = MitigationWatch(shard.name, desk.config, books=shard.settings.scalp_books > 0)
        self._close = Close()
        self._deaf: set[str] = set()
        """Symbols that trade without our hearing it: their registrations are renewed."""
        self._refused_code = ""
        """Of the last session, when the broker refused the appkey itself."""
        self._chores: set[asyncio.Task[None]] = set()
        self._delay_ns = 0
        """How long the last observations were on their way: what a cut takes with it was sent that long ago."""

    async def collect(self) -> None:
        """Keep a session open until the shard stops."""
        backfill = asyncio.create_task(self._backfill.run())
        try:
            await self._keep_session()
        finally:
            backfill.cancel()
            self._backfill.close()

    async def _keep_session(self) -> None:
        shard = self._shard
        if not await self._wait_for_symbols():
            return
        leaving = self._desk.leaving
        if shard.open_restart_gap((*self._symbols, *leaving)):
            self._recall()
        self._end_leaving(leaving)
        while not shard.stopping.is_set():
            self._take_assignment()
            if not shard.running.is_set():
                await self._paused()
            elif self._pace.may_hang_up:
                await self._rest()
            elif not self._symbols:
                await self._wait_for_symbols()
            elif await self._connect_allowed():
                await self._attempt()
                self._look_at_quality(observing=False)
        self._tell_quality(self._quality.finish(self._clock.now_ns()))

    async def _wait_for_symbols(self) -> bool:
        shard = self._shard
        shard.update(state="waiting", note="no symbols are assigned yet")
        while not shard.stopping.is_set():
            self._take_assignment()
            if self._symbols:
                return True
            await shard.pause(WAIT_FOR_UNIVERSE_S)
        return False

    def _take_assignment(self) -> bool:
        """Take a new assignment if there is one; return whether the symbols changed."""
        assignment = self._watch.changed()
        if assignment is None or self._shard.name not in assignment.scalp:
            return False
        self._desk.arrange(assignment)
        return self._take_symbols()

    def _take_symbols(self) -> bool:
        """Follow the slots; return whether other symbols hold them now."""
        symbols = self._desk.symbols
        if symbols == self._symbols:
            return False
        lost, gained = set(self._symbols).difference(symbols), set(symbols).difference(self._symbols)
        self._shard.resume(lost)
        self._quality.assign(symbols, gained, lost, self._clock.now_ns())
        self._symbols = symbols
        self._shard.update(symbols=len(symbols))
        return True

    def _end_leaving(self, symbols: Collection[str]) -> None:
        """End the observation of symbols that were given up: nothing of them is on its way any more."""
        self._shard.resume(set(symbols).difference(self._symbols))
        self._desk.gone(symbols)

    async def _rest(self) -> None:
        """Wait while the market is closed: nothing is missed, so no gap stays open."""
        shard = self._shard
        shard.resume(self._symbols)
        shard.be_ready()
        opens = kst_datetime(self._pace.opens_ns)
        shard.update(state="waiting", note=f"market closed until {opens:%Y-%m-%d %H:%M}")
        while self._pace.may_hang_up and shard.running.is_set() and not shard.stopping.is_set():
            await shard.pause(REST_LOOK_S)
            self._nothing_was_due()
            self._look_at_quality(observing=False)

    async def _paused(self) -> None:
        """Wait for the operator; from when a stream would be held again, that is an outage."""
        shard = self._shard
        shard.update(state="paused", note=PAUSED)
        while not shard.running.is_set() and not shard.stopping.is_set():
            if self._pace.may_hang_up:
                self._nothing_was_due()
            else:
                self._miss(GapReason.PAUSED, PAUSED)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REST_LOOK_S):
                    await shard.until_running()

    def _nothing_was_due(self) -> None:
        """Note that until now no session had to be open: what is missed from here on was not missed before."""
        self._heard_ns, self._delay_ns = self._clock.now_ns(), 0

    async def _connect_allowed(self) -> bool:
        wait_s = self._budget.take(self._clock.now_ns())
        if wait_s is None:
            return True
        self._shard.update(state="waiting", note=f"connect budget: {wait_s:.0f} s")
        await self._shard.pause(min(wait_s, LOOK_S))
        return False

    async def _attempt(self) -> None:
        """Hold one session from connect to its end, whatever ends it."""
        shard = self._shard
        try:
            key = await self._client.approvals.issue()
            async with await open_stream(shard.settings.ws_url, key, self._clock) as session:
                await self._hold(session)
        except FeedError as error:
            self._count_end(error)
            self._miss(GapReason.STREAM_CUT, str(error))
            if isinstance(error, FatalFeedError) and error.code != self._refused_code:
                self._refused_code = error.code
                text = f"the broker refuses this appkey or what it sends ({error.code}): {error}"
                shard.note([Event(self._clock.now_ns(), "appkey_refused", "critical", shard.name, text)])
            await shard.pause(FATAL_PAUSE_S if isinstance(error, FatalFeedError) else self._backoff.next_delay_s())

    def _count_end(self, error: FeedError) -> None:
        """Enter the end of a session into the status, by its cause, and raise the alarm of one that keeps ending."""
        shard, cause = self._shard, error.code or "unknown"
        before = shard.status
        if self._client.transport.awaits(error):
            # There was no session yet.
            logger.info("waiting for the broker", extra={"error": str(error)})
            shard.update(state="waiting", note=str(error))
            return
        logger.warning("stream lost", extra={"error": str(error), "code": error.code})
        by_cause = before.reconnects_by_cause
        shard.update(
            state="waiting",
            note=str(error),
            errors_total=before.errors_total + 1,
            reconnects_total=before.reconnects_total + 1,
            reconnects_by_cause={**by_cause, cause: by_cause.get(cause, 0) + 1},
        )
        if isinstance(error, ReauthenticateError):
            shard.update(reauthenticated_total=before.reauthenticated_total + 1)
        shard.note(self._cut_alarm.cut(cause, self._clock.monotonic_ns(), self._clock.now_ns()))

    async def _hold(self, session: StreamSession) -> None:
        shard = self._shard
        self._applied = self._wanted()
        session.subscribe(self._applied)
        self._quality.staleness.restart(self._clock.now_ns())
        self._proof.restart(self._symbols, self._clock.monotonic_ns())
        shard.update(state="collecting", note="")
        look_due_ns = 0
        while not shard.stopping.is_set() and shard.running.is_set() and not self._pace.may_hang_up:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    self._take(await session.receive())
            if self._clock.monotonic_ns() >= look_due_ns:
                look_due_ns = self._clock.monotonic_ns() + int(LOOK_S * NS_PER_S)
                self._look(session)
        self._take(await session.close(CLOSE_DEADLINE_S))
        self._end_leaving(self._desk.leaving)
        if not shard.running.is_set() and not shard.stopping.is_set():
            self._miss(GapReason.PAUSED, PAUSED)

    def _wanted(self) -> list[Registration]:
        """Return what is to be registered, the most wanted symbols first."""
        books = self._symbols[: self._shard.settings.scalp_books]
        return [
            *(Registration(TR_TRADE, symbol) for symbol in self._symbols),
            *(Registration(TR_BOOK, symbol) for symbol in books),
        ]

    def _reassign(self, session: StreamSession) -> None:
        """Change the registrations of an open session to what is wanted now; the others go on undisturbed."""
        self._take_assignment()
        self._desk.decide(self._mitigation)
        self._take_symbols()
        leaving = session.leaving(UNCONFIRMED_LIMIT_S)
        # What is wanted again before its removal is confirmed waits: answers would not say which request they are to.
        wanted = [item for item in self._wanted() if item in self._applied or item not in leaving]
        if wanted != self._applied:
            # Removals go out first: the broker counts both against its limit.
            session.unsubscribe([item for item in self._applied if item not in wanted])
            session.subscribe([item for item in wanted if item not in self._applied])
            self._applied = wanted
            self._proof.change(self._symbols, self._clock.monotonic_ns())
        if self._desk.leaving:
            still = {item.tr_key for item in session.leaving(UNCONFIRMED_LIMIT_S)}
            self._end_leaving(self._desk.leaving - still)

    def _look(self, session: StreamSession) -> None:
        self._reassign(session)
        self._look_at_pressure(session)
        self._look_at_quality(observing=True)
        self._shard.note(self._cut_alarm.look(self._clock.monotonic_ns(), self._clock.now_ns()))
        silence_s = session.silence_s()
        if silence_s > self._shard.settings.stream_silence_s:
            raise TransientFeedError(f"no message for {silence_s:.0f} s", code="silent")
        unconfirmed = session.unconfirmed(UNCONFIRMED_LIMIT_S)
        if unconfirmed:
            symbols = {item.tr_key for item in unconfirmed}
            self._shard.miss(
                GapReason.NOT_SUBSCRIBED,
                symbols,
                from_ns=self._clock.now_ns() - int(UNCONFIRMED_LIMIT_S * NS_PER_S),
                detail="the broker did not answer the registration",
            )
            session.unsubscribe(unconfirmed)
            session.subscribe(unconfirmed)
        self._doubt(session)

    def _look_at_pressure(self, session: StreamSession) -> None:
        shard = self._shard
        events = self._mitigation.look(
            self._clock.now_ns(),
            self._clock.monotonic_ns(),
            disk_latency_ms=shard.sync_ms,
            queue_percent=session.queue_percent,
        )
        shard.note(events)

    def _doubt(self, session: StreamSession) -> None:
        """Renew the registrations that are proved to bring nothing, and look at the next silent symbol."""
        deaf = [Registration(TR_TRADE, symbol) for symbol in sorted(self._deaf.intersection(self._symbols))]
        self._deaf.clear()
        if deaf:
            session.unsubscribe(deaf)
            session.subscribe(deaf)
        symbol = self._proof.doubtful(self._clock.monotonic_ns()) if self._pace.phase is Phase.CONTINUOUS else None
        if symbol is not None:
            self._begin(self._look_elsewhere(symbol))

    async def _look_elsewhere(self, symbol: str) -> None:
        """Ask by REST whether a silent symbol trades; the quote is kept, for the stream has nothing of it."""
        quotes = await self._ask(symbol, Priority.SWEEP, "silent symbol not looked at")
        now_ns = self._clock.now_ns()
        for quote in quotes or ():
            self._quality.quoted(quote, now_ns)
            if not self._proof.quoted(symbol, quote.cumulative_volume, self._clock.monotonic_ns()):
                continue
            self._deaf.add(symbol)
            text = f"{symbol} is acknowledged and silent while its volume grows to {quote.cumulative_volume}"
            logger.error("registration brings no data", extra={"symbol": symbol})
            self._shard.note([Event(now_ns, "registration_silent", "error", self._shard.name, text)])

    def _take(self, burst: Sequence[Received]) -> None:
        """Record what one burst of messages brought, as one batch in the order of arrival."""
        if not burst:
            return
        intake = self._intake.read(burst)
        self._heard_ns = intake.received_ns
        try:
            for answer in intake.answers:
                self._answered(answer)
        finally:
            self._keep(intake)

    def _keep(self, intake: Intake) -> None:
        self._shard.update(width_changes_total=self._intake.width_changes_total)
        self._desk.observe(intake.records, intake.received_ns)
        records = self._quality.judge(self._mitigation.sampled(intake.records), intake.received_ns)
        if not records:
            return
        self._delay_ns = delay_ns(records, intake.received_ns)
        if intake.observed:
            self._backoff.stable()
            self._refused_code = ""
        if not self._shard.record(records, intake.received_ns):
            self._mitigation.given_up(records)
            self._quality.given_up(records, intake.received_ns)

    def _answered(self, message: ControlMessage) -> None:
        """Close the gap of a symbol that the broker confirmed, open one for a symbol that it refused.

        Raises:
            FeedError: the answer concerns the whole session.
        """
        failure = stream_failure(message)
        if failure is None:
            if message.tr_id == TR_TRADE and message.code in {SUBSCRIBED, ALREADY_SUBSCRIBED}:
                self._shard.resume([message.tr_key])
                self._quality.confirmed(message.tr_key, self._pace.phase, self._clock.now_ns())
            return
        logger.warning("registration refused", extra={"code": message.code, "symbol": message.tr_key})
        if not isinstance(failure, SymbolRefusedError):
            raise failure
        self._shard.update(errors_total=self._shard.status.errors_total + 1, note=str(failure))
        if message.tr_id == TR_TRADE and message.tr_key in self._symbols:
            if self._desk.refused(message.tr_key, self._mitigation):
                return
            self._shard.miss(
                GapReason.NOT_SUBSCRIBED, [message.tr_key], from_ns=self._clock.now_ns(), detail=message.code
            )

    def _look_at_quality(self, *, observing: bool) -> None:
        """Write down what is proved to be missing, and the alarms; learn the limits that a guard asked for."""
        now_ns, monotonic_ns = self._clock.now_ns(), self._clock.monotonic_ns()
        if self._close.due(self._pace.phase, monotonic_ns):
            self._begin(self._compare_the_close())
        phase, keeping = self._pace.phase, self._shard.may_add
        self._tell_quality(self._quality.look(phase, now_ns, monotonic_ns, observing=observing, keeping=keeping))
        self._shard.update(**self._quality.figures())
        self._shard.hold_stale(self._quality.stale if observing else {})
        for symbol in self._quality.take_limits_wanted():
            self._begin(self._learn_limits(symbol))

    def _tell_quality(self, records: Sequence[Record]) -> None:
        self._shard.note(records)
        self._backfill.want(records)

    async def _learn_limits(self, symbol: str) -> None:
        quotes = await self._ask(symbol, Priority.SWEEP, "limits not read")
        if quotes is None:
            await self._shard.pause(LIMITS_PAUSE_S)
            self._quality.ask_again(symbol)
        for quote in quotes or ():
            self._quality.learn_limits(symbol, quote.lower_limit, quote.upper_limit)

    async def _compare_the_close(self) -> None:
        """Compare the day with what REST counts: the last trades of a symbol have no successor that proves them."""
        continuity, today = self._quality.continuity, int(kst_day(self._clock.now_ns()))
        for symbol in self._symbols:
            if any(reach.day == today for reach in continuity.reaches([symbol]).values()):
                for quote in await self._ask(symbol, Priority.BACKFILL, "close not compared") or ():
                    continuity.quoted(quote, self._clock.now_ns())

    async def _ask(self, symbol: str, priority: Priority, unanswered: str) -> list[Quote] | None:
        return await ask_price(self._shard, self._client, symbol, priority, unanswered=unanswered)

    def _recall(self) -> None:
        """Go on with the proof of completeness where the former life ended.

        Its last seconds are read here, before anything is received: what is sent again must be known as such.
        """
        former = former_tail(self._shard.journal_directory, self._shard.recorder.epoch)
        known = self._quality.recall_tail(former, self._desk.since_ns, self._clock.now_ns())
        quiet = set(self._symbols).difference(known).union(former.firsts())
        if quiet:
            self._begin(self._recall_quiet(quiet, former))

    async def _recall_quiet(self, symbols: Collection[str], former: FormerTail) -> None:
        """Find the last trades of symbols before the last seconds that had none before them; it takes longer."""
        shard = self._shard
        await shard.until_observing()
        try:
            directory, epoch, before_ns = shard.journal_directory, shard.recorder.epoch, former.from_ns or None
            trades = await asyncio.to_thread(last_trades, directory, epoch, symbols, before_ns=before_ns)
        except JournalError as error:
            logger.warning("former trades not read", extra={"error": str(error)})
            return
        self._quality.recall_before(trades.values(), former, self._desk.since_ns, self._clock.now_ns())

    def _begin(self, chore: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    def _miss(self, reason: GapReason, detail: str) -> None:
        """Open the outage of all symbols, from the last message heard."""
        heard_ns = self._heard_ns or self._clock.now_ns()
        # What was given up a moment ago and not confirmed yet is cut off with the rest.
        symbols = (*self._symbols, *(leaving := self._desk.leaving))
        self._shard.miss(reason, symbols, from_ns=heard_ns - STREAM_IN_FLIGHT_NS - self._delay_ns, detail=detail)
        self._end_leaving(leaving)


async def _collect(shard: Shard) -> None:
    ordinal = AppKeyOrdinal(shard.context.index)
    client = open_rest(shard.settings, ordinal, shard.clock, Random())  # noqa: S311 - jitter, not a secret
    budget = ConnectBudget(connect_path(shard.settings.paths.budgets, ordinal))
    desk = SlotDesk(shard, ordinal, ScalpConfig(shard.settings.paths.scalp_config))
    try:
        await ScalpCollector(shard, client, budget, desk).collect()
    finally:
        desk.close()
        budget.close()
        await client.aclose()


def run(context: ChildContext) -> int:
    """Be the scalp shard of one appkey."""
    return run_shard(context, Track.SCALP, source_of(context.settings.source, _collect))
