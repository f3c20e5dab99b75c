"""Endpoints about the market as a whole and about instruments: ranking, interruptions, holidays, basic information.

Separate from the quotations: none of these is about one symbol's price now.
"""

from __future__ import annotations

from typing import Final

from observer_core.kis import fields
from observer_core.kis.simulator.executions import Interruption
from observer_core.kis.simulator.frames import percent, sign_of
from observer_core.kis.simulator.listings import KOSDAQ, KOSPI
from observer_core.kis.simulator.rest_errors import INVALID_INPUT
from observer_core.kis.simulator.rest_gate import Refusal
from observer_core.kis.simulator.rest_quotations import Body, Query, envelope
from observer_core.kis.simulator.tape import SymbolTape
from observer_core.kis.simulator.trading_days import calendar_date, day_number
from observer_core.kis.simulator.trading_hours import date_text, hour_text, kst_day_number
from observer_core.kis.simulator.venue import Venue

_RANKED: Final = 30
_CANDIDATES: Final = 150
_HOLIDAY_ROWS: Final = 25
_SECTORS: Final = {"0001": KOSPI, "1001": KOSDAQ}
_VI_MARKETS: Final = {"K": KOSPI, "Q": KOSDAQ}
_STATIC_VI: Final = "1"


def holidays(venue: Venue, query: Query) -> Body:
    """Answer chk-holiday from a date on; it can be switched to disagree with the exchange."""
    text = query.get("BASS_DT", "")
    try:
        first = day_number(f"{text[:4]}-{text[4:6]}-{text[6:]}")
    except ValueError as error:
        raise Refusal(INVALID_INPUT, "ERROR INVALID BASS_DT") from error
    knobs = venue.faults.knobs
    closed, opened = set(knobs.announced_holidays), set(knobs.announced_trading_days)
    rows = []
    for day in range(first, first + _HOLIDAY_ROWS):
        iso = calendar_date(day).isoformat()
        opens = iso in opened or (iso not in closed and venue.exchange.hours.is_trading_day(day))
        is_open = "Y" if opens else "N"
        weekday = f"{calendar_date(day).isoweekday() % 7 + 1:02d}"
        values = (date_text(day), weekday, is_open, is_open, is_open, is_open)
        rows.append(dict(zip(fields.CHK_HOLIDAY_KEYS, values, strict=True)))
    return {"ctx_area_fk": "", "ctx_area_nk": "", **envelope(output=rows)}


def volume_rank(venue: Venue, query: Query) -> Body:
    """Answer volume-rank: the 30 busiest symbols by volume, turnover or value, filtered by price and volume."""
    now_ns = venue.exchange.clock.now_ns()
    market = _SECTORS.get(query.get("FID_INPUT_ISCD", "0000"))
    by_value = query.get("FID_BLNG_CLS_CODE", "0") in ("3", "4")
    lowest, highest, least = (
        _number(query, name) for name in ("FID_INPUT_PRICE_1", "FID_INPUT_PRICE_2", "FID_VOL_CNT")
    )
    listed = [one for one in venue.exchange.listings if market is None or one.market == market]
    listed.sort(key=lambda one: -one.previous_volume * (one.base_price if by_value else 1))
    tapes = [tape for one in listed[:_CANDIDATES] if (tape := venue.exchange.tape_at(one.code, now_ns)) is not None]
    tapes = [tape for tape in tapes if tape.last >= lowest and (not highest or tape.last <= highest)]
    tapes = [tape for tape in tapes if tape.figures.volume >= least]
    tapes.sort(key=lambda tape: -(tape.figures.value if by_value else tape.figures.volume))
    return envelope(output=[_rank_row(tape, rank) for rank, tape in enumerate(tapes[:_RANKED], 1)])


def _number(query: Query, name: str) -> int:
    text = query.get(name, "").strip()
    if text and not text.isdecimal():
        raise Refusal(INVALID_INPUT, f"ERROR INVALID {name}")
    return int(text or 0)


def _rank_row(tape: SymbolTape, rank: int) -> dict[str, str]:
    listing, day, change = tape.listing, tape.figures, tape.last - tape.base_price
    turnover = percent(day.volume, listing.listed_shares)
    value_turnover = percent(day.value, listing.listed_shares * tape.last)
    return {
        "hts_kor_isnm": listing.name,
        "mksc_shrn_iscd": listing.code,
        "data_rank": str(rank),
        "stck_prpr": str(tape.last),
        "prdy_vrss_sign": sign_of(change, tape.last, tape.limits),
        "prdy_vrss": str(change),
        "prdy_ctrt": percent(change, tape.base_price),
        "acml_vol": str(day.volume),
        "prdy_vol": str(listing.previous_volume),
        "lstn_stcn": str(listing.listed_shares),
        "avrg_vol": str(day.volume),
        "n_befr_clpr_vrss_prpr_rate": percent(change, tape.base_price),
        "vol_inrt": percent(day.volume, listing.previous_volume),
        "vol_tnrt": turnover,
        "nday_vol_tnrt": turnover,
        "avrg_tr_pbmn": str(day.value),
        "tr_pbmn_tnrt": value_turnover,
        "nday_tr_pbmn_tnrt": value_turnover,
        "acml_tr_pbmn": str(day.value),
    }


def interruptions(venue: Venue, query: Query) -> Body:
    """Answer inquire-vi-status: the interruptions of a day, newest first."""
    now_ns = venue.exchange.clock.now_ns()
    wanted = query.get("FID_INPUT_DATE_1", "").strip() or date_text(kst_day_number(now_ns))
    market = _VI_MARKETS.get(query.get("FID_MRKT_CLS_CODE", "0"))
    code = query.get("FID_INPUT_ISCD", "").strip()
    direction = query.get("FID_DIV_CLS_CODE", "0")
    found: list[tuple[int, dict[str, str]]] = []
    for tape in venue.exchange.known_tapes():
        if (market and tape.listing.market != market) or (code and tape.listing.code != code):
            continue
        for number, one in enumerate(tape.interruptions, 1):
            went_up = one.price >= one.reference
            if date_text(kst_day_number(one.from_ns)) == wanted and direction in ("0", "1" if went_up else "2"):
                found.append((one.from_ns, _interruption_row(tape, one, number, now_ns)))
    return envelope(output=[row for _, row in sorted(found, key=lambda item: -item[0])])


def _interruption_row(tape: SymbolTape, one: Interruption, number: int, now_ns: int) -> dict[str, str]:
    return {
        "hts_kor_isnm": tape.listing.name,
        "mksc_shrn_iscd": tape.listing.code,
        "vi_cls_code": "Y" if now_ns < one.until_ns else "N",
        "bsop_date": date_text(kst_day_number(one.from_ns)),
        "cntg_vi_hour": hour_text(one.from_ns),
        "vi_cncl_hour": "000000" if now_ns < one.until_ns else hour_text(one.until_ns),
        "vi_kind_code": _STATIC_VI,
        "vi_prc": str(one.price),
        "vi_stnd_prc": str(one.reference),
        "vi_dprt": percent(one.price - one.reference, one.reference),
        "vi_dmc_stnd_prc": "0",
        "vi_dmc_dprt": "0.00",
        "vi_count": str(number),
    }


def stock_info(venue: Venue, query: Query) -> Body:
    """Answer search-stock-info; the code comes back zero-prefixed, and success has a code of its own."""
    code = query.get("PDNO", "").strip()
    tape = venue.exchange.tape_at(code, venue.exchange.clock.now_ns())
    if tape is None:
        raise Refusal(INVALID_INPUT, "ERROR INVALID PDNO", 200)
    listing = tape.listing
    output = {
        "pdno": f"{'A' + code:0>12}",
        "prdt_type_cd": query.get("PRDT_TYPE_CD", ""),
        "mket_id_cd": "STK" if listing.market == KOSPI else "KSQ",
        "scty_grp_id_cd": listing.group,
        "excg_dvsn_cd": "02" if listing.market == KOSPI else "03",
        "lstg_stqt": str(listing.listed_shares),
        "prdt_abrv_name": listing.name,
        "tr_stop_yn": "Y" if tape.halted else "N",
        "admn_item_yn": "Y" if listing.administrative else "N",
        "thdt_clpr": str(tape.last),
        "bfdy_clpr": str(tape.base_price),
        "cptt_trad_tr_psbl_yn": "Y" if listing.on_nxt else "N",
        "nxt_tr_stop_yn": "Y" if tape.halted else "N",
    }
    return envelope(output=output) | {"msg_cd": "KIOK0530", "msg1": "조회되었습니다!"}
