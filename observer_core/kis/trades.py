"""One record of H0STCNT0, H0NXCNT0 or H0UNCNT0 to a `Trade`, or to a `Rejection` that says what is wrong with it.

Separate from the frames because a record is judged by itself: a bad one never costs its neighbours. Fields are taken
by position and a surplus is ignored, since the broker appends fields without lead time. The hot path converts
without looking; only a record that fails there is looked at field by field.
"""

import re
from operator import itemgetter
from typing import Final

from msgspec.structs import replace

from observer_core.kis.fields import TRADE_FIELDS
from observer_core.kis.numbers import NUMBER_LENGTH, Refused, numbers_of
from observer_core.kis.times import midnight_before_ns, midnight_ns, time_of_day_ns
from observer_core.messages import Quality, Rejection, Track, Trade
from observer_core.quality.validation import ACCEPTED, is_symbol, judge_trade

_INDEX: Final = {name: index for index, name in enumerate(TRADE_FIELDS)}
_SYMBOL: Final = _INDEX["MKSC_SHRN_ISCD"]
_TIME: Final = _INDEX["STCK_CNTG_HOUR"]
_DATE: Final = _INDEX["BSOP_DATE"]
_PRICE: Final = _INDEX["STCK_PRPR"]
_CHANGE: Final = _INDEX["PRDY_VRSS"]
_OPEN: Final = _INDEX["STCK_OPRC"]
_HIGH: Final = _INDEX["STCK_HGPR"]
_LOW: Final = _INDEX["STCK_LWPR"]
_ASK: Final = _INDEX["ASKP1"]
_BID: Final = _INDEX["BIDP1"]
_VOLUME: Final = _INDEX["CNTG_VOL"]
_CUMULATIVE_VOLUME: Final = _INDEX["ACML_VOL"]
_CUMULATIVE_VALUE: Final = _INDEX["ACML_TR_PBMN"]
_SIDE: Final = _INDEX["CCLD_DVSN"]
_OPERATION: Final = _INDEX["NEW_MKOP_CLS_CODE"]
_HALTED: Final = _INDEX["TRHT_YN"]
_ASK_SIZE: Final = _INDEX["ASKP_RSQN1"]
_BID_SIZE: Final = _INDEX["BIDP_RSQN1"]
_TOTAL_ASK_SIZE: Final = _INDEX["TOTAL_ASKP_RSQN"]
_TOTAL_BID_SIZE: Final = _INDEX["TOTAL_BIDP_RSQN"]
_SESSION: Final = _INDEX["HOUR_CLS_CODE"]
_VI: Final = _INDEX["VI_STND_PRC"]
_VENUE: Final = _INDEX["MARKET_CLS_CODE"]

TRADE_MINIMUM_WIDTH: Final = _VI + 1
"""Fields that are read of every trade; MARKET_CLS_CODE behind them is newer and optional."""

_REQUIRED = (_PRICE, _VOLUME, _CUMULATIVE_VOLUME, _CUMULATIVE_VALUE)
_PRICES = frozenset({_PRICE, _CHANGE, _OPEN, _HIGH, _LOW, _ASK, _BID, _VI})
_OPTIONAL = (
    _OPEN, _HIGH, _LOW, _CHANGE, _ASK, _BID, _ASK_SIZE, _BID_SIZE, _TOTAL_ASK_SIZE, _TOTAL_BID_SIZE, _VI
)  # fmt: skip
_NUMBERS = (*_REQUIRED, *_OPTIONAL)
_number_texts = itemgetter(*_NUMBERS)
_convert_all = numbers_of(len(_NUMBERS))
_INTEGER = re.compile(r"\s*-?[0-9]+\s*", re.ASCII)
_FRACTION = re.compile(r"\s*-?[0-9]*\.[0-9]+\s*", re.ASCII)


def parse_trade(record: list[str], received_ns: int, raw: str, keep_raw: bool) -> Trade | Rejection:
    """Return the trade of one record's fields, or why there is none.

    Args:
        record: at least `TRADE_MINIMUM_WIDTH` fields, without characters `int` would be lenient about
            (`needs_a_look`).
        received_ns: receipt, wall clock.
        raw: the record's fields as received, joined by `^`.
        keep_raw: whether an accepted trade carries `raw`; a rejection always does.
    """
    try:
        return _convert(record, received_ns, raw, keep_raw)
    except ValueError:
        return _rejection(record, received_ns, "decode", explain_trade(record), raw)


def needs_a_look(payload: str) -> bool:
    """Return whether a text has what `int` accepts and the broker never sends: underscores, foreign digits."""
    return "_" in payload or not payload.isascii()


def explain_trade(record: list[str]) -> tuple[str, ...]:
    """Return everything that is wrong with the form of a record's fields; empty if nothing is."""
    reasons: list[str] = []
    if not is_symbol(record[_SYMBOL]):
        reasons.append("bad_symbol")
    try:
        _source_time_ns(record, 0)
    except ValueError as error:
        reasons.append(str(error))
    for index in _NUMBERS:
        reason = explain_number(record[index], TRADE_FIELDS[index], index in _PRICES, index in _REQUIRED)
        if reason and reason not in reasons:
            reasons.append(reason)
    return tuple(reasons)


def explain_number(text: str, name: str, price: bool, required: bool) -> str | None:
    """Return what is wrong with the text of a whole number; None if nothing is."""
    if not text:
        return f"empty:{name}" if required else None
    if _INTEGER.fullmatch(text):
        return f"out_of_range:{name}" if len(text) > NUMBER_LENGTH else None
    if price and _FRACTION.fullmatch(text):
        return "fractional_price"
    return f"not_a_whole_number:{name}"


def _source_time_ns(record: list[str], received_ns: int) -> int:
    date = record[_DATE]
    day_ns = midnight_ns(date) if date else midnight_before_ns(received_ns)
    return day_ns + time_of_day_ns(record[_TIME])


def _convert(r: list[str], received_ns: int, raw: str, keep_raw: bool) -> Trade | Rejection:
    if not is_symbol(r[_SYMBOL]):
        raise ValueError("bad_symbol")
    (
        price, volume, cumulative_volume, cumulative_value, opened, high, low, change, ask, bid,
        ask_size, bid_size, total_ask_size, total_bid_size, vi_reference,
    ) = _numbers(r)  # fmt: skip
    if price is None or volume is None or cumulative_volume is None or cumulative_value is None:
        raise ValueError("empty")
    # By position, in the order of the struct: naming the arguments doubles the cost of a trade.
    trade = Trade(
        r[_SYMBOL], _source_time_ns(r, received_ns), received_ns, price, volume, cumulative_volume, cumulative_value,
        opened, high, low, change, ask, bid, ask_size, bid_size, total_ask_size, total_bid_size,
        r[_SIDE], r[_SESSION], r[_OPERATION], r[_HALTED] == "Y", vi_reference,
        r[_VENUE] if len(r) > _VENUE else "", Quality.NORMAL, (), raw if keep_raw else None,
    )  # fmt: skip
    judgement = judge_trade(trade)
    if judgement is ACCEPTED:
        return trade
    if judgement.rejected:
        return _rejection(r, received_ns, "validate", judgement.reasons, raw)
    return replace(trade, quality=judgement.quality, reasons=judgement.reasons)


def _numbers(record: list[str]) -> tuple[int | None, ...]:
    texts = _number_texts(record)
    try:
        return _convert_all(texts)
    except Refused:
        return tuple((int(text) if len(text) <= NUMBER_LENGTH else _too_long()) if text else None for text in texts)


def _too_long() -> int:
    raise ValueError("out_of_range")


def _rejection(record: list[str], received_ns: int, stage: str, reasons: tuple[str, ...], raw: str) -> Rejection:
    symbol = record[_SYMBOL] if is_symbol(record[_SYMBOL]) else None
    return Rejection(symbol, received_ns, Track.SCALP, stage, reasons, raw)
