"""The simulated REST port over real sockets, used as a third-party client would."""

import asyncio
import io
import json
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from observer_core.kis.fields import (
    CHK_HOLIDAY_KEYS,
    INQUIRE_PRICE_KEYS,
    MULTI_PRICE_KEYS,
    TR_CHK_HOLIDAY,
    TR_INQUIRE_CCNL,
    TR_INQUIRE_PRICE,
    TR_MULTI_PRICE,
)
from observer_core.kis.simulator.faults import Knobs
from observer_core.kis.simulator.server import RunningExchange
from observer_core.kis.simulator.venue import VenueOptions
from tests.fixtures.simulated_exchange import (
    APPKEY,
    APPSECRET,
    OTHER_APPKEY,
    QUOTATIONS,
    issue_token,
    multi_price_query,
    quotation_headers,
    simulated,
)

Scenario = Callable[[RunningExchange, httpx.AsyncClient], Awaitable[None]]


def play(scenario: Scenario, options: VenueOptions | None = None) -> None:
    async def run() -> None:
        async with simulated(options or VenueOptions(ordinary_symbols=60, always_open=True)) as (exchange, client):
            await scenario(exchange, client)

    asyncio.run(run())


async def token_of(client: httpx.AsyncClient, appkey: str = APPKEY) -> str:
    token = (await issue_token(client, appkey)).json()["access_token"]
    assert isinstance(token, str)
    return token


async def multi_price(client: httpx.AsyncClient, token: str, codes: list[str]) -> httpx.Response:
    return await client.get(
        f"{QUOTATIONS}/intstock-multprice",
        params=multi_price_query(codes),
        headers=quotation_headers(token, TR_MULTI_PRICE),
    )


async def faults(exchange: RunningExchange, **knobs: object) -> None:
    async with httpx.AsyncClient(base_url=exchange.control_url) as control:
        (await control.post("/faults", json=knobs)).raise_for_status()


def test_a_token_is_issued_once_a_minute_in_the_brokers_shapes() -> None:
    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        first = await issue_token(client)
        body = first.json()
        assert first.status_code == 200
        assert (body["token_type"], body["expires_in"], len(body["access_token"])) == ("Bearer", 86_400, 346)
        assert len(body["access_token_token_expired"]) == len("2026-11-21 09:00:00")
        again = await issue_token(client)
        assert again.status_code == 403
        assert again.json()["error_code"] == "EGW00133"
        assert set(again.json()) == {"error_description", "error_code"}

    play(scenario)


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/oauth2/tokenP", {"appkey": "x", "appsecret": APPSECRET}, "EGW00103"),
        ("/oauth2/tokenP", {"appkey": APPKEY, "appsecret": "x"}, "EGW00105"),
        ("/oauth2/Approval", {"appkey": APPKEY, "appsecret": APPSECRET}, "EGW00105"),
    ],
)
def test_bad_keys_are_refused(path: str, body: dict[str, str], code: str) -> None:
    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        answer = await client.post(path, json={"grant_type": "client_credentials", **body})
        assert (answer.status_code, answer.json()["error_code"]) == (403, code)

    play(scenario)


def test_multi_price_answers_thirty_rows_in_the_order_of_the_slots() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        codes = [listing.code for listing in exchange.venue.exchange.listings[:30]]
        answer = await multi_price(client, await token_of(client), codes)
        body = answer.json()
        assert answer.status_code == 200
        assert (body["rt_cd"], body["msg_cd"]) == ("0", "MCA00000")
        assert answer.headers["tr_id"] == TR_MULTI_PRICE
        assert [row["inter_shrn_iscd"] for row in body["output"]] == codes
        for row in body["output"]:
            assert tuple(row) == MULTI_PRICE_KEYS
            assert all(isinstance(value, str) for value in row.values())
            assert int(row["inter2_llam"]) <= int(row["inter2_prpr"]) <= int(row["inter2_mxpr"])

    play(scenario)


@pytest.mark.parametrize(("mode", "rows"), [("blank", 3), ("omit", 2), ("error", None)])
def test_an_unknown_code_is_answered_as_switched(mode: str, rows: int | None) -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        await faults(exchange, unknown_code_mode=mode)
        body = (await multi_price(client, await token_of(client), ["005930", "999999", "000660"])).json()
        if rows is None:
            assert body["rt_cd"] == "1"
            assert "output" not in body
        else:
            assert len(body["output"]) == rows
            assert [row["inter_shrn_iscd"] for row in body["output"] if row["inter_shrn_iscd"]] == [
                "005930",
                "000660",
            ]

    play(scenario)


def test_single_symbol_endpoints_answer_their_keys() -> None:
    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)

        async def ask(name: str, tr_id: str, query: dict[str, str]) -> Any:
            answer = await client.get(f"{QUOTATIONS}/{name}", params=query, headers=quotation_headers(token, tr_id))
            assert answer.status_code == 200
            return answer.json()["output"]

        samsung = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
        price = await ask("inquire-price", TR_INQUIRE_PRICE, samsung)
        assert tuple(price) == INQUIRE_PRICE_KEYS
        assert price["stck_shrn_iscd"] == "005930"
        executions = await ask("inquire-ccnl", TR_INQUIRE_CCNL, samsung)
        assert len(executions) <= 30
        days = await ask("chk-holiday", TR_CHK_HOLIDAY, {"BASS_DT": "20261121"})
        assert tuple(days[0]) == CHK_HOLIDAY_KEYS
        assert days[0]["bass_dt"] == "20261121"

    play(scenario)


def test_weekends_are_holidays_unless_the_session_is_forced() -> None:
    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        answer = await client.get(
            f"{QUOTATIONS}/chk-holiday",
            params={"BASS_DT": "20261120"},
            headers=quotation_headers(await token_of(client), TR_CHK_HOLIDAY),
        )
        assert [row["opnd_yn"] for row in answer.json()["output"][:4]] == ["Y", "N", "N", "Y"]

    play(scenario, VenueOptions(ordinary_symbols=5))


def test_the_nineteenth_call_of_a_second_is_refused_per_appkey() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        tokens = [await token_of(client, appkey) for appkey in (APPKEY, OTHER_APPKEY)]
        await faults(exchange, rest_limit=3)
        answers = [await multi_price(client, tokens[0], ["005930"]) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 500]
        assert answers[-1].json() == {
            "rt_cd": "1",
            "msg_cd": "EGW00201",
            "msg1": "초당 거래건수를 초과하였습니다.",
        }
        other = await client.get(
            f"{QUOTATIONS}/intstock-multprice",
            params=multi_price_query(["005930"]),
            headers=quotation_headers(tokens[1], TR_MULTI_PRICE, OTHER_APPKEY),
        )
        assert other.status_code == 200
        async with httpx.AsyncClient(base_url=exchange.control_url) as control:
            stats = (await control.get("/stats")).json()
        assert stats["rest_limit_refusals"] == 1
        assert stats["requests"]["intstock-multprice"] == 5

    play(scenario)


def test_tokens_keys_and_tr_ids_are_checked() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)

        async def refusal(headers: dict[str, str]) -> tuple[int, str]:
            answer = await client.get(
                f"{QUOTATIONS}/intstock-multprice", params=multi_price_query(["005930"]), headers=headers
            )
            body = answer.json()
            return answer.status_code, body.get("msg_cd") or body["error_code"]

        good = quotation_headers(token, TR_MULTI_PRICE)
        assert await refusal(good | {"authorization": "Bearer forged"}) == (500, "EGW00121")
        assert await refusal(good | {"authorization": token}) == (500, "EGW00121")
        assert await refusal(good | {"appkey": "short"}) == (403, "EGW00103")
        assert await refusal(good | {"tr_id": TR_INQUIRE_PRICE}) == (500, "OPSQ0002")
        await faults(exchange, token_life_s=0, token_issue_once_a_minute=False)
        expired = await token_of(client, OTHER_APPKEY)
        headers = quotation_headers(expired, TR_MULTI_PRICE, OTHER_APPKEY)
        assert await refusal(headers) == (500, "EGW00123")
        await client.post("/oauth2/revokeP", json={"appkey": APPKEY, "token": token})
        assert await refusal(good) == (500, "EGW00121")

    play(scenario)


def test_a_wrong_market_code_is_refused() -> None:
    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        answer = await client.get(
            f"{QUOTATIONS}/inquire-price",
            params={"FID_COND_MRKT_DIV_CODE": "X", "FID_INPUT_ISCD": "005930"},
            headers=quotation_headers(await token_of(client), TR_INQUIRE_PRICE),
        )
        assert (answer.status_code, answer.json()["msg_cd"]) == (500, "OPSQ2001")

    play(scenario)


def test_the_virtual_host_has_no_multi_price() -> None:
    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        answer = await multi_price(client, await token_of(client), ["005930"])
        assert (answer.status_code, answer.json()["rt_cd"]) == (500, "1")

    play(scenario, VenueOptions(ordinary_symbols=5, knobs=Knobs(virtual=True)))


def test_maintenance_answers_500_without_json_and_ends() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        await faults(exchange, rest_down=True)
        answer = await multi_price(client, token, ["005930"])
        assert answer.status_code == 500
        assert "json" not in answer.headers["content-type"]
        await faults(exchange, rest_down=False, random_refusal_rate=1.0)
        assert (await multi_price(client, token, ["005930"])).json()["msg_cd"] == "EGW00201"
        await faults(exchange, random_refusal_rate=0.0)
        assert (await multi_price(client, token, ["005930"])).status_code == 200

    play(scenario)


def test_halted_rows_can_show_zero() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        halted = next(listing for listing in exchange.venue.exchange.listings if listing.halted)
        (row,) = (await multi_price(client, token, [halted.code])).json()["output"]
        assert (row["inter2_prpr"], row["acml_vol"]) == (str(halted.base_price), "0")
        await faults(exchange, halted_row_mode="zero")
        (row,) = (await multi_price(client, token, [halted.code])).json()["output"]
        assert (row["inter2_prpr"], row["acml_vol"]) == ("0", "0")

    play(scenario)


def test_listing_files_are_served_and_others_are_not() -> None:
    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        for name, width in (("kospi_code", 288), ("kosdaq_code", 282)):
            answer = await client.get(f"/common/master/{name}.mst.zip")
            with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
                lines = archive.read(f"{name}.mst").splitlines()
            assert {len(line) for line in lines} == {width}
        assert (await client.get("/common/master/konex_code.mst.zip")).status_code == 404

    play(scenario)


def test_quotes_and_refusals_are_in_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    shown: list[dict[str, str]] = []

    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        await faults(exchange, rest_limit=1)
        shown.extend((await multi_price(client, token, ["005930", "000660"])).json()["output"])
        assert (await multi_price(client, token, ["005930"])).status_code == 500

    play(scenario, VenueOptions(ordinary_symbols=5, always_open=True, ledger_path=path))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    quotes = [row for row in rows if row["kind"] == "quote"]
    assert [(row["symbol"], str(row["cumulative_volume"]), str(row["price"])) for row in quotes] == [
        (row["inter_shrn_iscd"], row["acml_vol"], row["inter2_prpr"]) for row in shown
    ]
    assert {row["receiver"] for row in quotes} == {"rest"}
    assert [(row["code"], row["appkey"]) for row in rows if row["kind"] == "refused"] == [("EGW00201", 0)]
    assert APPKEY not in path.read_text()


def test_a_wrong_fault_request_is_refused_with_its_reason() -> None:
    async def scenario(exchange: RunningExchange, _client: httpx.AsyncClient) -> None:
        async with httpx.AsyncClient(base_url=exchange.control_url) as control:
            answer = await control.post("/faults", json={"no_such_knob": 1})
            assert answer.status_code == 400
            assert "no_such_knob" in answer.json()["error"]
            assert (await control.get("/faults")).json()["rest_limit"] == 18
            assert (await control.post("/ledger/flush")).status_code == 200

    play(scenario)
