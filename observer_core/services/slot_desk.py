"""The tick slots of one appkey at work: candidates in, decisions journalled, the symbols to register out.

Separate from the stream's loop, which only asks for the symbols; the policy itself is pure and in
`observer_core.scalp`. Every candidate ends as a holder, as one that is in already, or in the overflow ledger.
"""

import logging
from collections import deque
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from observer_core.bus.candidates import CandidateReceiver
from observer_core.clock import NS_PER_S
from observer_core.ids import AppKeyOrdinal
from observer_core.messages import Event, Overflow, Record
from observer_core.scalp.slots import Change, Refusal, Slots
from observer_core.scalp.triggers import TriggerWatch
from observer_core.services.assignment import Assignment
from observer_core.services.mitigation_watch import MitigationWatch
from observer_core.services.scalp_config import ScalpConfig, Verdict
from observer_core.services.shard import Shard
from observer_core.services.slot_file import HeldSlots, read_slots, write_slots
from observer_core.slot_messages import OVERFLOW_SHOWN, Candidate, OverflowRow, SlotRow, SlotStatus

logger = logging.getLogger(__name__)

CANDIDATES_A_LOOK = 2_000
LATE_NS = 30 * NS_PER_S
"""A candidate that waited so long, because no session was open, says nothing about now."""
TOLD_EVERY_NS = NS_PER_S


class SlotDesk:
    """The slots of one streaming shard. `arrange` and `decide` return whether other symbols are to be registered."""

    def __init__(self, shard: Shard, ordinal: AppKeyOrdinal, config: ScalpConfig) -> None:
        paths = shard.settings.paths
        self._shard = shard
        self._clock = shard.clock
        self._ordinal = ordinal
        self.config = config
        self._file = paths.slots(shard.name)
        self._receiver: CandidateReceiver | None = None
        """Bound with the first decision: nothing of this may delay the first observation."""
        self._triggers = TriggerWatch(config.rules.triggers)
        self._slots = Slots(shard.settings.scalp_trades, config.rules.slots)
        self._own: list[Candidate] = []
        """Of this shard's own ticks, since the last look."""
        self._home: frozenset[str] = frozenset()
        self._base: tuple[str, ...] = ()
        self._day = 0
        self._leaving: set[str] = set()
        self._heard_ns: dict[str, int] = {}
        self._newest: deque[OverflowRow] = deque(maxlen=OVERFLOW_SHOWN)
        self._candidates_total = self._placed_total = self._overflow_total = 0
        self._status_seq = 0
        self._told_ns = 0
        self._verdict = config.take_first()
        self._recall()

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that hold a slot, by slot."""
        return self._slots.symbols

    @property
    def since_ns(self) -> dict[str, int]:
        """Return since when each symbol has held its slot, over all lives."""
        return {holder.symbol: holder.since_ns for holder in self._slots.holders}

    @property
    def leaving(self) -> frozenset[str]:
        """Return the symbols that were given up and may still be on their way."""
        return frozenset(self._leaving)

    def arrange(self, assignment: Assignment) -> bool:
        """Take the universe's and the operators' word on who may be here, must be, and fills what nobody wants."""
        name, now_ns = self._shard.name, self._clock.now_ns()
        first = not self._home
        self._home = assignment.home_symbols(name)
        self._base = assignment.scalp[name]
        changes = self._slots.resize(self._shard.settings.scalp_trades)
        if assignment.day != self._day:
            # Yesterday's excitement holds nothing today.
            changes += [self._slots.release(symbol, "another day") for symbol in self._faded(now_ns)]
        self._day = assignment.day
        changes += self._slots.arrange(self._base, frozenset(assignment.pins), self._home, now_ns)
        self._move(changes)
        if first:
            text = f"{len(self.symbols)} of {self._slots.capacity} slots are held: {' '.join(self.symbols)}"
            self._shard.note([Event(now_ns, "slots_held", "info", name, text)])
        else:
            self._write_down(changes, now_ns)
        return bool(changes) or first

    def observe(self, records: Iterable[Record], received_ns: int) -> None:
        """Take this shard's own ticks: they keep the score of whoever holds a slot up to date."""
        self._own += self._triggers.feed(records)
        for record in records:
            symbol = getattr(record, "symbol", None)
            if symbol is not None:
                self._heard_ns[symbol] = received_ns

    def decide(self, mitigation: MitigationWatch) -> bool:
        """Decide about every candidate that arrived since the last look."""
        now_ns = self._clock.now_ns()
        self._look_at_config(now_ns)
        candidates, self._own = self._own, []
        candidates += self._arrived()
        changes: list[Change] = []
        losers: list[Overflow] = []
        state = self._state(mitigation, now_ns)
        for candidate in candidates:
            if candidate.symbol not in self._home:
                # Another appkey's, or not of the universe any more.
                continue
            self._candidates_total += 1
            late = now_ns - candidate.at_ns > LATE_NS
            change, refusal = (None, Refusal.LATE) if late else self._slots.offer(candidate, now_ns)
            if change is not None:
                self._placed_total += 1
                changes.append(change)
                state = self._state(mitigation, now_ns)
            elif refusal is not None:
                losers.append(self._overflow(candidate, refusal, state))
        # In a batch of their own: a version that does not know them must still read the trades.
        self._shard.note(losers)
        self._move(changes)
        self._write_down(changes, now_ns)
        self._tell(mitigation, now_ns)
        return bool(changes)

    def refused(self, symbol: str, mitigation: MitigationWatch) -> bool:
        """Give up a slot whose registration the broker refused, unless universe or operator chose the symbol.

        Returns:
            Whether the slot went to somebody else.
        """
        now_ns = self._clock.now_ns()
        holder = next((holder for holder in self._slots.holders if holder.symbol == symbol), None)
        if holder is None or holder.pinned or symbol in self._base:
            return False
        candidate = Candidate(symbol, holder.trigger, holder.score, now_ns)
        change = self._slots.release(symbol, "refused by the broker")
        self._slots.bar(symbol, now_ns)
        self._shard.note([self._overflow(candidate, Refusal.BARRED, self._state(mitigation, now_ns))])
        changes = [change, *self._slots.fill(self._base, now_ns)]
        self._move(changes)
        self._write_down(changes, now_ns)
        return True

    def gone(self, symbols: Iterable[str]) -> None:
        """Note that nothing of these symbols is on its way any more."""
        before = len(self._leaving)
        self._leaving.difference_update(symbols)
        if len(self._leaving) != before:
            self._remember()

    def close(self) -> None:
        """Close the socket."""
        if self._receiver is not None:
            self._receiver.close()

    def _arrived(self) -> list[Candidate]:
        if self._receiver is None:
            endpoint = self._shard.settings.paths.candidate_endpoint(self._shard.name)
            self._receiver = CandidateReceiver(endpoint, self._shard.bus_context)
        return self._receiver.drain(CANDIDATES_A_LOOK)

    def _recall(self) -> None:
        """Take up the slots of the former life; whom the assignment does not want any more goes with it."""
        held = read_slots(self._file)
        self._day = held.day
        self._leaving.update(held.leaving)
        self._slots.restore(held.holders, self._clock.now_ns())

    def _faded(self, now_ns: int) -> list[str]:
        return [
            holder.symbol
            for holder in self._slots.holders
            if not holder.pinned and holder.score and holder.dwell_until_ns <= now_ns
        ]

    def _look_at_config(self, now_ns: int) -> None:
        verdict = self.config.look() or self._verdict
        self._verdict = None
        if verdict is None:
            return
        self._slots.adopt(self.config.rules.slots)
        self._triggers.rules = self.config.rules.triggers
        self._shard.note([_event_of(verdict, self._shard.name, now_ns)])

    def _state(self, mitigation: MitigationWatch, now_ns: int) -> Overflow:
        """Return the state of the system as an entry of the ledger without its candidate."""
        pressure = mitigation.pressure
        return Overflow(
            symbol="",
            at_ns=now_ns,
            trigger="",
            score=0.0,
            reason="",
            appkey=self._ordinal,
            capacity=self._slots.capacity,
            occupied=len(self._slots),
            lowest_score=self._slots.lowest_score(now_ns),
            mitigation_level=mitigation.level,
            cpu_percent=pressure.cpu_percent,
            memory_percent=pressure.memory_percent,
            disk_latency_ms=pressure.disk_latency_ms,
            queue_percent=pressure.queue_percent,
        )

    def _overflow(self, candidate: Candidate, refusal: Refusal, state: Overflow) -> Overflow:
        self._overflow_total += 1
        symbol, trigger, score, reason = candidate.symbol, candidate.trigger, candidate.score, refusal.value
        row = OverflowRow(symbol=symbol, trigger=trigger, score=score, reason=reason, at_ns=state.at_ns)
        self._newest.appendleft(row)
        return replace(state, symbol=symbol, trigger=trigger, score=score, reason=reason)

    def _move(self, changes: Sequence[Change]) -> None:
        """Remember what changed, before the broker is told."""
        if not changes:
            return
        self._leaving.update(change.went for change in changes if change.went)
        self._leaving.difference_update(self.symbols)
        self._triggers.forget(self._leaving)
        for symbol in self._leaving:
            self._heard_ns.pop(symbol, None)
        self._remember()

    def _write_down(self, changes: Sequence[Change], now_ns: int) -> None:
        self._shard.note([Event(now_ns, "slot_changed", "info", self._shard.name, _told(item)) for item in changes])

    def _remember(self) -> None:
        held = HeldSlots(day=self._day, holders=tuple(self._slots.holders), leaving=tuple(sorted(self._leaving)))
        write_slots(self._file, held)

    def _tell(self, mitigation: MitigationWatch, now_ns: int) -> None:
        if abs(now_ns - self._told_ns) < TOLD_EVERY_NS:
            return
        self._told_ns = now_ns
        self._status_seq += 1
        self._shard.tell(
            SlotStatus(
                name=self._shard.name,
                pid=self._shard.status.pid,
                status_seq=self._status_seq,
                as_of_ns=now_ns,
                appkey=self._ordinal,
                capacity=self._slots.capacity,
                slots=tuple(
                    SlotRow(
                        appkey=self._ordinal,
                        slot=holder.slot,
                        symbol=holder.symbol,
                        trigger=holder.trigger,
                        score=self._slots.score_now(holder, now_ns),
                        since_ns=holder.since_ns,
                        dwell_until_ns=holder.dwell_until_ns,
                        pinned=holder.pinned,
                        last_record_ns=self._heard_ns.get(holder.symbol),
                    )
                    for holder in self._slots.holders
                ),
                candidates_total=self._candidates_total,
                placed_total=self._placed_total,
                overflow_total=self._overflow_total,
                newest_overflow=tuple(self._newest),
                mitigation_level=mitigation.level,
                mitigation_reason=mitigation.reason,
            )
        )


def _told(change: Change) -> str:
    if not change.came:
        return f"slot {change.slot}: {change.went} goes: {change.why}"
    place = f"slot {change.slot}: {change.came} ({change.trigger} {change.score:.2f})"
    return f"{place} takes the place of {change.went}: {change.why}" if change.went else f"{place}: {change.why}"


def _event_of(verdict: Verdict, subject: str, now_ns: int) -> Event:
    if verdict.valid:
        return Event(now_ns, "scalp_config", "info", subject, verdict.text)
    return Event(now_ns, "scalp_config_invalid", "error", subject, verdict.text)
