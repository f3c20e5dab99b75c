"""Bodies of the quotation endpoints: the market's state as the broker's keys, every leaf a string.

Separate from the web application: pure building of dictionaries in the broker's key order
(KIS protocol notes §3.1, §3.2).
"""

from __future__ import annotations

from typing import Final

from observer_core.kis.fields import INQUIRE_PRICE_KEYS, MULTI_PRICE_KEYS
from observer_core.kis.simulator.auctions import expected_price
from observer_core.kis.simulator.frames import PhaseCodes, percent, phase_codes, sign_of, status_code
from observer_core.kis.simulator.listings import KOSPI
from observer_core.kis.simulator.tape import SymbolTape
from observer_core.kis.simulator.trading_days import calendar_date
from observer_core.kis.simulator.trading_hours import date_text, hour_text, kst_day_number
from observer_core.market.prices import tick_size

BLANK_MULTI_PRICE_ROW: Final = dict.fromkeys(MULTI_PRICE_KEYS, "")
"""What an unknown code yields in a multi-price answer."""
LATER_PRICE_KEYS: Final = frozenset(("new_hgpr_lwpr_cls_code", "apprch_rate", "mang_issu_cls_code"))
"""Keys the portal's example lacks."""
BLANK_PRICE: Final = dict.fromkeys(INQUIRE_PRICE_KEYS, "")
"""What an unknown code yields in a single-price answer."""


def multi_price_row(tape: SymbolTape, exchange_ns: int) -> dict[str, str]:
    """Return the 29 keys of one symbol at a time its tape has been advanced to."""
    listing, day, last, base = tape.listing, tape.figures, tape.last, tape.base_price
    book = tape.book(exchange_ns)
    change = last - base
    codes, expected = _auction_values(tape, exchange_ns)
    values = (
        listing.market,
        "정지" if tape.halted else "",
        codes.hour,
        listing.code,
        listing.name,
        str(last),
        str(change),
        sign_of(change, last, tape.limits),
        percent(change, base),
        str(day.volume),
        str(day.open),
        str(day.high),
        str(day.low),
        str(tape.limits[0]),
        str(tape.limits[1]),
        str(tape.ask),
        str(tape.bid),
        str(book.ask_sizes[0]),
        str(book.bid_sizes[0]),
        str(book.total_ask),
        str(book.total_bid),
        str(day.value),
        str(base),
        percent(day.high - day.open, day.open),
        *expected,
        str(base),
    )
    return dict(zip(MULTI_PRICE_KEYS, values, strict=True))


def _auction_values(tape: SymbolTape, exchange_ns: int) -> tuple[PhaseCodes, tuple[str, str, str, str]]:
    """Return the phase's codes, and keys 25 to 28: noise outside auctions."""
    codes = phase_codes(tape, exchange_ns)
    if codes.hour == "0":
        return codes, (str(-tape.base_price), "5", "-100.00", "0")
    price, volume = expected_price(tape, exchange_ns)
    change = price - tape.base_price
    sign, rate = sign_of(change, price, tape.limits), percent(change, tape.base_price)
    return codes, (str(change), sign, rate, str(volume))


def zeroed_multi_price_row(tape: SymbolTape, exchange_ns: int) -> dict[str, str]:
    """Return a row whose last price and sums are "0", as a halted symbol can show."""
    row = multi_price_row(tape, exchange_ns)
    zeroed = ("inter2_prpr", "inter2_prdy_vrss", "acml_vol", "inter2_oprc", "inter2_hgpr", "inter2_lwpr")
    return row | dict.fromkeys((*zeroed, "acml_tr_pbmn"), "0")


def price_output(tape: SymbolTape, exchange_ns: int) -> dict[str, str]:
    """Return the 82 keys of one symbol at a time its tape has been advanced to."""
    values = _state_values(tape) | _company_values(tape) | _history_values(tape, exchange_ns)
    values["vi_cls_code"] = "Y" if tape.frozen(exchange_ns) else "N"
    return {key: values.get(key, "0") for key in INQUIRE_PRICE_KEYS}


def _state_values(tape: SymbolTape) -> dict[str, str]:
    """Return what trading changes."""
    day, last, base = tape.figures, tape.last, tape.base_price
    change = last - base
    high, low = day.high or base, day.low or base
    pivot = (high + low + last) // 3
    return {
        "stck_prpr": str(last),
        "prdy_vrss": str(change),
        "prdy_vrss_sign": sign_of(change, last, tape.limits),
        "prdy_ctrt": percent(change, base),
        "acml_tr_pbmn": str(day.value),
        "acml_vol": str(day.volume),
        "prdy_vrss_vol_rate": percent(day.volume, tape.listing.previous_volume),
        "stck_oprc": str(day.open),
        "stck_hgpr": str(day.high),
        "stck_lwpr": str(day.low),
        "stck_mxpr": str(tape.limits[1]),
        "stck_llam": str(tape.limits[0]),
        "stck_sdpr": str(base),
        "rstc_wdth_prc": str(tape.limits[1] - base),
        "wghn_avrg_stck_prc": f"{day.value / day.volume:.2f}" if day.volume else "0.00",
        "aspr_unit": str(tick_size(last, tape.listing.etp)),
        "vol_tnrt": percent(day.volume, tape.listing.listed_shares),
        "pvt_pont_val": str(pivot),
        "pvt_frst_dmrs_prc": str(2 * pivot - low),
        "pvt_scnd_dmrs_prc": str(pivot + high - low),
        "pvt_frst_dmsp_prc": str(2 * pivot - high),
        "pvt_scnd_dmsp_prc": str(pivot - high + low),
        "dmrs_val": str((high + 2 * low + last) // 2 - low),
        "dmsp_val": str((high + 2 * low + last) // 2 - high),
    }


def _company_values(tape: SymbolTape) -> dict[str, str]:
    """Return what the listing says."""
    listing = tape.listing
    capital_100m = listing.listed_shares * 100 // 100_000_000
    earnings = max(listing.base_price // 14, 1)
    return {
        "iscd_stat_cls_code": status_code(tape),
        "marg_rate": "40.00",
        "rprs_mrkt_kor_name": listing.market,
        "new_hgpr_lwpr_cls_code": "",
        "bstp_kor_isnm": "전기·전자" if listing.market == KOSPI else "제조",
        "temp_stop_yn": "Y" if tape.halted else "N",
        **dict.fromkeys(("oprc_rang_cont_yn", "clpr_rang_cont_yn", "elw_pblc_yn", "invt_caful_yn"), "N"),
        **dict.fromkeys(("short_over_yn", "sltr_yn", "ovtm_vi_cls_code"), "N"),
        **dict.fromkeys(("hts_frgn_ehrt", "whol_loan_rmnd_rate", "apprch_rate"), "0.00"),
        "crdt_able_yn": "N" if tape.halted else "Y",
        "grmn_rate_cls_code": "40",
        "cpfn": str(capital_100m),
        "stck_fcam": "100",
        "stck_sspr": str(listing.base_price * 7 // 10),
        "hts_deal_qty_unit_val": "1",
        "lstn_stcn": str(listing.listed_shares),
        "hts_avls": str(listing.listed_shares * tape.last // 100_000_000),
        "per": f"{tape.last / earnings:.2f}",
        "pbr": f"{tape.last / listing.base_price * 1.2:.2f}",
        "stac_month": "12",
        "eps": f"{earnings:.2f}",
        "bps": f"{listing.base_price / 1.2:.2f}",
        "ssts_yn": "Y",
        "stck_shrn_iscd": listing.code,
        "fcam_cnnm": "100",
        "cpfn_cnnm": f"{capital_100m:,} 억",
        "mrkt_warn_cls_code": "00",
        "mang_issu_cls_code": "Y" if listing.administrative else "N",
    }


def _history_values(tape: SymbolTape, exchange_ns: int) -> dict[str, str]:
    """Return the extremes of the past, which bracket today's."""
    base, last = tape.base_price, tape.last
    today = kst_day_number(exchange_ns)
    high = max(base * 14 // 10, tape.figures.high)
    low = min(base * 6 // 10, tape.figures.low or base)
    year_start = date_text(today - calendar_date(today).timetuple().tm_yday + 2)
    values: dict[str, str] = {}
    for high_key, low_key in (
        ("d250_hgpr", "d250_lwpr"),
        ("stck_dryy_hgpr", "stck_dryy_lwpr"),
        ("w52_hgpr", "w52_lwpr"),
    ):
        stems = (high_key.removeprefix("stck_"), low_key.removeprefix("stck_"))
        ending = "vrss_prpr_ctrt" if high_key.startswith("w52") else "vrss_prpr_rate"
        for key, stem, extreme in zip((high_key, low_key), stems, (high, low), strict=True):
            values[key] = str(extreme)
            values[f"{stem}_date"] = year_start
            values[f"{stem}_{ending}"] = percent(last - extreme, extreme)
    return values


def execution_rows(tape: SymbolTape) -> list[dict[str, str]]:
    """Return the newest executions of one symbol, newest first, at most 30 (inquire-ccnl)."""
    rows = []
    for trade in reversed(tape.recent):
        change = trade.price - trade.base_price
        rows.append(
            {
                "stck_cntg_hour": hour_text(trade.time_ns),
                "stck_prpr": str(trade.price),
                "prdy_vrss": str(change),
                "prdy_vrss_sign": sign_of(change, trade.price, tape.limits),
                "cntg_vol": str(trade.volume),
                "tday_rltv": percent(trade.buy_volume, trade.sell_volume),
                "prdy_ctrt": percent(change, trade.base_price),
            }
        )
    return rows
