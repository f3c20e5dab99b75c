"""A swing shard: sweeps its slice of the universe by REST, over and over.

One failed call costs its 30 symbols a gap record until they are observed again, never the sweep. While the market is
closed, sweeps come at an interval.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from random import Random

from observer_core.clock import NS_PER_S
from observer_core.errors import FatalFeedError, FeedError, SymbolRefusedError
from observer_core.ids import AppKeyOrdinal
from observer_core.kis.rest import PriceAnswer, RestClient, open_rest
from observer_core.market.phases import Phase
from observer_core.market.sharding import SYMBOLS_PER_CALL
from observer_core.messages import Event, GapReason, Track
from observer_core.pacing.rate import Priority
from observer_core.quality.completeness import by_answers
from observer_core.quality.rates import RateRule
from observer_core.services.assignment import Assignment, AssignmentWatch
from observer_core.services.candidate_watch import CandidateWatch
from observer_core.services.context import ChildContext
from observer_core.services.feed import source_of
from observer_core.services.pace import Pace
from observer_core.services.rates_file import RatesFile
from observer_core.services.shard import Shard, run_shard
from observer_core.services.single_price import ask_price
from observer_core.services.sweep_quality import FLOOR_SHARE, SweepQuality

LOOK_S = 0.5
"""How often the quality of the sweeps is judged."""
CALLS_IN_FLIGHT = 2
"""So that an answer's latency does not leave the shard's part of the rate budget unused."""
WAIT_FOR_UNIVERSE_S = 0.05
CONNECT_BUS_AFTER_S = 0.005
"""After the first call was sent, if its answer lets us."""
FAILED_SWEEP_PAUSE_S = 1.0
FATAL_PAUSE_S = 30.0
REST_LOOK_S = 0.5
"""How often a resting shard looks up: at orders, at the assignment, at the market."""
HANDOVER_S = 10.0
"""Symbols that change shards are between two sweeps for less than this; longer is a gap."""


class SwingCollector:
    """The sweeping loop of one shard."""

    def __init__(self, shard: Shard, client: RestClient) -> None:
        self._shard = shard
        self._client = client
        self._clock = shard.clock
        self._watch = AssignmentWatch(shard.settings.paths)
        self._candidates = CandidateWatch(shard)
        self._symbols: tuple[str, ...] = ()
        self._assignment: Assignment | None = None
        """What `_symbols` are from."""
        self._retired = False
        """Whether the newest assignment knows nothing of this shard."""
        self._pace = Pace(shard.settings, shard.clock)
        self._quality = SweepQuality(
            shard.status,
            RatesFile(shard.settings.paths.rates(shard.name)),
            RateRule(window_s=shard.settings.rate_window_s),
            stale_after_s=shard.settings.stale_after_s,
        )
        self._doubted: asyncio.Task[None] | None = None
        """Looks at a row that may stand still, by another endpoint."""
        self._swept_version = 0
        self._asked_total = self._answered_total = 0
        """Symbols, each time they were asked for."""
        # The very first call goes alone: a second one would only delay the first observation.
        self._in_flight = asyncio.Semaphore(1)
        self._answered = False
        self._refused_code = ""
        """Of the last call, when the broker refused the appkey itself."""
        self._restart: asyncio.Task[None] | None = None
        """Looks for the end of the former life while the first calls are on their way already."""
        self._one_by_one = shard.settings.virtual_host
        self._symbols_per_call = 1 if self._one_by_one else SYMBOLS_PER_CALL

    async def collect(self) -> None:
        """Sweep until the shard stops."""
        watch = asyncio.create_task(self._watch_quality())
        try:
            await self._sweep_on()
        finally:
            for task in filter(None, (watch, self._doubted)):
                task.cancel()
        if self._retired:
            # No later life would end these gaps, and others have the symbols in sight.
            self._shard.resume(self._shard.outages.waiting)
            self._shard.hold_stale({})

    async def _sweep_on(self) -> None:
        shard = self._shard
        while not shard.stopping.is_set():
            if not shard.running.is_set():
                await self._paused()
                continue
            await self._take_assignment()
            if not self._symbols:
                shard.update(state="waiting", note="no symbols are assigned yet")
                await shard.pause(WAIT_FOR_UNIVERSE_S)
                continue
            if self._restart is None:
                self._restart = asyncio.create_task(self._note_restart())
            shard.update(state="collecting", note="")
            begun_ns = self._clock.monotonic_ns()
            await self._sweep()
            self._pace.swept()
            if self._pace.resting:
                await self._rest(begun_ns)

    async def _watch_quality(self) -> None:
        """Judge, beside the calls, whether enough arrives and moves: also while every call hangs."""
        shard = self._shard
        while True:
            await asyncio.sleep(LOOK_S)
            if not shard.running.is_set() or not self._symbols:
                self._quality.pause()
                continue
            now_ns, phase = self._clock.now_ns(), Phase.CLOSED if self._pace.resting else self._pace.phase
            shard.note(self._quality.look(phase, now_ns, self._clock.monotonic_ns(), self._floor_per_s))
            shard.update(**self._quality.figures())
            shard.hold_stale(self._quality.frozen)
            if self._one_by_one or (self._doubted is not None and not self._doubted.done()):
                continue
            symbol = self._quality.doubtful(phase, now_ns)
            if symbol is not None:
                self._doubted = asyncio.create_task(self._look_elsewhere(symbol))

    @property
    def _floor_per_s(self) -> float:
        """Return the least that this shard's sweeps bring, by its part of the rate budgets."""
        shards = len(self._assignment.swing) if self._assignment is not None else 1
        calls_per_s = self._shard.settings.rest_limit_per_s * len(self._shard.settings.app_keys) / max(1, shards)
        return FLOOR_SHARE * calls_per_s * min(self._symbols_per_call, len(self._symbols))

    async def _look_elsewhere(self, symbol: str) -> None:
        """Ask the endpoint for single prices about a row that may stand still."""
        said = "doubtful row not looked at"
        for quote in await ask_price(self._shard, self._client, symbol, Priority.BACKFILL, unanswered=said) or ():
            self._quality.claimed(quote)

    def close(self) -> None:
        """Give back the socket of the candidates."""
        self._candidates.close()

    async def _rest(self, begun_ns: int) -> None:
        """Wait for the next sweep of a closed market; a new assignment, an order or the opening end it early."""
        shard = self._shard
        shard.update(note=f"market closed: a sweep every {self._pace.interval_s:g} s")
        while self._may_go_on() and (interval_s := self._pace.interval_s):
            left_s = interval_s - (self._clock.monotonic_ns() - begun_ns) / NS_PER_S
            if left_s <= 0 or await self._take_assignment():
                return
            await shard.pause(min(left_s, REST_LOOK_S))

    async def _take_assignment(self) -> set[str]:
        """Take a new assignment if there is one; return the symbols that this shard did not have before."""
        assignment = self._watch.changed()
        if assignment is None:
            return set()
        symbols = assignment.swing.get(self._shard.name)
        self._retired = symbols is None
        if symbols is None:
            # Not among the shards any more. The supervisor ends this process when the others have its symbols in
            # sight; until then it goes on with what it has.
            return set()
        gained = set(symbols).difference(self._symbols)
        lost = set(self._symbols).difference(symbols)
        self._shard.resume(lost)
        self._candidates.forget(lost)
        self._symbols, self._assignment = symbols, assignment
        self._quality.assign(symbols, self._clock.now_ns())
        self._shard.update(symbols=len(symbols))
        if self._restart is not None:
            await self._note_late(assignment, gained)
        return gained

    async def _note_restart(self) -> None:
        # While the first answer is on its way there is nothing better to do.
        await self._client.transport.first_sent.wait()
        # An answer that is here by then is recorded first; the writers find that batch in the journal.
        asyncio.get_running_loop().call_later(CONNECT_BUS_AFTER_S, self._shard.connect_bus)
        if not self._shard.open_restart_gap(self._symbols) and self._assignment is not None:
            await self._note_late(self._assignment, set(self._symbols))

    async def _note_late(self, assignment: Assignment, gained: set[str]) -> None:
        """Open a gap over gained symbols that nobody can have observed for longer than a handover takes."""
        shard = self._shard
        patience_s = max(HANDOVER_S, 2 * (shard.status.sweep_s or 0.0)) + self._pace.interval_s
        for former, symbols in assignment.moved.get(shard.name, {}).items():
            taken = gained.intersection(symbols)
            if not taken:
                continue
            last_ns = await shard.last_observed_ns(former)
            from_ns = assignment.made_ns if last_ns is None else min(last_ns, assignment.made_ns)
            if self._clock.now_ns() - from_ns > patience_s * NS_PER_S:
                since_ns = from_ns - shard.in_flight_ns
                shard.miss(GapReason.REASSIGNED, taken, from_ns=since_ns, detail=f"formerly of {former}")
            gained = gained.difference(taken)
        late = self._clock.now_ns() - assignment.made_ns > patience_s * NS_PER_S
        if late and assignment.made_ns and self._restart is not None and self._restart.done():
            # This shard was paused, or could not sweep, when they were given to it.
            shard.miss(GapReason.REASSIGNED, gained, from_ns=assignment.made_ns, detail="of nobody before")

    async def _sweep(self) -> None:
        shard = self._shard
        begun_ns = self._clock.monotonic_ns()
        pending = deque(self._symbols)
        calls: list[asyncio.Task[bool]] = []
        async with asyncio.TaskGroup() as group:
            while pending and self._may_go_on():
                await self._in_flight.acquire()
                chunk = await self._next_chunk(pending)
                calls.append(group.create_task(self._call(chunk)))
                if self._pace.resting:
                    # Nobody is in a hurry, and every call that waits for the budget looks at it again and again.
                    await calls[-1]
        answered = sum(call.result() for call in calls)
        shard.update(completeness=by_answers(self._asked_total, self._answered_total))
        shard.settle()
        if self._assignment is not None and self._may_go_on() and self._assignment.version != self._swept_version:
            self._swept_version = self._assignment.version
            shard.context.report_swept(self._swept_version)
        if answered == len(calls) and self._may_go_on():
            shard.update(sweep_s=(self._clock.monotonic_ns() - begun_ns) / NS_PER_S)
        elif not answered:
            await shard.pause(FAILED_SWEEP_PAUSE_S)

    async def _next_chunk(self, pending: deque[str]) -> tuple[str, ...]:
        """Take the symbols of the next call; those that an assignment brings during the sweep come first."""
        gained = await self._take_assignment()
        if gained:
            assigned = set(self._symbols)
            kept = [symbol for symbol in pending if symbol in assigned and symbol not in gained]
            pending.clear()
            pending.extend((*sorted(gained), *kept))
        return tuple(pending.popleft() for _ in range(min(len(pending), self._symbols_per_call)))

    def _may_go_on(self) -> bool:
        return self._shard.running.is_set() and not self._shard.stopping.is_set()

    async def _call(self, symbols: Sequence[str]) -> bool:
        """Ask for up to 30 symbols and record the answer; return whether there was one."""
        try:
            return await self._ask_and_record(symbols)
        finally:
            for _ in range(1 if self._answered else CALLS_IN_FLIGHT):
                self._in_flight.release()
            self._answered = True

    async def _ask_and_record(self, symbols: Sequence[str]) -> bool:
        shard = self._shard
        asked_ns = self._clock.now_ns()
        try:
            answer = await self._ask(symbols)
            self._answered_total += len(symbols) - len(answer.missing)
            self._asked_total += len(symbols)
        except SymbolRefusedError as error:
            if len(symbols) > 1:
                # One bad symbol fails the whole call: halves find it and spare the others.
                middle = len(symbols) // 2
                halves = [await self._ask_and_record(half) for half in (symbols[:middle], symbols[middle:])]
                return any(halves)
            self._missed(error, symbols, asked_ns)
            return False
        except FeedError as error:
            self._missed(error, symbols, asked_ns)
            if isinstance(error, FatalFeedError):
                self._alarm(error)
                await shard.pause(FATAL_PAUSE_S)
            return False
        finally:
            counters = self._client.counters
            shard.update(
                calls_total=counters.calls_total,
                refused_total=counters.refused_total,
                reauthenticated_total=counters.reauthenticated_total,
            )
        if answer.lost_since_ns is not None:
            shard.miss(GapReason.CALL_FAILED, symbols, from_ns=answer.lost_since_ns, detail="an answer was lost")
        shard.record(answer.records, answer.received_ns)
        # What was taken away meanwhile is no gap of this shard, whatever became of the answer.
        shard.resume(set(symbols).difference(self._symbols))
        self._quality.swept(answer.records, answer.received_ns)
        self._candidates.observe(answer.records)
        self._refused_code = ""
        self._pace.observed(answer.records)
        if answer.missing:
            self._miss(answer.missing, asked_ns, "not in the broker's answer")
        return True

    def _alarm(self, error: FatalFeedError) -> None:
        """Say, once until a call succeeds again, that the broker refuses the appkey; other appkeys go on."""
        if error.code != self._refused_code:
            self._refused_code = error.code
            text = f"the broker refuses this appkey or what it sends ({error.code}): {error}"
            self._shard.note([Event(self._clock.now_ns(), "appkey_refused", "critical", self._shard.name, text)])

    def _missed(self, error: FeedError, symbols: Sequence[str], asked_ns: int) -> None:
        shard = self._shard
        self._asked_total += len(symbols)
        fault = not self._client.transport.awaits(error)
        shard.update(errors_total=shard.status.errors_total + fault, note=str(error))
        self._miss(symbols, asked_ns, str(error))

    def _miss(self, symbols: Sequence[str], asked_ns: int, detail: str) -> None:
        # A symbol that was taken away while the call was on its way would never end its gap.
        still = set(self._symbols).intersection(symbols)
        self._shard.miss(GapReason.CALL_FAILED, still, from_ns=asked_ns, detail=detail)

    async def _ask(self, symbols: Sequence[str]) -> PriceAnswer:
        try:
            if self._one_by_one:
                return await self._client.inquire_price(symbols[0])
            return await self._client.multi_price(symbols)
        finally:
            if self._restart is not None:
                # What the former life missed stands before anything that this one records or misses.
                await asyncio.shield(self._restart)

    async def _paused(self) -> None:
        shard = self._shard
        since_ns = shard.recorder.last_record_ns
        if since_ns is not None:
            shard.miss(GapReason.PAUSED, self._symbols, from_ns=since_ns)
        shard.update(state="paused", note="paused by an operator")
        await shard.until_running()


async def _collect(shard: Shard) -> None:
    settings = shard.settings
    # Sweeping shards are dealt over the appkeys: each key brings its own budget.
    ordinal = AppKeyOrdinal(shard.context.index % len(settings.app_keys))
    client = open_rest(settings, ordinal, shard.clock, Random())  # noqa: S311 - jitter, not a secret
    collector = SwingCollector(shard, client)
    try:
        await collector.collect()
    finally:
        collector.close()
        await client.aclose()


def run(context: ChildContext) -> int:
    """Be a swing shard."""
    return run_shard(context, Track.SWING, source_of(context.settings.source, _collect))
