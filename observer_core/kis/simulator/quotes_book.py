"""Bodies of the book and execution endpoints, every leaf a string (KIS protocol notes §3.3).

Separate from the price bodies: the same state of the market in other keys.
"""

from __future__ import annotations

from typing import Final

from observer_core.kis.simulator.auctions import expected_price
from observer_core.kis.simulator.book import LEVELS
from observer_core.kis.simulator.frames import percent, phase_codes, sign_of
from observer_core.kis.simulator.tape import SymbolTape
from observer_core.kis.simulator.trading_hours import hour_text

_LEVELS: Final = range(1, LEVELS + 1)
ASKING_PRICE_KEYS: Final = (
    "aspr_acpt_hour",
    *(f"askp{level}" for level in _LEVELS),
    *(f"bidp{level}" for level in _LEVELS),
    *(f"askp_rsqn{level}" for level in _LEVELS),
    *(f"bidp_rsqn{level}" for level in _LEVELS),
    *(f"askp_rsqn_icdc{level}" for level in _LEVELS),
    *(f"bidp_rsqn_icdc{level}" for level in _LEVELS),
    "total_askp_rsqn",
    "total_bidp_rsqn",
    "total_askp_rsqn_icdc",
    "total_bidp_rsqn_icdc",
    "ovtm_total_askp_icdc",
    "ovtm_total_bidp_icdc",
    "ovtm_total_askp_rsqn",
    "ovtm_total_bidp_rsqn",
    "ntby_aspr_rsqn",
    "new_mkop_cls_code",
)
"""`output1` of inquire-asking-price-exp-ccn, 71 keys."""
EXPECTED_KEYS: Final = (
    "antc_mkop_cls_code",
    "stck_prpr",
    "stck_oprc",
    "stck_hgpr",
    "stck_lwpr",
    "stck_sdpr",
    "antc_cnpr",
    "antc_cntg_vrss_sign",
    "antc_cntg_vrss",
    "antc_cntg_prdy_ctrt",
    "antc_vol",
    "stck_shrn_iscd",
    "vi_cls_code",
)
"""`output2` of it, 13 keys."""
_OPENED: Final = "112"
_ANTICIPATED: Final = {"B": "110", "C": "121"}


def asking_price_output(tape: SymbolTape, exchange_ns: int) -> dict[str, str]:
    """Return the 71 keys of a symbol's book at a time its tape has been advanced to."""
    book = tape.book(exchange_ns)
    values = dict.fromkeys(ASKING_PRICE_KEYS, "0")
    for stem, numbers in (
        ("askp", book.ask_prices),
        ("bidp", book.bid_prices),
        ("askp_rsqn", book.ask_sizes),
        ("bidp_rsqn", book.bid_sizes),
    ):
        for level, number in enumerate(numbers, 1):
            values[f"{stem}{level}"] = str(number)
    values["aspr_acpt_hour"] = hour_text(exchange_ns)
    values["total_askp_rsqn"] = str(book.total_ask)
    values["total_bidp_rsqn"] = str(book.total_bid)
    values["ntby_aspr_rsqn"] = str(book.total_bid - book.total_ask)
    values["new_mkop_cls_code"] = phase_codes(tape, exchange_ns).operation
    return values


def expected_output(tape: SymbolTape, exchange_ns: int) -> dict[str, str]:
    """Return the 13 keys on the expected execution; in continuous trading the last auction's result stays."""
    day, codes = tape.figures, phase_codes(tape, exchange_ns)
    in_auction = codes.hour != "0"
    price, volume = expected_price(tape, exchange_ns) if in_auction else (tape.vi_reference, 0)
    change = price - tape.base_price
    values = (
        _ANTICIPATED.get(codes.hour, _OPENED),
        str(tape.last),
        str(day.open),
        str(day.high),
        str(day.low),
        str(tape.base_price),
        str(price),
        sign_of(change, price, tape.limits),
        str(change),
        percent(change, tape.base_price),
        str(volume),
        tape.listing.code,
        "Y" if tape.frozen(exchange_ns) else "N",
    )
    return dict(zip(EXPECTED_KEYS, values, strict=True))


def timed_execution_rows(tape: SymbolTape) -> list[dict[str, str]]:
    """Return the newest executions of a symbol, newest first, at most 30 (inquire-time-itemconclusion)."""
    rows = []
    for trade in reversed(tape.recent):
        change = trade.price - trade.base_price
        rows.append(
            {
                "stck_cntg_hour": hour_text(trade.time_ns),
                "stck_pbpr": str(trade.price),
                "prdy_vrss": str(change),
                "prdy_vrss_sign": sign_of(change, trade.price, tape.limits),
                "prdy_ctrt": percent(change, trade.base_price),
                "askp": str(trade.ask),
                "bidp": str(trade.bid),
                "tday_rltv": percent(trade.buy_volume, trade.sell_volume),
                "acml_vol": str(trade.total_volume),
                "cnqn": str(trade.volume),
            }
        )
    return rows
