"""A streaming shard that was down over the close compares the day with REST when it is back."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from observer_core.clock import NS_PER_S
from observer_core.ids import ProcessName
from observer_core.messages import Gap, GapReason, Track
from observer_core.services.context import ChildContext
from observer_core.services.shard import Shard
from observer_core.settings import Settings
from tests.fixtures.hub import short_directory
from tests.fixtures.journals import SteppingClock, trade
from tests.fixtures.kis_adapter import broker_settings, simulated_broker
from tests.integration.test_left_open_gaps import killed
from tests.integration.test_scalp_rest import SYMBOL, at, resting

pytestmark = pytest.mark.integration

IN_THE_EVENING_NS = at(21)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    with simulated_broker() as broker, short_directory() as run:
        yield broker_settings(tmp_path, broker, OBSERVER_RUN_DIR=str(run))


def lived(settings: Settings, at_ns: int) -> None:
    """Leave one trade of the morning behind, and a slot that is held since then."""
    clock = SteppingClock(at_ns)
    context = ChildContext(name=ProcessName("scalp-0"), kind="scalp", index=0, settings=settings, clock=clock)
    shard = Shard(context, Track.SCALP)
    shard.record([replace(trade(1, at_ns), symbol=SYMBOL, volume=1)], at_ns)
    killed(shard)


def proofs(gaps: list[Gap]) -> list[Gap]:
    return [gap for gap in gaps if gap.reason in {GapReason.CONTINUITY, GapReason.OFF_BOOK}]


def test_what_was_missed_until_the_close_is_proved_after_a_restart(settings: Settings) -> None:
    async def life() -> None:
        async with resting(settings):
            pass  # takes its slot
        lived(settings, at(10))
        async with resting(settings, IN_THE_EVENING_NS) as shard:

            def proved() -> list[Gap]:
                # A step at each look: time passes a hundred times as fast.
                shard.clock.advance(1)
                return proofs(shard.gaps())

            await shard.until(proved, "nothing is proved")
            [gap] = proofs(shard.gaps())
            assert (gap.symbols, gap.volume_after) == ((SYMBOL,), 1)
            assert gap.missed_volume
        async with resting(settings, IN_THE_EVENING_NS + 1_000 * NS_PER_S) as shard:
            seen = shard.shard.recorder.records_total
            # It compares again; the simulated exchange trades on, but nothing is claimed twice.
            await shard.until(lambda: proved() and shard.shard.recorder.records_total > seen, "REST is not asked")
            for _ in range(20):
                proved()
                await asyncio.sleep(0.05)
            spans = sorted((gap.volume_after or 0, gap.missed_volume or 0) for gap in proofs(shard.gaps()))
            reached = 1
            for after, missed in spans:
                assert after == reached
                reached += missed

    asyncio.run(life())
