"""Whether one observation can be believed by itself: tables of rules over trades, quotes and books. Pure.

Separate from the broker's parsers because every source is judged by the same rules. Rejected means that the
observation contradicts itself; degraded means that it is usable and something about it is odd. Nearly every
observation is ordinary, and one expression says so; only what is not goes through its table, which decides.

Prices between two ticks are legal (mid-price executions), so ticks are never checked. Daily limits are the broker's
own, read from the quote: on a first listing day, in liquidation trading and for leveraged products the usual 30 % do
not hold (KIS protocol notes §7).
"""

from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

from observer_core.ids import is_symbol as is_symbol
from observer_core.messages import Quality, Quote, Trade

IN_SESSION: Final = "0"
"""HOUR_CLS_CODE of continuous trading; every other value is an auction or an interruption."""

VOLUME_LIMIT: Final = 100_000_000_000
"""Shares: no listing has so many, let alone trades them in a day."""
DAY_CHANGE_ODD: Final = 30
"""Per cent: the usual daily limit."""
DAY_CHANGE_ABSURD: Final = 50


class Verdict(NamedTuple):
    """What a rule that applies means for the observation."""

    rejects: bool


DEGRADES: Final = Verdict(False)
REJECTS: Final = Verdict(True)


class Judgement(NamedTuple):
    """The verdict on one observation: rejected, or its quality, and why."""

    rejected: bool
    quality: Quality
    reasons: tuple[str, ...]


ACCEPTED = Judgement(False, Quality.NORMAL, ())
"""Nothing was found wrong."""

_Subject = TypeVar("_Subject")


class Rule(NamedTuple, Generic[_Subject]):
    """One line of a table."""

    id: str
    """Also the reason that the record carries."""
    applies: Callable[[_Subject], bool]
    verdict: Verdict
    meaning: str


class BookSides(NamedTuple):
    """The figures of an order book that are judged; index 0 is the best level, 0 is a missing level."""

    asks: tuple[int, ...]
    bids: tuple[int, ...]
    sizes: tuple[int, ...]
    session_code: str


def _has_range(seen: Trade | Quote) -> bool:
    # 0 and None: before the first price of the day there is no range.
    return bool(seen.high and seen.low)


def _open_outside(seen: Trade | Quote) -> bool:
    return bool(seen.open and seen.high and seen.low) and not (seen.low or 0) <= (seen.open or 0) <= (seen.high or 0)


def _price_outside(seen: Trade | Quote) -> bool:
    low, high = seen.low or 0, seen.high or 0
    return _has_range(seen) and low <= high and not low <= seen.price <= high


def _range_upside_down(seen: Trade | Quote) -> bool:
    return _has_range(seen) and (seen.low or 0) > (seen.high or 0)


def _crossed(trade: Trade) -> bool:
    return bool(trade.ask and trade.bid) and (trade.bid or 0) > (trade.ask or 0) and trade.session_code == IN_SESSION


def _book_crossed(book: BookSides) -> bool:
    ask, bid = book.asks[0], book.bids[0]
    return bool(ask and bid) and bid > ask and book.session_code == IN_SESSION


def day_change_percent(price: int, base: int | None) -> float:
    """Return the distance of a price from the base price, without sign; 0 when there is no base."""
    return 0.0 if not base or base <= 0 else abs(price - base) * 100.0 / base


def _limits_known(quote: Quote) -> bool:
    return bool(quote.upper_limit and quote.lower_limit) and (quote.lower_limit or 0) < (quote.upper_limit or 0)


def _within_limits(quote: Quote) -> bool:
    return _limits_known(quote) and (quote.lower_limit or 0) <= quote.price <= (quote.upper_limit or 0)


def _quote_change(quote: Quote) -> float:
    return day_change_percent(quote.price, quote.base_price or quote.previous_close)


def _shows_no_price(quote: Quote) -> bool:
    return quote.price == 0 and quote.cumulative_volume == 0


TRADE_RULES: Final[tuple[Rule[Trade], ...]] = (
    Rule("price_not_positive", lambda t: t.price <= 0, REJECTS, "a trade has a price"),
    Rule("volume_negative", lambda t: t.volume < 0, REJECTS, "nobody trades less than nothing"),
    Rule("cumulative_volume_negative", lambda t: t.cumulative_volume < 0, REJECTS, "nor does the day"),
    Rule("volume_absurd", lambda t: t.cumulative_volume > VOLUME_LIMIT, REJECTS, "more shares than any listing has"),
    Rule("range_order", _range_upside_down, DEGRADES, "the day's low is above its high"),
    Rule("price_outside_range", _price_outside, DEGRADES, "a trade lies within the day's range, which includes it"),
    Rule("open_outside_range", _open_outside, DEGRADES, "so does the opening"),
    Rule("cumulative_below_volume", lambda t: t.cumulative_volume < t.volume, DEGRADES, "the day includes the trade"),
    Rule("crossed_book", _crossed, DEGRADES, "bid above ask; in an auction the sides may cross"),
)
"""Contradictions reject, oddities degrade; the order is that of the reasons."""

QUOTE_RULES: Final[tuple[Rule[Quote], ...]] = (
    Rule("no_price", _shows_no_price, DEGRADES, "a halted or untraded symbol shows 0: an observation without a price"),
    Rule(
        "price_not_positive", lambda q: q.price <= 0 and not _shows_no_price(q), REJECTS, "what was traded has a price"
    ),
    Rule("cumulative_volume_negative", lambda q: q.cumulative_volume < 0, REJECTS, "nobody trades less than nothing"),
    Rule("volume_absurd", lambda q: q.cumulative_volume > VOLUME_LIMIT, REJECTS, "more shares than any listing has"),
    Rule(
        "day_change_over_50",
        lambda q: q.price > 0 and _quote_change(q) > DAY_CHANGE_ABSURD and not _within_limits(q),
        REJECTS,
        "no share moves so far, unless the broker's own limits allow it (first listing day, liquidation)",
    ),
    Rule(
        "outside_limits",
        lambda q: q.price > 0 and _limits_known(q) and not _within_limits(q),
        DEGRADES,
        "beyond the broker's own daily limits",
    ),
    Rule(
        "day_change_over_30",
        lambda q: q.price > 0 and _quote_change(q) > DAY_CHANGE_ODD and not _within_limits(q),
        DEGRADES,
        "beyond the usual daily limit, and the broker's own are unknown or exceeded",
    ),
    Rule("range_order", lambda q: q.price > 0 and _range_upside_down(q), DEGRADES, "the day's low is above its high"),
    Rule("price_outside_range", lambda q: q.price > 0 and _price_outside(q), DEGRADES, "the last price is in its day"),
    Rule("open_outside_range", lambda q: q.price > 0 and _open_outside(q), DEGRADES, "so is the opening"),
)
"""Best ask and bid are not compared, since a quote does not tell auctions apart."""

BOOK_RULES: Final[tuple[Rule[BookSides], ...]] = (
    Rule("price_negative", lambda b: min(b.asks) < 0 or min(b.bids) < 0, REJECTS, "a level has a price or is missing"),
    Rule("size_negative", lambda b: min(b.sizes) < 0, REJECTS, "and a size"),
    Rule("crossed_book", _book_crossed, DEGRADES, "bid above ask; in an auction the sides may cross"),
)


def judge_trade(trade: Trade) -> Judgement:
    """Judge one trade."""
    price, volume, total = trade.price, trade.volume, trade.cumulative_volume
    high, low, ask, bid = trade.high, trade.low, trade.ask, trade.bid
    if (
        price > 0
        and 0 <= volume <= total <= VOLUME_LIMIT
        and high
        and low
        and low <= price <= high
        and (not trade.open or low <= trade.open <= high)
        and (not ask or not bid or bid <= ask)
    ):
        return ACCEPTED
    return judge_by(TRADE_RULES, trade)


def judge_quote(quote: Quote) -> Judgement:
    """Judge one quote.

    A price of 0 with no volume is what the broker shows for a halted symbol: an observation, without a price. With
    volume it contradicts itself.
    """
    price, high, low = quote.price, quote.high, quote.low
    if (
        price > 0
        and 0 <= quote.cumulative_volume <= VOLUME_LIMIT
        and high
        and low
        and low <= price <= high
        and (not quote.open or low <= quote.open <= high)
        and _within_limits(quote)
    ):
        return ACCEPTED
    return judge_by(QUOTE_RULES, quote)


def judge_book(asks: tuple[int, ...], bids: tuple[int, ...], sizes: tuple[int, ...], session_code: str) -> Judgement:
    """Judge one order book; index 0 is the best level, 0 is a missing level."""
    if 0 < bids[0] <= asks[0] and min(asks) >= 0 and min(bids) >= 0 and min(sizes) >= 0:
        return ACCEPTED
    return judge_by(BOOK_RULES, BookSides(asks, bids, sizes, session_code))


def judge_by(rules: tuple[Rule[_Subject], ...], subject: _Subject) -> Judgement:
    """Judge by a table: rejections alone when there is one, else every oddity, in the table's order."""
    hits = [rule for rule in rules if rule.applies(subject)]
    if not hits:
        return ACCEPTED
    rejecting = tuple(rule.id for rule in hits if rule.verdict.rejects)
    if rejecting:
        return Judgement(True, Quality.DEGRADED, rejecting)
    return Judgement(False, Quality.DEGRADED, tuple(rule.id for rule in hits))
