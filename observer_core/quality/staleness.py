"""Which symbols have been silent for longer than can be explained, and what explains the others. Pure.

A silent symbol inside a live session is the failure that acknowledgements do not show (KIS protocol notes §9.10-11).
Silence is no fault in an auction, a halt or a volatility interruption, and an illiquid symbol may be silent for long:
each is measured against its own usual interval.
"""

from collections.abc import Collection
from typing import Final, NamedTuple

from observer_core.clock import NS_PER_S
from observer_core.market.phases import Phase

FLOOR_S: Final = 60.0
"""Nothing is stale sooner, however liquid."""
USUAL_TIMES: Final = 20.0
"""So many usual intervals may pass without a trade; at random arrivals one in five hundred million does."""
UNKNOWN_S: Final = 600.0
"""What a symbol is allowed of which the usual interval is not known yet."""
INTERRUPTION_S: Final = 155.0
"""A volatility interruption: two minutes, its random end, and the first trade after it."""
_WEIGHT: Final = 1 / 16
_TRADING = frozenset({Phase.CONTINUOUS, Phase.AFTER_MARKET, Phase.PRE_MARKET})


class Silence(NamedTuple):
    """A symbol that is stale, since when, and why it is taken to be."""

    symbol: str
    age_s: float
    why: str
    since_ns: int = 0
    """When it was heard last, or asked for."""

    def __str__(self) -> str:
        """Return it as an operator reads it."""
        return f"{self.symbol}: {self.why}"


class Staleness:
    """When each symbol was last heard, and how often it usually is. Instants are monotonic, or all wall clock."""

    def __init__(self, *, floor_s: float = FLOOR_S, unknown_s: float = UNKNOWN_S) -> None:
        self._floor_ns = int(floor_s * NS_PER_S)
        self._unknown_ns = int(unknown_s * NS_PER_S)
        self._heard_ns: dict[str, int] = {}
        self._usual_ns: dict[str, float] = {}
        self._interrupted_ns: dict[str, int] = {}
        self._halted: set[str] = set()
        self._since_ns: dict[str, int] = {}

    def want(self, symbols: Collection[str], now_ns: int) -> None:
        """Take the symbols that are to be heard from now on; the silence of a new one begins now."""
        for symbol in self._since_ns.keys() - set(symbols):
            for memory in (self._since_ns, self._heard_ns, self._usual_ns, self._interrupted_ns):
                memory.pop(symbol, None)
            self._halted.discard(symbol)
        for symbol in symbols:
            self._since_ns.setdefault(symbol, now_ns)

    def heard(self, symbol: str, now_ns: int) -> None:
        """Take one observation of a symbol."""
        before_ns = self._heard_ns.get(symbol)
        self._heard_ns[symbol] = now_ns
        if before_ns is not None and before_ns >= self._since_ns.get(symbol, 0):
            # An interval over a break of the session is none.
            usual_ns = self._usual_ns.get(symbol, 0.0)
            interval_ns = now_ns - before_ns
            self._usual_ns[symbol] = usual_ns + (interval_ns - usual_ns) * _WEIGHT if usual_ns else interval_ns

    def halted(self, symbol: str, halted: bool) -> None:
        """Take whether trading in a symbol is halted."""
        (self._halted.add if halted else self._halted.discard)(symbol)

    def interrupted(self, symbol: str, now_ns: int) -> None:
        """Take that a volatility interruption of a symbol began or still goes on."""
        self._interrupted_ns[symbol] = now_ns

    def excuse(self, symbol: str, now_ns: int) -> None:
        """Begin one symbol's silence anew: another path says that there was nothing to hear."""
        if symbol in self._since_ns:
            self._since_ns[symbol] = now_ns

    def restart(self, now_ns: int) -> None:
        """Begin every silence anew: the phase changed, or an outage ended that is recorded already."""
        self._since_ns = dict.fromkeys(self._since_ns, now_ns)

    def allowed_ns(self, symbol: str) -> int:
        """Return how long a symbol may be silent in continuous trading."""
        usual_ns = self._usual_ns.get(symbol)
        if usual_ns is None:
            return max(self._floor_ns, self._unknown_ns)
        return max(self._floor_ns, min(self._unknown_ns, int(usual_ns * USUAL_TIMES)))

    def explained(self, symbol: str, phase: Phase, now_ns: int) -> str:
        """Return why a symbol's silence is no fault, "" when nothing explains it."""
        if phase not in _TRADING:
            return f"the phase is {phase.value}"
        if symbol in self._halted:
            return "halted"
        if now_ns - self._interrupted_ns.get(symbol, -(1 << 62)) < INTERRUPTION_S * NS_PER_S:
            return "volatility interruption"
        return ""

    def stale(self, phase: Phase, now_ns: int) -> list[Silence]:
        """Return the symbols whose silence nothing explains, the longest first."""
        found = []
        for symbol, since_ns in self._since_ns.items():
            last_ns = max(since_ns, self._heard_ns.get(symbol, since_ns))
            age_ns = now_ns - last_ns
            if age_ns <= self.allowed_ns(symbol) or self.explained(symbol, phase, now_ns):
                continue
            usual_ns = self._usual_ns.get(symbol)
            age_s = age_ns / NS_PER_S
            if symbol not in self._heard_ns:
                why = f"nothing for {age_s:.0f} s since it was asked for"
            elif usual_ns is None:
                why = f"nothing for {age_s:.0f} s"
            else:
                why = f"nothing for {age_s:.0f} s, usually every {usual_ns / NS_PER_S:.1f} s"
            found.append(Silence(symbol, age_s, why, last_ns))
        return sorted(found, key=lambda silence: (-silence.age_s, silence.symbol))
