"""What the servers of one simulated exchange share: market, keys, faults, counts and ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from observer_core.clock import NS_PER_S, Clock
from observer_core.kis.simulator.counters import Counters
from observer_core.kis.simulator.credentials import Credentials
from observer_core.kis.simulator.exchange import Exchange
from observer_core.kis.simulator.faults import Actions, FaultBoard, Knobs
from observer_core.kis.simulator.ledger import Ledger, MarketRow, RefusedRow
from observer_core.kis.simulator.limiter import RateWindow
from observer_core.kis.simulator.listings import Listing, generate_listings
from observer_core.kis.simulator.tape import SymbolTape
from observer_core.kis.simulator.trading_days import TradingDays
from observer_core.kis.simulator.trading_hours import (
    REGULAR_HOURS,
    DayHours,
    ExchangeClock,
    TradingHours,
    timestamp_text,
)

_BLOCK_FACTOR = 300


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
    activity: float = 1.0
    """Factor on the rate of executions: below 1 for a compressed day."""
    master_ns: int | None = None
    """An instant of the day the listing files are of; None: the exchange's own day."""
    days: TradingDays = field(default_factory=TradingDays)
    hours: DayHours = REGULAR_HOURS


class QuotedRow(NamedTuple):
    """One row of a sweep as sent, and what the ledger says of it."""

    row: dict[str, str]
    code: str
    exchange_time: str
    price: int
    volume: int
    cumulative_volume: int


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
    master_ns: int | None = None
    held_rows: dict[str, QuotedRow] = field(default_factory=dict)
    """Of symbols whose swept rows stand still: the one they stand at."""

    def apply_faults(self, request: dict[str, Any]) -> Actions:
        """Change knobs as `FaultBoard.apply` does, and carry out the actions that concern no connection."""
        actions = self.faults.apply(request)
        self.set_conditions()
        now_ns = self.exchange.clock.now_ns()
        for tape in filter(None, map(self.exchange.tape, actions.vi)):
            tape.interrupt(now_ns)
        for tape in filter(None, map(self.exchange.tape, actions.halt)):
            tape.halt(now_ns)
        for tape in filter(None, map(self.exchange.tape, actions.resume)):
            tape.resume(now_ns)
        for tape in filter(None, map(self.exchange.tape, actions.surge)):
            tape.surge(now_ns)
        for tape in filter(None, map(self.exchange.tape, actions.block)):
            self._deal_off_book(tape, now_ns)
        if actions.expire_tokens:
            self.credentials.expire_tokens(self.clock.now_ns())
        if actions.forget_tokens:
            self.credentials.forget_tokens()
        if actions.expire_approvals:
            self.credentials.expire_approvals()
        if actions.speed:
            self.exchange.clock.set_speed(actions.speed)
        return actions

    def _deal_off_book(self, tape: SymbolTape, exchange_ns: int) -> None:
        """Count a block deal: some hundred times an ordinary execution, below the day's range."""
        price = tape.limits[0]
        volume = max(1, int(tape.listing.trade_volume * _BLOCK_FACTOR))
        tape.add_off_book(exchange_ns, price, volume)
        time, total = timestamp_text(exchange_ns), tape.figures.volume
        code = tape.listing.code
        row = MarketRow("market", "block", code, time, price, volume, total, self.clock.now_ns(), "", "off_book")
        self.ledger.append(row)

    def set_conditions(self) -> None:
        """Let the market know the knobs that concern it."""
        conditions, knobs = self.exchange.conditions, self.faults.knobs
        conditions.off_tick_rate = knobs.off_tick_rate
        conditions.automatic_vi = knobs.automatic_vi
        conditions.vi_duration_ns = int(knobs.vi_duration_s * NS_PER_S)

    def refused(self, receiver: str, code: str, appkey: int) -> None:
        """Write a refusal to the ledger; `appkey` is the ordinal, -1 when unknown."""
        self.ledger.append(RefusedRow("refused", receiver, self.clock.now_ns(), appkey, code))


def build_venue(options: VenueOptions, clock: Clock) -> Venue:
    """Make a simulated exchange from its options; its clock starts now."""
    faults = FaultBoard(options.knobs)
    exchange = Exchange(
        _with_activity(generate_listings(options.seed, options.ordinary_symbols), options.activity),
        options.seed,
        TradingHours(options.always_open, options.days, options.hours),
        ExchangeClock(clock, options.start_ns, options.speed),
    )
    venue = Venue(
        seed=options.seed,
        clock=clock,
        exchange=exchange,
        faults=faults,
        credentials=Credentials(faults, options.appkeys),
        limiter=RateWindow(),
        counters=Counters(),
        ledger=Ledger(options.ledger_path),
        master_ns=options.master_ns,
    )
    venue.set_conditions()
    return venue


def _with_activity(listings: tuple[Listing, ...], activity: float) -> tuple[Listing, ...]:
    if activity == 1.0:
        return listings
    return tuple(msgspec.structs.replace(listing, activity=activity) for listing in listings)
