"""The quotation endpoints: from folded query names to the broker's envelope.

Each endpoint is a function of (venue, query, ordinal); the registry at the end names its path and tr_id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final, NamedTuple

from observer_core.kis import fields
from observer_core.kis.simulator.ledger import SentRow
from observer_core.kis.simulator.quotes import (
    BLANK_MULTI_PRICE_ROW,
    BLANK_PRICE,
    execution_rows,
    multi_price_row,
    price_output,
    zeroed_multi_price_row,
)
from observer_core.kis.simulator.rest_gate import Refusal
from observer_core.kis.simulator.tape import SymbolTape
from observer_core.kis.simulator.trading_hours import calendar_date, date_text, timestamp_text
from observer_core.kis.simulator.venue import Venue

Body = dict[str, Any]
Query = Mapping[str, str]
_MARKET_CODES: Final = frozenset(("J", "NX", "UN"))
_HOLIDAY_ROWS: Final = 25
_UNIX_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()


class Endpoint(NamedTuple):
    """One quotation: its tr_id, whether the virtual host has it, and what answers it."""

    tr_id: str
    on_virtual: bool
    answer: Callable[[Venue, Query], Body]


def envelope(**output: object) -> Body:
    """Return a successful answer."""
    return {**output, "rt_cd": "0", "msg_cd": "MCA00000", "msg1": "정상처리 되었습니다."}


def _checked_market(query: Query, name: str) -> None:
    if query.get(name, "") not in _MARKET_CODES:
        raise Refusal("OPSQ2001", f"ERROR INVALID {name}")


def _account(venue: Venue, tape: SymbolTape, exchange_time: str) -> None:
    """Write a quote to the ledger and count it."""
    newest = tape.recent[-1].volume if tape.recent else 0
    venue.counters.quotes_sent += 1
    venue.ledger.append(
        SentRow(
            "quote",
            tape.listing.code,
            exchange_time,
            tape.last,
            newest,
            tape.figures.volume,
            venue.clock.now_ns(),
            "rest",
        )
    )


def multi_price(venue: Venue, query: Query) -> Body:
    """Answer intstock-multprice: one row per used slot, in the order of the slots."""
    now_ns = venue.exchange.clock.now_ns()
    knobs = venue.faults.knobs
    rows: list[dict[str, str]] = []
    quoted: list[SymbolTape] = []
    for slot, code in _used_slots(query):
        tape = venue.exchange.tape_at(code, now_ns)
        if tape is not None:
            zero = tape.listing.halted and knobs.halted_row_mode == "zero"
            rows.append((zeroed_multi_price_row if zero else multi_price_row)(tape, now_ns))
            quoted.append(tape)
        elif knobs.unknown_code_mode == "error":
            raise Refusal("OPSQ2001", f"ERROR INVALID FID_INPUT_ISCD_{slot}", 200)
        elif knobs.unknown_code_mode == "blank":
            rows.append(BLANK_MULTI_PRICE_ROW)
    exchange_time = timestamp_text(now_ns)
    for tape in quoted:
        _account(venue, tape, exchange_time)
    return envelope(output=rows)


def _used_slots(query: Query) -> list[tuple[int, str]]:
    """Return (slot number, code) of the slots that carry a code, with a checked market code."""
    used = []
    for slot in range(1, fields.MULTI_PRICE_SLOTS + 1):
        code = query.get(f"FID_INPUT_ISCD_{slot}", "").strip()
        if code:
            _checked_market(query, f"FID_COND_MRKT_DIV_CODE_{slot}")
            used.append((slot, code))
    return used


def _single(venue: Venue, query: Query, now_ns: int) -> SymbolTape | None:
    _checked_market(query, "FID_COND_MRKT_DIV_CODE")
    tape = venue.exchange.tape_at(query.get("FID_INPUT_ISCD", "").strip(), now_ns)
    if tape is None and venue.faults.knobs.unknown_code_mode == "error":
        raise Refusal("OPSQ2001", "ERROR INVALID FID_INPUT_ISCD", 200)
    return tape


def price(venue: Venue, query: Query) -> Body:
    """Answer inquire-price."""
    now_ns = venue.exchange.clock.now_ns()
    tape = _single(venue, query, now_ns)
    if tape is None:
        return envelope(output=BLANK_PRICE)
    _account(venue, tape, timestamp_text(now_ns))
    return envelope(output=price_output(tape, now_ns))


def executions(venue: Venue, query: Query) -> Body:
    """Answer inquire-ccnl with the newest executions."""
    tape = _single(venue, query, venue.exchange.clock.now_ns())
    return envelope(output=[] if tape is None else execution_rows(tape))


def holidays(venue: Venue, query: Query) -> Body:
    """Answer chk-holiday from a date on."""
    text = query.get("BASS_DT", "")
    try:
        first = date(int(text[:4]), int(text[4:6]), int(text[6:8])).toordinal() - _UNIX_EPOCH_ORDINAL
    except ValueError as error:
        raise Refusal("OPSQ2001", "ERROR INVALID BASS_DT") from error
    rows = []
    for day in range(first, first + _HOLIDAY_ROWS):
        is_open = "Y" if venue.exchange.hours.is_trading_day(day) else "N"
        weekday = f"{calendar_date(day).isoweekday() % 7 + 1:02d}"
        values = (date_text(day), weekday, is_open, is_open, is_open, is_open)
        rows.append(dict(zip(fields.CHK_HOLIDAY_KEYS, values, strict=True)))
    return {"ctx_area_fk": "", "ctx_area_nk": "", **envelope(output=rows)}


ENDPOINTS: Final = {
    "inquire-price": Endpoint(fields.TR_INQUIRE_PRICE, True, price),
    "intstock-multprice": Endpoint(fields.TR_MULTI_PRICE, False, multi_price),
    "inquire-ccnl": Endpoint(fields.TR_INQUIRE_CCNL, True, executions),
    "chk-holiday": Endpoint(fields.TR_CHK_HOLIDAY, False, holidays),
}
"""The quotations that are simulated, by the last part of their path."""
