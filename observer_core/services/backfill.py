"""The broker's minute bars for minutes with a proved gap, beside the stream of one appkey; off unless it is set.

Separate from the stream's life, which it must never hold up: one call at a time, of the lowest class of the rate
budget, so many a minute. What it brings is a record of its own kind; the gap stays as it is. The minutes asked for
stand in a small file, so that a restarted shard goes on and asks for none twice.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from observer_core.clock import NS_PER_S, kst_datetime
from observer_core.errors import FeedError, MalformedMessage, SymbolRefusedError
from observer_core.journal.files import replace_unsynced
from observer_core.kis.charts import MinuteChart
from observer_core.kis.rest import RestClient
from observer_core.messages import Event, Gap, Record
from observer_core.quality.backfill import Ask, Backlog, Found
from observer_core.services.pace import Pace
from observer_core.services.shard import Shard

logger = logging.getLogger(__name__)

AFTER_CLOSE_S: Final = 1_800.0
"""So long after the close what the last minutes left is still fetched; then the broker is left alone."""
FAILED_PAUSE_S: Final = 60.0
WRITTEN_EVERY_S: Final = 2.0
"""A killed shard forgets at most so much of what it wanted; the gap records have it all."""

_decoder = msgspec.json.Decoder(Backlog)


class MinuteBackfill:
    """Fetches the minutes that gap records want, as far as the settings allow; tell it of every gap with `want`."""

    def __init__(self, shard: Shard, client: RestClient, pace: Pace) -> None:
        self._shard = shard
        self._client = client
        self._pace = pace
        self._clock = shard.clock
        self._calls_per_min = shard.settings.backfill_calls_per_min
        self._file = shard.settings.paths.backfill(shard.name)
        self._backlog = _read(self._file) if self._calls_per_min else Backlog()
        self._unwritten = False
        self._written_ns = 0

    def want(self, records: Iterable[Record]) -> None:
        """Take note of the gap records among these; to be called often, also without any."""
        if not self._calls_per_min:
            return
        gaps = [record for record in records if isinstance(record, Gap)]
        if gaps:
            self._follow_day()
        for gap in gaps:
            self._unwritten |= self._backlog.want(gap, self._clock.now_ns())
        if self._unwritten and self._clock.monotonic_ns() - self._written_ns >= WRITTEN_EVERY_S * NS_PER_S:
            self._write()

    async def run(self) -> None:
        """Make a call now and then until the shard stops."""
        if not self._calls_per_min:
            return
        while not self._shard.stopping.is_set():
            await self._shard.pause(60.0 / self._calls_per_min)
            if self._shard.running.is_set() and not self._shard.stopping.is_set():
                await self._turn()

    def close(self) -> None:
        """Write down what is still wanted, for the next life."""
        if self._unwritten:
            self._write()

    async def _turn(self) -> None:
        try:
            self._follow_day()
            await self._ask()
        except Exception:
            # Edge of the task: whatever one call meets, the stream goes on and the next call is made.
            logger.exception("backfill failed")

    async def _ask(self) -> None:
        if self._pace.closed_for(AFTER_CLOSE_S) or not self._shard.may_add:
            return
        ask = self._backlog.next_ask(self._clock.now_ns())
        if ask is None:
            return
        try:
            chart = await self._client.minute_chart(ask.symbol, ask.until_ns)
        except (SymbolRefusedError, MalformedMessage) as error:
            # Asking again brings the same.
            logger.warning("minutes not to be had", extra={"symbol": ask.symbol, "error": str(error)})
            text = f"the bars of {_minutes(ask)} are not to be had: {error}"
            self._shard.note([self._event("backfill_failed", "warning", ask.symbol, text)])
            self._close(ask)
        except FeedError as error:
            logger.warning("minutes not fetched", extra={"symbol": ask.symbol, "error": str(error)})
            self._backlog.postpone(ask)
            await self._shard.pause(FAILED_PAUSE_S)
        else:
            self._keep(ask, chart)

    def _keep(self, ask: Ask, chart: MinuteChart) -> None:
        found = self._backlog.match(ask, chart.bars)
        if not self._shard.note([*found.bars, *chart.rejections]):
            # What the journal does not take is asked for again.
            return
        self._shard.note([self._event("gap_backfilled", "info", ask.symbol, _told(ask, found))])
        self._close(ask)

    def _close(self, ask: Ask) -> None:
        self._backlog.finish(ask)
        self._write()

    def _follow_day(self) -> None:
        left = self._backlog.begin_day(self._clock.now_ns())
        if left:
            text = f"{left} minutes with a proved gap were not asked for before midnight: the broker has them no more"
            self._shard.note([self._event("backfill_expired", "warning", self._shard.name, text)])

    def _event(self, name: str, severity: str, subject: str, text: str) -> Event:
        return Event(self._clock.now_ns(), name, severity, subject, text)

    def _write(self) -> None:
        self._unwritten, self._written_ns = False, self._clock.monotonic_ns()
        try:
            replace_unsynced(self._file, msgspec.json.encode(self._backlog))
        except OSError as error:
            logger.warning("wanted minutes not written", extra={"file": str(self._file), "error": str(error)})


def _read(path: Path) -> Backlog:
    try:
        return _decoder.decode(path.read_bytes())
    except FileNotFoundError:
        return Backlog()
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("wanted minutes not read", extra={"file": str(path), "error": str(error)})
        return Backlog()


def _minutes(ask: Ask) -> str:
    first, last = (kst_datetime(minute_ns) for minute_ns in (ask.minutes[0], ask.minutes[-1]))
    text = f"{len(ask.minutes)} minutes from {first:%H:%M} to {last:%H:%M}"
    return f"{first:%H:%M}" if first == last else text


def _told(ask: Ask, found: Found) -> str:
    gaps = list(dict.fromkeys(gap_id for bar in found.bars for gap_id in bar.gap_ids))
    volume = sum(bar.volume for bar in found.bars)
    text = f"{_minutes(ask)}: minute bars fetched: {len(found.bars)}, with {volume:,} shares"
    if gaps:
        text += f", for gap {gaps[0]}" + (" and others" if len(gaps) > 1 else "")
    return f"{text}; the broker has no row of {found.absent}" if found.absent else text
