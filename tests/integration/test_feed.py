"""A shard that is given its records by a feed, here a queue as a message bus would fill it: journal, gaps, end."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from observer_core.audit.archive import _payloads
from observer_core.messages import Event, Gap, Record, Trade, decode_batch
from observer_core.services.feed import collect_from
from observer_core.services.shard import Shard
from observer_core.settings import Settings
from tests.fixtures.journals import trade
from tests.fixtures.patience import PATIENCE_S
from tests.integration.test_left_open_gaps import CLOCK, born, killed, settings  # noqa: F401 - a fixture

pytestmark = pytest.mark.integration


class QueueFeed:
    """What a bus brought; None in the queue = the feed is over."""

    symbols = ("005930",)

    def __init__(self, *bursts: Sequence[Record] | None) -> None:
        self.queue: asyncio.Queue[Sequence[Record] | None] = asyncio.Queue()
        for burst in bursts:
            self.queue.put_nowait(burst)
        self.skipped = 0

    def skip_missed(self) -> None:
        self.skipped += 1

    async def receive(self) -> Sequence[Record] | None:
        return await self.queue.get()

    def describe(self) -> str:
        return "a queue"


async def _until(reached: Callable[[], bool]) -> None:
    while not reached():  # noqa: ASYNC110 - the shard tells nobody
        await asyncio.sleep(0.01)


def _trades(first: int, last: int) -> list[Trade]:
    return [trade(number, CLOCK.now_ns()) for number in range(first, last)]


def _journalled(settings: Settings) -> list[Record]:  # noqa: F811
    segments = sorted((settings.data_dir / "journal" / "scalp-0").glob("*.seg"))
    payloads = [payload for path in segments for payload in _payloads(path.read_bytes())]
    return [record for payload in payloads for record in decode_batch(payload).records]


def test_what_a_feed_brings_is_recorded_in_its_order_and_its_end_is_told(settings: Settings) -> None:  # noqa: F811
    async def life() -> None:
        shard, feed = born(settings), QueueFeed(_trades(1, 4), _trades(4, 6), None)
        shard.running.set()
        work = asyncio.create_task(collect_from(shard, feed))
        async with asyncio.timeout(PATIENCE_S):
            await _until(lambda: shard.status.state == "waiting")
            shard.stopping.set()
            await work
        assert feed.skipped == 0
        killed(shard)

    asyncio.run(life())
    records = _journalled(settings)
    assert [record.cumulative_volume for record in records if isinstance(record, Trade)] == [
        made.cumulative_volume for made in _trades(1, 6)
    ]
    assert [record.name for record in records if isinstance(record, Event)] == ["feed_over"]


def test_a_paused_shard_leaves_the_feed_alone_and_a_restarted_one_has_a_gap(settings: Settings) -> None:  # noqa: F811
    async def paused(shard: Shard) -> None:
        feed = QueueFeed(_trades(1, 4))
        work = asyncio.create_task(collect_from(shard, feed))
        async with asyncio.timeout(PATIENCE_S):
            await _until(lambda: shard.status.state == "paused")
            assert feed.queue.qsize() == 1
            shard.running.set()
            await _until(lambda: shard.recorder.records_total == 3)
            shard.stopping.set()
            await work
        killed(shard)

    async def again(shard: Shard) -> None:
        feed = QueueFeed(_trades(4, 5))
        shard.running.set()
        work = asyncio.create_task(collect_from(shard, feed))
        async with asyncio.timeout(PATIENCE_S):
            await _until(lambda: shard.recorder.records_total > 0 and shard.outages.open_count == 0)
            shard.stopping.set()
            await work
        assert feed.skipped == 1
        killed(shard)

    async def lives() -> None:
        await paused(born(settings))
        await again(born(settings))

    asyncio.run(lives())
    gaps = [record for record in _journalled(settings) if isinstance(record, Gap)]
    assert [(gap.reason, gap.until_ns is None) for gap in gaps] == [("restart", True), ("restart", False)]
