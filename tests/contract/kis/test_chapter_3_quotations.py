"""Chapter 3: the quotation endpoints, key by key, and the adapter's reading of the two it uses."""

import json
from itertools import pairwise
from typing import Any

import httpx
import pytest

from observer_core.kis.fields import INQUIRE_PRICE_KEYS, MULTI_PRICE_KEYS
from observer_core.kis.quotes import CallTimes, parse_inquire_price, parse_multi_price
from observer_core.kis.simulator.server import RunningExchange
from observer_core.kis.simulator.venue import VenueOptions
from observer_core.market.prices import price_limits, tick_size
from observer_core.messages import Quality, Quote, Rejection
from tests.fixtures.simulated_exchange import ask, multi_price_query, play, set_faults, token_of

AT_15_08_22_NS = 1_795_154_902_000_000_000  # 2026-11-20 15:08:22 KST
AFTERNOON = VenueOptions(ordinary_symbols=60, start_ns=AT_15_08_22_NS)
TIMES = CallTimes(1, 2)
SAMSUNG = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}


def keys(text: str) -> list[str]:
    """Return key names written as one text."""
    return text.split()


DAILY_PRICE_KEYS = keys(
    "stck_bsop_date stck_oprc stck_hgpr stck_lwpr stck_clpr acml_vol prdy_vrss_vol_rate prdy_vrss "
    "prdy_vrss_sign prdy_ctrt hts_frgn_ehrt frgn_ntby_qty flng_cls_code acml_prtt_rate"
)
VOLUME_RANK_KEYS = keys(
    "hts_kor_isnm mksc_shrn_iscd data_rank stck_prpr prdy_vrss_sign prdy_vrss prdy_ctrt acml_vol prdy_vol "
    "lstn_stcn avrg_vol n_befr_clpr_vrss_prpr_rate vol_inrt vol_tnrt nday_vol_tnrt avrg_tr_pbmn "
    "tr_pbmn_tnrt nday_tr_pbmn_tnrt acml_tr_pbmn"
)
VI_KEYS = keys(
    "hts_kor_isnm mksc_shrn_iscd vi_cls_code bsop_date cntg_vi_hour vi_cncl_hour vi_kind_code vi_prc "
    "vi_stnd_prc vi_dprt vi_dmc_stnd_prc vi_dmc_dprt vi_count"
)
MINUTE_KEYS = keys("stck_bsop_date stck_cntg_hour stck_prpr stck_oprc stck_hgpr stck_lwpr cntg_vol acml_tr_pbmn")
MINUTE_SUMMARY_KEYS = keys(
    "prdy_vrss prdy_vrss_sign prdy_ctrt stck_prdy_clpr acml_vol acml_tr_pbmn hts_kor_isnm stck_prpr"
)
DAILY_CHART_KEYS = keys(
    "stck_bsop_date stck_clpr stck_oprc stck_hgpr stck_lwpr acml_vol acml_tr_pbmn flng_cls_code prtt_rate "
    "mod_yn prdy_vrss_sign prdy_vrss revl_issu_reas"
)
DAILY_SUMMARY_KEYS = keys(
    "prdy_vrss prdy_vrss_sign prdy_ctrt stck_prdy_clpr acml_vol acml_tr_pbmn hts_kor_isnm stck_prpr "
    "stck_shrn_iscd prdy_vol stck_mxpr stck_llam stck_oprc stck_hgpr stck_lwpr stck_prdy_oprc "
    "stck_prdy_hgpr stck_prdy_lwpr askp bidp prdy_vrss_vol vol_tnrt stck_fcam lstn_stcn cpfn hts_avls per "
    "eps pbr itewhol_loan_rmnd_ratem"
)


def body_of(name: str, tr_id: str, query: dict[str, str], options: VenueOptions = AFTERNOON) -> dict[str, Any]:
    """Return the body of one quotation on a fresh exchange."""
    bodies: list[dict[str, Any]] = []

    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        answer = await ask(client, await token_of(client), name, tr_id, query)
        assert answer.status_code == 200, answer.text
        bodies.append(answer.json())

    play(scenario, options)
    return bodies[0]


def test_the_adapter_reads_from_a_multi_price_answer_what_the_exchange_has() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        codes = [one.code for one in exchange.venue.exchange.listings[:30]]
        token = await token_of(client)
        await set_faults(exchange, row_order="shuffled")
        answer = await ask(client, token, "intstock-multprice", "FHKST11300006", multi_price_query(codes))
        rows = answer.json()["output"]
        assert all(tuple(row) == MULTI_PRICE_KEYS for row in rows)
        records, missing = parse_multi_price(answer.content, codes, TIMES, keep_raw=False)
        assert missing == ()
        assert len(records) == 30
        by_code = {row["inter_shrn_iscd"]: row for row in rows}
        for record in records:
            assert isinstance(record, Quote)
            row = by_code[record.symbol]
            shown = (record.price, record.cumulative_volume, record.cumulative_value, record.open, record.high)
            assert shown == tuple(
                int(row[key]) for key in ("inter2_prpr", "acml_vol", "acml_tr_pbmn", "inter2_oprc", "inter2_hgpr")
            )
            assert (record.ask, record.bid, record.upper_limit, record.lower_limit) == tuple(
                int(row[key]) for key in ("inter2_askp", "inter2_bidp", "inter2_mxpr", "inter2_llam")
            )

    play(scenario, AFTERNOON)


@pytest.mark.parametrize("mode", ["blank", "omit"])
def test_the_adapter_misses_an_unknown_code_however_it_is_answered(mode: str) -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        await set_faults(exchange, unknown_code_mode=mode)
        codes = ["005930", "999999", "000660"]
        answer = await ask(client, token, "intstock-multprice", "FHKST11300006", multi_price_query(codes))
        records, missing = parse_multi_price(answer.content, codes, TIMES, keep_raw=False)
        assert [record.symbol for record in records if isinstance(record, Quote)] == ["005930", "000660"]
        assert len(records) == 2
        assert missing == ("999999",)

    play(scenario, AFTERNOON)


def test_a_halted_share_without_a_price_is_an_observation() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        await set_faults(exchange, halted_row_mode="zero")
        code = next(one.code for one in exchange.venue.exchange.listings if one.halted)
        answer = await ask(client, token, "intstock-multprice", "FHKST11300006", multi_price_query([code]))
        (record,), _ = parse_multi_price(answer.content, [code], TIMES, keep_raw=False)
        assert isinstance(record, Quote)
        assert (record.quality, record.reasons) == (Quality.DEGRADED, ("no_price",))

    play(scenario, AFTERNOON)


@pytest.mark.parametrize("keys", [82, 79])
def test_the_adapter_reads_inquire_price_with_and_without_the_later_keys(keys: int) -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        await set_faults(exchange, price_keys=keys)
        answer = await ask(client, token, "inquire-price", "FHKST01010100", SAMSUNG)
        output = answer.json()["output"]
        assert tuple(output) == tuple(key for key in INQUIRE_PRICE_KEYS if key in output)
        assert len(output) == keys
        (record,), missing = parse_inquire_price(answer.content, "005930", TIMES, keep_raw=False)
        assert isinstance(record, Quote)
        assert (record.price, record.cumulative_volume) == (int(output["stck_prpr"]), int(output["acml_vol"]))
        assert missing == ()

    play(scenario, AFTERNOON)


def test_every_key_of_inquire_price_may_be_absent_except_what_makes_a_quote() -> None:
    output = dict.fromkeys(INQUIRE_PRICE_KEYS, "1") | {"stck_shrn_iscd": "005930"}
    for key in INQUIRE_PRICE_KEYS:
        body = json.dumps({"rt_cd": "0", "output": {name: text for name, text in output.items() if name != key}})
        (record,), _ = parse_inquire_price(body.encode(), "005930", TIMES, keep_raw=False)
        needed = key in ("stck_shrn_iscd", "stck_prpr", "acml_vol")
        assert isinstance(record, Rejection if needed else Quote), key


def test_the_worked_example_of_limits() -> None:
    assert (price_limits(128_500), tick_size(128_500)) == ((90_000, 167_000), 100)


def test_asking_price_has_71_and_13_keys_and_totals_that_add_up() -> None:
    body = body_of("inquire-asking-price-exp-ccn", "FHKST01010200", SAMSUNG)
    book, expected = body["output1"], body["output2"]
    assert (len(book), len(expected)) == (71, 13)
    for side in ("askp", "bidp"):
        assert int(book[f"total_{side}_rsqn"]) == sum(int(book[f"{side}_rsqn{level}"]) for level in range(1, 11))
    assert int(book["ntby_aspr_rsqn"]) == int(book["total_bidp_rsqn"]) - int(book["total_askp_rsqn"])
    assert (book["new_mkop_cls_code"], expected["antc_mkop_cls_code"]) == ("20", "112")


def test_executions_and_ticks_by_time() -> None:
    rows = body_of("inquire-ccnl", "FHKST01010300", SAMSUNG)["output"]
    expected = keys("stck_cntg_hour stck_prpr prdy_vrss prdy_vrss_sign cntg_vol tday_rltv prdy_ctrt")
    assert all(list(row) == expected for row in rows)
    body = body_of("inquire-time-itemconclusion", "FHPST01060000", SAMSUNG | {"FID_INPUT_HOUR_1": "090000"})
    assert body["output2"] == []


@pytest.mark.parametrize("period", ["D", "W", "M"])
def test_daily_prices_come_newest_first_and_follow_one_another(period: str) -> None:
    query = SAMSUNG | {"FID_PERIOD_DIV_CODE": period, "FID_ORG_ADJ_PRC": "1"}
    rows = body_of("inquire-daily-price", "FHKST01010400", query)["output"]
    assert len(rows) == 30
    assert all(list(row) == DAILY_PRICE_KEYS for row in rows)
    dates = [row["stck_bsop_date"] for row in rows]
    assert dates == sorted(set(dates), reverse=True)
    assert dates[0] == "20261120"
    for now, before in pairwise(rows):
        assert int(now["stck_clpr"]) - int(now["prdy_vrss"]) == int(before["stck_clpr"])
        assert int(now["stck_lwpr"]) <= int(now["stck_clpr"]) <= int(now["stck_hgpr"])


def test_the_two_daily_endpoints_mean_the_opposite_by_zero() -> None:
    def closes(name: str, tr_id: str, zero_or_one: str, code: str) -> dict[str, str]:
        query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": code, "FID_PERIOD_DIV_CODE": "W"}
        query |= {"FID_INPUT_DATE_1": "20260101", "FID_INPUT_DATE_2": "20261120", "FID_ORG_ADJ_PRC": zero_or_one}
        body = body_of(name, tr_id, query)
        return {row["stck_bsop_date"]: row["stck_clpr"] for row in body.get("output2") or body["output"]}

    split = "035420"
    raw = closes("inquire-daily-price", "FHKST01010400", "0", split)
    adjusted = closes("inquire-daily-price", "FHKST01010400", "1", split)
    assert raw != adjusted
    charts = closes("inquire-daily-itemchartprice", "FHKST03010100", "1", split)
    assert {day: charts[day] for day in raw if day in charts} == {day: raw[day] for day in raw if day in charts}
    charts = closes("inquire-daily-itemchartprice", "FHKST03010100", "0", split)
    assert {day: charts[day] for day in raw if day in charts} == {d: adjusted[d] for d in raw if d in charts}


def test_the_daily_chart_has_its_keys_and_at_most_a_hundred_rows() -> None:
    query = SAMSUNG | {"FID_INPUT_DATE_1": "20250101", "FID_INPUT_DATE_2": "20261119"}
    body = body_of("inquire-daily-itemchartprice", "FHKST03010100", query | {"FID_PERIOD_DIV_CODE": "D"})
    assert sorted(body["output1"]) == sorted(DAILY_SUMMARY_KEYS)
    assert len(body["output2"]) == 100
    assert all(list(row) == DAILY_CHART_KEYS for row in body["output2"])
    assert body["output2"][0]["stck_bsop_date"] == "20261119"


def test_the_minute_chart_answers_minutes_that_have_not_happened() -> None:
    query = SAMSUNG | {"FID_INPUT_HOUR_1": "153000", "FID_PW_DATA_INCU_YN": "N", "FID_ETC_CLS_CODE": ""}
    body = body_of("inquire-time-itemchartprice", "FHKST03010200", query)
    rows, summary = body["output2"], body["output1"]
    assert sorted(summary) == sorted(MINUTE_SUMMARY_KEYS)
    assert len(rows) == 30
    assert all(list(row) == MINUTE_KEYS for row in rows)
    assert [row["stck_cntg_hour"] for row in rows] == [
        *(f"15{minute:02d}00" for minute in range(30, 0, -1)),
    ]
    future = [row for row in rows[1:] if row["stck_cntg_hour"] > "150800"]
    assert len(future) == 21
    assert {row["cntg_vol"] for row in future} == {"0"}
    assert {row["stck_prpr"] for row in (rows[0], *future)} == {summary["stck_prpr"]}
    past = [row for row in rows if row["stck_cntg_hour"] < "150800"]
    assert all(int(row["cntg_vol"]) > 0 for row in past)
    totals = [int(row["acml_tr_pbmn"]) for row in rows]
    assert totals == sorted(totals, reverse=True)


def test_minutes_of_a_past_day() -> None:
    query = SAMSUNG | {"FID_INPUT_HOUR_1": "153000", "FID_INPUT_DATE_1": "20261118", "FID_PW_DATA_INCU_YN": "Y"}
    rows = body_of("inquire-time-dailychartprice", "FHKST03010230", query)["output2"]
    assert len(rows) == 120
    assert {row["stck_bsop_date"] for row in rows} == {"20261118"}
    assert rows[0]["stck_cntg_hour"] == "153000"


def test_the_ranking_is_one() -> None:
    query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_COND_SCR_DIV_CODE": "20171", "FID_INPUT_ISCD": "0000"}
    rows = body_of("volume-rank", "FHPST01710000", query | {"FID_BLNG_CLS_CODE": "3"})["output"]
    assert len(rows) == 30
    assert all(list(row) == VOLUME_RANK_KEYS for row in rows)
    assert [int(row["data_rank"]) for row in rows] == list(range(1, 31))
    values = [int(row["acml_tr_pbmn"]) for row in rows]
    assert values == sorted(values, reverse=True)


def test_interruptions_are_listed_while_they_last() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        await set_faults(exchange, vi=["005930"])
        answer = await ask(client, token, "inquire-vi-status", "FHPST01390000", {"FID_MRKT_CLS_CODE": "0"})
        (row,) = answer.json()["output"]
        assert list(row) == VI_KEYS
        assert (row["mksc_shrn_iscd"], row["vi_cls_code"], row["bsop_date"]) == ("005930", "Y", "20261120")
        price = await ask(client, token, "inquire-price", "FHKST01010100", SAMSUNG)
        assert price.json()["output"]["vi_cls_code"] == "Y"
        quote = await ask(client, token, "intstock-multprice", "FHKST11300006", multi_price_query(["005930"]))
        assert quote.json()["output"][0]["hour_cls_code"] == "C"

    play(scenario, AFTERNOON)


def test_stock_information_knows_nextrade() -> None:
    for code, on_nxt in (("005930", "Y"), ("0126Z0", "N")):
        output = body_of("search-stock-info", "CTPF1002R", {"PRDT_TYPE_CD": "300", "PDNO": code})["output"]
        assert (output["pdno"], output["cptt_trad_tr_psbl_yn"]) == (f"{'A' + code:0>12}", on_nxt)
