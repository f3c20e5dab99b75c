"""The simulated stream over real sockets: registrations, frames, keep-alive, one session per appkey."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from observer_core.kis.fields import BOOK_FIELDS, TR_BOOK, TR_MARKET_OPERATION, TR_TRADE, TRADE_FIELDS
from observer_core.kis.simulator.faults import Knobs
from observer_core.kis.simulator.server import RunningExchange
from observer_core.kis.simulator.venue import VenueOptions
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.simulated_exchange import (
    OTHER_APPKEY,
    issue_approval,
    next_control,
    next_records,
    registration,
    simulated,
    stream_client,
)

OPEN = VenueOptions(ordinary_symbols=60, always_open=True)
Scenario = Callable[[RunningExchange, httpx.AsyncClient], Awaitable[None]]


def play(scenario: Scenario, options: VenueOptions = OPEN) -> None:
    async def run() -> None:
        async with simulated(options) as (exchange, client):
            await scenario(exchange, client)

    asyncio.run(run())


async def verdict(connection: ClientConnection, request: str) -> str:
    await connection.send(request)
    code = (await next_control(connection))["body"]["msg_cd"]
    assert isinstance(code, str)
    return code


async def closed(connection: ClientConnection) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await connection.recv()
            except ConnectionClosed:
                return


async def no_session_left(exchange: RunningExchange) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while exchange.venue.counters.sessions_now[0]:  # noqa: ASYNC110 - the effect is polled for
            await asyncio.sleep(0.005)


async def receive_all(connection: ClientConnection, received: list[list[str]]) -> None:
    while True:
        received.extend(await next_records(connection, TR_TRADE))


def test_registrations_get_the_brokers_verdicts() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange, "/any/path") as ws:
            assert await verdict(ws, registration(key, TR_TRADE, "005930")) == "OPSP0000"
            assert await verdict(ws, registration(key, TR_TRADE, "005930")) == "OPSP0002"
            assert await verdict(ws, registration(key, TR_TRADE, "000660", "2")) == "OPSP0003"
            assert await verdict(ws, registration(key, TR_TRADE, "005930", "2")) == "OPSP0001"
            assert await verdict(ws, registration(key, TR_MARKET_OPERATION, "005930")) == "OPSP0000"
            assert await verdict(ws, registration(key, "H0UNCNT0", "005930")) == "OPSP0000"
            assert await verdict(ws, registration(key, "H0XXXXX0", "005930")) == "OPSP8991"
            assert await verdict(ws, registration(key, TR_TRADE, "999999")) == "OPSP8992"
            assert await verdict(ws, registration(key, TR_TRADE, "005930", "0")) == "OPSP8997"
            assert await verdict(ws, "not json") == "OPSP9999"

    play(scenario)


def test_acknowledgements_share_one_cipher_per_session() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            ciphers = []
            for code in ("005930", "000660"):
                await ws.send(registration(key, TR_MARKET_OPERATION, code))
                ack = await next_control(ws)
                assert ack["header"] == {"tr_id": TR_MARKET_OPERATION, "tr_key": code, "encrypt": "N"}
                ciphers.append(ack["body"]["output"])
            assert ciphers[0] == ciphers[1]
            assert (len(ciphers[0]["iv"]), len(ciphers[0]["key"])) == (16, 32)

    play(scenario)


def test_an_unknown_approval_is_refused_and_echoed() -> None:
    async def scenario(exchange: RunningExchange, _client: httpx.AsyncClient) -> None:
        async with stream_client(exchange) as ws:
            await ws.send(registration("no-such-approval", TR_TRADE, "005930"))
            body = (await next_control(ws))["body"]
            assert (body["msg_cd"], body["rt_cd"]) == ("OPSP0011", "1")
            assert "no-such-approval" in body["msg1"]

    play(scenario)


def test_the_forty_second_registration_over_all_trs_is_refused() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        codes = [listing.code for listing in exchange.venue.exchange.listings]
        async with stream_client(exchange) as ws:
            for code in codes[:21]:
                assert await verdict(ws, registration(key, TR_TRADE, code)) == "OPSP0000"
            for code in codes[:20]:
                assert await verdict(ws, registration(key, TR_BOOK, code)) == "OPSP0000"
            assert await verdict(ws, registration(key, TR_BOOK, codes[20])) == "OPSP0008"
            assert await verdict(ws, registration(key, TR_TRADE, codes[0], "2")) == "OPSP0001"
            assert await verdict(ws, registration(key, TR_BOOK, codes[20])) == "OPSP0000"
            assert await next_records(ws, TR_TRADE)

    play(scenario)


@pytest.mark.parametrize("width", [46, 47])
def test_trades_flow_without_a_hole_in_the_cumulative_sums(width: int) -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        last: dict[str, tuple[int, int]] = {}
        several = False
        async with stream_client(exchange) as ws:
            for listing in exchange.venue.exchange.listings[:20]:
                await ws.send(registration(key, TR_TRADE, listing.code))
            received = 0
            while received < 400 or not several:
                records = await next_records(ws, TR_TRADE)
                several = several or len(records) > 1
                assert 1 <= len(records) <= 20
                for fields in records:
                    assert len(fields) == width
                    record = dict(zip(TRADE_FIELDS, fields, strict=False))
                    code, volume = record["MKSC_SHRN_ISCD"], int(record["CNTG_VOL"])
                    sums = int(record["ACML_VOL"]), int(record["ACML_TR_PBMN"])
                    if code in last:
                        before = last[code]
                        assert sums == (before[0] + volume, before[1] + volume * int(record["STCK_PRPR"]))
                    last[code] = sums
                    received += 1

    play(
        scenario,
        VenueOptions(
            ordinary_symbols=60,
            always_open=True,
            speed=5.0,
            knobs=Knobs(frame_width=46 if width == 46 else 47),
        ),
    )


def test_books_come_one_a_frame_with_totals_that_add_up() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            await ws.send(registration(key, TR_BOOK, "005930"))
            for _ in range(3):
                (fields,) = await next_records(ws, TR_BOOK)
                record = dict(zip(BOOK_FIELDS, fields, strict=True))
                assert record["MKSC_SHRN_ISCD"] == "005930"
                assert int(record["ASKP1"]) > int(record["BIDP1"]) > 0
                assert int(record["TOTAL_ASKP_RSQN"]) == sum(map(int, fields[23:33]))
                assert int(record["TOTAL_BIDP_RSQN"]) == sum(map(int, fields[33:43]))

    play(scenario)


def test_a_second_session_of_an_appkey_is_told_and_closed() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key, other = await issue_approval(client), await issue_approval(client, OTHER_APPKEY)
        async with stream_client(exchange) as first:
            assert await verdict(first, registration(key, TR_TRADE, "005930")) == "OPSP0000"
            async with stream_client(exchange) as second:
                await second.send(registration(key, TR_TRADE, "000660"))
                notice = await next_control(second)
                assert notice["header"] == {"tr_id": "(null)", "tr_key": "", "encrypt": "N"}
                assert (notice["body"]["rt_cd"], notice["body"]["msg_cd"]) == ("9", "OPSP8996")
                await closed(second)
            async with stream_client(exchange) as third:
                assert await verdict(third, registration(other, TR_TRADE, "005930")) == "OPSP0000"
                assert await next_records(first, TR_TRADE)
                assert await next_records(third, TR_TRADE)
        counters = exchange.venue.counters
        assert dict(counters.sessions_maximum) == {0: 1, 1: 1}
        assert counters.connects == 3

    play(scenario)


def test_a_session_can_be_opened_again_after_the_first_has_ended() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        for _ in range(2):
            async with stream_client(exchange) as ws:
                assert await verdict(ws, registration(key, TR_TRADE, "005930")) == "OPSP0000"
            await no_session_left(exchange)
        exchange.venue.faults.apply({"session_linger_s": 60, "session_linger_after": "any"})
        async with stream_client(exchange) as ws:
            assert await verdict(ws, registration(key, TR_TRADE, "005930")) == "OPSP0000"
        await no_session_left(exchange)
        async with stream_client(exchange) as ws:
            assert await verdict(ws, registration(key, TR_TRADE, "005930")) == "OPSP8996"

    play(scenario)


@pytest.mark.parametrize("by_frame", [True, False], ids=["pong frame", "text echo"])
def test_pingpong_answers_keep_a_session(by_frame: bool) -> None:
    knobs = Knobs(ping_interval_s=0.1, silence_limit_s=2.0)

    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            await ws.send(registration(key, TR_MARKET_OPERATION, "005930"))
            await next_control(ws)
            for _ in range(25):
                message = await next_control(ws)
                assert message["header"]["tr_id"] == "PINGPONG"
                assert len(message["header"]["datetime"]) == 14
                text = json.dumps(message)
                await (ws.pong(text) if by_frame else ws.send(text))

    play(scenario, VenueOptions(ordinary_symbols=5, always_open=True, knobs=knobs))


def test_silence_ends_a_session() -> None:
    async def scenario(exchange: RunningExchange, _client: httpx.AsyncClient) -> None:
        async with stream_client(exchange) as ws:
            await closed(ws)

    knobs = Knobs(ping_interval_s=0.1, silence_limit_s=0.4)
    play(scenario, VenueOptions(ordinary_symbols=5, always_open=True, knobs=knobs))


@pytest.mark.parametrize("how", [True, "abort"])
def test_sessions_can_be_dropped_by_the_control_port(how: bool | str) -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws, httpx.AsyncClient(base_url=exchange.control_url) as control:
            assert await verdict(ws, registration(key, TR_TRADE, "005930")) == "OPSP0000"
            await control.post("/faults", json={"drop_sessions": how})
            await closed(ws)
            assert ws.close_code == (1000 if how is True else 1006)

    play(scenario)


def test_a_silenced_stream_stays_open_and_shows_the_hole_afterwards() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            assert await verdict(ws, registration(key, TR_TRADE, "005930")) == "OPSP0000"
            records = await next_records(ws, TR_TRADE)
            exchange.venue.faults.apply({"silence_stream": True})
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(receive_all(ws, records), 0.5)
            exchange.venue.faults.apply({"silence_stream": False})
            first = (await next_records(ws, TR_TRADE))[0]
            assert int(first[13]) - int(first[12]) > int(records[-1][13])

    play(scenario, VenueOptions(ordinary_symbols=5, always_open=True, speed=4.0))


def test_the_ledger_equals_what_a_client_received(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    received: list[list[str]] = []

    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            for listing in exchange.venue.exchange.listings[:10]:
                await ws.send(registration(key, TR_TRADE, listing.code))
            while len(received) < 150:
                received.extend(await next_records(ws, TR_TRADE))
            exchange.stream.drop_sessions(True)
            with pytest.raises(ConnectionClosed):
                await receive_all(ws, received)

    play(scenario, VenueOptions(ordinary_symbols=60, always_open=True, speed=3.0, ledger_path=path))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    sent = [
        (row["symbol"], row["price"], row["volume"], row["cumulative_volume"]) for row in rows if row["kind"] == "trade"
    ]
    assert sent == [essence(fields) for fields in received]
    assert [row["kind"] for row in rows if row["kind"].startswith("session")] == [
        "session_opened",
        "session_closed",
    ]
    stamps = [row["sent_ns"] for row in rows if row["kind"] != "market"]
    assert stamps == sorted(stamps)
    # What trades after its session is gone is known too: the day's volume of a symbol has no hole in the ledger.
    orphans = [row for row in rows if row["kind"] == "market" and row["why"] == "no_session"]
    for symbol in {row["symbol"] for row in orphans}:
        line = [row for row in rows if row.get("symbol") == symbol and row["kind"] in {"trade", "market"}]
        for before, after in pairwise(line):
            assert after["cumulative_volume"] - after["volume"] == before["cumulative_volume"]


def essence(fields: list[str]) -> tuple[str, int, int, int]:
    return fields[0], int(fields[2]), int(fields[12]), int(fields[13])
