"""A streaming shard on the real simulated exchange, forty times as fast: gaps are proved, and their minutes fetched.

The oracle is the exchange's own ledger: what it sent and what it kept back of a minute is the volume of that minute.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest

from observer_core.audit.archive import _payloads
from observer_core.clock import NS_PER_S, SystemClock
from observer_core.ids import AppKeyOrdinal, DayNumber, ProcessName, ShardName, TimeNs
from observer_core.kis.rest import open_rest
from observer_core.kis.simulator.knobs import Knobs
from observer_core.kis.simulator.server import Addresses, RunningExchange, running
from observer_core.kis.simulator.venue import VenueOptions
from observer_core.kis.times import midnight_ns, time_of_day_ns
from observer_core.messages import Backfill, Event, Gap, GapReason, Record, Track, Trade, decode_batch
from observer_core.pacing.rate import PATIENCE_S
from observer_core.quality.backfill import MINUTE_NS, SETTLED_NS, Backlog
from observer_core.services.assignment import Assignment, write_assignment
from observer_core.services.context import ChildContext
from observer_core.services.scalp import _collect
from observer_core.services.shard import Shard
from observer_core.settings import Settings, load_settings
from tests.fixtures.hub import short_directory
from tests.fixtures.patience import slowness
from tests.fixtures.simulated_exchange import set_faults, until

pytestmark = pytest.mark.integration

SPEED = 40
TEN_OCLOCK_NS = midnight_ns("20261120") + time_of_day_ns("100000")
"""A Friday; far from both midnights, whenever the test runs."""
DEADLINE_S = 60.0
LIMIT_PER_S = 10
SHARD = ShardName("scalp-0")
ENDPOINT = "inquire-time-itemchartprice"


class FastClock(SystemClock):
    """The exchange's time: steady time as it is, wall time as fast as the exchange's."""

    def __init__(self) -> None:
        self._begun_ns = self.monotonic_ns()

    def now_ns(self) -> TimeNs:
        """Return the exchange's time."""
        return TimeNs(TEN_OCLOCK_NS + SPEED * (self.monotonic_ns() - self._begun_ns))


class Stage(NamedTuple):
    """An exchange, and where the shard's lives keep their files."""

    settings: Settings
    exchange: RunningExchange
    clock: FastClock

    @property
    def asked(self) -> int:
        """Return how often the exchange was asked for minute bars."""
        requests = self.exchange.venue.counters.requests
        return sum(count for name, count in requests.items() if ENDPOINT in name)

    def records(self) -> list[Record]:
        """Return everything the shard ever journalled."""
        found: list[Record] = []
        for path in sorted(self.settings.paths.journal(SHARD).glob("*.seg")):
            for payload in _payloads(path.read_bytes()):
                found += decode_batch(payload).records
        return found

    def backfilled(self) -> list[Backfill]:
        """Return the bars that were fetched."""
        return [record for record in self.records() if isinstance(record, Backfill)]

    def told(self, name: str) -> list[Event]:
        """Return the events of a name."""
        return [record for record in self.records() if isinstance(record, Event) and record.name == name]

    def proofs(self) -> dict[str, Gap]:
        """Return the newest word on every proved gap."""
        gaps = [one for one in self.records() if isinstance(one, Gap) and one.reason == GapReason.CONTINUITY]
        return {gap.gap_id: gap for gap in gaps}


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    with short_directory() as run:
        (tmp_path / "run").symlink_to(run)
        yield tmp_path


def _settings(directory: Path, exchange: RunningExchange, **overrides: str) -> Settings:
    names = ("DATA", "LOG", "CONFIG")
    return load_settings(
        {
            **{f"OBSERVER_{name}_DIR": str(directory / name.lower()) for name in names},
            "OBSERVER_RUN_DIR": str((directory / "run").readlink()),
            "KIS_TOKEN_CACHE_DIR": str(directory / "secrets"),
            "KIS_APP_KEY": "k" * 36,
            "KIS_APP_SECRET": "s" * 180,
            "KIS_REST_URL": exchange.rest_url,
            "KIS_WS_URL": exchange.ws_url,
            "OBSERVER_SOURCE": "sim",
            "OBSERVER_FORCE_OPEN": "true",
            **overrides,
        }
    )


def play(directory: Path, scenario: Callable[[Stage], Any], **overrides: str) -> None:
    """Serve the exchange and run a scenario on it."""

    async def run() -> None:
        clock = FastClock()
        options = VenueOptions(
            ordinary_symbols=40,
            always_open=True,
            speed=SPEED,
            activity=0.1,
            start_ns=TEN_OCLOCK_NS,
            ledger_path=directory / "ledger.jsonl",
            knobs=Knobs(automatic_vi=False),
        )
        async with running(options, Addresses(), SystemClock()) as exchange:
            settings = _settings(directory, exchange, **overrides)
            symbols = tuple(listing.code for listing in exchange.venue.exchange.listings[:4])
            write_assignment(
                settings.paths,
                Assignment(day=DayNumber(20261120), version=1, swing={}, scalp={SHARD: symbols}, scalp_slots=4),
            )
            await scenario(Stage(settings, exchange, clock))

    asyncio.run(run())


async def live(stage: Stage, until: Callable[[], bool]) -> None:
    """Live one life of the shard: until something holds, at most the deadline."""
    context = ChildContext(name=ProcessName(SHARD), kind="scalp", index=0, settings=stage.settings, clock=stage.clock)
    shard = Shard(context, Track.SCALP)
    life = asyncio.create_task(shard.run(lambda: _collect(shard)))
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not until():
                assert not life.done()
                await asyncio.sleep(0.1)
    finally:
        shard.stopping.set()
        assert await life == 0


def _volumes(directory: Path) -> dict[tuple[str, int], int]:
    """Return by symbol and minute what the exchange sent or kept back of what it executed, each trade once."""
    trades: dict[tuple[str, int], dict[int, int]] = defaultdict(dict)
    for row in map(json.loads, (directory / "ledger.jsonl").read_text().splitlines()):
        if "trade" in (row["kind"], row.get("of")):
            second_ns = midnight_ns("20261120") + time_of_day_ns(row["exchange_time"][-6:])
            key = (row["symbol"], second_ns // MINUTE_NS * MINUTE_NS)
            trades[key][row["cumulative_volume"]] = row["volume"]
    return {key: sum(volumes.values()) for key, volumes in trades.items()}


def _check_gaps(stage: Stage) -> None:
    """Every bar names the proofs that it is for, and they are as they were."""
    proofs = stage.proofs()
    for bar in stage.backfilled():
        assert bar.gap_ids
        for gap in (proofs[gap_id] for gap_id in bar.gap_ids):
            assert gap.symbols == (bar.symbol,)
            assert gap.missed_volume
            assert gap.until_ns is not None
            assert gap.from_ns < bar.minute_ns + MINUTE_NS
            assert bar.minute_ns < gap.until_ns
        assert bar.minute_ns + MINUTE_NS + SETTLED_NS <= bar.requested_ns


def _check_volumes(directory: Path, stage: Stage) -> None:
    """Of a minute that was streamed whole, a bar has what the exchange executed; less than that was received."""
    executed = _volumes(directory)
    received: dict[tuple[str, int], int] = defaultdict(int)
    for trade in (record for record in stage.records() if isinstance(record, Trade)):
        received[trade.symbol, trade.source_time_ns // MINUTE_NS * MINUTE_NS] += trade.volume
    whole_from_ns = min(minute_ns for _, minute_ns in executed) + 2 * MINUTE_NS
    checked = [bar for bar in stage.backfilled() if bar.minute_ns >= whole_from_ns]
    assert len(checked) >= 4
    for bar in checked:
        key = (bar.symbol, bar.minute_ns)
        assert bar.volume == executed[key]
        assert received[key] <= bar.volume
    assert any(received[bar.symbol, bar.minute_ns] < bar.volume for bar in checked)


def test_minutes_with_a_proved_gap_are_fetched_once_and_are_the_exchanges_own(directory: Path) -> None:
    seen: list[Stage] = []

    async def scenario(stage: Stage) -> None:
        seen.append(stage)
        await set_faults(stage.exchange, drop_record_rate=0.2)
        await live(stage, lambda: len(stage.backfilled()) >= 7)
        await set_faults(stage.exchange, drop_record_rate=0.0)
        before = stage.backfilled()
        # Its second life goes on with what the first one left, and asks for no minute twice.
        await live(stage, lambda: len(stage.backfilled()) > len(before) and not _left(stage))
        # The end of a life may come between a call and its answer.
        assert 0 <= stage.asked - len(stage.told("gap_backfilled")) <= 2

    play(directory, scenario, OBSERVER_BACKFILL_CALLS_PER_MIN="60")
    (stage,) = seen
    minutes = [(bar.symbol, bar.minute_ns) for bar in stage.backfilled()]
    assert len(minutes) == len(set(minutes))
    _check_gaps(stage)
    _check_volumes(directory, stage)


def _left(stage: Stage) -> bool:
    """Return whether minutes are wanted that are over."""
    backlog = msgspec.json.decode(stage.settings.paths.backfill(SHARD).read_bytes(), type=Backlog)
    return backlog.next_ask(stage.clock.now_ns()) is not None


def test_nothing_is_fetched_unless_it_is_asked_for(directory: Path) -> None:
    async def scenario(stage: Stage) -> None:
        assert stage.settings.backfill_calls_per_min == 0
        await set_faults(stage.exchange, drop_record_rate=0.2)
        until_ns = stage.clock.now_ns() + 3 * MINUTE_NS
        await live(stage, lambda: stage.clock.now_ns() > until_ns and bool(stage.proofs()))
        assert (stage.asked, stage.backfilled()) == (0, [])
        assert not stage.settings.paths.backfill(SHARD).exists()

    play(directory, scenario)


def test_a_sweep_that_uses_the_budget_up_goes_first(directory: Path) -> None:
    """On the same budget as the shards': patience, not rank, serves the lowest class in the end."""

    async def scenario(stage: Stage) -> None:
        symbols = [listing.code for listing in stage.exchange.venue.exchange.listings[:4]]
        sweeping, filling = (open_rest(stage.settings, AppKeyOrdinal(0), stage.clock, Random(1)) for _ in range(2))
        swept = 0

        async def sweep() -> None:
            nonlocal swept
            while True:
                await sweeping.multi_price(symbols)
                swept += 1

        sweeps = [asyncio.create_task(sweep()) for _ in range(2)]
        try:
            await until(lambda: swept >= LIMIT_PER_S)
            before, asked_ns = swept, stage.clock.monotonic_ns()
            chart = await filling.minute_chart(symbols[0], stage.clock.now_ns() - MINUTE_NS)
            waited_s = (stage.clock.monotonic_ns() - asked_ns) / NS_PER_S
        finally:
            for one in sweeps:
                one.cancel()
            await asyncio.gather(*sweeps, return_exceptions=True)
            for client in (sweeping, filling):
                await client.aclose()
        assert chart.bars
        assert waited_s >= PATIENCE_S
        assert swept - before >= PATIENCE_S * LIMIT_PER_S * 0.7 / slowness()
        assert stage.exchange.venue.counters.rest_limit_refusals == 0

    play(directory, scenario, KIS_REST_LIMIT_PER_S=str(LIMIT_PER_S))


def test_a_broker_that_refuses_costs_a_warning_and_not_the_stream(directory: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await set_faults(
            stage.exchange,
            drop_record_rate=0.2,
            rest_error_code="OPSQ2001",
            rest_error_status=200,
            rest_error_endpoint=ENDPOINT,
        )
        await live(stage, lambda: bool(stage.told("backfill_failed")))
        told = len(stage.told("backfill_failed"))
        trades = sum(isinstance(record, Trade) for record in stage.records())
        await live(stage, lambda: len(stage.told("backfill_failed")) > told)
        assert sum(isinstance(record, Trade) for record in stage.records()) > trades
        assert stage.backfilled() == []
        assert stage.proofs()

    play(directory, scenario, OBSERVER_BACKFILL_CALLS_PER_MIN="60")
