"""Chapter 4: errors and limits. Every code of the notes as the exchange sends it and as the adapter understands it."""

import asyncio

import httpx
import msgspec
import pytest

from observer_core.errors import (
    FatalFeedError,
    FeedError,
    RateRefusedError,
    ReauthenticateError,
    SymbolRefusedError,
    TransientFeedError,
)
from observer_core.kis.classify import rest_failure, stream_failure
from observer_core.kis.simulator import stream_messages as messages
from observer_core.kis.simulator.limiter import RateWindow
from observer_core.kis.simulator.rest_errors import REST_ERRORS, error_body
from observer_core.kis.simulator.server import RunningExchange
from observer_core.kis.simulator.venue import VenueOptions
from observer_core.kis.wire import ControlMessage, parse_frame
from tests.fixtures.simulated_exchange import OTHER_APPKEY, ask, play, set_faults, token_of

OPEN = VenueOptions(ordinary_symbols=5, always_open=True)
SAMSUNG = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}

REST_KINDS: dict[str, tuple[int, type[FeedError]]] = {
    "EGW00201": (500, RateRefusedError),
    "EGW00123": (500, ReauthenticateError),
    "EGW00121": (500, ReauthenticateError),
    "EGW00133": (403, TransientFeedError),
    "EGW00103": (403, FatalFeedError),
    "EGW00105": (403, FatalFeedError),
    "EGW00316": (500, TransientFeedError),
    "EGW00300": (500, TransientFeedError),
    "EGW00301": (500, TransientFeedError),
    "EGW00302": (500, TransientFeedError),
    "EGW02004": (500, FatalFeedError),
    "OPSQ0002": (500, FatalFeedError),
    "OPSQ0003": (500, TransientFeedError),
    "OPSQ1002": (500, TransientFeedError),
    "OPSQ2001": (500, SymbolRefusedError),
}
STREAM_KINDS: dict[str, type[FeedError] | None] = {
    "OPSP0000": None,
    "OPSP0001": None,
    "OPSP0002": None,
    "OPSP0003": None,
    "OPSP0007": TransientFeedError,
    "OPSP0008": SymbolRefusedError,
    "OPSP0009": TransientFeedError,
    "OPSP0010": ReauthenticateError,
    "OPSP0011": ReauthenticateError,
    "OPSP8991": SymbolRefusedError,
    "OPSP8992": SymbolRefusedError,
    "OPSP8993": FatalFeedError,
    "OPSP8996": TransientFeedError,
    "OPSP8999": FatalFeedError,
    "OPSP9990": FatalFeedError,
    "OPSP9999": FatalFeedError,
}


@pytest.mark.parametrize("code", sorted(REST_KINDS))
def test_a_code_of_rest(code: str) -> None:
    status, kind = REST_KINDS[code]
    failures: list[FeedError | None] = []

    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        await set_faults(exchange, rest_error_code=code)
        answer = await ask(client, token, "inquire-price", "FHKST01010100", SAMSUNG)
        assert answer.status_code == status
        failures.append(rest_failure(answer.status_code, answer.content))

    play(scenario, OPEN)
    assert type(failures[0]) is kind
    assert failures[0] is not None
    assert failures[0].code == code


@pytest.mark.parametrize("code", sorted(REST_ERRORS))
@pytest.mark.parametrize("status", [200, 403, 429, 500, 503])
def test_the_body_decides_whatever_the_status(code: str, status: int) -> None:
    known = rest_failure(REST_ERRORS[code].status, msgspec.json.encode(error_body(code, "text")))
    other = rest_failure(status, msgspec.json.encode(error_body(code, "text")))
    assert known is not None
    if code in REST_KINDS:
        assert type(other) is type(known) is REST_KINDS[code][1]
    assert other is not None


@pytest.mark.parametrize("code", sorted(messages.VERDICTS))
def test_a_code_of_the_stream(code: str) -> None:
    message = parse_frame(messages.acknowledgement(messages.VERDICTS[code], "H0STCNT0", "005930"))
    assert isinstance(message, ControlMessage)
    assert (message.code, message.rt_cd) == (code, messages.VERDICTS[code].rt_cd)
    failure = stream_failure(message)
    if code in STREAM_KINDS:
        kind = STREAM_KINDS[code]
        assert failure is None if kind is None else type(failure) is kind
    else:
        assert failure is not None


def test_the_session_code_names_no_registration() -> None:
    message = parse_frame(messages.in_use_notice())
    assert isinstance(message, ControlMessage)
    assert (message.tr_id, message.tr_key, message.rt_cd) == ("(null)", "", "9")


def test_an_outage_without_json_is_transient() -> None:
    assert type(rest_failure(500, b"<html>")) is TransientFeedError


@pytest.mark.parametrize("window", ["sliding", "fixed"])
def test_the_limit_is_eighteen_a_second_for_each_appkey(window: str) -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        tokens = [await token_of(client), await token_of(client, OTHER_APPKEY)]
        await set_faults(exchange, rest_window=window)
        limiter, knobs = exchange.venue.limiter, exchange.venue.faults.knobs
        now_ns = 10**12
        admitted = [
            limiter.admit("tested", now_ns + number, knobs.call_limit, knobs.rest_window) for number in range(25)
        ]
        assert admitted == [True] * 18 + [False] * 7
        calls = [ask(client, token, "inquire-price", "FHKST01010100", SAMSUNG) for token in tokens[:1]]
        calls.append(ask(client, tokens[1], "inquire-price", "FHKST01010100", SAMSUNG, OTHER_APPKEY))
        assert [answer.status_code for answer in await asyncio.gather(*calls)] == [200, 200]

    play(scenario, OPEN)


def test_a_fixed_window_forgets_at_the_second_and_a_sliding_one_does_not() -> None:
    late_ns, next_ns = 1_900_000_000, 2_000_000_000
    for kind, expected in (("fixed", True), ("sliding", False)):
        window = RateWindow()
        assert window.admit("key", late_ns, 1, "fixed" if kind == "fixed" else "sliding")
        assert window.admit("key", next_ns, 1, "fixed" if kind == "fixed" else "sliding") is expected


def test_random_refusals_come_at_their_rate() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        token = await token_of(client)
        await set_faults(exchange, random_refusal_rate=0.3, rest_limit=10_000)
        codes = [
            (await ask(client, token, "inquire-price", "FHKST01010100", SAMSUNG)).json()["msg_cd"] for _ in range(200)
        ]
        assert 30 <= codes.count("EGW00201") <= 90
        assert set(codes) == {"EGW00201", "MCA00000"}

    play(scenario, OPEN)
