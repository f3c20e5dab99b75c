"""Chapter 2: conventions of REST. Headers, envelopes, leaves, spellings, and what the virtual host has."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from observer_core.kis.classify import rest_failure
from observer_core.kis.simulator.rest_endpoints import ENDPOINTS
from observer_core.kis.simulator.server import RunningExchange
from observer_core.kis.simulator.stream_messages import ON_VIRTUAL
from observer_core.kis.simulator.venue import VenueOptions
from tests.fixtures.simulated_exchange import QUOTATIONS, ask, play, quotation_headers, token_of

AT_NOON_NS = 1_795_143_600_000_000_000  # 2026-11-20 12:00 KST
NOON = VenueOptions(ordinary_symbols=40, start_ns=AT_NOON_NS)
SAMSUNG = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
QUERIES: dict[str, dict[str, str]] = {
    "inquire-price": SAMSUNG,
    "intstock-multprice": {"FID_COND_MRKT_DIV_CODE_1": "J", "FID_INPUT_ISCD_1": "005930"},
    "inquire-asking-price-exp-ccn": SAMSUNG,
    "inquire-ccnl": SAMSUNG,
    "inquire-time-itemconclusion": SAMSUNG | {"FID_INPUT_HOUR_1": "120000"},
    "inquire-daily-price": SAMSUNG | {"FID_PERIOD_DIV_CODE": "D", "FID_ORG_ADJ_PRC": "0"},
    "inquire-time-itemchartprice": SAMSUNG
    | {"FID_INPUT_HOUR_1": "120000", "FID_PW_DATA_INCU_YN": "N", "FID_ETC_CLS_CODE": ""},
    "inquire-time-dailychartprice": SAMSUNG | {"FID_INPUT_HOUR_1": "153000", "FID_INPUT_DATE_1": "20261118"},
    "inquire-daily-itemchartprice": SAMSUNG
    | {
        "FID_INPUT_DATE_1": "20261001",
        "FID_INPUT_DATE_2": "20261120",
        "FID_PERIOD_DIV_CODE": "D",
        "FID_ORG_ADJ_PRC": "0",
    },
    "volume-rank": {"FID_COND_MRKT_DIV_CODE": "J", "FID_COND_SCR_DIV_CODE": "20171", "FID_INPUT_ISCD": "0000"},
    "inquire-vi-status": {"FID_COND_SCR_DIV_CODE": "20139", "FID_MRKT_CLS_CODE": "0", "FID_DIV_CLS_CODE": "0"},
    "chk-holiday": {"BASS_DT": "20261120", "CTX_AREA_FK": "", "CTX_AREA_NK": ""},
    "search-stock-info": {"PRDT_TYPE_CD": "300", "PDNO": "005930"},
}


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


def test_every_endpoint_is_asked_here() -> None:
    assert set(QUERIES) == set(ENDPOINTS)


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_an_answer_echoes_its_tr_id_and_all_its_leaves_are_texts(name: str) -> None:
    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token, tr_id = await token_of(client), ENDPOINTS[name].tr_id
        answer = await ask(client, token, name, tr_id, QUERIES[name])
        body = answer.json()
        assert answer.status_code == 200, body
        assert (answer.headers["tr_id"], answer.headers["tr_cont"]) == (tr_id, "")
        assert answer.headers["gt_uid"]
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert body["rt_cd"] == "0"
        assert body["msg_cd"] == ("KIOK0530" if name == "search-stock-info" else "MCA00000")
        assert body["msg1"].strip().endswith(("되었습니다.", "되었습니다!"))
        assert {"output", "output1"} & set(body)
        assert all(isinstance(leaf, str) for leaf in leaves(body))
        assert rest_failure(answer.status_code, answer.content) is None

    play(scenario, NOON)


@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title])
def test_query_names_are_read_in_any_case(spelling: Any) -> None:
    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        query = {spelling(name): value for name, value in SAMSUNG.items()}
        answer = await ask(client, await token_of(client), "inquire-price", "FHKST01010100", query)
        assert answer.json()["output"]["stck_shrn_iscd"] == "005930"

    play(scenario, NOON)


def test_header_names_are_read_in_any_case() -> None:
    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        headers = {
            name.upper(): value for name, value in quotation_headers(await token_of(client), "CTPF1002R").items()
        }
        answer = await client.get(f"{QUOTATIONS}/search-stock-info", params={"PDNO": "005930"}, headers=headers)
        assert answer.json()["output"]["pdno"] == "00000A005930"

    play(scenario, NOON)


def test_what_the_virtual_host_has() -> None:
    assert {name for name, endpoint in ENDPOINTS.items() if not endpoint.on_virtual} >= {
        "intstock-multprice",
        "volume-rank",
        "inquire-vi-status",
        "chk-holiday",
    }
    assert {name for name, endpoint in ENDPOINTS.items() if endpoint.on_virtual} >= {
        "inquire-price",
        "inquire-ccnl",
        "inquire-daily-price",
        "inquire-asking-price-exp-ccn",
        "inquire-time-itemchartprice",
        "inquire-daily-itemchartprice",
    }
    assert {"H0STCNT0", "H0STASP0", "H0STCNI9"} == ON_VIRTUAL
