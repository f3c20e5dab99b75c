"""A record becomes the trade it is, or a rejection that names what is wrong."""

import pytest

from observer_core.kis.fields import TRADE_FIELDS
from observer_core.kis.trades import explain_trade, parse_trade
from observer_core.messages import Quality, Rejection, Track, Trade
from tests.fixtures.kis_records import RECEIVED_NS, trade_fields


def _parse(fields: list[str], keep_raw: bool = True) -> Trade | Rejection:
    return parse_trade(fields, RECEIVED_NS, "^".join(fields), keep_raw)


def test_all_that_is_kept_of_a_trade() -> None:
    fields = trade_fields()
    assert _parse(fields) == Trade(
        symbol="005930",
        source_time_ns=1_795_137_600_000_000_000,
        received_ns=RECEIVED_NS,
        price=259250,
        volume=12,
        cumulative_volume=1234567,
        cumulative_value=319512345678,
        open=259500,
        high=260000,
        low=258000,
        change=-500,
        ask=259500,
        bid=259000,
        ask_size=1200,
        bid_size=3400,
        total_ask_size=120000,
        total_bid_size=240000,
        side="1",
        session_code="0",
        operation_code="20",
        halted=False,
        vi_reference=260000,
        venue_code="2",
        quality=Quality.NORMAL,
        reasons=(),
        raw="^".join(fields),
    )


@pytest.mark.parametrize(("width", "venue"), [(46, ""), (47, "2"), (48, "2"), (60, "2")])
def test_older_and_newer_widths_parse(width: int, venue: str) -> None:
    trade = _parse(trade_fields(width), keep_raw=False)
    assert isinstance(trade, Trade)
    assert trade.venue_code == venue
    assert trade.vi_reference == 260000
    assert trade.raw is None


def test_empty_fields_are_none_where_the_broker_may_leave_them_empty() -> None:
    names = ("STCK_OPRC", "STCK_HGPR", "STCK_LWPR", "PRDY_VRSS", "ASKP1", "BIDP1", "ASKP_RSQN1", "BIDP_RSQN1")
    trade = _parse(trade_fields(**dict.fromkeys((*names, "VI_STND_PRC", "TOTAL_ASKP_RSQN"), "")))
    assert isinstance(trade, Trade)
    assert (trade.open, trade.high, trade.low, trade.change, trade.ask, trade.bid) == (None,) * 6
    assert (trade.ask_size, trade.bid_size, trade.vi_reference, trade.total_ask_size) == (None,) * 4
    assert trade.quality is Quality.NORMAL


def test_without_a_date_the_day_of_receipt_is_taken() -> None:
    trade = _parse(trade_fields(BSOP_DATE=""))
    assert isinstance(trade, Trade)
    assert trade.source_time_ns == 1_795_137_600_000_000_000


@pytest.mark.parametrize("symbol", ["0126Z0", "00088K", "Q500061", "F70100030"])
def test_codes_are_alphanumeric_texts(symbol: str) -> None:
    trade = _parse(trade_fields(MKSC_SHRN_ISCD=symbol))
    assert isinstance(trade, Trade)
    assert trade.symbol == symbol


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"STCK_PRPR": "259250.5"}, ("fractional_price",)),
        ({"STCK_PRPR": "259250.5", "ASKP1": "1.5"}, ("fractional_price",)),
        ({"STCK_PRPR": ""}, ("empty:STCK_PRPR",)),
        ({"CNTG_VOL": "1.5"}, ("not_a_whole_number:CNTG_VOL",)),
        ({"ACML_VOL": "x", "ACML_TR_PBMN": ""}, ("not_a_whole_number:ACML_VOL", "empty:ACML_TR_PBMN")),
        ({"ACML_TR_PBMN": "9" * 19}, ("out_of_range:ACML_TR_PBMN",)),
        ({"ASKP_RSQN1": "-" + "9" * 30}, ("out_of_range:ASKP_RSQN1",)),
        ({"MKSC_SHRN_ISCD": "5930"}, ("bad_symbol",)),
        ({"STCK_CNTG_HOUR": "246000"}, ("bad_time",)),
        ({"STCK_CNTG_HOUR": "10200"}, ("bad_time",)),
        ({"BSOP_DATE": "20261341"}, ("bad_date",)),
        ({"BSOP_DATE": "2026-11-20"}, ("bad_date",)),
    ],
)
def test_what_does_not_convert_is_rejected_by_name(changes: dict[str, str], reasons: tuple[str, ...]) -> None:
    fields = trade_fields(**changes)
    symbol = None if "bad_symbol" in reasons else "005930"
    assert _parse(fields, keep_raw=False) == Rejection(
        symbol, RECEIVED_NS, Track.SCALP, "decode", reasons, "^".join(fields)
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"STCK_PRPR": "0"}, "price_not_positive"), ({"CNTG_VOL": "-1"}, "volume_negative")],
)
def test_what_contradicts_itself_is_rejected(changes: dict[str, str], reason: str) -> None:
    rejection = _parse(trade_fields(**changes))
    assert isinstance(rejection, Rejection)
    assert (rejection.stage, rejection.reasons) == ("validate", (reason,))


def test_what_is_odd_is_kept_and_degraded() -> None:
    trade = _parse(trade_fields(STCK_HGPR="259000"))
    assert isinstance(trade, Trade)
    assert trade.quality is Quality.DEGRADED
    assert trade.reasons == ("price_outside_range", "open_outside_range")


def test_halted_and_expected_records_are_trades() -> None:
    trade = _parse(trade_fields(TRHT_YN="Y", HOUR_CLS_CODE="C"))
    assert isinstance(trade, Trade)
    assert trade.halted
    assert trade.session_code == "C"


def test_a_sound_record_has_nothing_to_explain() -> None:
    assert explain_trade(trade_fields()) == ()
    assert len(trade_fields()) == len(TRADE_FIELDS)
