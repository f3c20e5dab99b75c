"""Data frames of the stream, to the byte: execution and order-book records, and how frames carry them.

Separate from the server: pure text building from the market's state (KIS protocol notes §5.2 to §5.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from observer_core.kis.fields import BOOK_FIELDS, TRADE_FIELDS
from observer_core.kis.simulator.book import Book
from observer_core.kis.simulator.listings import Listing
from observer_core.kis.simulator.tape import SymbolTape, Trade
from observer_core.kis.simulator.trading_hours import date_text, hour_text, kst_day_number

MAX_RECORDS_PER_FRAME: Final = 20
CURRENT_TRADE_WIDTH: Final = len(TRADE_FIELDS)
CURRENT_BOOK_WIDTH: Final = len(BOOK_FIELDS)
_IN_SESSION: Final = "20"
_HOUR_CLASS_SESSION: Final = "0"
_MARKET_REGULAR: Final = "2"


def data_frame(tr_id: str, records: Sequence[str]) -> str:
    """Return one plain frame: flag, TR, three-digit count and the records without a separator but `^`."""
    return f"0|{tr_id}|{len(records):03d}|{'^'.join(records)}"


def sign_of(change: int, price: int, limits: tuple[int, int]) -> str:
    """Return the sign code: 1 upper limit, 2 up, 3 flat, 4 lower limit, 5 down."""
    if change > 0:
        return "1" if price >= limits[1] else "2"
    if change < 0:
        return "4" if price <= limits[0] else "5"
    return "3"


def percent(part: float, whole: float) -> str:
    """Return `part` in % of `whole` with two decimals, 0.00 of nothing."""
    return f"{part / whole * 100:.2f}" if whole else "0.00"


def _versus(price: int, reference: int) -> tuple[str, str]:
    change = price - reference
    return ("2" if change > 0 else "5" if change < 0 else "3"), str(change)


def trade_record(tape: SymbolTape, trade: Trade, width: int = CURRENT_TRADE_WIDTH) -> str:
    """Return one H0STCNT0 record of 46 or 47 fields."""
    fields = (*_trade_head(tape, trade), *_trade_sums(tape.listing, trade), *_trade_tail(tape, trade))
    return "^".join(fields[:width])


def _trade_head(tape: SymbolTape, trade: Trade) -> tuple[str, ...]:
    """Return fields 1 to 15."""
    change = trade.price - trade.base_price
    return (
        tape.listing.code,
        hour_text(trade.time_ns),
        str(trade.price),
        sign_of(change, trade.price, tape.limits),
        str(change),
        percent(change, trade.base_price),
        f"{trade.total_value / trade.total_volume:.2f}",
        str(trade.open),
        str(trade.high),
        str(trade.low),
        str(trade.ask),
        str(trade.bid),
        str(trade.volume),
        str(trade.total_volume),
        str(trade.total_value),
    )


def _trade_sums(listing: Listing, trade: Trade) -> tuple[str, ...]:
    """Return fields 16 to 33."""
    open_sign, open_change = _versus(trade.price, trade.open)
    high_sign, high_change = _versus(trade.price, trade.high)
    low_sign, low_change = _versus(trade.price, trade.low)
    return (
        str(trade.sell_count),
        str(trade.buy_count),
        str(trade.buy_count - trade.sell_count),
        percent(trade.buy_volume, trade.sell_volume),
        str(trade.sell_volume),
        str(trade.buy_volume),
        trade.side,
        f"{trade.buy_volume / trade.total_volume:.2f}",
        percent(trade.total_volume, listing.previous_volume),
        hour_text(trade.open_ns),
        open_sign,
        open_change,
        hour_text(trade.high_ns),
        high_sign,
        high_change,
        hour_text(trade.low_ns),
        low_sign,
        low_change,
    )


def _trade_tail(tape: SymbolTape, trade: Trade) -> tuple[str, ...]:
    """Return fields 34 to 47."""
    book = tape.book_of(trade)
    listing = tape.listing
    previous_so_far = int(listing.previous_volume * trade.elapsed)
    return (
        date_text(kst_day_number(trade.time_ns)),
        _IN_SESSION,
        "N",
        str(book.ask_sizes[0]),
        str(book.bid_sizes[0]),
        str(book.total_ask),
        str(book.total_bid),
        percent(trade.total_volume, listing.listed_shares),
        str(previous_so_far),
        percent(trade.total_volume, previous_so_far),
        _HOUR_CLASS_SESSION,
        "",
        str(trade.open),
        _MARKET_REGULAR,
    )


def book_record(tape: SymbolTape, exchange_ns: int, book: Book, width: int = CURRENT_BOOK_WIDTH) -> str:
    """Return one H0STASP0 record of 59, 62 or 63 fields; outside auctions 48-53 carry the usual noise."""
    listing = tape.listing
    fields = (
        listing.code,
        hour_text(exchange_ns),
        _HOUR_CLASS_SESSION,
        *map(str, book.ask_prices),
        *map(str, book.bid_prices),
        *map(str, book.ask_sizes),
        *map(str, book.bid_sizes),
        str(book.total_ask),
        str(book.total_bid),
        "0",
        "0",
        "0",
        "0",
        "0",
        str(-tape.base_price),
        "5",
        "-100.00",
        str(tape.figures.volume),
        "0",
        "0",
        "0",
        "0",
        "0",
        str((tape.bid + tape.ask) // 2),
        "0",
        "0",
        _MARKET_REGULAR,
    )
    return "^".join(fields[:width])
