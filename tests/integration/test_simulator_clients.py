"""Public KIS clients on the wire: what they send, in their spelling and order, and what they need back.

Each test speaks as one family of clients does, written from their observable behaviour: the header sets, the spelling
of query names, the shape of registrations and the answer to PINGPONG. Only the address differs from the real broker.
"""

import asyncio
import json
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from observer_core.kis.simulator.knobs import Knobs
from observer_core.kis.simulator.server import RunningExchange
from observer_core.kis.simulator.venue import VenueOptions
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.simulated_exchange import (
    APPKEY,
    APPSECRET,
    QUOTATIONS,
    play,
)

LIVELY = Knobs(ping_interval_s=0.2, silence_limit_s=2.5)
OPEN = VenueOptions(ordinary_symbols=40, always_open=True, speed=4.0, knobs=LIVELY)
SECONDS_OF_LIFE = 4.0


async def official_sample(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
    """The broker's sample: JSON text as plain data, path with the TR, answers PINGPONG by a Pong frame."""
    body = {"grant_type": "client_credentials", "appkey": APPKEY, "secretkey": APPSECRET}
    headers = {"content-type": "application/json; utf-8", "Accept": "text/plain", "User-Agent": "Mozilla/5.0"}
    answer = await client.post("/oauth2/Approval", content=json.dumps(body), headers=headers)
    key = answer.json()["approval_key"]
    message = {
        "header": {"approval_key": key, "custtype": "P", "tr_type": "1", "content-type": "utf-8"},
        "body": {"input": {"tr_id": "H0STCNT0", "tr_key": "005930"}},
    }
    async with connect(f"{exchange.ws_url}/tryitout/H0STCNT0", ping_interval=None, proxy=None) as ws:
        await ws.send(json.dumps(message))
        seen = {"records": 0, "pings": 0}
        until = asyncio.get_running_loop().time() + SECONDS_OF_LIFE
        while asyncio.get_running_loop().time() < until:
            text = await asyncio.wait_for(ws.recv(), PATIENCE_S)
            assert isinstance(text, str)
            if text[0] in ("0", "1"):
                parts = text.split("|")
                fields = parts[3].split("^")
                seen["records"] += int(parts[2])
                assert len(fields) == int(parts[2]) * 47
                continue
            control = json.loads(text)
            if control["header"]["tr_id"] == "PINGPONG":
                seen["pings"] += 1
                await ws.pong(text)
            else:
                assert control["body"]["rt_cd"] == "0"
                assert len(control["body"]["output"]["key"]) == 32
        assert min(seen.values()) > 3


async def echoing_library(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
    """Libraries with one socket for everything: root path, protocol pings of their own, PINGPONG echoed as text."""
    token = await client.post(
        "/oauth2/tokenP", json={"grant_type": "client_credentials", "appkey": APPKEY, "appsecret": APPSECRET}
    )
    assert token.json()["token_type"] == "Bearer"
    approval = await client.post(
        "/oauth2/Approval", json={"grant_type": "client_credentials", "appkey": APPKEY, "secretkey": APPSECRET}
    )
    key = approval.json()["approval_key"]

    def message(tr_type: str, tr_id: str, tr_key: str) -> str:
        # One family sends more header fields than are asked for, and the input before the header.
        return json.dumps(
            {
                "body": {"input": {"tr_id": tr_id, "tr_key": tr_key}},
                "header": {
                    "approval_key": key,
                    "personalseckey": "1",
                    "custtype": "P",
                    "tr_type": tr_type,
                    "content-type": "utf-8",
                },
            }
        )

    async with connect(exchange.ws_url, ping_interval=0.3, ping_timeout=PATIENCE_S, proxy=None) as ws:
        for tr_id in ("H0STCNT0", "H0STASP0"):
            for code in ("005930", "000660"):
                await ws.send(message("1", tr_id, code))
        kinds: dict[str, int] = {}
        until = asyncio.get_running_loop().time() + SECONDS_OF_LIFE
        while asyncio.get_running_loop().time() < until:
            text = await asyncio.wait_for(ws.recv(), PATIENCE_S)
            assert isinstance(text, str)
            if text.startswith(("0|", "1|")):
                kinds[text.split("|")[1]] = kinds.get(text.split("|")[1], 0) + 1
                continue
            control: dict[str, Any] = json.loads(text)
            if control["header"]["tr_id"] == "PINGPONG":
                await ws.send(text)
                kinds["PINGPONG"] = kinds.get("PINGPONG", 0) + 1
        assert set(kinds) == {"H0STCNT0", "H0STASP0", "PINGPONG"}
        await ws.send(message("2", "H0STCNT0", "005930"))
        async with asyncio.timeout(PATIENCE_S):
            while "UNSUBSCRIBE SUCCESS" not in str(await ws.recv()):
                pass


@pytest.mark.parametrize("behaviour", [official_sample, echoing_library])
def test_a_client_lives_past_the_silence_limit(behaviour: Any) -> None:
    play(behaviour, OPEN)


def test_an_old_client_that_insists_on_46_fields_is_served() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        body = {"grant_type": "client_credentials", "appkey": APPKEY, "secretkey": APPSECRET}
        key = (await client.post("/oauth2/Approval", json=body)).json()["approval_key"]
        header = {"approval_key": key, "custtype": "P", "tr_type": "1", "content-type": "utf-8"}
        async with connect(exchange.ws_url, ping_interval=None, proxy=None) as ws:
            for tr_id in ("H0STCNT0", "H0STASP0"):
                await ws.send(json.dumps({"header": header, "body": {"input": {"tr_id": tr_id, "tr_key": "005930"}}}))
            widths: dict[str, int] = {}
            async with asyncio.timeout(PATIENCE_S):
                while len(widths) < 2:
                    text = str(await ws.recv())
                    if text.startswith("0|"):
                        _, tr_id, count, payload = text.split("|")
                        widths[tr_id] = len(payload.split("^")) // int(count)
        assert widths == {"H0STCNT0": 46, "H0STASP0": 59}

    play(scenario, VenueOptions(ordinary_symbols=40, always_open=True, knobs=Knobs(frame_width=46, book_width=59)))


def test_a_client_of_lower_case_queries_and_mixed_headers_is_answered() -> None:
    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        answer = await client.post(
            "/oauth2/tokenP",
            content=json.dumps({"grant_type": "client_credentials", "appkey": APPKEY, "appsecret": APPSECRET}),
            headers={"content-type": "application/json"},
        )
        token = answer.json()["access_token"]
        headers = {
            "Content-Type": "application/json; charset=UTF-8",
            "Authorization": f"Bearer {token}",
            "appKey": APPKEY,
            "appSecret": APPSECRET,
            "tr_id": "FHKST01010100",
        }
        params = {"fid_cond_mrkt_div_code": "J", "fid_input_iscd": "005930"}
        price = await client.get(f"{QUOTATIONS}/inquire-price", params=params, headers=headers)
        assert price.json()["rt_cd"] == "0"
        assert int(price.json()["output"]["stck_prpr"]) > 0
        headers["tr_id"] = "FHKST01010400"
        params |= {"fid_org_adj_prc": "1", "fid_period_div_code": "D"}
        daily = await client.get(f"{QUOTATIONS}/inquire-daily-price", params=params, headers=headers)
        assert len(daily.json()["output"]) == 30

    play(scenario, OPEN)


def test_a_client_that_takes_a_too_early_second_token_for_a_failure_gets_the_first_again_later() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        body = {"grant_type": "client_credentials", "appkey": APPKEY, "appsecret": APPSECRET}
        first = (await client.post("/oauth2/tokenP", json=body)).json()
        second = await client.post("/oauth2/tokenP", json=body)
        assert (second.status_code, second.json()["error_code"]) == (403, "EGW00133")
        exchange.venue.faults.apply({"token_issue_once_a_minute": False})
        again = (await client.post("/oauth2/tokenP", json=body)).json()
        assert again["access_token"] == first["access_token"]

    play(scenario, OPEN)
