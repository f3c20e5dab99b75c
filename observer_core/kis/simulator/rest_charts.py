"""The chart endpoints: days, weeks and months, and one-minute bars with the broker's traps (KIS protocol notes §3).

Separate from the quotations of the moment: these look back, and page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import groupby, islice
from typing import Final

from observer_core.clock import NS_PER_S
from observer_core.kis.simulator.frames import percent, sign_of
from observer_core.kis.simulator.history import DailyBar, interpolated, minutes_between, past_days
from observer_core.kis.simulator.minute_bars import MINUTE_NS, MinuteBar
from observer_core.kis.simulator.quotes import price_output
from observer_core.kis.simulator.rest_errors import INVALID_INPUT
from observer_core.kis.simulator.rest_gate import Refusal
from observer_core.kis.simulator.rest_quotations import Body, Query, envelope, single
from observer_core.kis.simulator.tape import SymbolTape
from observer_core.kis.simulator.trading_days import calendar_date, day_number
from observer_core.kis.simulator.trading_hours import DAY_NS, date_text, hour_text, kst_day_number
from observer_core.kis.simulator.venue import Venue
from observer_core.market.prices import price_limits

_DAILY_ROWS: Final = 30
_PERIOD_ROWS: Final = 100
_MINUTE_ROWS: Final = 30
_PAST_MINUTE_ROWS: Final = 120
_MOST_DAYS: Final = 5_000
_KST_OFFSET_NS: Final = 9 * 3_600 * NS_PER_S
_SUMMARY_KEYS: Final = ("prdy_vrss", "prdy_vrss_sign", "prdy_ctrt", "acml_vol", "acml_tr_pbmn", "stck_prpr")


def daily_price(venue: Venue, query: Query) -> Body:
    """Answer inquire-daily-price: the newest 30 periods; FID_ORG_ADJ_PRC 0 = raw, 1 = adjusted."""
    tape, now_ns = _tape(venue, query)
    if tape is None:
        return envelope(output=[])
    raw = query.get("FID_ORG_ADJ_PRC", "0") == "0"
    rows = []
    for bar in islice(_periods(_days(venue, tape, now_ns), query.get("FID_PERIOD_DIV_CODE", "D")), _DAILY_ROWS):
        factor = bar.split_factor if raw else 1
        change = (bar.close - bar.previous_close) * factor
        rows.append(
            {
                "stck_bsop_date": date_text(bar.day),
                "stck_oprc": str(bar.open * factor),
                "stck_hgpr": str(bar.high * factor),
                "stck_lwpr": str(bar.low * factor),
                "stck_clpr": str(bar.close * factor),
                "acml_vol": str(bar.volume),
                "prdy_vrss_vol_rate": percent(bar.volume, tape.listing.previous_volume),
                "prdy_vrss": str(change),
                "prdy_vrss_sign": sign_of(change, bar.close, price_limits(bar.previous_close, tape.listing.etp)),
                "prdy_ctrt": percent(change, bar.previous_close * factor),
                "hts_frgn_ehrt": "0.00",
                "frgn_ntby_qty": "0",
                "flng_cls_code": "00",
                "acml_prtt_rate": "0.00",
            }
        )
    return envelope(output=rows)


def daily_item_chart(venue: Venue, query: Query) -> Body:
    """Answer inquire-daily-itemchartprice: a span of at most 100 periods; FID_ORG_ADJ_PRC 0 = adjusted, 1 = raw."""
    tape, now_ns = _tape(venue, query)
    if tape is None:
        return envelope(output1={}, output2=[])
    first, last = (_day_of(query, name) for name in ("FID_INPUT_DATE_1", "FID_INPUT_DATE_2"))
    raw = query.get("FID_ORG_ADJ_PRC", "0") == "1"
    days = (bar for bar in _until(_days(venue, tape, now_ns), first) if bar.day <= last)
    rows = []
    for bar in islice(_periods(days, query.get("FID_PERIOD_DIV_CODE", "D")), _PERIOD_ROWS):
        factor = bar.split_factor if raw else 1
        change = (bar.close - bar.previous_close) * factor
        rows.append(
            {
                "stck_bsop_date": date_text(bar.day),
                "stck_clpr": str(bar.close * factor),
                "stck_oprc": str(bar.open * factor),
                "stck_hgpr": str(bar.high * factor),
                "stck_lwpr": str(bar.low * factor),
                "acml_vol": str(bar.volume),
                "acml_tr_pbmn": str(bar.value),
                "flng_cls_code": "00",
                "prtt_rate": "0.00",
                "mod_yn": "N" if raw or bar.split_factor == 1 else "Y",
                "prdy_vrss_sign": sign_of(change, bar.close, price_limits(bar.previous_close, tape.listing.etp)),
                "prdy_vrss": str(change),
                "revl_issu_reas": "",
            }
        )
    return envelope(output1=_daily_summary(tape, now_ns, venue), output2=rows)


def minute_chart(venue: Venue, query: Query) -> Body:
    """Answer inquire-time-itemchartprice: today's 30 minutes up to a time, the future included.

    The trap is the broker's: minutes that have not happened are rows at the last price without volume, and the first
    row carries the volume of the unfinished minute, whatever minute it is.
    """
    tape, now_ns = _tape(venue, query)
    if tape is None:
        return envelope(output1={}, output2=[])
    today = kst_day_number(now_ns)
    asked = query.get("FID_INPUT_HOUR_1", "") or hour_text(now_ns)
    until = _minute_of(today, asked)
    session = venue.exchange.hours.session(today)
    first = (session.open_ns if session is not None else now_ns) // MINUTE_NS
    current = now_ns // MINUTE_NS
    bars = {bar.minute: bar for bar in (*_earlier(tape, first), *tape.minutes.all())}
    running = bars.pop(current, None)
    rows = _filled(bars, range(max(first, until - _MINUTE_ROWS + 1), until + 1), tape.figures.open or tape.last)
    rows.reverse()
    if rows and rows[0].minute >= current:
        last, total = tape.last, tape.figures.value
        rows = [row._replace(total_value=total) if row.minute >= current else row for row in rows]
        rows = [
            row._replace(open=last, high=last, low=last, close=last) if row.minute > current else row for row in rows
        ]
        rows[0] = rows[0]._replace(volume=running.volume if running is not None else 0)
    return envelope(output1=_minute_summary(tape, now_ns), output2=[_minute_row(row) for row in rows])


def past_minute_chart(venue: Venue, query: Query) -> Body:
    """Answer inquire-time-dailychartprice: 120 minutes of a past day up to a time, newest first."""
    tape, now_ns = _tape(venue, query)
    day = _day_of(query, "FID_INPUT_DATE_1")
    session = venue.exchange.hours.session(day)
    if tape is None or session is None or day > kst_day_number(now_ns):
        return envelope(output1={}, output2=[])
    first, last = session.open_ns // MINUTE_NS, (session.print_ns or session.end_ns) // MINUTE_NS
    bars: Iterable[MinuteBar]
    if day == kst_day_number(now_ns):
        bars = (*_earlier(tape, first), *tape.minutes.all())
    else:
        bar = next((bar for bar in _until(_days(venue, tape, now_ns), day) if bar.day == day), None)
        path = () if bar is None else (bar.open, bar.low, bar.high, bar.close)
        bars = interpolated(path, (bar.volume, bar.value), first, last) if bar is not None else ()
    until = _minute_of(day, query.get("FID_INPUT_HOUR_1", "") or "153000")
    rows = [bar for bar in bars if bar.minute <= until][-_PAST_MINUTE_ROWS:]
    return envelope(output1=_minute_summary(tape, now_ns), output2=[_minute_row(row) for row in reversed(rows)])


def _tape(venue: Venue, query: Query) -> tuple[SymbolTape | None, int]:
    now_ns = venue.exchange.clock.now_ns()
    return single(venue, query, now_ns), now_ns


def _day_of(query: Query, name: str) -> int:
    text = query.get(name, "")
    try:
        return day_number(f"{text[:4]}-{text[4:6]}-{text[6:]}")
    except ValueError as error:
        raise Refusal(INVALID_INPUT, f"ERROR INVALID {name}") from error


def _minute_of(day: int, hour: str) -> int:
    """Return the minute since 1970 of HHMMSS on a Korean day."""
    if len(hour) != 6 or not hour.isdecimal() or hour >= "240000":
        raise Refusal(INVALID_INPUT, "ERROR INVALID FID_INPUT_HOUR_1")
    return (day * DAY_NS - _KST_OFFSET_NS) // MINUTE_NS + int(hour[:2]) * 60 + int(hour[2:4])


def _days(venue: Venue, tape: SymbolTape, now_ns: int) -> Iterator[DailyBar]:
    """Yield today, if anything traded, and the days before it, newest first."""
    today, day = kst_day_number(now_ns), tape.figures
    if day.volume:
        base = tape.base_price
        yield DailyBar(today, day.open, day.high, day.low, tape.last, day.volume, base, 1)
    yield from islice(past_days(tape, today, venue.exchange.hours.is_trading_day), _MOST_DAYS)


def _until(days: Iterator[DailyBar], first: int) -> Iterator[DailyBar]:
    for bar in days:
        if bar.day < first:
            return
        yield bar


def _periods(days: Iterable[DailyBar], period: str) -> Iterator[DailyBar]:
    """Yield days gathered to the period D, W, M or Y, dated by their last day."""
    if period not in ("D", "W", "M", "Y"):
        raise Refusal(INVALID_INPUT, "ERROR INVALID FID_PERIOD_DIV_CODE")
    for _, group in groupby(days, key=lambda bar: _period_of(calendar_date(bar.day), period)):
        bars = list(group)
        newest, oldest = bars[0], bars[-1]
        yield newest._replace(
            open=oldest.open,
            high=max(bar.high for bar in bars),
            low=min(bar.low for bar in bars),
            volume=sum(bar.volume for bar in bars),
            previous_close=oldest.previous_close,
        )


def _period_of(day: date, period: str) -> tuple[int, ...]:
    match period:
        case "W":
            return tuple(day.isocalendar()[:2])
        case "M":
            return day.year, day.month
        case "Y":
            return (day.year,)
        case _:
            return (day.toordinal(),)


def _earlier(tape: SymbolTape, first: int) -> list[MinuteBar]:
    """Return the minutes before the tape was joined, without the one it shares with the tape."""
    own = tape.minutes.all()
    shared = own[0].minute if own else None
    return [bar for bar in minutes_between(tape, first * MINUTE_NS) if bar.minute != shared]


def _filled(bars: dict[int, MinuteBar], minutes: range, before: int) -> list[MinuteBar]:
    """Return a bar for every minute; one without trades is flat at the close before it."""
    known = [bar for minute, bar in bars.items() if minute < minutes.start]
    last = max(known, default=MinuteBar(0, before, before, before, before, 0, 0))
    rows = []
    for minute in minutes:
        close, total = last.close, last.total_value
        last = bars.get(minute) or MinuteBar(minute, close, close, close, close, 0, total)
        rows.append(last)
    return rows


def _minute_row(bar: MinuteBar) -> dict[str, str]:
    at_ns = bar.minute * MINUTE_NS
    return {
        "stck_bsop_date": date_text(kst_day_number(at_ns)),
        "stck_cntg_hour": hour_text(at_ns),
        "stck_prpr": str(bar.close),
        "stck_oprc": str(bar.open),
        "stck_hgpr": str(bar.high),
        "stck_lwpr": str(bar.low),
        "cntg_vol": str(bar.volume),
        "acml_tr_pbmn": str(bar.total_value),
    }


def _minute_summary(tape: SymbolTape, now_ns: int) -> dict[str, str]:
    price = price_output(tape, now_ns)
    summary = {key: price[key] for key in _SUMMARY_KEYS}
    return summary | {"stck_prdy_clpr": str(tape.base_price), "hts_kor_isnm": tape.listing.name}


def _daily_summary(tape: SymbolTape, now_ns: int, venue: Venue) -> dict[str, str]:
    """Return `output1` of the daily chart, 30 keys."""
    price = price_output(tape, now_ns)
    before = next(past_days(tape, kst_day_number(now_ns), venue.exchange.hours.is_trading_day))
    same = ("stck_mxpr", "stck_llam", "stck_oprc", "stck_hgpr", "stck_lwpr", "vol_tnrt", "stck_fcam", "lstn_stcn")
    return (
        _minute_summary(tape, now_ns)
        | {key: price[key] for key in (*same, "cpfn", "hts_avls", "per", "eps", "pbr")}
        | {
            "stck_shrn_iscd": tape.listing.code,
            "prdy_vol": str(before.volume),
            "stck_prdy_oprc": str(before.open),
            "stck_prdy_hgpr": str(before.high),
            "stck_prdy_lwpr": str(before.low),
            "askp": str(tape.ask),
            "bidp": str(tape.bid),
            "prdy_vrss_vol": str(tape.figures.volume - before.volume),
            "itewhol_loan_rmnd_ratem": "0.00",
        }
    )
