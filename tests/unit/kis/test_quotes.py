"""Answers become quotes, joined by code; every odd row is accounted for and costs only itself."""

import json
from typing import Any

import pytest

from observer_core.kis.quotes import CallTimes, QuoteRows, parse_inquire_price, parse_multi_price
from observer_core.messages import Quality, Quote, Rejection, Track
from tests.fixtures.kis_records import RECEIVED_NS, multi_price_row

TIMES = CallTimes(RECEIVED_NS - 5_000_000, RECEIVED_NS)


def _body(output: Any) -> bytes:
    document = {"output": output, "rt_cd": "0", "msg_cd": "MCA00000", "msg1": "정상처리 되었습니다."}
    return json.dumps(document, ensure_ascii=False).encode()


def _parse(rows: list[Any], symbols: list[str], keep_raw: bool = True) -> QuoteRows:
    return parse_multi_price(_body(rows), symbols, TIMES, keep_raw)


def test_all_that_is_kept_of_a_row() -> None:
    row = multi_price_row("005930", seln_rsqn="12", shnu_rsqn="34", total_askp_rsqn="56", total_bidp_rsqn="78")
    parsed = _parse([row], ["005930"])
    assert parsed.missing == ()
    assert parsed.records == [
        Quote(
            symbol="005930",
            source_time_ns=None,
            requested_ns=TIMES.requested_ns,
            received_ns=TIMES.received_ns,
            price=259250,
            open=259500,
            high=260000,
            low=258000,
            previous_close=259750,
            base_price=259750,
            change=-500,
            cumulative_volume=1234567,
            cumulative_value=319512345678,
            ask=259500,
            bid=259000,
            ask_size=12,
            bid_size=34,
            total_ask_size=56,
            total_bid_size=78,
            upper_limit=337500,
            lower_limit=182000,
            expected_volume=0,
            session_code="0",
            quality=Quality.NORMAL,
            reasons=(),
            raw=json.dumps(row, ensure_ascii=False),
        )
    ]
    (without_raw,) = _parse([row], ["005930"], keep_raw=False).records
    assert without_raw.raw is None


def test_rows_are_joined_by_code_not_by_order() -> None:
    symbols = ["005930", "000660", "0126Z0"]
    rows = [multi_price_row(symbol, inter2_bidp=str(number)) for number, symbol in enumerate(symbols)]
    parsed = _parse(rows[::-1], symbols)
    bids = {record.symbol: record.bid for record in parsed.records if isinstance(record, Quote)}
    assert bids == {"005930": 0, "000660": 1, "0126Z0": 2}
    assert parsed.missing == ()


def test_an_omitted_row_is_a_missing_symbol() -> None:
    parsed = _parse([multi_price_row("005930")], ["000660", "005930", "0126Z0"])
    assert len(parsed.records) == 1
    assert parsed.missing == ("000660", "0126Z0")


@pytest.mark.parametrize("blank", ["", "   ", None])
def test_a_blank_row_without_code_is_a_missing_symbol(blank: str | None) -> None:
    empty = dict.fromkeys(multi_price_row("005930"), blank)
    parsed = _parse([multi_price_row("005930"), empty], ["005930", "000660"])
    assert len(parsed.records) == 1
    assert parsed.missing == ("000660",)


def test_a_blank_row_with_code_is_a_rejection() -> None:
    empty = dict.fromkeys(multi_price_row("005930"), "") | {"inter_shrn_iscd": "005930"}
    parsed = _parse([empty], ["005930"])
    assert parsed == QuoteRows(
        [Rejection("005930", RECEIVED_NS, Track.SWING, "decode", ("blank_row",), json.dumps(empty))], ()
    )


def test_a_halted_row_is_an_observation_without_a_price() -> None:
    zeros = {"inter2_prpr": "0", "acml_vol": "0", "inter2_oprc": "0", "inter2_hgpr": "0", "inter2_lwpr": "0"}
    (quote,) = _parse([multi_price_row("005930", **zeros)], ["005930"]).records
    assert isinstance(quote, Quote)
    assert (quote.price, quote.quality, quote.reasons) == (0, Quality.DEGRADED, ("no_price",))


def test_a_price_of_nothing_with_volume_contradicts_itself() -> None:
    (rejection,) = _parse([multi_price_row("005930", inter2_prpr="0")], ["005930"]).records
    assert isinstance(rejection, Rejection)
    assert (rejection.stage, rejection.reasons) == ("validate", ("price_not_positive",))


def test_blank_padding_and_absent_keys_are_read() -> None:
    row = multi_price_row(
        "005930 ", inter2_prpr=" 259250", inter2_askp="", inter2_bidp=None, acml_vol="1234567 ", intr_antc_vol="  "
    )
    parsed = _parse([row], ["005930"])
    (quote,) = parsed.records
    assert isinstance(quote, Quote)
    assert (quote.symbol, quote.price, quote.cumulative_volume) == ("005930", 259250, 1234567)
    assert (quote.ask, quote.bid, quote.expected_volume) == (None, None, None)
    assert parsed.missing == ()


def test_a_padded_code_alone_is_joined_too() -> None:
    parsed = _parse([multi_price_row("005930   ")], ["005930"])
    assert [type(record) for record in parsed.records] == [Quote]
    assert parsed.missing == ()


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"inter2_prpr": "259250.5"}, ("fractional_price",)),
        ({"inter2_prpr": ""}, ("empty:inter2_prpr",)),
        ({"inter2_prpr": "x", "acml_vol": None}, ("not_a_whole_number:inter2_prpr", "empty:acml_vol")),
        ({"acml_tr_pbmn": "9" * 19}, ("out_of_range:acml_tr_pbmn",)),
        ({"seln_rsqn": "1.5"}, ("not_a_whole_number:seln_rsqn",)),
    ],
)
def test_a_bad_row_is_rejected_by_name_and_costs_only_itself(
    changes: dict[str, str | None], reasons: tuple[str, ...]
) -> None:
    rows = [multi_price_row("000660"), multi_price_row("005930", **changes), multi_price_row("0126Z0")]
    parsed = _parse(rows, ["000660", "005930", "0126Z0"])
    first, bad, last = parsed.records
    assert isinstance(first, Quote)
    assert isinstance(last, Quote)
    assert bad == Rejection(
        "005930", RECEIVED_NS, Track.SWING, "decode", reasons, json.dumps(rows[1], ensure_ascii=False)
    )
    assert parsed.missing == ()


@pytest.mark.parametrize("row", [None, "text", 5, [], {"inter_shrn_iscd": ["005930"], "inter2_prpr": "1"}])
def test_a_row_that_is_no_row(row: Any) -> None:
    parsed = _parse([row, multi_price_row("005930")], ["005930"])
    assert [type(record) for record in parsed.records] == [Rejection, Quote]
    assert parsed.missing == ()


def test_rows_nobody_asked_for_and_repeated_rows() -> None:
    rows = [multi_price_row("000660"), multi_price_row("005930"), multi_price_row("005930")]
    unrequested, quote, repeated = _parse(rows, ["005930"]).records
    assert isinstance(quote, Quote)
    for record in (unrequested, repeated):
        assert isinstance(record, Rejection)
        assert record.reasons == ("unrequested_or_repeated_symbol",)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"output":{}}', b'{"output":null}', b"\xff", b"[" * 100_000]
)
def test_an_answer_without_rows(body: bytes) -> None:
    parsed = parse_multi_price(body, ["005930"], TIMES, True)
    assert parsed.missing == ("005930",)
    (rejection,) = parsed.records
    assert isinstance(rejection, Rejection)
    assert rejection.reasons == ("bad_envelope",)


_SINGLE = {
    "stck_shrn_iscd": "005930",
    "stck_prpr": "259250",
    "stck_oprc": "259500",
    "stck_hgpr": "260000",
    "stck_lwpr": "258000",
    "stck_mxpr": "337500",
    "stck_llam": "182000",
    "stck_sdpr": "259750",
    "prdy_vrss": "-500",
    "acml_vol": "1234567",
    "acml_tr_pbmn": "319512345678",
    "per": "12.34",
}


def test_a_single_price() -> None:
    parsed = parse_inquire_price(_body(_SINGLE), "005930", TIMES, True)
    (quote,) = parsed.records
    assert parsed.missing == ()
    assert isinstance(quote, Quote)
    assert (quote.symbol, quote.price, quote.base_price, quote.change) == ("005930", 259250, 259750, -500)
    assert (quote.ask, quote.bid, quote.previous_close) == (None, None, None)
    assert quote.raw == json.dumps(_SINGLE)


def test_a_single_price_that_is_not_the_one() -> None:
    other = parse_inquire_price(_body(_SINGLE), "000660", TIMES, True)
    assert other.missing == ("000660",)
    assert isinstance(other.records[0], Rejection)
    blank = parse_inquire_price(_body(dict.fromkeys(_SINGLE, "")), "000660", TIMES, True)
    assert isinstance(blank.records[0], Rejection)
    assert (blank.records[0].symbol, blank.records[0].reasons) == ("000660", ("blank_row",))
    assert parse_inquire_price(b"{}", "000660", TIMES, True).missing == ("000660",)
