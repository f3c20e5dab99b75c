"""Bars: one minute from trades, ten minutes from sweeps. Pure.

A bar is a function of the set of its window's records and of the bars before and after it, so neither the order nor
the number of times in which records arrive matters, and building on line and building again give the same. In two
steps: a window gathers its records into the facts of a bar, `Frame.linked` adds what only its neighbours tell.

Trades belong to the minute of the exchange's own time, sweeps, which carry none, to that of their receipt. Not counted
are expected prices (session codes A to D), trades without a size, and sweeps of a symbol that has not traded yet today.
What is sent twice counts once: an execution is known by the day's volume up to it.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias

import msgspec

from observer_core.clock import NS_PER_S

EXPECTED_SESSIONS: Final = frozenset("ABCD")
"""HOUR_CLS_CODE of records that tell the price an auction would have: nothing was executed."""
SOURCE_RESOLUTION_NS: Final = NS_PER_S
"""The exchange's times are whole seconds, rounded down."""
COVERAGE_DIGITS: Final = 6
_MINUTE_NS: Final = 60 * NS_PER_S
_FIELDS: Final = 4
_LARGEST: Final = (1 << 63) - 1


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """Prices in KRW, sizes in shares, of one symbol in one window."""

    symbol: str
    start_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int | None
    """KRW; None = the broker did not say."""
    records: int
    """Executions, each counted once; observations of a sweep."""
    coverage: float | None
    """Between 0 and 1. Minute: share of the volume executed that is in the bar, 1 = proved to be all of it, None = how
    much was executed before the first observation of the day is not known. Ten minutes: share of minutes observed."""
    from_volume: int
    """The day's volume before the first record (minute), or with it (ten minutes)."""
    until_volume: int
    """The day's volume with the last record."""
    first_ns: int
    """Time of the first and the last record."""
    last_ns: int
    from_value: int | None = None
    """As the volumes, in KRW; sweeps only."""
    until_value: int | None = None


class TradeLike(Protocol):
    """What is needed of a trade, however it was kept."""

    @property
    def source_time_ns(self) -> int: ...
    @property
    def price(self) -> int: ...
    @property
    def volume(self) -> int: ...
    @property
    def cumulative_volume(self) -> int: ...
    @property
    def session_code(self) -> str: ...


class QuoteLike(Protocol):
    """What is needed of one symbol of a sweep, however it was kept."""

    @property
    def received_ns(self) -> int: ...
    @property
    def price(self) -> int: ...
    @property
    def cumulative_volume(self) -> int: ...
    @property
    def cumulative_value(self) -> int | None: ...


class TradeWindow:
    """The executions of one symbol in one minute, 32 bytes each, in whatever order they came."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers = array("q")

    def add(self, trade: TradeLike) -> None:
        """Take a trade that `trade_at` gave a time."""
        self._numbers.extend((trade.cumulative_volume, trade.source_time_ns, trade.price, trade.volume))

    def facts(self, symbol: str, start_ns: int) -> Bar:
        """Return what the window alone tells; coverage is left to `linked`."""
        numbers = self._numbers
        known: dict[int, tuple[int, int, int]] = {}
        for at in range(0, len(numbers), _FIELDS):
            upper, *rest = numbers[at : at + _FIELDS]
            execution = (rest[0], rest[1], rest[2])
            known[upper] = min(known.get(upper, execution), execution)
        in_order = sorted((source_ns, upper, price) for upper, (source_ns, price, _) in known.items())
        prices = [price for _, _, price in in_order]
        volume, from_volume = _covered((upper - size, upper) for upper, (_, _, size) in known.items())
        return Bar(
            symbol=symbol,
            start_ns=start_ns,
            open=prices[0],
            high=max(prices),
            low=min(prices),
            close=prices[-1],
            volume=volume,
            value=sum(price * size for _, price, size in known.values()),
            records=len(known),
            coverage=None,
            from_volume=from_volume,
            until_volume=max(known),
            first_ns=in_order[0][0],
            last_ns=in_order[-1][0],
        )


class SweepWindow:
    """What the sweeps of ten minutes saw of one symbol."""

    __slots__ = ("_first", "_high", "_last", "_last_ns", "_low", "_minutes", "_records")

    def __init__(self) -> None:
        self._first: tuple[int, int, int, int] | None = None
        self._last = (0, 0, 0, 0)
        self._last_ns = 0
        self._low = self._high = self._records = self._minutes = 0

    def add(self, quote: QuoteLike) -> None:
        """Take a quote that `quote_at` gave a time."""
        at_ns, price, value = quote.received_ns, quote.price, quote.cumulative_value
        seen = (at_ns, quote.cumulative_volume, price, -1 if value is None else value)
        if self._first is None:
            self._first = self._last = seen
            self._low = self._high = price
            self._last_ns = at_ns
        elif at_ns > self._last_ns:
            # Nearly every quote: it is newer than those before.
            self._last = seen
            self._last_ns = at_ns
        else:
            self._first = min(self._first, seen)
            self._last = max(self._last, seen)
        if price > self._high:
            self._high = price
        elif price < self._low:
            self._low = price
        self._records += 1
        self._minutes |= 1 << (at_ns // _MINUTE_NS % 10)

    def facts(self, symbol: str, start_ns: int) -> Bar:
        """Return what the window alone tells; volume and value are left to `linked`."""
        first_ns, from_volume, opened, from_value = self._first or self._last
        last_ns, until_volume, closed, until_value = self._last
        return Bar(
            symbol=symbol,
            start_ns=start_ns,
            open=opened,
            high=self._high,
            low=self._low,
            close=closed,
            volume=0,
            value=None,
            records=self._records,
            coverage=self._minutes.bit_count() / 10,
            from_volume=from_volume,
            until_volume=until_volume,
            first_ns=first_ns,
            last_ns=last_ns,
            from_value=None if from_value < 0 else from_value,
            until_value=None if until_value < 0 else until_value,
        )


Window: TypeAlias = TradeWindow | SweepWindow
Linker: TypeAlias = Callable[[Bar | None, Bar, Bar | None, int], Bar]


def trade_at(trade: TradeLike) -> int | None:
    """Return the instant that chooses a trade's window; None = it belongs to no bar."""
    if trade.session_code in EXPECTED_SESSIONS or not 0 < trade.volume <= trade.cumulative_volume:
        return None
    return trade.source_time_ns


def quote_at(quote: QuoteLike) -> int | None:
    """Return the instant that chooses a quote's window; None = it belongs to no bar."""
    return quote.received_ns if quote.cumulative_volume > 0 else None


def link_trades(before: Bar | None, bar: Bar, after: Bar | None, length_ns: int) -> Bar:
    """Return a minute with its coverage.

    What is missing between two executions of the minute is missing from it. What is missing between this bar and
    another is shared out by time, rounded against the bar: 1 is only said where nothing can be missing.
    """
    if before is None and bar.from_volume > 0:
        return msgspec.structs.replace(bar, coverage=None)
    missed = max(0, bar.until_volume - bar.from_volume - bar.volume)
    if before is not None:
        missed += _share(before, bar, bar, length_ns)
    if after is not None:
        missed += _share(bar, after, bar, length_ns)
    coverage = round(bar.volume / (bar.volume + missed), COVERAGE_DIGITS)
    if missed and coverage == 1.0:
        coverage = 1 - 10**-COVERAGE_DIGITS
    return msgspec.structs.replace(bar, coverage=coverage)


def link_sweeps(before: Bar | None, bar: Bar, _after: Bar | None, length_ns: int) -> Bar:
    """Return a window with its volume: what the day's volume grew by since the last sweep before it.

    Where the window before was not observed, only growth within counts: whatever else is in nobody's bar.
    """
    adjacent = before is not None and before.start_ns + length_ns == bar.start_ns
    from_volume = before.until_volume if before is not None and adjacent else bar.from_volume
    from_value = before.until_value if before is not None and adjacent else bar.from_value
    value = None
    if from_value is not None and bar.until_value is not None:
        value = _grown(from_value, bar.until_value)
    return msgspec.structs.replace(bar, volume=_grown(from_volume, bar.until_volume), value=value)


class Frame(NamedTuple):
    """One kind of bars."""

    name: str
    kind: str
    """Of records, as the archive and the database call it."""
    length_ns: int
    window: type[TradeWindow] | type[SweepWindow]
    at_ns: Callable[..., int | None]
    link: Linker

    def start_of(self, at_ns: int) -> int:
        """Return the beginning of the window that an instant lies in."""
        return at_ns - at_ns % self.length_ns

    def linked(self, facts: Sequence[Bar]) -> list[Bar]:
        """Return the bars of one symbol and day, given the facts of all of them in the order of time."""
        padded: list[Bar | None] = [None, *facts, None]
        return [self.link(padded[at], bar, padded[at + 2], self.length_ns) for at, bar in enumerate(facts)]


ONE_MINUTE: Final = Frame("1m", "trade", _MINUTE_NS, TradeWindow, trade_at, link_trades)
TEN_MINUTES: Final = Frame("10m", "quote", 10 * _MINUTE_NS, SweepWindow, quote_at, link_sweeps)
FRAMES: Final = {frame.name: frame for frame in (ONE_MINUTE, TEN_MINUTES)}


class Symbolic(Protocol):
    """A record of one symbol."""

    @property
    def symbol(self) -> str: ...


class BarBook:
    """All bars of one kind and day in the making."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._windows: dict[str, dict[int, Window]] = {}

    def add(self, record: Symbolic) -> None:
        """Take a record of the frame's kind, in any order."""
        at_ns = self._frame.at_ns(record)
        if at_ns is None:
            return
        own = self._windows.setdefault(record.symbol, {})
        start_ns = self._frame.start_of(at_ns)
        window = own.get(start_ns)
        if window is None:
            window = own[start_ns] = self._frame.window()
        window.add(record)  # type: ignore[arg-type] # the frame's window takes the frame's kind

    def bars(self) -> Iterator[Bar]:
        """Yield the bars by symbol and time."""
        for symbol, own in sorted(self._windows.items()):
            yield from self._frame.linked([window.facts(symbol, start_ns) for start_ns, window in sorted(own.items())])


def is_storable(bar: Bar) -> bool:
    """Return whether every number fits the 64 bits of the store; broken records can add up to more."""
    return all(not isinstance(number, int) or abs(number) <= _LARGEST for number in msgspec.structs.astuple(bar))


def _covered(spans: Iterator[tuple[int, int]]) -> tuple[int, int]:
    """Return how much of the day's volume the spans cover, overlaps once, and where they begin."""
    in_order = sorted(spans)
    reached = lowest = in_order[0][0]
    total = 0
    for lower, upper in in_order:
        total += max(0, upper - max(lower, reached))
        reached = max(reached, upper)
    return total, lowest


def _share(earlier: Bar, later: Bar, bar: Bar, length_ns: int) -> int:
    """Return how much of the volume missing between two bars is put down to one of them."""
    missing = later.from_volume - earlier.until_volume
    begins_ns, ends_ns = earlier.last_ns, later.first_ns + SOURCE_RESOLUTION_NS
    if missing <= 0 or ends_ns <= begins_ns:
        return max(0, missing)
    overlap_ns = min(ends_ns, bar.start_ns + length_ns) - max(begins_ns, bar.start_ns)
    return -(-missing * max(0, overlap_ns) // (ends_ns - begins_ns))


def _grown(before: int, after: int) -> int:
    """Return the growth of a figure that begins the day at zero again."""
    return after - before if after >= before else after
