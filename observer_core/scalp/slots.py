"""Who holds the tick slots of one appkey, and who got none and why. Pure.

A candidate takes a free slot, or that of the weakest holder whose dwell is over and whom it exceeds by a margin. Scores
halve with time, all at the same pace, so their order never changes by itself and a heap stays a heap: every decision
is O(log slots). Only an operator's order (a pin, the universe) ends a dwell early.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import heapify, heappop, heappush, heapreplace
from math import inf, log2
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from observer_core.clock import NS_PER_S
from observer_core.scalp.triggers import Trigger
from observer_core.slot_messages import Candidate


class SlotRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[slots]`."""

    dwell_s: Annotated[float, Meta(ge=0)] = 120.0
    """So long a symbol keeps its slot whatever comes."""
    margin: Annotated[float, Meta(ge=1)] = 1.25
    """A candidate must exceed the holder's score by this factor."""
    half_life_s: Annotated[float, Meta(gt=0)] = 600.0
    """Time in which a score loses half of its worth."""
    barred_s: Annotated[float, Meta(ge=0)] = 600.0
    """A symbol that the broker refused is no candidate for so long."""


class Refusal(StrEnum):
    """Why a candidate got no slot."""

    DWELL = "dwell"
    """Every slot that is not pinned is within its dwell."""
    LOWER_SCORE = "lower_score"
    """It does not exceed the weakest holder by the margin."""
    PINNED = "pinned"
    """Every slot is pinned."""
    BARRED = "refused_by_broker"
    """The broker refused it, now or a moment ago."""
    LATE = "late"
    """It waited for too long, because no session was open."""


class Decision(NamedTuple):
    """What became of a candidate: it took a slot (perhaps another's), was refused, or, with neither, was in already."""

    change: "Change | None" = None
    refusal: Refusal | None = None


class Change(NamedTuple):
    """One slot changed hands; `came` or `went` is empty where it was filled or only given up."""

    slot: int
    came: str
    went: str
    trigger: str
    score: float
    why: str


KEPT: Final = Decision()
_RANKLESS: Final = 1 << 30


@dataclass(slots=True)
class Holder:
    """A symbol in a slot."""

    slot: int
    symbol: str
    trigger: str
    score: float
    scored_ns: int
    since_ns: int
    dwell_until_ns: int
    pinned: bool
    rank: int = _RANKLESS
    """Place in the universe's order: among those without a score the last one goes first."""


class Slots:
    """The slots of one appkey. Instants are wall clock, because they outlive the process."""

    def __init__(self, capacity: int, rules: SlotRules | None = None) -> None:
        self.rules = rules or SlotRules()
        self.capacity = capacity
        self._held: dict[int, Holder] = {}
        self._slot_of: dict[str, int] = {}
        self._free = list(range(capacity))
        self._dwelling: list[tuple[int, int, str]] = []
        """(end of dwell, slot, symbol); of a slot that changed since, an entry is stale and dropped when met."""
        self._open: list[tuple[float, int, int, str]] = []
        """(worth, -rank, slot, symbol) of those past their dwell; worth only grows, so an old one sorts too early."""
        self._barred_until_ns: dict[str, int] = {}

    @property
    def holders(self) -> list[Holder]:
        """Return the holders by slot."""
        return [self._held[slot] for slot in sorted(self._held)]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the symbols by slot."""
        return tuple(holder.symbol for holder in self.holders)

    def __contains__(self, symbol: str) -> bool:
        """Return whether a symbol holds a slot."""
        return symbol in self._slot_of

    def __len__(self) -> int:
        """Return how many slots are held."""
        return len(self._held)

    def adopt(self, rules: SlotRules) -> None:
        """Judge by other rules from now on; dwells that run keep their end."""
        changed = rules.half_life_s != self.rules.half_life_s
        self.rules = rules
        if changed:
            self._open = [self._entry(self._held[slot]) for _, _, slot, symbol in self._open if self._is(slot, symbol)]
            heapify(self._open)

    def offer(self, candidate: Candidate, now_ns: int) -> Decision:
        """Decide about one candidate."""
        slot = self._slot_of.get(candidate.symbol)
        if slot is not None:
            self._refresh(self._held[slot], candidate)
            return KEPT
        if now_ns < self._barred_until_ns.get(candidate.symbol, 0):
            return Decision(refusal=Refusal.BARRED)
        if self._free:
            return Decision(self._seat(candidate, now_ns))
        weakest = self._weakest(now_ns)
        if weakest is None:
            every = all(holder.pinned for holder in self._held.values())
            return Decision(refusal=Refusal.PINNED if every else Refusal.DWELL)
        if self._worth(candidate.score, candidate.at_ns) <= self._worth_of(weakest) + log2(self.rules.margin):
            return Decision(refusal=Refusal.LOWER_SCORE)
        why = f"over {weakest.trigger} {self.score_now(weakest, now_ns):.2f}"
        went = self._vacate(weakest)
        return Decision(self._seat(candidate, now_ns)._replace(went=went, why=why))

    def arrange(
        self, base: Sequence[str], pins: Collection[str], allowed: Collection[str], now_ns: int
    ) -> list[Change]:
        """Carry out the operators' word: who may be here at all, who must be, and who fills what nobody wants.

        Args:
            base: the universe's own choice for this appkey, best first.
            pins: those of it that an operator pinned.
            allowed: symbols that may hold a slot here.
            now_ns: wall clock.
        """
        places = {symbol: place for place, symbol in enumerate(base)}
        changes: list[Change] = []
        for holder in self.holders:
            symbol = holder.symbol
            holder.rank = places.get(symbol, _RANKLESS)
            if holder.pinned and symbol not in pins:
                holder.pinned, holder.trigger = False, Trigger.RANK.value
                self._enlist(holder, now_ns)
            if symbol not in allowed or (holder.trigger == Trigger.RANK and symbol not in places):
                changes.append(self.release(symbol, "not wanted any more"))
        for symbol in [symbol for symbol in base if symbol in pins][: self.capacity]:
            changes += self._pin(symbol, places[symbol], now_ns)
        return changes + self.fill(base, now_ns)

    def fill(self, base: Iterable[str], now_ns: int) -> list[Change]:
        """Give free slots to the universe's own choice."""
        changes: list[Change] = []
        for place, symbol in enumerate(base):
            if not self._free:
                break
            if symbol not in self._slot_of and now_ns >= self._barred_until_ns.get(symbol, 0):
                changes.append(self._seat(Candidate(symbol, Trigger.RANK.value, 0.0, now_ns), now_ns, rank=place))
        return changes

    def release(self, symbol: str, why: str) -> Change:
        """Free the slot of a symbol."""
        holder = self._held[self._slot_of[symbol]]
        return Change(holder.slot, "", self._vacate(holder), holder.trigger, holder.score, why)

    def bar(self, symbol: str, now_ns: int) -> None:
        """Note that the broker refused a symbol: it is no candidate for a while."""
        self._barred_until_ns = {known: until for known, until in self._barred_until_ns.items() if until > now_ns}
        self._barred_until_ns[symbol] = now_ns + int(self.rules.barred_s * NS_PER_S)

    def restore(self, holders: Iterable[Holder], now_ns: int) -> None:
        """Take the holders of a former life; what does not fit is left out."""
        for holder in holders:
            if holder.slot in self._free and holder.symbol not in self._slot_of:
                self._free.remove(holder.slot)
                heapify(self._free)
                self._take(holder, now_ns)

    def resize(self, capacity: int) -> list[Change]:
        """Take another number of slots; the last ones go when there are fewer."""
        changes = [self.release(holder.symbol, "fewer slots") for holder in self.holders if holder.slot >= capacity]
        self.capacity = capacity
        self._free = [slot for slot in range(capacity) if slot not in self._held]
        return changes

    def lowest_score(self, now_ns: int) -> float | None:
        """Return the lowest score, as it is worth now, that holds a slot; pins apart."""
        scores = [self.score_now(holder, now_ns) for holder in self._held.values() if not holder.pinned]
        return min(scores, default=None)

    def score_now(self, holder: Holder, now_ns: int) -> float:
        """Return what a holder's score is worth now."""
        age_s: float = max(0, now_ns - holder.scored_ns) / NS_PER_S
        return float(holder.score * 2.0 ** (-age_s / self.rules.half_life_s))

    def _pin(self, symbol: str, rank: int, now_ns: int) -> list[Change]:
        slot = self._slot_of.get(symbol)
        if slot is not None:
            self._held[slot].pinned, self._held[slot].trigger = True, Trigger.PIN.value
            return []
        went = ""
        if not self._free:
            # An operator does not wait for a dwell, but spares it where there is a choice.
            weakest = self._weakest(now_ns) or min(
                (holder for holder in self._held.values() if not holder.pinned),
                key=lambda holder: (self._worth_of(holder), -holder.rank),
                default=None,
            )
            if weakest is None:
                return []
            went = self._vacate(weakest)
        change = self._seat(Candidate(symbol, Trigger.PIN.value, 0.0, now_ns), now_ns, rank=rank)
        return [change._replace(went=went, why="pinned by an operator")]

    def _seat(self, candidate: Candidate, now_ns: int, *, rank: int = _RANKLESS) -> Change:
        holder = Holder(
            slot=heappop(self._free),
            symbol=candidate.symbol,
            trigger=candidate.trigger,
            score=candidate.score,
            scored_ns=candidate.at_ns,
            since_ns=now_ns,
            dwell_until_ns=now_ns + int(self.rules.dwell_s * NS_PER_S),
            pinned=candidate.trigger == Trigger.PIN,
            rank=rank,
        )
        self._take(holder, now_ns)
        return Change(holder.slot, holder.symbol, "", holder.trigger, holder.score, "a slot was free")

    def _take(self, holder: Holder, now_ns: int) -> None:
        self._held[holder.slot] = holder
        self._slot_of[holder.symbol] = holder.slot
        self._enlist(holder, now_ns)

    def _enlist(self, holder: Holder, now_ns: int) -> None:
        """Enter a holder among those that can be displaced, now or after its dwell."""
        if holder.pinned:
            return
        if now_ns < holder.dwell_until_ns:
            heappush(self._dwelling, (holder.dwell_until_ns, holder.slot, holder.symbol))
        else:
            heappush(self._open, self._entry(holder))

    def _vacate(self, holder: Holder) -> str:
        del self._held[holder.slot], self._slot_of[holder.symbol]
        if holder.slot < self.capacity:
            heappush(self._free, holder.slot)
        return holder.symbol

    def _refresh(self, holder: Holder, candidate: Candidate) -> None:
        if not holder.pinned and self._worth(candidate.score, candidate.at_ns) > self._worth_of(holder):
            holder.trigger, holder.score, holder.scored_ns = candidate.trigger, candidate.score, candidate.at_ns

    def _weakest(self, now_ns: int) -> Holder | None:
        """Return the holder of least worth whose dwell is over, None when there is none."""
        while self._dwelling and self._dwelling[0][0] <= now_ns:
            _, slot, symbol = heappop(self._dwelling)
            if self._is(slot, symbol):
                self._enlist(self._held[slot], now_ns)
        while self._open:
            worth, rank, slot, symbol = self._open[0]
            if not self._is(slot, symbol) or self._held[slot].dwell_until_ns > now_ns:
                heappop(self._open)
            elif (worth, rank) != (entry := self._entry(self._held[slot]))[:2]:
                heapreplace(self._open, entry)
            else:
                return self._held[slot]
        return None

    def _is(self, slot: int, symbol: str) -> bool:
        """Return whether a heap's entry still tells the truth."""
        holder = self._held.get(slot)
        return holder is not None and holder.symbol == symbol and not holder.pinned

    def _entry(self, holder: Holder) -> tuple[float, int, int, str]:
        return self._worth_of(holder), -holder.rank, holder.slot, holder.symbol

    def _worth_of(self, holder: Holder) -> float:
        return self._worth(holder.score, holder.scored_ns)

    def _worth(self, score: float, at_ns: int) -> float:
        """Return a number that orders scores of different times: its difference is the log of their ratio, now or ever.

        A holder without a score is worth less than anything.
        """
        return log2(score) + at_ns / (self.rules.half_life_s * NS_PER_S) if score > 0 else -inf
