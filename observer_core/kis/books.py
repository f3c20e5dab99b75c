"""One record of H0STASP0, the ten-level order book, to a `Book`, or to a `Rejection` that says what is wrong with it.

Separate from the trades because the record is another one; the rules of conversion are the same.
"""

from typing import Final

from observer_core.kis.fields import BOOK_FIELDS
from observer_core.kis.numbers import NUMBER_LENGTH, Refused, numbers_of
from observer_core.kis.times import midnight_before_ns, time_of_day_ns
from observer_core.kis.trades import explain_number
from observer_core.messages import Book, Rejection, Track
from observer_core.quality.validation import is_symbol, judge_book

_INDEX: Final = {name: index for index, name in enumerate(BOOK_FIELDS)}
_LEVELS: Final = 10
_SYMBOL: Final = _INDEX["MKSC_SHRN_ISCD"]
_TIME: Final = _INDEX["BSOP_HOUR"]
_SESSION: Final = _INDEX["HOUR_CLS_CODE"]
_ASKS: Final = slice(_INDEX["ASKP1"], _INDEX["ASKP1"] + _LEVELS)
_BIDS: Final = slice(_INDEX["BIDP1"], _INDEX["BIDP1"] + _LEVELS)
_ASK_SIZES: Final = slice(_INDEX["ASKP_RSQN1"], _INDEX["ASKP_RSQN1"] + _LEVELS)
_BID_SIZES: Final = slice(_INDEX["BIDP_RSQN1"], _INDEX["BIDP_RSQN1"] + _LEVELS)
_TOTAL_ASK_SIZE: Final = _INDEX["TOTAL_ASKP_RSQN"]
_TOTAL_BID_SIZE: Final = _INDEX["TOTAL_BIDP_RSQN"]
_EXPECTED_PRICE: Final = _INDEX["ANTC_CNPR"]
_EXPECTED_VOLUME: Final = _INDEX["ANTC_CNQN"]
_CUMULATIVE_VOLUME: Final = _INDEX["ACML_VOL"]
_VENUE: Final = _INDEX["MARKET_CLS_CODE"]

BOOK_MINIMUM_WIDTH: Final = _CUMULATIVE_VOLUME + 1
"""Fields that are read of every book; MARKET_CLS_CODE behind them is newer and optional."""

_EXPECTED_SESSIONS = frozenset("ABCD")
_LEVELS_FROM: Final[int] = _ASKS.start
_LEVELS_UNTIL: Final[int] = _BID_SIZES.stop
_convert_all = numbers_of(_LEVELS_UNTIL - _LEVELS_FROM)
_LEVEL_FIELDS = range(_LEVELS_FROM, _LEVELS_UNTIL)
_PRICE_FIELDS = frozenset({*range(_ASKS.start, _BIDS.stop), _EXPECTED_PRICE})
_OPTIONAL = (_TOTAL_ASK_SIZE, _TOTAL_BID_SIZE, _CUMULATIVE_VOLUME)
_EXPECTED = (_EXPECTED_PRICE, _EXPECTED_VOLUME)


def parse_book(record: list[str], received_ns: int, raw: str, keep_raw: bool) -> Book | Rejection:
    """Return the book of one record's fields, or why there is none; arguments as for `parse_trade`.

    The record has no date: the time is taken to be of the Korean day of the receipt.
    """
    try:
        return _convert(record, received_ns, raw, keep_raw)
    except ValueError:
        return _rejection(record, received_ns, "decode", explain_book(record), raw)


def explain_book(record: list[str]) -> tuple[str, ...]:
    """Return everything that is wrong with the form of a record's fields; empty if nothing is."""
    reasons: list[str] = []
    if not is_symbol(record[_SYMBOL]):
        reasons.append("bad_symbol")
    try:
        time_of_day_ns(record[_TIME])
    except ValueError as error:
        reasons.append(str(error))
    expected = _EXPECTED if record[_SESSION] in _EXPECTED_SESSIONS else ()
    for index in (*_LEVEL_FIELDS, *_OPTIONAL, *expected):
        reason = explain_number(record[index], BOOK_FIELDS[index], index in _PRICE_FIELDS, index in _LEVEL_FIELDS)
        if reason and reason not in reasons:
            reasons.append(reason)
    return tuple(reasons)


def _convert(r: list[str], received_ns: int, raw: str, keep_raw: bool) -> Book | Rejection:
    symbol, session_code = r[_SYMBOL], r[_SESSION]
    if not is_symbol(symbol):
        raise ValueError("bad_symbol")
    levels = _level_numbers(r)
    asks, bids = levels[:_LEVELS], levels[_LEVELS : 2 * _LEVELS]
    ask_sizes, bid_sizes = levels[2 * _LEVELS : 3 * _LEVELS], levels[3 * _LEVELS :]
    source_time_ns = midnight_before_ns(received_ns) + time_of_day_ns(r[_TIME])
    # Outside auctions these fields hold noise (price 0, change = -base).
    expected = session_code in _EXPECTED_SESSIONS
    judgement = judge_book(asks, bids, ask_sizes + bid_sizes, session_code)
    if judgement.rejected:
        return _rejection(r, received_ns, "validate", judgement.reasons, raw)
    return Book(
        symbol,
        source_time_ns,
        received_ns,
        asks,
        bids,
        ask_sizes,
        bid_sizes,
        _optional(r[_TOTAL_ASK_SIZE]),
        _optional(r[_TOTAL_BID_SIZE]),
        _optional(r[_CUMULATIVE_VOLUME]),
        _optional(r[_EXPECTED_PRICE]) if expected else None,
        _optional(r[_EXPECTED_VOLUME]) if expected else None,
        session_code,
        r[_VENUE] if len(r) > _VENUE else "",
        judgement.quality,
        judgement.reasons,
        raw if keep_raw else None,
    )


def _level_numbers(record: list[str]) -> tuple[int, ...]:
    texts = record[_LEVELS_FROM:_LEVELS_UNTIL]
    try:
        return _convert_all(texts)
    except Refused:
        if max(map(len, texts)) > NUMBER_LENGTH:
            raise ValueError("out_of_range") from None
        return tuple(map(int, texts))


def _optional(text: str) -> int | None:
    if len(text) > NUMBER_LENGTH:
        raise ValueError("out_of_range")
    return int(text) if text else None


def _rejection(record: list[str], received_ns: int, stage: str, reasons: tuple[str, ...], raw: str) -> Rejection:
    symbol = record[_SYMBOL] if is_symbol(record[_SYMBOL]) else None
    return Rejection(symbol, received_ns, Track.SCALP, stage, reasons, raw)
