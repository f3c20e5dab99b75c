"""What the servers of one simulated exchange share: market, keys, faults, counts and ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from observer_core.clock import Clock
from observer_core.kis.simulator.counters import Counters
from observer_core.kis.simulator.credentials import Credentials
from observer_core.kis.simulator.exchange import Exchange
from observer_core.kis.simulator.faults import FaultBoard, Knobs
from observer_core.kis.simulator.ledger import Ledger, RefusedRow
from observer_core.kis.simulator.limiter import RateWindow
from observer_core.kis.simulator.listings import generate_listings
from observer_core.kis.simulator.trading_hours import ExchangeClock, TradingHours


@dataclass(frozen=True, slots=True)
class VenueOptions:
    """State a simulated exchange: instants in wall-clock nanoseconds, None for now."""

    seed: int = 1
    ordinary_symbols: int = 2_000
    always_open: bool = False
    speed: float = 1.0
    start_ns: int | None = None
    ledger_path: Path | None = None
    appkeys: Sequence[str] = ()
    knobs: Knobs = field(default_factory=Knobs)


@dataclass(frozen=True, slots=True)
class Venue:
    """One simulated exchange without its sockets."""

    seed: int
    clock: Clock
    exchange: Exchange
    faults: FaultBoard
    credentials: Credentials
    limiter: RateWindow
    counters: Counters
    ledger: Ledger

    def refused(self, receiver: str, code: str, appkey: int) -> None:
        """Write a refusal to the ledger; `appkey` is the ordinal, -1 when unknown."""
        self.ledger.append(RefusedRow("refused", receiver, self.clock.now_ns(), appkey, code))


def build_venue(options: VenueOptions, clock: Clock) -> Venue:
    """Make a simulated exchange from its options; its clock starts now."""
    faults = FaultBoard(options.knobs)
    exchange = Exchange(
        generate_listings(options.seed, options.ordinary_symbols),
        options.seed,
        TradingHours(options.always_open),
        ExchangeClock(clock, options.start_ns, options.speed),
    )
    return Venue(
        seed=options.seed,
        clock=clock,
        exchange=exchange,
        faults=faults,
        credentials=Credentials(faults, options.appkeys),
        limiter=RateWindow(),
        counters=Counters(),
        ledger=Ledger(options.ledger_path),
    )
