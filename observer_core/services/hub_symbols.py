"""Every collected symbol as the data stream shows it: when it was last observed and traded, at which price. Pure.

Separate from `hub_state`, whose view is pushed to everybody: this is two thousand rows, of which a screen asks for
the columns and for one symbol at a time. Bounded: one small reading a symbol, and the ticks of a few watched ones.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from observer_core.clock import NS_PER_S
from observer_core.details import TICKS_SHOWN, BookSide, Tick
from observer_core.messages import Book, Quote, Record, Trade
from observer_core.quality.validation import IN_SESSION

MINUTES_KEPT: Final = 60
WATCHED_LIMIT: Final = 16
WATCH_NS: Final = 60 * NS_PER_S
"""Ticks of a symbol are kept for so long after somebody asked for them."""

_MINUTE_NS: Final = 60 * NS_PER_S
_BP: Final = 10_000


class Reading:
    """What was last seen of one symbol."""

    __slots__ = (
        "change_bp", "closes", "cumulative_volume", "halted", "interrupted_ns", "minute", "minute_count",
        "minute_count_before", "price", "seen_ns", "traded_ns", "volumes",
    )  # fmt: skip

    def __init__(self) -> None:
        self.seen_ns = 0
        self.traded_ns = 0
        self.price = 0
        self.change_bp: int | None = None
        self.cumulative_volume: int | None = None
        self.halted = False
        self.interrupted_ns = 0
        self.minute = 0
        self.minute_count = 0
        self.minute_count_before = 0
        self.closes = array("I", bytes(4 * MINUTES_KEPT))
        self.volumes = array("I", bytes(4 * MINUTES_KEPT))

    def begin_minute(self, minute: int) -> None:
        """Count for a new minute; minutes without an observation hold no price."""
        self.minute_count_before = self.minute_count if minute == self.minute + 1 else 0
        self.minute_count = 0
        for place in range(max(self.minute + 1, minute - MINUTES_KEPT + 1), minute + 1):
            self.closes[place % MINUTES_KEPT] = 0
            self.volumes[place % MINUTES_KEPT] = 0
        self.minute = minute

    def rate(self, minute: int) -> int:
        """Return the observations of the last whole minute, or of this one while they are more."""
        if minute == self.minute:
            return max(self.minute_count_before, self.minute_count)
        return self.minute_count if minute == self.minute + 1 else 0

    def minutes(self) -> list[tuple[int, int, int]]:
        """Return (begins_ns, close, volume) of the minutes with an observation, oldest first."""
        first = max(0, self.minute - MINUTES_KEPT + 1)
        return [
            (place * _MINUTE_NS, self.closes[place % MINUTES_KEPT], self.volumes[place % MINUTES_KEPT])
            for place in range(first, self.minute + 1)
            if self.closes[place % MINUTES_KEPT]
        ]


class Depth(NamedTuple):
    """The newest order book of a watched symbol."""

    at_ns: int
    asks: BookSide
    bids: BookSide


class _Watch:
    __slots__ = ("depth", "ticks", "until_ns")

    def __init__(self) -> None:
        self.ticks: deque[Tick] = deque(maxlen=TICKS_SHOWN)
        self.depth: Depth | None = None
        self.until_ns = 0


class SymbolBook:
    """The readings of all symbols. Feed it every record of the stream."""

    def __init__(self) -> None:
        self.readings: dict[str, Reading] = {}
        self._watched: dict[str, _Watch] = {}

    def observe(self, shard: str, records: Iterable[Record]) -> None:
        """Take the records of one batch; all but observations are passed over."""
        for record in records:
            if isinstance(record, Quote | Trade):
                self._take(shard, record)
            elif isinstance(record, Book) and (watch := self._watched.get(record.symbol)) is not None:
                watch.depth = _depth(record)

    def _take(self, shard: str, record: Quote | Trade) -> None:
        reading = self.readings.get(record.symbol)
        if reading is None:
            reading = self.readings[record.symbol] = Reading()
        at_ns = record.received_ns
        minute = at_ns // _MINUTE_NS
        if minute > reading.minute:
            reading.begin_minute(minute)
        reading.minute_count += 1
        reading.seen_ns = max(reading.seen_ns, at_ns)
        reading.price = record.price
        grown = self._volume(reading, record)
        if minute == reading.minute:
            place = minute % MINUTES_KEPT
            reading.closes[place] = max(0, record.price)
            reading.volumes[place] = min(0xFFFF_FFFF, reading.volumes[place] + grown)
        if record.change is not None and record.price > record.change:
            reading.change_bp = record.change * _BP // (record.price - record.change)
        if isinstance(record, Trade):
            reading.halted = record.halted
            if record.session_code != IN_SESSION:
                reading.interrupted_ns = at_ns
        watch = self._watched.get(record.symbol)
        if watch is not None:
            _keep_tick(watch, shard, record, grown)

    def _volume(self, reading: Reading, record: Quote | Trade) -> int:
        before, now = reading.cumulative_volume, record.cumulative_volume
        # Two shards observe a streamed symbol: an older sum that comes later is no news.
        grown = max(0, now - before) if before is not None else 0
        if before is None or now > before or now * 2 < before:
            reading.cumulative_volume = now
        if grown or (isinstance(record, Trade) and before is None):
            reading.traded_ns = max(reading.traded_ns, record.received_ns)
        return grown

    def forget_others(self, codes: Iterable[str]) -> None:
        """Drop the readings of symbols that are not collected any more."""
        wanted = set(codes)
        for symbol in self.readings.keys() - wanted:
            del self.readings[symbol]

    def watch(self, code: str, now_ns: int) -> bool:
        """Keep the ticks of a symbol from now on; return whether that is new, so that older ones are worth reading."""
        for symbol in [one for one, watch in self._watched.items() if watch.until_ns < now_ns]:
            del self._watched[symbol]
        new = code not in self._watched
        if new:
            while len(self._watched) >= WATCHED_LIMIT:
                del self._watched[min(self._watched, key=lambda one: self._watched[one].until_ns)]
            self._watched[code] = _Watch()
        self._watched[code].until_ns = now_ns + WATCH_NS
        return new

    def seed(self, code: str, ticks: Sequence[Tick]) -> None:
        """Put older ticks, oldest first, before those that came since the watch began."""
        watch = self._watched.get(code)
        if watch is None:
            return
        first_ns = watch.ticks[0].received_ns if watch.ticks else 1 << 62
        kept = [*(tick for tick in ticks if tick.received_ns < first_ns), *watch.ticks]
        watch.ticks = deque(kept[-TICKS_SHOWN:], maxlen=TICKS_SHOWN)

    def ticks(self, code: str) -> tuple[Tick, ...]:
        """Return the kept ticks of a watched symbol, newest first."""
        watch = self._watched.get(code)
        return () if watch is None else tuple(reversed(watch.ticks))

    def depth(self, code: str) -> Depth | None:
        """Return the newest book of a watched symbol."""
        watch = self._watched.get(code)
        return None if watch is None else watch.depth


def _keep_tick(watch: _Watch, shard: str, record: Quote | Trade, grown: int) -> None:
    if isinstance(record, Trade):
        tick = Tick(
            received_ns=record.received_ns,
            kind="trade",
            price=record.price,
            volume=record.volume,
            side=record.side,
            quality=record.quality.value,
            shard=shard,
        )
    else:
        tick = Tick(
            received_ns=record.received_ns,
            kind="quote",
            price=record.price,
            volume=grown,
            side="",
            quality=record.quality.value,
            shard=shard,
        )
    watch.ticks.append(tick)
    if record.ask and record.bid and (watch.depth is None or len(watch.depth.asks.prices) <= 1):
        # The best level comes with every observation; ten levels only where books are registered.
        asks = BookSide(prices=(record.ask,), sizes=(record.ask_size or 0,), total=record.total_ask_size)
        bids = BookSide(prices=(record.bid,), sizes=(record.bid_size or 0,), total=record.total_bid_size)
        watch.depth = Depth(record.received_ns, asks, bids)


def _depth(book: Book) -> Depth:
    return Depth(
        book.received_ns,
        BookSide(prices=book.asks, sizes=book.ask_sizes, total=book.total_ask_size),
        BookSide(prices=book.bids, sizes=book.bid_sizes, total=book.total_bid_size),
    )
