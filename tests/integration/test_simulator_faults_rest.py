"""The REST faults of the simulated exchange, each switched over the control port and seen by a client."""

import asyncio
import io
import zipfile

import httpx
import pytest

from observer_core.kis.fields import TR_CHK_HOLIDAY, TR_INQUIRE_PRICE, TR_MULTI_PRICE
from observer_core.kis.simulator.knobs import Knobs
from observer_core.kis.simulator.rest_errors import REST_ERRORS
from observer_core.kis.simulator.server import RunningExchange
from observer_core.kis.simulator.trading_days import TradingDays
from observer_core.kis.simulator.venue import VenueOptions
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.simulated_exchange import (
    APPKEY,
    APPSECRET,
    OTHER_APPKEY,
    QUOTATIONS,
    ask,
    issue_approval,
    issue_token,
    multi_price_query,
    play,
    quotation_headers,
    registration,
    set_faults,
    stats_of,
    stream_client,
    token_of,
    verdict,
)

SAMSUNG = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
OPEN = VenueOptions(ordinary_symbols=20, always_open=True)


async def price(client: httpx.AsyncClient, token: str, appkey: str = APPKEY) -> httpx.Response:
    return await ask(client, token, "inquire-price", TR_INQUIRE_PRICE, SAMSUNG, appkey)


def test_every_code_comes_with_its_status_and_shape() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        for code, error in REST_ERRORS.items():
            await set_faults(exchange, rest_error_code=code)
            answer = await price(client, token)
            assert answer.status_code == error.status
            expected = (
                {"error_description": error.text, "error_code": code}
                if error.oauth
                else {"rt_cd": "1", "msg_cd": code, "msg1": error.text}
            )
            assert answer.json() == expected
        await set_faults(exchange, rest_error_code="OPSQ0003", rest_error_status=200)
        assert (await price(client, token)).status_code == 200
        await set_faults(exchange, rest_error_code="")
        assert (await price(client, token)).json()["rt_cd"] == "0"

    play(scenario, OPEN)


def test_one_endpoint_can_fail_alone() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        await set_faults(exchange, rest_error_code="EGW00316", rest_error_endpoint="tokenP")
        refused = await issue_token(client)
        assert (refused.status_code, refused.json()["msg_cd"]) == (500, "EGW00316")
        await set_faults(exchange, rest_error_endpoint="intstock-multprice")
        token = await token_of(client)
        assert (await price(client, token)).json()["rt_cd"] == "0"
        query = multi_price_query(["005930"])
        assert (await ask(client, token, "intstock-multprice", TR_MULTI_PRICE, query)).json()["msg_cd"] == "EGW00316"

    play(scenario, OPEN)


@pytest.mark.parametrize("status", [200, 429])
def test_a_rate_refusal_can_have_another_status(status: int) -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        await set_faults(exchange, rest_limit=0, rate_refusal_status=status)
        answer = await price(client, token)
        assert (answer.status_code, answer.json()["msg_cd"]) == (status, "EGW00201")

    play(scenario, OPEN)


def test_refused_calls_can_count_against_the_limit() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        await set_faults(exchange, rest_limit=2, refusals_count=True)
        codes = [(await price(client, token)).json()["msg_cd"] for _ in range(6)]
        assert codes == ["MCA00000"] * 2 + ["EGW00201"] * 4
        assert (await stats_of(exchange))["rest_limit_refusals"] == 4

    play(scenario, OPEN)


def test_keys_can_be_limited_to_one_request_a_second() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        await set_faults(exchange, oauth_limit=1)
        await issue_approval(client)
        body = {"grant_type": "client_credentials", "appkey": APPKEY, "secretkey": APPSECRET}
        answer = await client.post("/oauth2/Approval", json=body)
        assert (answer.status_code, answer.json()["msg_cd"]) == (500, "EGW00201")
        await issue_approval(client, OTHER_APPKEY)

    play(scenario, OPEN)


def test_tokens_and_approvals_can_be_ended() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token, key = await token_of(client), await issue_approval(client)
        await set_faults(exchange, expire_tokens=True)
        assert (await price(client, token)).json()["msg_cd"] == "EGW00123"
        await set_faults(exchange, forget_tokens=True, expire_approvals=True, token_issue_once_a_minute=False)
        assert (await price(client, token)).json()["msg_cd"] == "EGW00121"
        async with stream_client(exchange) as ws:
            assert await verdict(ws, registration(key, "H0STCNT0", "005930")) == "OPSP0011"
        renewed = await token_of(client)
        assert renewed != token
        assert (await price(client, renewed)).json()["rt_cd"] == "0"

    play(scenario, OPEN)


def test_a_new_key_can_end_the_older_ones() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        knobs = {"old_approval_dies": True, "old_token_dies": True, "token_life_s": 3600.0}
        await set_faults(exchange, **knobs, token_issue_once_a_minute=False)
        older, newer = await issue_approval(client), await issue_approval(client)
        async with stream_client(exchange) as ws:
            assert await verdict(ws, registration(older, "H0STCNT0", "005930")) == "OPSP0011"
            assert await verdict(ws, registration(newer, "H0STCNT0", "005930")) == "OPSP0000"

    play(scenario, OPEN)


def test_a_call_can_lose_its_connection() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        await set_faults(exchange, rest_drop_rate=1.0)
        with pytest.raises(httpx.RemoteProtocolError):
            await price(client, token)
        await set_faults(exchange, rest_drop_rate=0.0)
        assert (await price(client, token)).status_code == 200
        assert (await stats_of(exchange))["rest_dropped"] == 1

    play(scenario, OPEN)


def test_idle_connections_are_closed_by_the_exchange() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        await set_faults(exchange, drop_connections=True)
        answers = 0
        for _ in range(3):
            try:
                answers += (await price(client, token)).status_code == 200
            except httpx.RemoteProtocolError:
                continue
        assert answers >= 2

    play(scenario, OPEN)


def test_maintenance_follows_the_exchange_clock() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        answer = await issue_token(client)
        assert (answer.status_code, "json" in answer.headers["content-type"]) == (500, False)
        await set_faults(exchange, maintenance="23:00-21:00")
        assert (await issue_token(client)).status_code == 200

    at_night_ns = 1_795_179_600_000_000_000  # 2026-11-20 22:00 KST
    knobs = Knobs(maintenance="21:50-23:00")
    play(scenario, VenueOptions(ordinary_symbols=5, start_ns=at_night_ns, knobs=knobs))


def test_the_virtual_host_takes_one_call_a_second_and_lacks_what_the_notes_say() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        assert (await price(client, token)).json()["rt_cd"] == "0"
        assert (await price(client, token)).json()["msg_cd"] == "EGW00201"
        for name in ("intstock-multprice", "volume-rank", "inquire-vi-status", "chk-holiday"):
            answer = await ask(client, token, name, "any", {})
            assert (answer.status_code, answer.json()["msg_cd"]) == (500, "OPSQ0002")
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            assert await verdict(ws, registration(key, "H0STMKO0", "005930")) == "OPSP8991"
            assert await verdict(ws, registration(key, "H0UNCNT0", "005930")) == "OPSP8991"
            assert await verdict(ws, registration(key, "H0STASP0", "005930")) == "OPSP0000"

    play(scenario, VenueOptions(ordinary_symbols=5, always_open=True, knobs=Knobs(virtual=True)))


def test_rows_can_come_shuffled_and_halted_ones_be_left_out() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        halted = next(one.code for one in exchange.venue.exchange.listings if one.halted)
        codes = ["005930", halted, "000660", "0126Z0", "402340"]

        async def asked() -> list[str]:
            answer = await ask(client, token, "intstock-multprice", TR_MULTI_PRICE, multi_price_query(codes))
            return [row["inter_shrn_iscd"] for row in answer.json()["output"]]

        assert await asked() == codes
        await set_faults(exchange, row_order="shuffled", halted_row_mode="omit")
        shuffled = await asked()
        assert sorted(shuffled) == sorted(set(codes) - {halted})
        assert shuffled != [code for code in codes if code != halted]

    play(scenario, OPEN)


def test_inquire_price_can_lack_the_three_later_keys() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        assert len((await price(client, token)).json()["output"]) == 82
        await set_faults(exchange, price_keys=79)
        output = (await price(client, token)).json()["output"]
        assert len(output) == 79
        assert not {"new_hgpr_lwpr_cls_code", "apprch_rate", "mang_issu_cls_code"} & set(output)

    play(scenario, OPEN)


def test_chk_holiday_can_disagree_with_the_exchange() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)

        async def opens(first: str) -> list[str]:
            answer = await ask(client, token, "chk-holiday", TR_CHK_HOLIDAY, {"BASS_DT": first})
            return [row["opnd_yn"] for row in answer.json()["output"][:5]]

        assert await opens("20261123") == ["Y", "N", "Y", "Y", "Y"]
        await set_faults(exchange, announced_holidays=["2026-11-23"], announced_trading_days=["2026-11-24"])
        assert await opens("20261123") == ["N", "Y", "Y", "Y", "Y"]

    play(scenario, VenueOptions(ordinary_symbols=5, days=TradingDays(holidays=["2026-11-24"])))


def test_listing_files_can_collapse_and_be_damaged() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        async def lines() -> list[bytes]:
            answer = await client.get("/common/master/kospi_code.mst.zip")
            with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
                assert archive.infolist()[0].date_time[:3] == (2026, 7, 21)
                return archive.read("kospi_code.mst").splitlines()

        whole = await lines()
        await set_faults(exchange, master_lines=7)
        assert len(await lines()) == 7 < len(whole)
        await set_faults(exchange, master_lines=0, master_fault="cut")
        cut = await client.get("/common/master/kospi_code.mst.zip")
        assert not zipfile.is_zipfile(io.BytesIO(cut.content))
        await set_faults(exchange, master_fault="missing")
        assert (await client.get("/common/master/kospi_code.mst.zip")).status_code == 404
        await set_faults(exchange, master_fault="html")
        assert "html" in (await client.get("/common/master/kospi_code.mst.zip")).headers["content-type"]
        await set_faults(exchange, master_fault="empty")
        assert (await client.get("/common/master/kospi_code.mst.zip")).content == b""
        await set_faults(exchange, master_fault="none")
        assert await lines() == whole

    master_ns = 1_784_559_600_000_000_000  # 2026-07-21 00:00 KST
    play(scenario, VenueOptions(ordinary_symbols=20, master_ns=master_ns))


def test_the_control_port_explains_the_knobs() -> None:
    async def scenario(exchange: RunningExchange, _client: httpx.AsyncClient) -> None:
        async with httpx.AsyncClient(base_url=exchange.control_url, trust_env=False) as control:
            knobs = (await control.get("/knobs")).json()
        assert tuple(knobs) == Knobs.__struct_fields__
        assert knobs["rest_limit"] == {"value": 18, "meaning": "calls a second per appkey"}

    play(scenario, OPEN)


def test_an_answer_that_nobody_waits_for_is_not_counted_as_sent() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        assert (await price(client, token)).status_code == 200
        sent = (await stats_of(exchange))["quotes_sent"]
        await set_faults(exchange, rest_latency_ms=200)
        headers = quotation_headers(token, TR_INQUIRE_PRICE, APPKEY)
        with pytest.raises(httpx.ReadTimeout):
            await client.get(f"{QUOTATIONS}/inquire-price", params=SAMSUNG, headers=headers, timeout=0.05)
        await set_faults(exchange, rest_latency_ms=0)
        async with asyncio.timeout(PATIENCE_S):
            while (await stats_of(exchange))["rest_dropped"] == 0:  # noqa: ASYNC110 - another process is asked
                await asyncio.sleep(0.01)
        assert (await stats_of(exchange))["quotes_sent"] == sent

    play(scenario, OPEN)
