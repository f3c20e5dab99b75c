"""Data frames of the stream, to the byte: execution and order-book records, and how frames carry them.

Separate from the server: pure text building from the market's state (KIS protocol notes §5.2 to §5.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from observer_core.kis.fields import BOOK_FIELDS, MARKET_OPERATION_FIELDS, TRADE_FIELDS
from observer_core.kis.simulator.auctions import expected_price
from observer_core.kis.simulator.book import Book
from observer_core.kis.simulator.day_figures import AUCTION
from observer_core.kis.simulator.executions import Trade, TradeKind
from observer_core.kis.simulator.listings import Listing
from observer_core.kis.simulator.tape import SymbolTape
from observer_core.kis.simulator.trading_hours import date_text, hour_text, kst_day_number

CURRENT_TRADE_WIDTH: Final = len(TRADE_FIELDS)
CURRENT_BOOK_WIDTH: Final = len(BOOK_FIELDS)
CURRENT_OPERATION_WIDTH: Final = len(MARKET_OPERATION_FIELDS)
EXPECTED_WIDTH: Final = 45
"""Fields of H0STANC0: those of a trade without the last two."""
EXPECTED_SIDE: Final = AUCTION
ANTICIPATED_CODES: Final = {"closing_auction": "121", "closing_price": "129", "after_market": "129"}
_HOUR_CLASS_SESSION: Final = "0"
_MARKET_REGULAR: Final = "2"
_SURPLUS: Final = "0"
"""What a field beyond the known ones holds: the broker's next one."""


class PhaseCodes(NamedTuple):
    """How a record names its phase: NEW_MKOP_CLS_CODE, HOUR_CLS_CODE and MARKET_CLS_CODE."""

    operation: str
    hour: str
    market: str


TRADE_CODES: Final[dict[TradeKind, PhaseCodes]] = {
    "opening": PhaseCodes("20", "0", "2"),
    "continuous": PhaseCodes("20", "0", "2"),
    "vi": PhaseCodes("20", "0", "2"),
    "closing": PhaseCodes("20", "0", "2"),
    "closing_price": PhaseCodes("31", "0", "5"),
    "after_market": PhaseCodes("30", "0", "3"),
}
EXPECTED_CODES: Final[dict[str, PhaseCodes]] = {
    "opening_auction": PhaseCodes("10", "B", "1"),
    "closing_auction": PhaseCodes("20", "C", "2"),
    "vi": PhaseCodes("20", "C", "2"),
}
BOOK_CODES: Final[dict[str, PhaseCodes]] = {
    "opening_auction": PhaseCodes("10", "B", "1"),
    "closing_auction": PhaseCodes("20", "C", "2"),
    "closing_price": PhaseCodes("31", "0", "5"),
    "after_market": PhaseCodes("30", "0", "3"),
}
_REGULAR: Final = PhaseCodes("20", _HOUR_CLASS_SESSION, _MARKET_REGULAR)


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
    """Return one H0STCNT0 record of 46, 47 or more fields."""
    codes = TRADE_CODES[trade.kind]
    fields = (*_trade_head(tape, trade), *_trade_sums(tape.listing, trade), *_trade_tail(tape, trade, codes))
    return _of_width(fields, width)


def expected_trade_record(tape: SymbolTape, exchange_ns: int, phase: str, width: int) -> str:
    """Return one record of an auction's expected execution.

    The figures are the day's so far: an expected execution trades nothing, so ACML_VOL does not grow.
    """
    codes = EXPECTED_CODES[phase]
    expected = expected_price(tape, exchange_ns)
    day = tape.figures
    trade = Trade(
        0, exchange_ns, expected.price, expected.volume, EXPECTED_SIDE, tape.bid, tape.ask,
        day.open, day.high, day.low, day.open_ns, day.high_ns, day.low_ns, day.volume, day.value,
        day.sell_count, day.buy_count, day.sell_volume, day.buy_volume, tape.base_price, tape.elapsed(exchange_ns),
        "opening",
    )  # fmt: skip
    fields = (*_trade_head(tape, trade), *_trade_sums(tape.listing, trade), *_trade_tail(tape, trade, codes))
    return _of_width(fields, width)


def operation_record(tape: SymbolTape, exchange_ns: int, code: str, width: int = CURRENT_OPERATION_WIDTH) -> str:
    """Return one H0STMKO0 record of 10 or 11 fields; an absent text is the literal "(null)"."""
    frozen = tape.frozen(exchange_ns)
    fields = (
        tape.listing.code,
        "Y" if tape.halted else "N",
        "거래정지" if tape.halted else "(null)",
        code,
        ANTICIPATED_CODES.get(tape.phase(exchange_ns), "112"),
        "0",
        "0",
        status_code(tape),
        "Y" if frozen else "N",
        "N",
        "1",
    )
    return "^".join(fields[:width])


def phase_codes(tape: SymbolTape, exchange_ns: int) -> PhaseCodes:
    """Return the codes of the phase a symbol is in, of an interruption while there is one."""
    if tape.frozen(exchange_ns):
        return EXPECTED_CODES["vi"]
    return BOOK_CODES.get(tape.phase(exchange_ns), _REGULAR)


def status_code(tape: SymbolTape) -> str:
    """Return ISCD_STAT_CLS_CODE: 58 halted, 51 administrative, 55 credit allowed."""
    return "58" if tape.halted else "51" if tape.listing.administrative else "55"


def _of_width(fields: tuple[str, ...], width: int) -> str:
    if width > len(fields):
        fields = (*fields, *(_SURPLUS,) * (width - len(fields)))
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
        f"{trade.total_value / trade.total_volume:.2f}" if trade.total_volume else "0.00",
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
        f"{trade.buy_volume / trade.total_volume:.2f}" if trade.total_volume else "0.00",
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


def _trade_tail(tape: SymbolTape, trade: Trade, codes: PhaseCodes) -> tuple[str, ...]:
    """Return fields 34 to 47."""
    book = tape.book_of(trade)
    listing = tape.listing
    previous_so_far = int(listing.previous_volume * trade.elapsed)
    return (
        date_text(kst_day_number(trade.time_ns)),
        codes.operation,
        "Y" if tape.halted else "N",
        str(book.ask_sizes[0]),
        str(book.bid_sizes[0]),
        str(book.total_ask),
        str(book.total_bid),
        percent(trade.total_volume, listing.listed_shares),
        str(previous_so_far),
        percent(trade.total_volume, previous_so_far),
        codes.hour,
        "",
        str(tape.vi_reference),
        codes.market,
    )


def book_record(tape: SymbolTape, exchange_ns: int, book: Book, width: int = CURRENT_BOOK_WIDTH) -> str:
    """Return one H0STASP0 record of 59, 62, 63 or more fields.

    Outside auctions the expected execution, 48 to 53, carries the usual noise.
    """
    codes = phase_codes(tape, exchange_ns)
    expected = ("0", "0", "0", str(-tape.base_price), "5", "-100.00")
    if codes.hour != _HOUR_CLASS_SESSION:
        price, volume = expected_price(tape, exchange_ns)
        change = price - tape.base_price
        sign, rate = sign_of(change, price, tape.limits), percent(change, tape.base_price)
        expected = (str(price), str(volume), str(volume), str(change), sign, rate)
    fields = (
        tape.listing.code,
        hour_text(exchange_ns),
        codes.hour,
        *map(str, book.ask_prices),
        *map(str, book.bid_prices),
        *map(str, book.ask_sizes),
        *map(str, book.bid_sizes),
        str(book.total_ask),
        str(book.total_bid),
        "0",
        "0",
        *expected,
        str(tape.figures.volume),
        "0",
        "0",
        "0",
        "0",
        "0",
        str((tape.bid + tape.ask) // 2),
        "0",
        "0",
        codes.market,
    )
    return _of_width(fields, width)
