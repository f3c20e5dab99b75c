"""All symbols of the simulated exchange under one clock.

Owns the tapes and makes them on first use; tapes never look at one another.
"""

from __future__ import annotations

from collections.abc import Sequence

from observer_core.kis.simulator.conditions import MarketConditions
from observer_core.kis.simulator.listings import Listing
from observer_core.kis.simulator.tape import SymbolTape
from observer_core.kis.simulator.trading_hours import CONTINUOUS_PHASES, ExchangeClock, TradingHours


class Exchange:
    """Give the tape of a symbol, advanced to the exchange's time."""

    def __init__(
        self,
        listings: Sequence[Listing],
        seed: int,
        hours: TradingHours,
        clock: ExchangeClock,
        conditions: MarketConditions | None = None,
    ) -> None:
        self.listings = tuple(listings)
        self.hours = hours
        self.clock = clock
        self.conditions = conditions or MarketConditions()
        self._seed = seed
        self._by_code = {listing.code: listing for listing in listings}
        self._tapes: dict[str, SymbolTape] = {}
        self._turn = 0

    def lists(self, code: str) -> bool:
        """Tell whether a short code is listed."""
        return code in self._by_code

    def tape(self, code: str) -> SymbolTape | None:
        """Return the tape of a code, not advanced; None when it is not listed."""
        tape = self._tapes.get(code)
        if tape is None and (listing := self._by_code.get(code)) is not None:
            tape = SymbolTape(listing, self._seed, self.hours, self.clock.start_ns, self.conditions)
            self._tapes[code] = tape
        return tape

    def known_tapes(self) -> tuple[SymbolTape, ...]:
        """Return the tapes made so far, as they are."""
        return tuple(self._tapes.values())

    def tape_at(self, code: str, exchange_ns: int) -> SymbolTape | None:
        """Return the tape of a code advanced to a time; None when it is not listed."""
        tape = self.tape(code)
        if tape is not None:
            tape.advance_to(exchange_ns)
        return tape

    def is_continuous(self, exchange_ns: int) -> bool:
        """Tell whether continuous trading goes on at a time, the after-market included."""
        return self.hours.phase(exchange_ns) in CONTINUOUS_PHASES

    def keep_up(self, exchange_ns: int, count: int) -> None:
        """Advance the next `count` symbols in turn, so that no backlog builds up where nobody looks."""
        for _ in range(min(count, len(self.listings))):
            self._turn = (self._turn + 1) % len(self.listings)
            self.tape_at(self.listings[self._turn].code, exchange_ns)
