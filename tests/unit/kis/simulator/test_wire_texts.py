"""Frames, books, quotes and control messages, field by field."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.clock import NS_PER_S
from observer_core.kis.fields import BOOK_FIELDS, INQUIRE_PRICE_KEYS, MULTI_PRICE_KEYS, TRADE_FIELDS
from observer_core.kis.simulator import stream_messages as messages
from observer_core.kis.simulator.book import LEVELS, Touch, book_at
from observer_core.kis.simulator.frames import book_record, data_frame, sign_of, trade_record
from observer_core.kis.simulator.listings import Listing, generate_listings
from observer_core.kis.simulator.quotes import execution_rows, multi_price_row, price_output
from observer_core.kis.simulator.tape import SymbolTape
from observer_core.kis.simulator.trading_hours import TradingHours
from observer_core.market.prices import price_limits, tick_size

NOW_NS = 1_795_140_000 * NS_PER_S  # 2026-11-20 11:00 KST
LISTINGS = generate_listings(5, 120)


def traded(listing: Listing) -> SymbolTape:
    tape = SymbolTape(listing, 5, TradingHours(), NOW_NS - 3_600 * NS_PER_S)
    tape.tap(0)
    tape.advance_to(NOW_NS)
    return tape


@pytest.fixture(name="samsung", scope="module")
def samsung_tape() -> SymbolTape:
    return traded(LISTINGS[0])


def test_trade_records_follow_the_published_arithmetic(samsung: SymbolTape) -> None:
    previous: dict[str, str] | None = None
    for trade in samsung.recent:
        record = dict(zip(TRADE_FIELDS, trade_record(samsung, trade).split("^"), strict=True))
        number = {name: float(value) for name, value in record.items() if name != "MRKT_TRTM_CLS_CODE" if _is(value)}
        assert record["MKSC_SHRN_ISCD"] == "005930"
        assert record["BSOP_DATE"] == "20261120"
        assert number["PRDY_VRSS"] == number["STCK_PRPR"] - 259_000
        assert number["NTBY_CNTG_CSNU"] == number["SHNU_CNTG_CSNU"] - number["SELN_CNTG_CSNU"]
        assert number["CTTR"] == pytest.approx(number["SHNU_CNTG_SMTN"] / number["SELN_CNTG_SMTN"] * 100, abs=0.006)
        assert number["WGHN_AVRG_STCK_PRC"] == pytest.approx(number["ACML_TR_PBMN"] / number["ACML_VOL"], abs=0.006)
        assert number["HGPR_VRSS_PRPR"] == number["STCK_PRPR"] - number["STCK_HGPR"]
        assert number["LWPR_VRSS_PRPR"] == number["STCK_PRPR"] - number["STCK_LWPR"]
        assert record["CCLD_DVSN"] in ("1", "5")
        assert (record["HOUR_CLS_CODE"], record["MRKT_TRTM_CLS_CODE"]) == ("0", "")
        if previous is not None:
            assert int(record["ACML_VOL"]) == int(previous["ACML_VOL"]) + int(record["CNTG_VOL"])
        previous = record


def _is(value: str) -> bool:
    return value.replace(".", "", 1).lstrip("-").isdigit()


def test_the_older_width_lacks_the_last_field_only(samsung: SymbolTape) -> None:
    trade = samsung.recent[-1]
    now, before = trade_record(samsung, trade), trade_record(samsung, trade, 46)
    assert now.split("^")[:46] == before.split("^")
    assert now.split("^")[46] == "2"


def test_a_frame_counts_its_records_in_three_digits() -> None:
    assert data_frame("H0STCNT0", ["a^b", "c^d"]) == "0|H0STCNT0|002|a^b^c^d"


@settings(max_examples=60, deadline=None)
@given(
    st.integers(min_value=300, max_value=2_000_000),
    st.booleans(),
    st.integers(min_value=0, max_value=2**60),
    st.integers(min_value=0, max_value=100),
)
def test_books_are_ordered_on_tick_within_limits_and_add_up(base: int, etp: bool, stamp: int, distance: int) -> None:
    base -= base % tick_size(base, etp)
    lower, upper = price_limits(base, etp)
    tick = tick_size(lower, etp)
    bid = min(lower + distance * tick, base)
    bid -= bid % tick_size(bid, etp)
    book = book_at(Touch(bid, bid + tick_size(bid, etp), lower, upper, 500.0, etp), b"key", (1, stamp))
    asks = [price for price in book.ask_prices if price]
    bids = [price for price in book.bid_prices if price]
    assert asks == sorted(set(asks))
    assert bids == sorted(set(bids), reverse=True)
    assert len(book.ask_sizes) == len(book.bid_sizes) == LEVELS
    assert all(lower <= price <= upper for price in asks + bids)
    assert all(price % tick_size(price, etp) == 0 for price in asks + bids)
    for prices, sizes in ((book.ask_prices, book.ask_sizes), (book.bid_prices, book.bid_sizes)):
        assert all((price == 0) == (size == 0) for price, size in zip(prices, sizes, strict=True))
    assert (book.total_ask, book.total_bid) == (sum(book.ask_sizes), sum(book.bid_sizes))


def test_book_records_carry_the_levels_in_place(samsung: SymbolTape) -> None:
    book = samsung.book(NOW_NS)
    record = dict(zip(BOOK_FIELDS, book_record(samsung, NOW_NS, book).split("^"), strict=True))
    assert record["BSOP_HOUR"] == "110000"
    assert int(record["ASKP1"]) == samsung.ask
    assert int(record["BIDP1"]) == samsung.bid
    assert int(record["TOTAL_ASKP_RSQN"]) == sum(int(record[f"ASKP_RSQN{n}"]) for n in range(1, 11))
    assert int(record["TOTAL_BIDP_RSQN"]) == sum(int(record[f"BIDP_RSQN{n}"]) for n in range(1, 11))
    assert record["ACML_VOL"] == str(samsung.figures.volume)
    assert book_record(samsung, NOW_NS, book, 62).count("^") == 61


@pytest.mark.parametrize("listing", LISTINGS[::9], ids=lambda listing: listing.code)
def test_quotes_have_every_key_as_text_and_agree(listing: Listing) -> None:
    tape = traded(listing)
    row, single = multi_price_row(tape, NOW_NS), price_output(tape, NOW_NS)
    assert tuple(row) == MULTI_PRICE_KEYS
    assert tuple(single) == INQUIRE_PRICE_KEYS
    assert all(isinstance(value, str) for value in (*row.values(), *single.values()))
    assert not any("nan" in value.lower() for value in single.values() if value != listing.market)
    assert row["inter_shrn_iscd"] == single["stck_shrn_iscd"] == listing.code
    assert row["inter2_prpr"] == single["stck_prpr"] == str(tape.last)
    assert row["acml_vol"] == single["acml_vol"] == str(tape.figures.volume)
    assert row["inter2_mxpr"] == single["stck_mxpr"]
    assert int(single["w52_lwpr"]) <= tape.last <= int(single["w52_hgpr"])


def test_executions_come_newest_first(samsung: SymbolTape) -> None:
    rows = execution_rows(samsung)
    assert len(rows) == 30
    assert rows[0]["stck_prpr"] == str(samsung.last)
    times = [row["stck_cntg_hour"] for row in rows]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("price", "sign"), [(167_000, "1"), (130_000, "2"), (128_500, "3"), (128_000, "5"), (90_000, "4")]
)
def test_signs_know_the_limits(price: int, sign: str) -> None:
    assert sign_of(price - 128_500, price, (90_000, 167_000)) == sign


def test_acknowledgements_carry_the_cipher_on_success_only() -> None:
    accepted = json.loads(messages.acknowledgement(messages.SUBSCRIBED, "H0STCNT0", "005930", ("i" * 16, "k" * 32)))
    assert accepted == {
        "header": {"tr_id": "H0STCNT0", "tr_key": "005930", "encrypt": "N"},
        "body": {
            "rt_cd": "0",
            "msg_cd": "OPSP0000",
            "msg1": "SUBSCRIBE SUCCESS",
            "output": {"iv": "i" * 16, "key": "k" * 32},
        },
    }
    refused = json.loads(messages.acknowledgement(messages.TOO_MANY, "H0STCNT0", "005930", ("i", "k")))
    assert refused["body"] == {"rt_cd": "1", "msg_cd": "OPSP0008", "msg1": "MAX SUBSCRIBE OVER"}


def test_the_in_use_notice_names_no_tr() -> None:
    notice = json.loads(messages.in_use_notice())
    assert notice["header"] == {"tr_id": "(null)", "tr_key": "", "encrypt": "N"}
    assert (notice["body"]["rt_cd"], notice["body"]["msg_cd"]) == ("9", "OPSP8996")


def test_an_echoed_pingpong_is_no_request() -> None:
    text = messages.pingpong("20261120110000")
    assert json.loads(text) == {"header": {"tr_id": "PINGPONG", "datetime": "20261120110000"}}
    assert messages.parse_request(text) == messages.Pong(text)


HEADER = {"approval_key": "k", "custtype": "P", "tr_type": "1", "content-type": "utf-8"}
INPUT = {"tr_id": "H0STCNT0", "tr_key": "005930"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("not json", "OPSP9999"),
        ({}, "OPSP9998"),
        ([], "OPSP9998"),
        ({"header": HEADER}, "OPSP9992"),
        ({"header": HEADER, "body": {}}, "OPSP9991"),
        ({"header": HEADER, "body": {"input": {"tr_id": "H0STCNT0"}}}, "OPSP9990"),
        ({"header": HEADER, "body": {"input": INPUT | {"tr_key": 5930}}}, "OPSP8993"),
        ({"header": HEADER, "body": {"input": {"tr_key": "005930"}}}, "OPSP8991"),
        ({"header": HEADER | {"tr_type": "0"}, "body": {"input": INPUT}}, "OPSP8997"),
        ({"header": HEADER | {"custtype": "X"}, "body": {"input": INPUT}}, "OPSP8998"),
        ({"header": {"approval_key": "k", "tr_type": "1"}, "body": {"input": INPUT}}, "OPSP9997"),
        ({"header": {"custtype": "P", "tr_type": "1"}, "body": {"input": INPUT}}, "OPSP9994"),
    ],
)
def test_each_flaw_of_a_request_has_its_code(content: object, code: str) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    assert messages.parse_request(text) == messages.VERDICTS[code]


def test_a_sound_request_is_read() -> None:
    text = json.dumps({"header": HEADER, "body": {"input": INPUT}})
    assert messages.parse_request(text) == messages.StreamRequest("k", "1", "H0STCNT0", "005930")
