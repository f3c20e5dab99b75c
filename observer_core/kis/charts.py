"""The broker's one-minute bars of today: the answer of inquire-time-itemchartprice to `Backfill` records.

Two traps of the broker (KIS protocol notes §3.4): minutes that have not happened are rows like others, and the newest
row carries the volume of the unfinished minute, whatever minute it claims. Neither leaves this module.
"""

from typing import Annotated, Final, NamedTuple, TypeAlias

import msgspec

from observer_core.clock import NS_PER_S
from observer_core.errors import MalformedMessage
from observer_core.kis.quotes import CallTimes
from observer_core.kis.times import midnight_ns, time_of_day_ns
from observer_core.messages import Backfill, Rejection, Track

MINUTE_NS: Final = 60 * NS_PER_S

_KEYS: Final = {
    "day": "stck_bsop_date",
    "hour": "stck_cntg_hour",
    "open": "stck_oprc",
    "high": "stck_hgpr",
    "low": "stck_lwpr",
    "close": "stck_prpr",
    "volume": "cntg_vol",
    "cumulative_value": "acml_tr_pbmn",
}
_Price: TypeAlias = Annotated[int, msgspec.Meta(gt=0, le=2**63 - 1)]
_Size: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Row(msgspec.Struct, rename=_KEYS, gc=False):
    day: str
    hour: str
    open: _Price
    high: _Price
    low: _Price
    close: _Price
    volume: _Size
    cumulative_value: _Size | None = None


class _Envelope(msgspec.Struct):
    output2: list[msgspec.Raw] = []


# Not strict: all the broker's numbers are texts.
_row_decoder = msgspec.json.Decoder(_Row, strict=False)
_envelope_decoder = msgspec.json.Decoder(_Envelope)


class MinuteChart(NamedTuple):
    """What an answer held that can be believed, and the rows that could not be read."""

    bars: list[Backfill]
    rejections: list[Rejection]


def parse_minute_chart(body: bytes, symbol: str, times: CallTimes, keep_raw: bool) -> MinuteChart:
    """Return the minutes that were over when the question was sent, less the newest row.

    Raises:
        MalformedMessage: the answer does not have its form.
    """
    try:
        rows = _envelope_decoder.decode(body).output2
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MalformedMessage(body, f"inquire-time-itemchartprice: {error}") from error
    bars: list[Backfill] = []
    rejections: list[Rejection] = []
    for raw in rows:
        try:
            bars.append(_bar(raw, symbol, times, keep_raw))
        except (ValueError, RecursionError) as error:
            text = str(raw, "utf-8", "replace")
            rejections.append(Rejection(symbol, times.received_ns, Track.SCALP, "backfill", (_reason(error),), text))
    newest_ns = max((bar.minute_ns for bar in bars), default=0)
    over = [bar for bar in bars if bar.minute_ns < newest_ns and bar.minute_ns + MINUTE_NS <= times.requested_ns]
    return MinuteChart(over, rejections)


def _bar(raw: msgspec.Raw, symbol: str, times: CallTimes, keep_raw: bool) -> Backfill:
    row = _row_decoder.decode(raw)
    minute_ns = midnight_ns(row.day) + time_of_day_ns(row.hour)
    if minute_ns % MINUTE_NS:
        raise ValueError("bad_minute")
    if not row.low <= min(row.open, row.close) <= max(row.open, row.close) <= row.high:
        raise ValueError("range_order")
    return Backfill(
        symbol=symbol,
        minute_ns=minute_ns,
        requested_ns=times.requested_ns,
        received_ns=times.received_ns,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=row.volume,
        cumulative_value=row.cumulative_value,
        raw=str(raw, "utf-8", "replace") if keep_raw else None,
    )


def _reason(error: Exception) -> str:
    return "bad_row" if isinstance(error, msgspec.DecodeError | UnicodeError | RecursionError) else str(error)
