"""Whether one observation can be believed by itself: positive prices, an ordered day range, sane volumes. Pure.

Separate from the broker's parsers because every source is judged by the same rules. Rejected means that the
observation contradicts itself; degraded means that it is usable and something about it is odd. Prices between two
ticks are legal (mid-price executions), so ticks are never checked.
"""

from typing import NamedTuple

from observer_core.ids import is_symbol as is_symbol
from observer_core.messages import Quality, Quote, Trade

_IN_SESSION = "0"


class Judgement(NamedTuple):
    """The verdict on one observation: rejected, or its quality, and why."""

    rejected: bool
    quality: Quality
    reasons: tuple[str, ...]


ACCEPTED = Judgement(False, Quality.NORMAL, ())
"""Nothing was found wrong."""


def degraded(*reasons: str) -> Judgement:
    """Return the verdict on an observation that is usable but odd."""
    return Judgement(False, Quality.DEGRADED, reasons)


def judge_trade(trade: Trade) -> Judgement:
    """Judge one trade."""
    price, high, low, ask, bid = trade.price, trade.high, trade.low, trade.ask, trade.bid
    if price <= 0 or trade.volume < 0 or trade.cumulative_volume < 0:
        return _rejected_figures(price, trade.cumulative_volume, trade.volume)
    reasons = [] if high and low and low <= price <= high else _range_reasons(price, high, low)
    if trade.open and high and low and not low <= trade.open <= high:
        reasons.append("open_outside_range")
    if trade.cumulative_volume < trade.volume:
        reasons.append("cumulative_below_volume")
    # In an auction the sides may cross: that is what it is for.
    if ask and bid and bid > ask and trade.session_code == _IN_SESSION:
        reasons.append("crossed_book")
    return degraded(*reasons) if reasons else ACCEPTED


def judge_quote(quote: Quote) -> Judgement:
    """Judge one quote.

    A price of 0 with no volume is what the broker shows for a halted symbol: an observation, without a price. With
    volume it contradicts itself. Best ask and bid are not compared, since a quote does not tell auctions apart.
    """
    price, high, low = quote.price, quote.high, quote.low
    if price == 0 and quote.cumulative_volume == 0:
        return degraded("no_price")
    if price <= 0 or quote.cumulative_volume < 0:
        return _rejected_figures(price, quote.cumulative_volume)
    reasons = [] if high and low and low <= price <= high else _range_reasons(price, high, low)
    if quote.open and high and low and not low <= quote.open <= high:
        reasons.append("open_outside_range")
    return degraded(*reasons) if reasons else ACCEPTED


def judge_book(asks: tuple[int, ...], bids: tuple[int, ...], sizes: tuple[int, ...], session_code: str) -> Judgement:
    """Judge one order book; index 0 is the best level, 0 is a missing level."""
    if min(asks) < 0 or min(bids) < 0:
        return Judgement(True, Quality.DEGRADED, ("price_negative",))
    if min(sizes) < 0:
        return Judgement(True, Quality.DEGRADED, ("size_negative",))
    best_ask, best_bid = asks[0], bids[0]
    if best_ask and best_bid and best_bid > best_ask and session_code == _IN_SESSION:
        return degraded("crossed_book")
    return ACCEPTED


def _range_reasons(price: int, high: int | None, low: int | None) -> list[str]:
    # 0 and None: before the first price of the day there is no range.
    if not high or not low or low <= price <= high:
        return []
    return ["range_order"] if low > high else ["price_outside_range"]


def _rejected_figures(price: int, cumulative_volume: int, volume: int = 0) -> Judgement:
    reasons = []
    if price <= 0:
        reasons.append("price_not_positive")
    if volume < 0:
        reasons.append("volume_negative")
    if cumulative_volume < 0:
        reasons.append("cumulative_volume_negative")
    return Judgement(True, Quality.DEGRADED, tuple(reasons))
