"""A streaming shard around the closed market: what it misses when it is not back in time is a gap, of that time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random

import pytest

from observer_core.audit.archive import _payloads
from observer_core.clock import NS_PER_S, SystemClock
from observer_core.ids import AppKeyOrdinal, ProcessName, ShardName
from observer_core.kis.rest import open_rest
from observer_core.messages import Gap, GapReason, Track, decode_batch
from observer_core.pacing.connect import ConnectBudget, connect_path
from observer_core.services.assignment import Assignment, write_assignment
from observer_core.services.context import ChildContext
from observer_core.services.scalp import ScalpCollector
from observer_core.services.scalp_config import ScalpConfig
from observer_core.services.shard import Shard
from observer_core.services.slot_desk import SlotDesk
from observer_core.settings import Settings, load_settings
from tests.fixtures.hub import short_directory
from tests.fixtures.journals import SteppingClock

pytestmark = pytest.mark.integration

SYMBOL = "005930"
KST = timezone(timedelta(hours=9))
PATIENCE_S = 10.0


def at(hour: int, minute: int = 0) -> int:
    """Return an instant of a Friday with a session."""
    return int(datetime(2026, 7, 24, hour, minute, tzinfo=KST).timestamp()) * NS_PER_S


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    names = ("DATA", "LOG", "CONFIG")
    environment = {f"OBSERVER_{name}_DIR": str(tmp_path / name.lower()) for name in names}
    keys = {"KIS_APP_KEY": "k" * 36, "KIS_APP_SECRET": "s" * 180}
    nobody = {"KIS_REST_URL": "http://127.0.0.1:9", "KIS_WS_URL": "ws://127.0.0.1:9"}
    with short_directory() as run:
        cache = {"OBSERVER_RUN_DIR": str(run), "KIS_TOKEN_CACHE_DIR": str(tmp_path / "secrets")}
        yield load_settings({**environment, **keys, **nobody, **cache})


class Life:
    """A collector at work, and the clock that it lives by."""

    def __init__(self, settings: Settings, now_ns: int) -> None:
        self.clock = SteppingClock(now_ns)
        context = ChildContext(name=ProcessName("scalp-0"), kind="scalp", index=0, settings=settings, clock=self.clock)
        self.shard = Shard(context, Track.SCALP)
        self.shard.running.set()

    def gaps(self) -> list[Gap]:
        return [
            record
            for path in sorted(self.shard.journal_directory.glob("*.seg"))
            for payload in _payloads(path.read_bytes())
            for record in decode_batch(payload).records
            if isinstance(record, Gap)
        ]

    async def until(self, reached: Callable[[], object], what: str) -> None:
        clock = SystemClock()
        deadline_ns = clock.monotonic_ns() + int(PATIENCE_S * NS_PER_S)
        while not reached():
            assert clock.monotonic_ns() < deadline_ns, what
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def resting(settings: Settings, now_ns: int = at(3)) -> AsyncIterator[Life]:
    """Be a shard that waits for the market, early in the morning if nothing else is said."""
    symbols = (SYMBOL,)
    write_assignment(
        settings.paths,
        Assignment(day=20260724, version=1, swing={}, scalp={ShardName("scalp-0"): symbols}, scalp_slots=41),  # type: ignore[arg-type]
    )
    life = Life(settings, now_ns)
    ordinal = AppKeyOrdinal(0)
    client = open_rest(settings, ordinal, life.clock, Random(1))
    budget = ConnectBudget(connect_path(settings.paths.budgets, ordinal))
    desk = SlotDesk(life.shard, ordinal, ScalpConfig(settings.paths.scalp_config))
    collector = ScalpCollector(life.shard, client, budget, desk)
    collector._heard_ns = at(3) - 9 * 3_600 * NS_PER_S  # the evening before
    task = asyncio.create_task(collector.collect())
    try:
        await life.until(lambda: life.shard.status.note.startswith("market closed until"), "it does not rest")
        yield life
    finally:
        life.shard.stopping.set()
        await asyncio.wait_for(task, PATIENCE_S)
        desk.close()
        budget.close()
        await client.aclose()
        life.shard._close()


def test_a_pause_that_outlasts_the_closed_market_is_a_gap(settings: Settings) -> None:
    async def life() -> None:
        async with resting(settings) as shard:
            shard.shard.running.clear()
            await shard.until(lambda: shard.shard.status.state == "paused", "it does not pause")
            assert shard.gaps() == []
            shard.clock.wall_ns = at(10)
            await shard.until(shard.gaps, "no gap")
            (gap,) = shard.gaps()
            assert (gap.reason, gap.symbols, gap.until_ns) == (GapReason.PAUSED, (SYMBOL,), None)
            assert gap.from_ns >= at(2, 59)

    asyncio.run(life())


def test_a_connect_that_fails_in_the_morning_is_no_gap_of_the_night(settings: Settings) -> None:
    async def life() -> None:
        async with resting(settings) as shard:
            shard.clock.wall_ns = at(8, 40)
            await shard.until(shard.gaps, "no gap")
            gap = shard.gaps()[0]
            assert gap.reason == GapReason.STREAM_CUT
            assert gap.from_ns >= at(8, 39)

    asyncio.run(life())
