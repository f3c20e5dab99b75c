"""The quality of one swing shard's sweeps: whether rows stand still that should move, and whether enough arrive.

A symbol of which the sweep never answers has a gap at once; worse is a row that comes and never changes. A symbol
without a trade for much longer than it usually is gets looked at by another endpoint: only a volume that grew there
proves that the sweep's row is frozen. Halts, interruptions and quiet symbols prove nothing and are excused.
"""

from collections.abc import Collection, Iterable

from observer_core.clock import NS_PER_S
from observer_core.market.phases import Phase
from observer_core.messages import Event, Quote, Record, ShardStatus
from observer_core.quality.rates import RateRule
from observer_core.quality.staleness import Silence, Staleness
from observer_core.services.expected_rate import ExpectedRate
from observer_core.services.rates_file import RatesFile

NEVER_S = 86_400.0
"""A symbol of which no usual interval is known is not doubted: most of the universe trades rarely."""
LOOK_EVERY_S = 5.0
"""Between two doubtful symbols that are looked at."""
FLOOR_SHARE = 0.02
"""Of what the rate budget allows; the least that sweeps must bring before former sessions are known."""
EXAMPLES = 5
_SWEEPS = "sweeps"


class SweepQuality:
    """Takes every swept quote; `look` now and then says what that came to."""

    def __init__(self, status: ShardStatus, rates: RatesFile, rule: RateRule, *, stale_after_s: float) -> None:
        self._name = status.name
        self._staleness = Staleness(floor_s=stale_after_s, unknown_s=NEVER_S)
        self._rate = ExpectedRate(status.name, "quotes", rates, rule)
        self._quotes_total = 0
        self._volume: dict[str, int] = {}
        self._since_ns: dict[str, int] = {}
        """Of doubtful symbols: their last trade."""
        self._claimed: dict[str, tuple[int, int]] = {}
        """What another endpoint said of a doubtful symbol: volume, and when."""
        self._frozen: dict[str, Silence] = {}
        self._looked_ns = 0
        self._phase = Phase.CLOSED
        self._told = False

    @property
    def frozen(self) -> dict[str, int]:
        """Return the symbols whose rows are proved to stand still, and since when."""
        return {symbol: silence.since_ns for symbol, silence in self._frozen.items()}

    def assign(self, symbols: Collection[str], now_ns: int) -> None:
        """Take the symbols of the shard."""
        self._staleness.want(symbols, now_ns)
        for symbol in self._volume.keys() - set(symbols):
            del self._volume[symbol]
            self._claimed.pop(symbol, None)
            self._frozen.pop(symbol, None)

    def swept(self, records: Iterable[Record], now_ns: int) -> None:
        """Take the records of one answer of the sweep."""
        for record in records:
            if isinstance(record, Quote):
                self._quotes_total += 1
                self._compare(record, now_ns)

    def claimed(self, quote: Quote) -> None:
        """Take what another endpoint says of a doubtful symbol; the next sweep is compared with it."""
        self._claimed[quote.symbol] = quote.cumulative_volume, quote.received_ns

    def doubtful(self, phase: Phase, now_ns: int) -> str | None:
        """Return the symbol to look at elsewhere now; None = none."""
        if phase is not Phase.CONTINUOUS or now_ns - self._looked_ns < LOOK_EVERY_S * NS_PER_S:
            return None
        known = self._frozen.keys() | self._claimed.keys()
        silence = next((found for found in self._staleness.stale(phase, now_ns) if found.symbol not in known), None)
        self._looked_ns = now_ns
        if silence is None:
            return None
        self._since_ns[silence.symbol] = silence.since_ns
        return silence.symbol

    def look(self, phase: Phase, now_ns: int, monotonic_ns: int, floor_per_s: float) -> list[Event]:
        """Return the events that are due; nothing is expected of a closed market."""
        if phase is not self._phase:
            self._phase = phase
            self._staleness.restart(now_ns)
            self._frozen.clear()
            self._claimed.clear()
        key = "" if phase is Phase.CLOSED else _SWEEPS
        events = self._rate.look(key, self._quotes_total, now_ns, monotonic_ns, floor_per_s)
        if bool(self._frozen) != self._told:
            self._told = bool(self._frozen)
            events.append(self._announce(now_ns))
        return events

    def pause(self) -> None:
        """Take no account of now: an operator paused the shard."""
        self._rate.pause()

    def figures(self) -> dict[str, object]:
        """Return the fields of the shard's status that are known here."""
        return {
            "stale_symbols": len(self._frozen),
            "stale_examples": tuple(str(silence) for silence in list(self._frozen.values())[:EXAMPLES]),
            **self._rate.figures(),
        }

    def _announce(self, now_ns: int) -> Event:
        if not self._frozen:
            return Event(now_ns, "symbols_heard", "info", self._name, "every swept row moves again")
        first = next(iter(self._frozen.values()))
        text = f"{len(self._frozen)} swept rows stand still while the symbols trade; {first}"
        return Event(now_ns, "symbols_stale", "warning", self._name, text)

    def _compare(self, quote: Quote, now_ns: int) -> None:
        symbol, volume = quote.symbol, quote.cumulative_volume
        if self._volume.get(symbol) != volume:
            if symbol in self._volume:
                self._staleness.heard(symbol, now_ns)
            self._volume[symbol] = volume
        claim = self._claimed.get(symbol)
        if claim is None or quote.requested_ns <= claim[1]:
            return
        if volume >= claim[0]:
            del self._claimed[symbol]
            self._frozen.pop(symbol, None)
            self._staleness.excuse(symbol, now_ns)
        elif symbol not in self._frozen:
            since_ns = self._since_ns[symbol]
            why = f"the sweep says {volume:,} shares, another endpoint {claim[0]:,}"
            self._frozen[symbol] = Silence(symbol, (now_ns - since_ns) / NS_PER_S, why, since_ns)
