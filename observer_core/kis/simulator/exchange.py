"""All symbols of the simulated exchange under one clock.

Owns the tapes and makes them on first use; tapes never look at one another.
"""

from __future__ import annotations

from collections.abc import Sequence

from observer_core.kis.simulator.listings import Listing
from observer_core.kis.simulator.tape import SymbolTape
from observer_core.kis.simulator.trading_hours import ExchangeClock, TradingHours, kst_day_number


class Exchange:
    """Give the tape of a symbol, advanced to the exchange's time."""

    def __init__(self, listings: Sequence[Listing], seed: int, hours: TradingHours, clock: ExchangeClock) -> None:
        self.listings = tuple(listings)
        self.hours = hours
        self.clock = clock
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
            tape = SymbolTape(listing, self._seed, self.hours, self.clock.start_ns)
            self._tapes[code] = tape
        return tape

    def tape_at(self, code: str, exchange_ns: int) -> SymbolTape | None:
        """Return the tape of a code advanced to a time; None when it is not listed."""
        tape = self.tape(code)
        if tape is not None:
            tape.advance_to(exchange_ns)
        return tape

    def is_continuous(self, exchange_ns: int) -> bool:
        """Tell whether continuous trading goes on at a time."""
        session = self.hours.session(kst_day_number(exchange_ns))
        return session is not None and session.open_ns <= exchange_ns < session.end_ns

    def keep_up(self, exchange_ns: int, count: int) -> None:
        """Advance the next `count` symbols in turn, so that no backlog builds up where nobody looks."""
        for _ in range(min(count, len(self.listings))):
            self._turn = (self._turn + 1) % len(self.listings)
            self.tape_at(self.listings[self._turn].code, exchange_ns)
