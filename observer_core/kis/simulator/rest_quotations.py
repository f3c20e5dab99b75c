"""The quotations of the moment: prices, books and executions, from folded query names to the broker's envelope.

Each endpoint is a function of (venue, query); `rest_endpoints` names its path and tr_id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from zlib import crc32

from observer_core.kis import fields
from observer_core.kis.simulator.ledger import SentRow
from observer_core.kis.simulator.quotes import (
    BLANK_MULTI_PRICE_ROW,
    BLANK_PRICE,
    LATER_PRICE_KEYS,
    execution_rows,
    multi_price_row,
    price_output,
    zeroed_multi_price_row,
)
from observer_core.kis.simulator.quotes_book import (
    ASKING_PRICE_KEYS,
    EXPECTED_KEYS,
    asking_price_output,
    expected_output,
    timed_execution_rows,
)
from observer_core.kis.simulator.rest_errors import INVALID_INPUT
from observer_core.kis.simulator.rest_gate import Refusal
from observer_core.kis.simulator.tape import SymbolTape
from observer_core.kis.simulator.trading_hours import timestamp_text
from observer_core.kis.simulator.venue import QuotedRow, Venue

Body = dict[str, Any]
Query = Mapping[str, str]
_MARKET_CODES: Final = frozenset(("J", "NX", "UN"))


def envelope(**output: object) -> Body:
    """Return a successful answer."""
    return {**output, "rt_cd": "0", "msg_cd": "MCA00000", "msg1": "정상처리 되었습니다."}


def _checked_market(query: Query, name: str) -> None:
    if query.get(name, "") not in _MARKET_CODES:
        raise Refusal(INVALID_INPUT, f"ERROR INVALID {name}")


def _quoted(tape: SymbolTape, row: dict[str, str], exchange_time: str) -> QuotedRow:
    newest = tape.recent[-1].volume if tape.recent else 0
    return QuotedRow(row, tape.listing.code, exchange_time, tape.last, newest, tape.figures.volume)


def _swept(venue: Venue, tape: SymbolTape, row: dict[str, str], exchange_time: str) -> QuotedRow:
    """Return a row of the sweep: of a symbol whose rows stand still, the one of when that began."""
    code, held = tape.listing.code, venue.held_rows
    if code not in venue.faults.knobs.frozen_rows:
        held.pop(code, None)
        return _quoted(tape, row, exchange_time)
    return held.setdefault(code, _quoted(tape, row, exchange_time))


def _account(venue: Venue, quoted: QuotedRow) -> None:
    """Write a quote to the ledger and count it."""
    venue.counters.quotes_sent += 1
    venue.ledger.append(
        SentRow(
            "quote",
            quoted.code,
            quoted.exchange_time,
            quoted.price,
            quoted.volume,
            quoted.cumulative_volume,
            venue.clock.now_ns(),
            "rest",
        )
    )


def multi_price(venue: Venue, query: Query) -> Body:
    """Answer intstock-multprice: one row per used slot, in the order of the slots."""
    now_ns = venue.exchange.clock.now_ns()
    knobs = venue.faults.knobs
    rows: list[dict[str, str]] = []
    quoted: list[QuotedRow] = []
    exchange_time = timestamp_text(now_ns)
    for slot, code in _used_slots(query):
        tape = venue.exchange.tape_at(code, now_ns)
        if tape is not None:
            if tape.halted and knobs.halted_row_mode == "omit":
                continue
            zero = tape.halted and knobs.halted_row_mode == "zero"
            row = (zeroed_multi_price_row if zero else multi_price_row)(tape, now_ns)
            quoted.append(_swept(venue, tape, row, exchange_time))
            rows.append(quoted[-1].row)
        elif knobs.unknown_code_mode == "error":
            raise Refusal(INVALID_INPUT, f"ERROR INVALID FID_INPUT_ISCD_{slot}", 200)
        elif knobs.unknown_code_mode == "blank":
            rows.append(BLANK_MULTI_PRICE_ROW)
    if knobs.row_order == "shuffled":
        rows.sort(key=lambda row: crc32(row["inter_shrn_iscd"].encode()))
    for found in quoted:
        _account(venue, found)
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


def single(venue: Venue, query: Query, now_ns: int) -> SymbolTape | None:
    _checked_market(query, "FID_COND_MRKT_DIV_CODE")
    tape = venue.exchange.tape_at(query.get("FID_INPUT_ISCD", "").strip(), now_ns)
    if tape is None and venue.faults.knobs.unknown_code_mode == "error":
        raise Refusal(INVALID_INPUT, "ERROR INVALID FID_INPUT_ISCD", 200)
    return tape


def price(venue: Venue, query: Query) -> Body:
    """Answer inquire-price."""
    now_ns = venue.exchange.clock.now_ns()
    tape = single(venue, query, now_ns)
    if tape is None:
        return envelope(output=BLANK_PRICE)
    output = price_output(tape, now_ns)
    _account(venue, _quoted(tape, output, timestamp_text(now_ns)))
    if venue.faults.knobs.price_keys < len(output):
        output = {key: value for key, value in output.items() if key not in LATER_PRICE_KEYS}
    return envelope(output=output)


def executions(venue: Venue, query: Query) -> Body:
    """Answer inquire-ccnl with the newest executions."""
    tape = single(venue, query, venue.exchange.clock.now_ns())
    return envelope(output=[] if tape is None else execution_rows(tape))


def asking_price(venue: Venue, query: Query) -> Body:
    """Answer inquire-asking-price-exp-ccn: the book, and what an auction expects or did last."""
    now_ns = venue.exchange.clock.now_ns()
    tape = single(venue, query, now_ns)
    if tape is None:
        return envelope(output1=dict.fromkeys(ASKING_PRICE_KEYS, ""), output2=dict.fromkeys(EXPECTED_KEYS, ""))
    return envelope(output1=asking_price_output(tape, now_ns), output2=expected_output(tape, now_ns))


def executions_by_time(venue: Venue, query: Query) -> Body:
    """Answer inquire-time-itemconclusion: the executions at or before a time of day, newest first."""
    now_ns = venue.exchange.clock.now_ns()
    tape = single(venue, query, now_ns)
    if tape is None:
        return envelope(output1={}, output2=[])
    until = query.get("FID_INPUT_HOUR_1", "") or "235959"
    rows = [row for row in timed_execution_rows(tape) if row["stck_cntg_hour"] <= until]
    summary = {key: price_output(tape, now_ns)[key] for key in ("stck_prpr", "prdy_vrss", "prdy_vrss_sign")}
    return envelope(output1=summary, output2=rows)
