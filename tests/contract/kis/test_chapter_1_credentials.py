"""Chapter 1: hosts and credentials. What the exchange issues, in which shape, and what the adapter makes of it."""

import asyncio
import random
import re
import uuid
from pathlib import Path

import httpx
import pytest

from observer_core.clock import NS_PER_S, SystemClock, kst_datetime
from observer_core.errors import FatalFeedError, TransientFeedError
from observer_core.ids import AppKeyOrdinal
from observer_core.kis.classify import rest_failure
from observer_core.kis.rest import open_rest
from observer_core.kis.simulator.credentials import CredentialRefused, Credentials
from observer_core.kis.simulator.faults import FaultBoard
from observer_core.kis.simulator.knobs import Knobs
from observer_core.kis.simulator.server import RunningExchange
from observer_core.kis.simulator.venue import VenueOptions
from tests.fixtures.kis_adapter import SimulatedBroker, broker_settings
from tests.fixtures.simulated_exchange import APPKEY, APPSECRET, issue_approval, issue_token, play, stats_of

OPEN = VenueOptions(ordinary_symbols=5, always_open=True)
HOUR_NS = 3_600 * NS_PER_S


def test_a_token_has_the_published_shape_and_says_when_it_ends_in_korean_time() -> None:
    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        before_ns = SystemClock().now_ns()
        answer = await issue_token(client)
        body = answer.json()
        assert answer.status_code == 200
        assert set(body) == {"access_token", "access_token_token_expired", "token_type", "expires_in"}
        assert re.fullmatch(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", body["access_token"])
        assert len(body["access_token"]) <= 350
        assert (body["token_type"], body["expires_in"]) == ("Bearer", 86_400)
        expected = kst_datetime(before_ns + 24 * HOUR_NS)
        assert body["access_token_token_expired"][:13] == f"{expected:%Y-%m-%d %H}"

    play(scenario, OPEN)


def test_the_same_token_for_six_hours_then_another() -> None:
    credentials = Credentials(FaultBoard(Knobs()))
    first = credentials.issue_token(APPKEY, 0)
    assert credentials.issue_token(APPKEY, 6 * HOUR_NS - 1).value == first.value
    second = credentials.issue_token(APPKEY, 6 * HOUR_NS + 60 * NS_PER_S)
    assert second.value != first.value
    credentials.check_token(first.value, APPKEY, 24 * HOUR_NS - 1)
    with pytest.raises(CredentialRefused, match="EGW00123"):
        credentials.check_token(first.value, APPKEY, 24 * HOUR_NS)
    credentials.check_token(second.value, APPKEY, 24 * HOUR_NS)


def test_one_issue_request_a_minute() -> None:
    credentials = Credentials(FaultBoard(Knobs()))
    credentials.issue_token(APPKEY, 0)
    with pytest.raises(CredentialRefused, match="EGW00133"):
        credentials.issue_token(APPKEY, 60 * NS_PER_S - 1)
    credentials.issue_token(APPKEY, 60 * NS_PER_S)


def test_key_errors_have_the_oauth_shape_and_the_adapter_knows_them() -> None:
    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        await issue_token(client)
        too_soon = await issue_token(client)
        bad_key = await client.post("/oauth2/tokenP", json={"appkey": "x", "appsecret": APPSECRET})
        bad_secret = await client.post("/oauth2/tokenP", json={"appkey": APPKEY, "appsecret": "x"})
        for answer, code, kind in (
            (too_soon, "EGW00133", TransientFeedError),
            (bad_key, "EGW00103", FatalFeedError),
            (bad_secret, "EGW00105", FatalFeedError),
        ):
            assert answer.status_code == 403
            assert set(answer.json()) == {"error_description", "error_code"}
            failure = rest_failure(answer.status_code, answer.content)
            assert type(failure) is kind
            assert failure is not None
            assert failure.code == code

    play(scenario, OPEN)


def test_approval_keys_are_new_each_time_and_want_the_secret_under_its_other_name() -> None:
    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        keys = {await issue_approval(client), await issue_approval(client)}
        assert len(keys) == 2
        assert all(str(uuid.UUID(key)) == key for key in keys)
        wrong = {"grant_type": "client_credentials", "appkey": APPKEY, "appsecret": APPSECRET}
        assert (await client.post("/oauth2/Approval", json=wrong)).status_code == 403

    play(scenario, OPEN)


def test_a_revoked_token_is_invalid_and_hashkeys_are_given() -> None:
    async def scenario(_exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = (await issue_token(client)).json()["access_token"]
        answer = await client.post("/oauth2/revokeP", json={"appkey": APPKEY, "appsecret": APPSECRET, "token": token})
        assert answer.json()["code"] == 200
        hashed = await client.post("/uapi/hashkey", json={"CANO": "00000000"})
        assert len(hashed.json()["HASH"]) == 64

    play(scenario, OPEN)


def test_the_adapter_shares_one_token_and_asks_for_it_once(tmp_path: Path) -> None:
    async def scenario(exchange: RunningExchange, _client: httpx.AsyncClient) -> None:
        broker = SimulatedBroker(exchange.rest_url, exchange.ws_url, exchange.control_url)
        settings = broker_settings(tmp_path, broker)
        clients = [open_rest(settings, AppKeyOrdinal(0), SystemClock(), random.Random(number)) for number in range(3)]
        tokens = await asyncio.gather(*(client.tokens.token() for client in clients))
        approval = await clients[0].approvals.issue()
        for client in clients:
            await client.aclose()
        assert len({token.reveal() for token in tokens}) == 1
        assert len(approval.reveal()) == 36
        stats = await stats_of(exchange)
        assert (stats["requests"]["tokenP"], stats["tokens_refused"]) == (1, 0)

    play(scenario, OPEN)
