"""REST price answers to `Quote` records: the 30-symbol multi-price and the single inquire-price.

Separate from the HTTP client because answers are judged without it. Rows are joined by their code, never by order;
what happens to one row never touches another. The hot path converts typed in one pass over the row's own bytes,
which also are its raw text; only a row that fails there is looked at value by value.

Decisions on what the broker leaves open: a row without code says nothing and makes its symbol a missing one; a row
with a code and no price is a rejection ("blank_row" if nothing else is in it either); price 0 with volume 0 is how a
halted symbol looks and becomes a degraded quote ("no_price"); price 0 with volume contradicts itself: a rejection.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from observer_core.messages import Quality, Quote, Rejection, Track
from observer_core.quality.validation import ACCEPTED, is_symbol, judge_quote

_MULTI_KEYS: Final = {
    "symbol": "inter_shrn_iscd",
    "price": "inter2_prpr",
    "cumulative_volume": "acml_vol",
    "cumulative_value": "acml_tr_pbmn",
    "open": "inter2_oprc",
    "high": "inter2_hgpr",
    "low": "inter2_lwpr",
    "previous_close": "inter2_prdy_clpr",
    "base_price": "inter2_sdpr",
    "change": "inter2_prdy_vrss",
    "ask": "inter2_askp",
    "bid": "inter2_bidp",
    "ask_size": "seln_rsqn",
    "bid_size": "shnu_rsqn",
    "total_ask_size": "total_askp_rsqn",
    "total_bid_size": "total_bidp_rsqn",
    "upper_limit": "inter2_mxpr",
    "lower_limit": "inter2_llam",
    "expected_volume": "intr_antc_vol",
    "session_code": "hour_cls_code",
}
_SINGLE_KEYS: Final = {
    "symbol": "stck_shrn_iscd",
    "price": "stck_prpr",
    "cumulative_volume": "acml_vol",
    "cumulative_value": "acml_tr_pbmn",
    "open": "stck_oprc",
    "high": "stck_hgpr",
    "low": "stck_lwpr",
    "base_price": "stck_sdpr",
    "change": "prdy_vrss",
    "upper_limit": "stck_mxpr",
    "lower_limit": "stck_llam",
}
_NUMBER_LENGTH = 18
_TEXTS = frozenset({"symbol", "session_code"})
_REQUIRED = frozenset({"price", "cumulative_volume"})
_PRICES = frozenset(
    {
        "price",
        "open",
        "high",
        "low",
        "previous_close",
        "base_price",
        "change",
        "ask",
        "bid",
        "upper_limit",
        "lower_limit",
    }
)
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_FRACTION = re.compile(r"[+-]?[0-9]*\.[0-9]+", re.ASCII)


# What does not fit 64 bits fits neither the wire nor the store.
_Whole: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Row(msgspec.Struct, rename=_MULTI_KEYS, gc=False):
    symbol: str
    price: _Whole
    cumulative_volume: _Whole
    cumulative_value: _Whole | None = None
    open: _Whole | None = None
    high: _Whole | None = None
    low: _Whole | None = None
    previous_close: _Whole | None = None
    base_price: _Whole | None = None
    change: _Whole | None = None
    ask: _Whole | None = None
    bid: _Whole | None = None
    ask_size: _Whole | None = None
    bid_size: _Whole | None = None
    total_ask_size: _Whole | None = None
    total_bid_size: _Whole | None = None
    upper_limit: _Whole | None = None
    lower_limit: _Whole | None = None
    expected_volume: _Whole | None = None
    session_code: str = ""


class _MultiEnvelope(msgspec.Struct):
    output: list[msgspec.Raw]


class _SingleEnvelope(msgspec.Struct):
    output: msgspec.Raw


# Not strict: all the broker's numbers are texts, and this converts them without a Python step.
_row_decoder = msgspec.json.Decoder(_Row, strict=False)
_multi_decoder = msgspec.json.Decoder(_MultiEnvelope)
_single_decoder = msgspec.json.Decoder(_SingleEnvelope)
_object_decoder = msgspec.json.Decoder(dict[str, Any])


class CallTimes(NamedTuple):
    """When a call was sent and answered, wall clock."""

    requested_ns: int
    received_ns: int


class QuoteRows(NamedTuple):
    """What an answer held: its records, and the symbols that were asked for and have no row in it."""

    records: list[Quote | Rejection]
    missing: tuple[str, ...]


def parse_multi_price(body: bytes, symbols: Sequence[str], times: CallTimes, keep_raw: bool) -> QuoteRows:
    """Return the quotes of a multi-price answer; never raises on what the broker sent."""
    try:
        rows = _multi_decoder.decode(body).output
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return QuoteRows([_envelope_rejection(body, times)], tuple(symbols))
    waiting = dict.fromkeys(symbols)
    records: list[Quote | Rejection] = []
    for raw in rows:
        try:
            row = _row_decoder.decode(raw)
            del waiting[row.symbol]
        except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError):
            doubtful = _doubtful_row(raw, waiting, times, keep_raw)
            if doubtful is not None:
                records.append(doubtful)
        else:
            records.append(_quote(row, times, raw, keep_raw))
    return QuoteRows(records, tuple(waiting))


def parse_inquire_price(body: bytes, symbol: str, times: CallTimes, keep_raw: bool) -> QuoteRows:
    """Return the quote of an inquire-price answer, which has no best ask and bid; never raises on what was sent."""
    try:
        raw = _single_decoder.decode(body).output
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return QuoteRows([_envelope_rejection(body, times)], (symbol,))
    row, reasons = _examine(raw, _SINGLE_KEYS)
    if row is None:
        code = _code_of(raw, _SINGLE_KEYS)
        return QuoteRows([_rejection(code or symbol, times, "decode", reasons, raw)], ())
    if row.symbol != symbol:
        return QuoteRows(
            [_rejection(row.symbol, times, "validate", ("unrequested_or_repeated_symbol",), raw)], (symbol,)
        )
    return QuoteRows([_quote(row, times, raw, keep_raw)], ())


def _doubtful_row(
    raw: msgspec.Raw, waiting: dict[str, None], times: CallTimes, keep_raw: bool
) -> Quote | Rejection | None:
    """Return what a row is that the fast path did not take; None if it says nothing at all."""
    row, reasons = _examine(raw, _MULTI_KEYS)
    if row is None:
        code = _code_of(raw, _MULTI_KEYS)
        if code is None and reasons == ("blank_row",):
            return None
        waiting.pop(code or "", None)
        return _rejection(code, times, "decode", reasons, raw)
    if row.symbol not in waiting:
        return _rejection(row.symbol, times, "validate", ("unrequested_or_repeated_symbol",), raw)
    del waiting[row.symbol]
    return _quote(row, times, raw, keep_raw)


def _quote(row: _Row, times: CallTimes, raw: msgspec.Raw, keep_raw: bool) -> Quote | Rejection:
    # By position, in the order of the struct: naming the arguments doubles the cost of a row.
    quote = Quote(
        row.symbol, None, times.requested_ns, times.received_ns, row.price, row.open, row.high, row.low,
        row.previous_close, row.base_price, row.change, row.cumulative_volume, row.cumulative_value,
        row.ask, row.bid, row.ask_size, row.bid_size, row.total_ask_size, row.total_bid_size,
        row.upper_limit, row.lower_limit, row.expected_volume, row.session_code, Quality.NORMAL, (),
        str(raw, "utf-8", "replace") if keep_raw else None,
    )  # fmt: skip
    judgement = judge_quote(quote)
    if judgement is ACCEPTED:
        return quote
    if judgement.rejected:
        return _rejection(row.symbol, times, "validate", judgement.reasons, raw)
    return replace(quote, quality=judgement.quality, reasons=judgement.reasons)


def _examine(raw: msgspec.Raw, keys: Mapping[str, str]) -> tuple[_Row | None, tuple[str, ...]]:
    """Look at a row value by value; return it, or everything that is wrong with it."""
    try:
        values = _object_decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None, ("not_an_object",)
    texts = {name: _value_text(values.get(key)) for name, key in keys.items()}
    if not any(text for name, text in texts.items() if name != "symbol"):
        return None, ("blank_row",)
    reasons: list[str] = [] if is_symbol(texts["symbol"]) else ["bad_symbol"]
    row = _Row(texts["symbol"], 0, 0)
    for name, text in texts.items():
        reason = _explain(name, text, keys[name])
        if reason and reason not in reasons:
            reasons.append(reason)
        elif name in _TEXTS:
            setattr(row, name, text)
        elif not reason:
            setattr(row, name, int(text) if text else None)
    return (None, tuple(reasons)) if reasons else (row, ())


def _explain(name: str, text: str, key: str) -> str | None:
    if name in _TEXTS:
        return None
    if not text:
        return f"empty:{key}" if name in _REQUIRED else None
    if _INTEGER.fullmatch(text):
        return f"out_of_range:{key}" if len(text) > _NUMBER_LENGTH else None
    if name in _PRICES and _FRACTION.fullmatch(text):
        return "fractional_price"
    return f"not_a_whole_number:{key}"


def _value_text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _code_of(raw: msgspec.Raw, keys: Mapping[str, str]) -> str | None:
    try:
        code = _value_text(_object_decoder.decode(raw).get(keys["symbol"]))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return code if is_symbol(code) else None


def _rejection(
    symbol: str | None, times: CallTimes, stage: str, reasons: tuple[str, ...], raw: msgspec.Raw
) -> Rejection:
    return Rejection(symbol, times.received_ns, Track.SWING, stage, reasons, str(raw, "utf-8", "replace"))


def _envelope_rejection(body: bytes, times: CallTimes) -> Rejection:
    return Rejection(None, times.received_ns, Track.SWING, "frame", ("bad_envelope",), body.decode("utf-8", "replace"))
