"""The quality of one scalp shard's stream: guards, continuity, staleness and rate, together, over what it receives.

Separate from the shard's life so that it is driven by records and instants alone; the judgements themselves are pure
and in `observer_core.quality`.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from observer_core.clock import NS_PER_S, kst_day
from observer_core.journal.last_trades import FormerTail
from observer_core.market.phases import Phase
from observer_core.messages import Event, Quality, Quote, Record, Rejection, ShardStatus, Track, Trade
from observer_core.quality.completeness import by_volume
from observer_core.quality.continuity import DUPLICATE, Arrival, Continuity
from observer_core.quality.guards import Limits, TradeGuards
from observer_core.quality.rates import RateRule
from observer_core.quality.staleness import FLOOR_S, UNKNOWN_S, Silence, Staleness
from observer_core.quality.validation import IN_SESSION
from observer_core.services.day_volumes import DayVolumes
from observer_core.services.expected_rate import ExpectedRate
from observer_core.services.rates_file import RatesFile

EXAMPLES: Final = 5
INTERRUPTED: Final = "C"
"""HOUR_CLS_CODE of an expected price during a volatility interruption."""
UNPROVED_TIMES: Final = 3
"""A silence is a fault when REST proves it, or, where REST does not answer, after so many times what is allowed."""
FLOOR_PER_SYMBOL_S: Final = {Phase.CONTINUOUS: 1 / 30, Phase.AFTER_MARKET: 1 / 600}
"""Trades a second that a symbol worth a slot brings at least, before former sessions are known."""


class TradeQuality:
    """Judges every trade in the order of arrival; `look` now and then says what that came to."""

    def __init__(
        self,
        status: ShardStatus,
        rates: RatesFile,
        rule: RateRule,
        *,
        clock_comparable: bool,
        volumes: DayVolumes | None = None,
        stale_after_s: float = FLOOR_S,
    ) -> None:
        self._name = status.name
        self.guards = TradeGuards(clock_comparable=clock_comparable)
        self.continuity = Continuity(status.name, status.epoch)
        self.staleness = Staleness(floor_s=stale_after_s, unknown_s=max(stale_after_s, UNKNOWN_S))
        self._volumes = volumes
        self._rate = ExpectedRate(status.name, "trades", rates, rule)
        self._trades_total = 0
        self._symbols = 0
        self._phase = Phase.CONTINUOUS
        self._stale: tuple[Silence, ...] = ()
        self._proved_ns: dict[str, int] = {}
        """When REST had volume that the stream had not, by symbol."""
        self._limits_asked: set[str] = set()
        self._limits_day = 0
        """They hold for one day."""

    def assign(self, symbols: Collection[str], gained: Iterable[str], lost: Iterable[str], now_ns: int) -> None:
        """Take the symbols of the shard; what happens while a symbol is not wanted is not missing."""
        gone = [*lost, *gained]
        if self._volumes is not None:
            self._volumes.end(self.continuity.reaches(gone), now_ns)
        self.continuity.forget(gone)
        for symbol in gone:
            self.guards.forget(symbol)
        self.staleness.want(symbols, now_ns)
        self._symbols = len(symbols)

    def judge(self, records: Iterable[Record], now_ns: int) -> list[Record]:
        """Return the records with what the guards and the volume line say of them; a refused trade as a rejection."""
        return [self._judge_trade(record, now_ns) if type(record) is Trade else record for record in records]

    def look(
        self, phase: Phase, now_ns: int, monotonic_ns: int, *, observing: bool, keeping: bool = True
    ) -> list[Record]:
        """Return gap records and events that are due.

        Args:
            phase: of the market.
            now_ns: wall clock.
            monotonic_ns: for the rate.
            observing: whether a session is open, so that trades are expected at all.
            keeping: whether the journal takes records; until it does, what is missing of a symbol grows to one proof.
        """
        if phase is not self._phase:
            self._phase = phase
            self.staleness.restart(now_ns)
            self._proved_ns.clear()
        if kst_day(now_ns) != self._limits_day:
            self._limits_day = kst_day(now_ns)
            self.guards.limits.clear()
            self._limits_asked.clear()
        if self._volumes is not None:
            self._volumes.look(self.continuity.reaches(), now_ns)
        self.guards.open = phase is not Phase.CLOSED
        records: list[Record] = [*self.continuity.settle(now_ns)] if keeping else []
        records += self._look_at_rate(phase, monotonic_ns, now_ns, observing)
        stale = tuple(silence for silence in self.staleness.stale(phase, now_ns) if self._unexplained(silence))
        if stale and not self._stale:
            text = f"{len(stale)} symbols are silent without a reason; {stale[0]}"
            records.append(Event(now_ns, "symbols_stale", "warning", self._name, text))
        elif self._stale and not stale:
            records.append(Event(now_ns, "symbols_heard", "info", self._name, "every symbol is heard again"))
        self._stale = stale
        return records

    def quoted(self, quote: Quote, now_ns: int) -> None:
        """Take what REST says of a silent symbol: no more volume than was streamed excuses it (halt, interruption)."""
        reached = self.continuity.reached(quote.symbol)
        if reached is not None and quote.cumulative_volume <= reached:
            self.staleness.excuse(quote.symbol, now_ns)
        else:
            self._proved_ns[quote.symbol] = now_ns

    def _unexplained(self, silence: Silence) -> bool:
        """Return whether a silence was found to be a fault, or has lasted without anybody being able to tell."""
        if self._proved_ns.get(silence.symbol, 0) >= silence.since_ns:
            return True
        return silence.age_s * NS_PER_S > UNPROVED_TIMES * self.staleness.allowed_ns(silence.symbol)

    @property
    def stale(self) -> dict[str, int]:
        """Return the symbols that are silent without a reason, and since when."""
        return {silence.symbol: silence.since_ns for silence in self._stale}

    def confirmed(self, symbol: str, phase: Phase, now_ns: int) -> None:
        """Take the broker's word that a symbol is registered; before the opening its day is observed from zero on."""
        if phase in {Phase.PRE_OPEN, Phase.OPENING_AUCTION}:
            self.continuity.expect(symbol, now_ns)

    def recall_tail(self, former: FormerTail, since_ns: Mapping[str, int], now_ns: int) -> tuple[str, ...]:
        """Take the last seconds of the former life, before anything is received.

        Args:
            former: those seconds.
            since_ns: since when each symbol has been wanted without a break.
            now_ns: wall clock.

        Returns:
            Whose last trade is known.
        """
        self.continuity.recall_holes(former.lead, former.trades, former.reported, now_ns)
        newest = former.newest()
        for trade in newest.values():
            self.continuity.recall(trade, now_ns)
        self.continuity.recall_proofs(former.reported)
        known = tuple(symbol for symbol, trade in newest.items() if _is_of(trade, since_ns))
        # Of the others only the holes count.
        self.continuity.forget(newest.keys() - set(known))
        return known

    def recall(self, trades: Iterable[Trade], since_ns: Mapping[str, int], now_ns: int) -> None:
        """Take the last trades of the former life, one of each symbol; none from before a symbol was wanted again."""
        for trade in trades:
            if _is_of(trade, since_ns):
                self.continuity.recall(trade, now_ns)

    def recall_before(
        self, trades: Iterable[Trade], former: FormerTail, since_ns: Mapping[str, int], now_ns: int
    ) -> None:
        """Take the last trades before `former`, one of each symbol; of those in it they are what it goes on from."""
        firsts = former.firsts()
        for trade in trades:
            first = firsts.get(trade.symbol)
            if first is None:
                self.recall([trade], since_ns, now_ns)
            elif _is_of(trade, since_ns):
                self.continuity.recall_pause(trade, first, former.reported, now_ns)
        self.continuity.recall_proofs(former.reported)

    def given_up(self, records: Iterable[Record], now_ns: int) -> None:
        """Note that the journal did not take what was judged: it is missing, and no duplicate if it comes again."""
        for record in records:
            if isinstance(record, Trade) and DUPLICATE not in record.reasons:
                self.continuity.take_back(record, now_ns)

    def take_limits_wanted(self) -> set[str]:
        """Return the symbols, once each, of which the broker's own limits are needed."""
        wanted = self.guards.limits_wanted - self._limits_asked
        self._limits_asked |= wanted
        return wanted

    def ask_again(self, symbol: str) -> None:
        """Note that the limits of a symbol could not be read."""
        self._limits_asked.discard(symbol)

    def finish(self, now_ns: int) -> list[Record]:
        """Return the gap records of what can still be proved at the end."""
        if self._volumes is not None:
            self._volumes.look(self.continuity.reaches(), now_ns, write_now=True)
        return [*self.continuity.settle(now_ns, late_ns=0)]

    def figures(self) -> dict[str, object]:
        """Return the fields of the shard's status that are known here."""
        tallies = self.continuity.tallies()
        return {
            "completeness": by_volume(tallies).together,
            "stale_symbols": len(self._stale),
            "stale_examples": tuple(str(silence) for silence in self._stale[:EXAMPLES]),
            "duplicates_total": self.continuity.duplicates_total,
            "missed_volume_total": sum(tally.missed for tally in tallies.values()),
            **self._rate.figures(),
        }

    def learn_limits(self, symbol: str, lower: int | None, upper: int | None) -> None:
        """Take the broker's own limits of a symbol."""
        self.guards.limits_wanted.discard(symbol)
        if lower and upper:
            self.guards.limits[symbol] = Limits(lower, upper)

    def _judge_trade(self, trade: Trade, now_ns: int) -> Record:
        self._trades_total += 1
        symbol = trade.symbol
        arrival = self.continuity.take(trade, now_ns)
        if arrival is not Arrival.NEXT:
            self.guards.interrupted(symbol)
        self.staleness.heard(symbol, now_ns)
        if trade.halted or trade.session_code != IN_SESSION:
            self._explain(trade, now_ns)
        if arrival is Arrival.AGAIN:
            # Its time and price were judged when it came first.
            return replace(trade, quality=Quality.DEGRADED, reasons=(*trade.reasons, DUPLICATE))
        judgement = self.guards.judge(trade)
        if not judgement.reasons:
            return trade
        if judgement.rejected:
            raw = trade.raw if trade.raw is not None else msgspec.json.encode(msgspec.structs.asdict(trade)).decode()
            return Rejection(symbol, trade.received_ns, Track.SCALP, "guard", judgement.reasons, raw)
        return replace(trade, quality=Quality.DEGRADED, reasons=(*trade.reasons, *judgement.reasons))

    def _explain(self, trade: Trade, now_ns: int) -> None:
        self.staleness.halted(trade.symbol, trade.halted)
        if trade.session_code == INTERRUPTED:
            self.staleness.interrupted(trade.symbol, now_ns)

    def _look_at_rate(self, phase: Phase, monotonic_ns: int, now_ns: int, observing: bool) -> list[Event]:
        if not observing:
            # No session is open: that is an outage with a gap record, not a slow stream.
            self._rate.pause()
            return []
        floor = FLOOR_PER_SYMBOL_S.get(phase)
        key = "" if floor is None else phase.value
        return self._rate.look(key, self._trades_total, now_ns, monotonic_ns, self._symbols * (floor or 0.0))


def _is_of(trade: Trade, since_ns: Mapping[str, int]) -> bool:
    """Return whether its symbol has been wanted without a break since a trade."""
    wanted_ns = since_ns.get(trade.symbol)
    return wanted_ns is not None and trade.received_ns >= wanted_ns
