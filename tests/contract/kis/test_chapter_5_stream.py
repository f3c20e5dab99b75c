"""Chapter 5: the WebSocket. Frames built from the field tables are decoded equal, whatever happens to them."""

from itertools import pairwise
from typing import NamedTuple

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.kis.fields import BOOK_FIELDS, MARKET_OPERATION_FIELDS, TRADE_FIELDS
from observer_core.kis.records import StreamParser, reject_frame
from observer_core.kis.simulator.auctions import expected_price
from observer_core.kis.simulator.frames import (
    EXPECTED_WIDTH,
    book_record,
    data_frame,
    expected_trade_record,
    operation_record,
    trade_record,
)
from observer_core.kis.simulator.listings import generate_listings
from observer_core.kis.simulator.server import RunningExchange
from observer_core.kis.simulator.tape import SymbolTape
from observer_core.kis.simulator.trading_hours import TradingHours
from observer_core.kis.simulator.venue import VenueOptions
from observer_core.kis.wire import ControlMessage, DataFrame, Ping, Registration, parse_frame, subscribe_message
from observer_core.messages import Book, Rejection, Trade
from tests.fixtures.kis_records import RECEIVED_NS, book_fields, frame, frame_text, trade_fields
from tests.fixtures.simulated_exchange import issue_approval, next_records, play, stream_client, verdict

NINE_NS = 1_795_132_800_000_000_000  # 2026-11-20 09:00 KST
HOUR_NS = 3_600_000_000_000
LISTINGS = generate_listings(3, 60)
NUMBERS = {name: number for number, name in enumerate(TRADE_FIELDS, 1)}


class Essence(NamedTuple):
    """What makes a trade the one it is."""

    symbol: str
    price: int
    volume: int
    cumulative_volume: int
    cumulative_value: int


def essence(record: Trade) -> Essence:
    return Essence(record.symbol, record.price, record.volume, record.cumulative_volume, record.cumulative_value)


def tape_at(code_number: int, origin_ns: int, until_ns: int) -> SymbolTape:
    tape = SymbolTape(LISTINGS[code_number], 3, TradingHours(), origin_ns)
    tape.advance_to(until_ns)
    return tape


def decoded(text: str) -> list[Trade | Book | Rejection]:
    """Return whatever becomes of a text; never raises."""
    message = parse_frame(text)
    if isinstance(message, DataFrame):
        return StreamParser(keep_raw=False).parse(message, RECEIVED_NS)
    return [] if isinstance(message, ControlMessage | Ping) else [reject_frame(message, RECEIVED_NS)]


# The published numbers of fields


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (1, "MKSC_SHRN_ISCD"), (2, "STCK_CNTG_HOUR"), (3, "STCK_PRPR"), (4, "PRDY_VRSS_SIGN"), (5, "PRDY_VRSS"),
        (6, "PRDY_CTRT"), (7, "WGHN_AVRG_STCK_PRC"), (8, "STCK_OPRC"), (9, "STCK_HGPR"), (10, "STCK_LWPR"),
        (11, "ASKP1"), (12, "BIDP1"), (13, "CNTG_VOL"), (14, "ACML_VOL"), (15, "ACML_TR_PBMN"),
        (16, "SELN_CNTG_CSNU"), (17, "SHNU_CNTG_CSNU"), (18, "NTBY_CNTG_CSNU"), (19, "CTTR"), (20, "SELN_CNTG_SMTN"),
        (21, "SHNU_CNTG_SMTN"), (22, "CCLD_DVSN"), (23, "SHNU_RATE"), (24, "PRDY_VOL_VRSS_ACML_VOL_RATE"),
        (25, "OPRC_HOUR"), (26, "OPRC_VRSS_PRPR_SIGN"), (27, "OPRC_VRSS_PRPR"), (28, "HGPR_HOUR"),
        (29, "HGPR_VRSS_PRPR_SIGN"), (30, "HGPR_VRSS_PRPR"), (31, "LWPR_HOUR"), (32, "LWPR_VRSS_PRPR_SIGN"),
        (33, "LWPR_VRSS_PRPR"), (34, "BSOP_DATE"), (35, "NEW_MKOP_CLS_CODE"), (36, "TRHT_YN"), (37, "ASKP_RSQN1"),
        (38, "BIDP_RSQN1"), (39, "TOTAL_ASKP_RSQN"), (40, "TOTAL_BIDP_RSQN"), (41, "VOL_TNRT"),
        (42, "PRDY_SMNS_HOUR_ACML_VOL"), (43, "PRDY_SMNS_HOUR_ACML_VOL_RATE"), (44, "HOUR_CLS_CODE"),
        (45, "MRKT_TRTM_CLS_CODE"), (46, "VI_STND_PRC"), (47, "MARKET_CLS_CODE"),
    ],
)  # fmt: skip
def test_a_field_of_a_trade_stands_where_the_notes_say(number: int, name: str) -> None:
    assert NUMBERS[name] == number


# The simulator's records against the tables


def test_trades_of_the_exchange_obey_the_arithmetic_of_recorded_ones() -> None:
    tape = tape_at(0, NINE_NS, NINE_NS + HOUR_NS)
    records = [dict(zip(TRADE_FIELDS, trade_record(tape, one).split("^"), strict=True)) for one in tape.recent]
    for before, now in pairwise(records):
        assert int(now["ACML_VOL"]) - int(before["ACML_VOL"]) == int(now["CNTG_VOL"])
        value = int(now["CNTG_VOL"]) * int(now["STCK_PRPR"])
        assert int(now["ACML_TR_PBMN"]) - int(before["ACML_TR_PBMN"]) == value
        assert int(now["NTBY_CNTG_CSNU"]) == int(now["SHNU_CNTG_CSNU"]) - int(now["SELN_CNTG_CSNU"])
        ratio = int(now["SHNU_CNTG_SMTN"]) / int(now["SELN_CNTG_SMTN"]) * 100
        assert float(now["CTTR"]) == pytest.approx(ratio, abs=0.006)
        assert int(now["SHNU_CNTG_SMTN"]) + int(now["SELN_CNTG_SMTN"]) < int(now["ACML_VOL"])
        assert (now["NEW_MKOP_CLS_CODE"], now["HOUR_CLS_CODE"], now["MRKT_TRTM_CLS_CODE"]) == ("20", "0", "")
        assert now["MARKET_CLS_CODE"] == "2"


@pytest.mark.parametrize(
    ("offset_h", "operation", "market"), [(6.7, "31", "5"), (7.5, "30", "3")], ids=["closing price", "after-market"]
)
def test_late_trades_name_their_session(offset_h: float, operation: str, market: str) -> None:
    tape = tape_at(0, NINE_NS + 6 * HOUR_NS, NINE_NS + int(offset_h * HOUR_NS))
    while tape.recent[-1].kind not in ("closing_price", "after_market") or tape.recent[-1].time_ns < NINE_NS + int(
        offset_h * HOUR_NS
    ):
        tape.advance_to(tape.next_ns)
    record = dict(zip(TRADE_FIELDS, trade_record(tape, tape.recent[-1]).split("^"), strict=True))
    assert (record["NEW_MKOP_CLS_CODE"], record["MARKET_CLS_CODE"]) == (operation, market)


@pytest.mark.parametrize("width", [46, 47, 48])
def test_the_adapter_decodes_trades_of_every_width_equally(width: int) -> None:
    tape = tape_at(0, NINE_NS, NINE_NS + HOUR_NS)
    text = data_frame("H0STCNT0", [trade_record(tape, one, width) for one in tape.recent])
    records = decoded(text)
    assert len(records) == 30
    for record, trade in zip(records, tape.recent, strict=True):
        assert isinstance(record, Trade)
        assert essence(record) == (
            "005930",
            trade.price,
            trade.volume,
            trade.total_volume,
            trade.total_value,
        )
        assert (record.open, record.high, record.low, record.side) == (trade.open, trade.high, trade.low, trade.side)
        assert (record.ask, record.bid) == (trade.ask, trade.bid)
        assert record.source_time_ns == trade.time_ns // 10**9 * 10**9
        assert record.venue_code == ("" if width == 46 else "2")


@pytest.mark.parametrize("width", [59, 62, 63, 64])
def test_the_adapter_decodes_books_of_every_width_equally(width: int) -> None:
    now_ns = NINE_NS + HOUR_NS
    tape = tape_at(0, NINE_NS, now_ns)
    book = tape.book(now_ns)
    (record,) = decoded(data_frame("H0STASP0", [book_record(tape, now_ns, book, width)]))
    assert isinstance(record, Book)
    assert (record.asks, record.bids) == (book.ask_prices, book.bid_prices)
    assert (record.ask_sizes, record.bid_sizes) == (book.ask_sizes, book.bid_sizes)
    assert (record.total_ask_size, record.total_bid_size) == (book.total_ask, book.total_bid)
    assert (record.expected_price, record.expected_volume) == (None, None)
    assert record.venue_code == ("2" if width >= 63 else "")


def test_books_in_an_auction_carry_the_expected_execution() -> None:
    now_ns = NINE_NS - HOUR_NS // 4
    tape = tape_at(0, NINE_NS - HOUR_NS, now_ns)
    fields = book_record(tape, now_ns, tape.book(now_ns)).split("^")
    named = dict(zip(BOOK_FIELDS, fields, strict=True))
    price, volume = expected_price(tape, now_ns)
    assert (named["HOUR_CLS_CODE"], named["ANTC_CNPR"], named["ANTC_CNQN"]) == ("B", str(price), str(volume))
    (record,) = decoded(frame_text("H0STASP0", fields))
    assert isinstance(record, Book)
    assert (record.session_code, record.expected_price, record.expected_volume) == ("B", price, volume)


def test_expected_executions_are_the_first_45_fields_and_trade_nothing() -> None:
    now_ns = NINE_NS - HOUR_NS // 4
    tape = tape_at(0, NINE_NS - HOUR_NS, now_ns)
    record = expected_trade_record(tape, now_ns, "opening_auction", EXPECTED_WIDTH).split("^")
    assert len(record) == 45
    assert (record[NUMBERS["HOUR_CLS_CODE"] - 1], record[NUMBERS["CCLD_DVSN"] - 1]) == ("B", "3")
    assert record[NUMBERS["ACML_VOL"] - 1] == "0"
    whole = expected_trade_record(tape, now_ns, "opening_auction", 47).split("^")
    (trade,) = decoded(frame_text("H0STCNT0", whole))
    assert isinstance(trade, Trade)
    assert (trade.session_code, trade.side) == ("B", "3")


@pytest.mark.parametrize("width", [10, 11])
def test_market_operation_has_ten_or_eleven_fields(width: int) -> None:
    tape = tape_at(0, NINE_NS, NINE_NS + HOUR_NS)
    fields = operation_record(tape, NINE_NS + HOUR_NS, "112", width).split("^")
    named = dict(zip(MARKET_OPERATION_FIELDS, fields, strict=False))
    assert len(fields) == width
    assert (named["TRHT_YN"], named["TR_SUSP_REAS_CNTT"], named["VI_CLS_CODE"]) == ("N", "(null)", "N")


# Properties of the decoding


@st.composite
def trade_records(draw: st.DrawFn) -> tuple[list[str], Essence]:
    listing = draw(st.sampled_from(LISTINGS))
    price = draw(st.integers(1, 5_000_000))
    volume = draw(st.integers(0, 10**7))
    total = volume + draw(st.integers(0, 10**9))
    value = draw(st.integers(0, 10**15))
    fields = trade_fields(
        47,
        MKSC_SHRN_ISCD=listing.code,
        STCK_PRPR=str(price),
        CNTG_VOL=str(volume),
        ACML_VOL=str(total),
        ACML_TR_PBMN=str(value),
        STCK_CNTG_HOUR=f"{draw(st.integers(8, 19)):02d}{draw(st.integers(0, 59)):02d}00",
        MRKT_TRTM_CLS_CODE=draw(st.sampled_from(["", "1", "6"])),
        TRHT_YN=draw(st.sampled_from("YN")),
        HOUR_CLS_CODE=draw(st.sampled_from("0ABCD")),
    )
    return fields, Essence(listing.code, price, volume, total, value)


@settings(max_examples=150, deadline=None)
@given(st.lists(trade_records(), min_size=1, max_size=60), st.integers(0, 5), st.data())
def test_any_chunking_and_any_surplus_of_fields_decode_equally(
    records: list[tuple[list[str], Essence]], surplus: int, data: st.DataObject
) -> None:
    found: list[Essence] = []
    rest = [fields + [f"new{number}" for number in range(surplus)] for fields, _ in records]
    while rest:
        size = data.draw(st.integers(1, min(20, len(rest))))
        for record in decoded(frame_text("H0STCNT0", *rest[:size])):
            assert isinstance(record, Trade)
            found.append(essence(record))
        rest = rest[size:]
    assert found == [expected for _, expected in records]


@settings(max_examples=400, deadline=None)
@given(st.lists(trade_records(), min_size=1, max_size=20), st.data())
def test_any_truncation_gives_records_that_were_sent_or_a_named_rejection(
    records: list[tuple[list[str], Essence]], data: st.DataObject
) -> None:
    text = frame_text("H0STCNT0", *(fields for fields, _ in records))
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    expected = [one for _, one in records]
    results = decoded(cut)
    assert results
    trades = [essence(record) for record in results if isinstance(record, Trade)]
    assert trades == expected[: len(trades)]
    if len(trades) < len(expected):
        rejections = [record for record in results if isinstance(record, Rejection)]
        assert rejections
        assert all(record.reasons for record in rejections)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(), st.binary()), st.sampled_from(["", "0|", "0|H0STCNT0|", "0|H0STCNT0|001|", "1|", "{"]))
def test_nothing_that_arrives_makes_the_parser_raise(tail: str | bytes, beginning: str) -> None:
    text = beginning.encode() + (tail.encode("utf-8", "replace") if isinstance(tail, str) else tail)
    message = parse_frame(text)
    if isinstance(message, DataFrame):
        assert StreamParser(keep_raw=True).parse(message, RECEIVED_NS)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_one_damaged_field_costs_its_own_record_only(data: st.DataObject) -> None:
    records = [data.draw(trade_records()) for _ in range(5)]
    victim = data.draw(st.integers(0, 4))
    place = data.draw(st.sampled_from([NUMBERS[name] - 1 for name in ("STCK_PRPR", "CNTG_VOL", "ACML_VOL")]))
    records[victim][0][place] = data.draw(st.sampled_from(["", "x", "12a", "1_0", "-1", "１２"]))
    results = StreamParser(keep_raw=False).parse(frame("H0STCNT0", *(fields for fields, _ in records)), RECEIVED_NS)
    assert len(results) == 5
    for number, record in enumerate(results):
        if number == victim:
            assert isinstance(record, Rejection)
        else:
            assert isinstance(record, Trade)
            assert essence(record) == records[number][1]


def test_a_cut_frame_that_divides_evenly_by_chance_keeps_its_whole_records() -> None:
    records = [trade_fields(47, ACML_VOL=str(1_000 + number)) for number in range(20)]
    fields = [field for record in records for field in record][: 19 * 47 + 7]
    assert len(fields) % 20 == 0
    results = decoded(f"0|H0STCNT0|020|{'^'.join(fields)}")
    assert [record.cumulative_volume for record in results if isinstance(record, Trade)] == list(range(1_000, 1_019))
    assert isinstance(results[-1], Rejection)
    assert results[-1].reasons == ("frame_cut_short", "records_lost:1")


def test_a_book_without_one_side_is_an_observation() -> None:
    blank = {f"ASKP{level}": "0" for level in range(1, 11)} | {f"ASKP_RSQN{level}": "0" for level in range(1, 11)}
    (record,) = StreamParser(keep_raw=False).parse(frame("H0STASP0", book_fields(**blank)), RECEIVED_NS)
    assert isinstance(record, Book)
    assert record.asks == (0,) * 10


def test_an_encrypted_frame_is_named_and_not_decoded() -> None:
    (record,) = decoded("1|H0STCNI0|001|QUJDRA==")
    assert isinstance(record, Rejection)
    assert record.reasons == ("encrypted",)


# The conversation


def test_the_adapters_requests_are_what_the_exchange_accepts() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            request = subscribe_message(key, Registration("H0STCNT0", "005930"))
            assert await verdict(ws, request) == "OPSP0000"
            assert await verdict(ws, request) == "OPSP0002"
            for fields in await next_records(ws, "H0STCNT0"):
                assert len(fields) == 47

    play(scenario, VenueOptions(ordinary_symbols=5, always_open=True, speed=5.0))
