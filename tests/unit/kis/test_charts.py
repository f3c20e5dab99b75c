"""inquire-time-itemchartprice: the bars that can be believed, and what becomes of rows that cannot be read."""

import json

import pytest

from observer_core.clock import NS_PER_S
from observer_core.errors import MalformedMessage
from observer_core.kis.charts import MINUTE_NS, parse_minute_chart
from observer_core.kis.quotes import CallTimes
from tests.fixtures.journals import NINE_OCLOCK_NS

TIMES = CallTimes(NINE_OCLOCK_NS + 10 * MINUTE_NS, NINE_OCLOCK_NS + 10 * MINUTE_NS + NS_PER_S)


def row(hour: str, **changes: str) -> dict[str, str]:
    return {
        "stck_bsop_date": "20260724",
        "stck_cntg_hour": hour,
        "stck_prpr": "11",
        "stck_oprc": "10",
        "stck_hgpr": "12",
        "stck_lwpr": "9",
        "cntg_vol": "5",
        "acml_tr_pbmn": "100",
        **changes,
    }


def body(*rows: object) -> bytes:
    return json.dumps({"output1": {"acml_vol": "1"}, "output2": rows, "rt_cd": "0"}).encode()


def test_a_row_becomes_a_bar() -> None:
    wanted = row("090200")
    [bar] = parse_minute_chart(body(row("090300"), wanted), "005930", TIMES, keep_raw=True).bars
    assert (bar.symbol, bar.minute_ns) == ("005930", NINE_OCLOCK_NS + 2 * MINUTE_NS)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.cumulative_value) == (10, 12, 9, 11, 5, 100)
    assert (bar.requested_ns, bar.received_ns) == TIMES
    assert bar.raw is not None
    assert json.loads(bar.raw) == wanted


def test_the_payload_is_kept_on_demand_only() -> None:
    [bar] = parse_minute_chart(body(row("090300"), row("090200")), "005930", TIMES, keep_raw=False).bars
    assert bar.raw is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stck_prpr": ""}, "bad_row"),
        ({"stck_lwpr": "0"}, "bad_row"),
        ({"cntg_vol": "-1"}, "bad_row"),
        ({"cntg_vol": "1" * 20}, "bad_row"),
        ({"stck_hgpr": "10"}, "range_order"),
        ({"stck_cntg_hour": "0902"}, "bad_time"),
        ({"stck_cntg_hour": "090201"}, "bad_minute"),
        ({"stck_bsop_date": "20261301"}, "bad_date"),
    ],
)
def test_a_row_that_cannot_be_read_is_a_rejection_and_spares_the_others(changes: dict[str, str], reason: str) -> None:
    chart = parse_minute_chart(
        body(row("090300"), row("090200", **changes), row("090100")), "005930", TIMES, keep_raw=False
    )
    assert [bar.minute_ns for bar in chart.bars] == [NINE_OCLOCK_NS + MINUTE_NS]
    [rejection] = chart.rejections
    assert (rejection.symbol, rejection.stage, rejection.reasons) == ("005930", "backfill", (reason,))
    assert json.loads(rejection.raw) == row("090200", **changes)


def test_a_row_that_is_no_object_is_a_rejection() -> None:
    [rejection] = parse_minute_chart(body(["x"]), "005930", TIMES, keep_raw=False).rejections
    assert rejection.reasons == ("bad_row",)


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"output2": {}}', b"\xff"])
def test_an_answer_of_another_form_is_an_error(answer: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_minute_chart(answer, "005930", TIMES, keep_raw=False)


def test_an_answer_without_rows_has_no_bars() -> None:
    assert parse_minute_chart(body(), "005930", TIMES, keep_raw=False) == ([], [])
