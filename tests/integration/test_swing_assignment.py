"""A sweeping shard whose symbols change while it is paused, or while its journal takes nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from observer_core.audit.archive import _payloads
from observer_core.clock import NS_PER_S
from observer_core.errors import JournalError
from observer_core.ids import AppKeyOrdinal, DayNumber, ProcessName, ShardName
from observer_core.journal.format import Position
from observer_core.kis.rest import open_rest
from observer_core.messages import Gap, GapReason, Track, decode_batch
from observer_core.services.assignment import Assignment, write_assignment
from observer_core.services.context import ChildContext
from observer_core.services.shard import Shard
from observer_core.services.swing import SwingCollector
from observer_core.settings import Settings
from tests.fixtures.hub import short_directory
from tests.fixtures.kis_adapter import CLOCK, SimulatedBroker, broker_settings, simulated_broker

pytestmark = pytest.mark.integration

OLD, NEW = "005930", "000660"
SWING = ShardName("swing-0")
PATIENCE_S = 15.0


@pytest.fixture
def broker() -> Iterator[SimulatedBroker]:
    with simulated_broker() as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, broker: SimulatedBroker) -> Iterator[Settings]:
    with short_directory() as run:
        yield broker_settings(tmp_path, broker, OBSERVER_RUN_DIR=str(run), OBSERVER_FORCE_OPEN="true")


def assign(settings: Settings, version: int, *symbols: str, ago_s: float = 0.0, owner: ShardName = SWING) -> None:
    made_ns = CLOCK.now_ns() - int(ago_s * NS_PER_S)
    day = DayNumber(20260724)
    write_assignment(
        settings.paths, Assignment(day=day, version=version, swing={owner: symbols}, scalp={}, made_ns=made_ns)
    )


def gaps(shard: Shard) -> dict[str, Gap]:
    newest: dict[str, Gap] = {}
    for path in sorted(shard.journal_directory.glob("*.seg")):
        for payload in _payloads(path.read_bytes()):
            newest.update((r.gap_id, r) for r in decode_batch(payload).records if isinstance(r, Gap))
    return newest


async def until(reached: Callable[[], object], what: str) -> None:
    deadline_ns = CLOCK.monotonic_ns() + int(PATIENCE_S * NS_PER_S)
    while not reached():
        assert CLOCK.monotonic_ns() < deadline_ns, what
        await asyncio.sleep(0.01)


class Sweeping(Shard):
    """A shard and what sweeps for it."""

    collector: SwingCollector


@contextlib.asynccontextmanager
async def sweeping(settings: Settings) -> AsyncIterator[Sweeping]:
    """Be a shard that sweeps its first symbols."""
    context = ChildContext(name=ProcessName(SWING), kind="swing", index=0, settings=settings, clock=CLOCK)
    shard = Sweeping(context, Track.SWING)
    shard.running.set()
    client = open_rest(settings, AppKeyOrdinal(0), CLOCK, Random(1))
    collector = shard.collector = SwingCollector(shard, client)
    task = asyncio.create_task(collector.collect())
    try:
        await until(lambda: shard.recorder.last_record_ns, "nothing is swept")
        yield shard
    finally:
        shard.stopping.set()
        await asyncio.wait_for(task, PATIENCE_S)
        collector.close()
        await client.aclose()
        shard._close()


def test_symbols_that_come_while_a_shard_is_paused_are_missing_since_then(settings: Settings) -> None:
    async def life() -> None:
        assign(settings, 1, OLD)
        async with sweeping(settings) as shard:
            shard.running.clear()
            await until(lambda: shard.status.state == "paused", "it does not pause")
            assign(settings, 2, OLD, NEW, ago_s=600)
            shard.running.set()
            await until(lambda: any(NEW in gap.symbols for gap in gaps(shard).values()), "no gap of the new symbol")
            await until(lambda: not shard.outages.open_count, "the gaps do not end")
            [gap] = [gap for gap in gaps(shard).values() if NEW in gap.symbols]
            assert (gap.reason, gap.symbols) == (GapReason.REASSIGNED, (NEW,))
            assert gap.until_ns is not None
            assert 590 < (gap.until_ns - gap.from_ns) / NS_PER_S < 600 + PATIENCE_S

    asyncio.run(life())


def test_symbols_that_come_in_time_are_not_missing(settings: Settings) -> None:
    async def life() -> None:
        assign(settings, 1, OLD)
        async with sweeping(settings) as shard:
            assign(settings, 2, OLD, NEW)
            await until(lambda: shard.status.symbols == 2, "the assignment is not taken")
            swept = shard.recorder.records_total
            await until(lambda: shard.recorder.records_total > swept + 4, "nothing more is swept")
            assert gaps(shard) == {}

    asyncio.run(life())


def test_a_symbol_that_was_given_up_is_in_no_gap_that_the_journal_opens_later(settings: Settings) -> None:
    def refuse(*_arguments: object) -> Position:
        raise JournalError("no space left")

    async def life() -> None:
        assign(settings, 1, OLD)
        async with sweeping(settings) as shard:
            append = shard._journal.append
            shard._journal.append = refuse  # type: ignore[method-assign, assignment]
            await until(lambda: OLD in shard.outages.waiting, "nothing is refused")
            # A call that was on its way when the assignment took one of its symbols.
            assert await shard.collector._ask_and_record((OLD, NEW))
            assert NEW not in shard.outages.waiting
            shard._journal.append = append  # type: ignore[method-assign]

    asyncio.run(life())


def test_a_shard_that_is_scaled_away_leaves_no_gap_open(settings: Settings) -> None:
    async def life() -> Sweeping:
        assign(settings, 1, OLD)
        async with sweeping(settings) as shard:
            shard.miss(GapReason.CALL_FAILED, [NEW], from_ns=CLOCK.now_ns())
            shard.hold_stale({NEW: CLOCK.now_ns()})
            assign(settings, 2, OLD, owner=ShardName("swing-1"))
            seen = shard.collector._watch._seen
            await until(lambda: shard.collector._watch._seen != seen, "the assignment is not seen")
        return shard

    shard = asyncio.run(life())
    assert [gap.gap_id for gap in gaps(shard).values() if gap.until_ns is None] == []


def test_a_shard_that_stops_and_stays_leaves_its_gaps_to_its_next_life(settings: Settings) -> None:
    async def life() -> Sweeping:
        assign(settings, 1, OLD)
        async with sweeping(settings) as shard:
            shard.miss(GapReason.CALL_FAILED, [NEW], from_ns=CLOCK.now_ns())
        return shard

    shard = asyncio.run(life())
    assert [gap.reason for gap in gaps(shard).values() if gap.until_ns is None] == [GapReason.CALL_FAILED]
