"""Where a shard's observations come from: the one place that knows the names of the sources.

`kis` and `sim` are the broker's adapter at two addresses, and each track has its own procedure for it (`swing`,
`scalp`). Every other source brings records that are ready: it is a `Feed`, and `collect_from` takes whatever it brings
through the same journal, bus and gap records. A recorded day is one (`replay`); a message bus would be another.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

from observer_core.messages import Event, Record
from observer_core.services.shard import Shard

Collect: TypeAlias = Callable[[Shard], Awaitable[None]]
"""The work of a shard from start to stop."""

LOOK_S = 0.25
"""How often the loop looks up from the feed: at orders and at the stop."""


class Feed(Protocol):
    """Brings the records of one shard in the product's own form."""

    @property
    def symbols(self) -> Sequence[str]:
        """Return what the feed observes, for the gap of a restart."""

    def skip_missed(self) -> None:
        """Leave out what was due while nobody listened; called after the gap over it was opened."""

    async def receive(self) -> Sequence[Record] | None:
        """Return what has arrived, waiting for at least one record; None = the feed is over.

        It may be cancelled while it waits: nothing is lost then.
        """

    def describe(self) -> str:
        """Return where the feed stands, for the status line."""


def source_of(name: str, broker: Collect) -> Collect:
    """Return the work of a shard whose source has this name.

    Args:
        name: `OBSERVER_SOURCE`.
        broker: how the track collects from the broker.
    """
    if name == "replay":
        # Imported here: who collects from the broker reads no archive.
        from observer_core.services.replay import collect_replay

        return collect_replay
    return broker


async def collect_from(shard: Shard, feed: Feed) -> None:
    """Record what a feed brings until it is over or the shard stops; then wait for the stop."""
    if shard.open_restart_gap(feed.symbols):
        feed.skip_missed()
    shard.update(symbols=len(feed.symbols))
    while not shard.stopping.is_set():
        if not shard.running.is_set():
            # What a feed keeps is not missed: after the pause it comes late.
            shard.update(state="paused", note="paused by an operator")
            await shard.until_running()
            continue
        shard.update(state="collecting", note=feed.describe())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                records = await feed.receive()
                if records is None:
                    break
                shard.record(records, shard.clock.now_ns())
    if not shard.stopping.is_set():
        await _rest_at_end(shard, feed)


async def _rest_at_end(shard: Shard, feed: Feed) -> None:
    shard.resume(feed.symbols)
    text = f"{feed.describe()}: over after {shard.recorder.records_total:,} records"
    shard.note([Event(shard.clock.now_ns(), "feed_over", "info", shard.name, text)])
    shard.update(state="waiting", note=text)
    shard.be_ready()
    await shard.stopping.wait()
