"""The stream faults of the simulated exchange: what a client sees, and what the ledger says was sent or kept back."""

import asyncio
import json
from base64 import b64decode
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from observer_core.kis.fields import MARKET_OPERATION_FIELDS, TR_BOOK, TR_MARKET_OPERATION, TR_TRADE, TR_TRADE_UNIFIED
from observer_core.kis.simulator.knobs import Knobs
from observer_core.kis.simulator.server import RunningExchange
from observer_core.kis.simulator.stream_messages import VERDICTS
from observer_core.kis.simulator.venue import VenueOptions
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.simulated_exchange import (
    closed,
    issue_approval,
    ledger_rows,
    next_control,
    next_records,
    play,
    registration,
    set_faults,
    stats_of,
    stream_client,
    until,
    verdict,
)

OPEN = VenueOptions(ordinary_symbols=60, always_open=True, speed=4.0)


async def register(connection: ClientConnection, key: str, exchange: RunningExchange, count: int) -> list[str]:
    codes = [one.code for one in exchange.venue.exchange.listings[:count]]
    for code in codes:
        assert await verdict(connection, registration(key, TR_TRADE, code)) == "OPSP0000"
    return codes


async def next_text(connection: ClientConnection, beginning: str) -> str:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            text = await connection.recv()
            assert isinstance(text, str)
            if text.startswith(beginning):
                return text


def essence(fields: list[str]) -> tuple[str, int, int, int]:
    return fields[0], int(fields[2]), int(fields[12]), int(fields[13])


def sent_essence(row: dict[str, object]) -> tuple[object, object, object, object]:
    return row["symbol"], row["price"], row["volume"], row["cumulative_volume"]


def test_every_code_can_be_the_answer_to_a_registration() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            for code in VERDICTS:
                if code in ("OPSP0000", "OPSP8996"):
                    continue
                await set_faults(exchange, ack_error_code=code)
                await ws.send(registration(key, TR_TRADE, "005930"))
                body = (await next_control(ws))["body"]
                assert (body["msg_cd"], body["rt_cd"]) == (code, VERDICTS[code].rt_cd)
            await set_faults(exchange, ack_error_code="")
            assert await verdict(ws, registration(key, TR_TRADE, "005930")) == "OPSP0000"

    play(scenario, OPEN)


@pytest.mark.parametrize(("trades", "books", "widths"), [(46, 59, (46, 59)), (47, 62, (47, 62)), (48, 0, (48, 64))])
def test_widths_of_yesterday_and_tomorrow(trades: int, books: int, widths: tuple[int, int]) -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        await set_faults(exchange, frame_width=trades, book_width=books)
        async with stream_client(exchange) as ws:
            await ws.send(registration(key, TR_TRADE, "005930"))
            await ws.send(registration(key, TR_BOOK, "005930"))
            seen = len((await next_records(ws, TR_TRADE))[0]), len((await next_records(ws, TR_BOOK))[0])
        assert seen == widths

    play(scenario, OPEN)


def test_batches_of_one_and_frames_above_eight_kilobytes() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        await set_faults(exchange, records_per_frame=1)
        async with stream_client(exchange) as ws:
            await register(ws, key, exchange, 30)
            counts = [len(await next_records(ws, TR_TRADE)) for _ in range(20)]
            assert set(counts) == {1}
            await set_faults(exchange, records_per_frame=60, batch_wait_s=0.3)
            async with asyncio.timeout(PATIENCE_S):
                while len(await next_text(ws, "0|H0STCNT0|")) <= 8192:
                    pass

    play(scenario, OPEN)


def test_truncated_frames_are_split_in_the_ledger_between_sent_and_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    whole: list[tuple[str, int, int, int]] = []
    announced = 0

    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        nonlocal announced
        key = await issue_approval(client)
        await set_faults(exchange, truncate_rate=1.0)
        async with stream_client(exchange) as ws:
            await register(ws, key, exchange, 20)
            for _ in range(25):
                _, _, count, payload = (await next_text(ws, "0|H0STCNT0|")).split("|", 3)
                fields = payload.split("^")
                assert len(fields) < 47 * int(count)
                whole.extend(essence(fields[start : start + 47]) for start in range(0, len(fields) - 46, 47))
                announced += int(count)
            exchange.stream.drop_sessions(True)
            await closed(ws)

    play(scenario, VenueOptions(ordinary_symbols=60, always_open=True, speed=4.0, ledger_path=path))
    sent = [sent_essence(row) for row in ledger_rows(path, "trade")]
    assert sent[: len(whole)] == whole
    withheld = [row for row in ledger_rows(path, "market") if row["why"] == "truncated"]
    assert len(whole) + len(withheld) >= announced
    assert {row["of"] for row in withheld} == {"trade"}


def test_dropped_records_leave_a_hole_that_the_ledger_explains(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    received: list[list[str]] = []

    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        await set_faults(exchange, drop_record_rate=0.2)
        async with stream_client(exchange) as ws:
            await register(ws, key, exchange, 10)
            while len(received) < 200:
                received.extend(await next_records(ws, TR_TRADE))

    play(scenario, VenueOptions(ordinary_symbols=60, always_open=True, speed=4.0, ledger_path=path))
    dropped = {sent_essence(row) for row in ledger_rows(path, "market") if row["why"] == "dropped"}
    by_symbol: dict[str, list[list[str]]] = {}
    for fields in received:
        by_symbol.setdefault(fields[0], []).append(fields)
    holes = 0
    for symbol, records in by_symbol.items():
        for before, now in pairwise(records):
            missing = int(now[13]) - int(now[12]) - int(before[13])
            between = [
                row[2] for row in dropped if row[0] == symbol and int(before[13]) < int(str(row[3])) < int(now[13])
            ]
            assert missing == sum(int(str(volume)) for volume in between)
            holes += missing > 0
    assert holes


def test_frames_are_doubled_and_overtaken_after_a_registration(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    received: list[tuple[str, int, int, int]] = []

    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        await set_faults(exchange, duplicate_rate=0.4, reorder_rate=0.4, disorder_s=60.0, replay_records=5)
        async with stream_client(exchange) as ws:
            await register(ws, key, exchange, 3)
            while len(received) < 200:
                received.extend(map(essence, await next_records(ws, TR_TRADE)))

    play(scenario, VenueOptions(ordinary_symbols=60, always_open=True, speed=4.0, ledger_path=path))
    assert len(set(received)) < len(received)
    samsung = [record[3] for record in received if record[0] == "005930"]
    assert samsung != sorted(samsung)
    assert [sent_essence(row) for row in ledger_rows(path, "trade")][: len(received)] == received


def test_a_new_registration_can_be_greeted_with_trades_already_sent() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        await set_faults(exchange, replay_records=3)
        async with stream_client(exchange) as ws:
            await ws.send(registration(key, TR_TRADE, "005930"))
            first = [essence(fields) for fields in await next_records(ws, TR_TRADE)]
            await ws.send(registration(key, TR_TRADE, "005930", "2"))
            while (await next_control(ws))["body"]["msg_cd"] != "OPSP0001":
                pass
            await ws.send(registration(key, TR_TRADE, "005930"))
            again = [essence(fields) for fields in await next_records(ws, TR_TRADE)]
            assert again[0][3] - again[0][2] < first[-1][3] + 10**9
            assert len(again) >= 3

    play(scenario, OPEN)


def test_a_silent_symbol_is_acknowledged_and_its_neighbour_ticks(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"

    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        await set_faults(exchange, silent_symbols=["005930"])
        async with stream_client(exchange) as ws:
            await register(ws, key, exchange, 2)
            codes = {fields[0] for _ in range(20) for fields in await next_records(ws, TR_TRADE)}
        assert codes == {"000660"}

    play(scenario, VenueOptions(ordinary_symbols=60, always_open=True, speed=4.0, ledger_path=path))
    assert {row["symbol"] for row in ledger_rows(path, "trade")} == {"000660"}
    assert {(row["symbol"], row["why"]) for row in ledger_rows(path, "market")} >= {("005930", "silent_symbol")}


def test_one_session_can_be_silenced(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"

    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        await set_faults(exchange, silent_sessions=["ws-1"])
        async with stream_client(exchange) as ws:
            await ws.send(registration(key, TR_TRADE, "005930"))
            await until(lambda: exchange.venue.counters.records_withheld["silence"] > 0)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.2)
            await set_faults(exchange, silent_sessions=[])
            assert await next_records(ws, TR_TRADE)

    play(scenario, VenueOptions(ordinary_symbols=60, always_open=True, speed=4.0, ledger_path=path))
    assert "silence" in {row["why"] for row in ledger_rows(path, "market")}


def test_a_half_open_session_keeps_its_appkey_until_the_silence_limit() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            await register(ws, key, exchange, 1)
            await set_faults(exchange, freeze_sessions=True, silence_limit_s=3.0)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(drain(ws), 0.3)
            async with stream_client(exchange) as other:
                assert await verdict(other, registration(key, TR_TRADE, "005930")) == "OPSP8996"
            await until(lambda: exchange.venue.counters.sessions_now[0] == 0)
        async with stream_client(exchange) as again:
            assert await verdict(again, registration(key, TR_TRADE, "005930")) == "OPSP0000"

    play(scenario, OPEN)


async def drain(connection: ClientConnection) -> None:
    while True:
        await connection.recv()


def test_an_appkey_lingers_after_a_dirty_end_only() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        await set_faults(exchange, session_linger_s=60)
        for ends_dirty in (False, True):
            async with stream_client(exchange) as ws:
                assert await verdict(ws, registration(key, TR_TRADE, "005930")) == "OPSP0000"
                if ends_dirty:
                    ws.transport.abort()
            await until(lambda: exchange.venue.counters.sessions_now[0] == 0)
        async with stream_client(exchange) as ws:
            assert await verdict(ws, registration(key, TR_TRADE, "005930")) == "OPSP8996"

    play(scenario, OPEN)


def test_endless_reconnects_of_an_appkey_are_cut_for_a_while_and_counted() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        await set_faults(exchange, connect_limit=3, connect_block_s=2.0)
        outcomes = []
        for _ in range(5):
            async with stream_client(exchange) as ws:
                await ws.send(registration(key, TR_TRADE, "005930"))
                outcomes.append(await first_answer(ws))
            await until(lambda: exchange.venue.counters.sessions_now[0] == 0)
        assert outcomes == ["OPSP0000"] * 3 + ["cut"] * 2
        assert (await stats_of(exchange))["connects_refused"] == 2

        async def welcome() -> bool:
            async with stream_client(exchange) as ws:
                await ws.send(registration(key, TR_TRADE, "005930"))
                return await first_answer(ws) == "OPSP0000"

        async with asyncio.timeout(PATIENCE_S):
            while not await welcome():  # noqa: ASYNC110 - the effect is polled for
                await asyncio.sleep(0.05)

    play(scenario, OPEN)


async def first_answer(connection: ClientConnection) -> str:
    try:
        code = (await next_control(connection))["body"]["msg_cd"]
    except Exception as error:
        assert "ConnectionClosed" in type(error).__name__  # noqa: PT017
        return "cut"
    assert isinstance(code, str)
    return code


def test_endless_reconnects_of_an_address_are_refused_at_the_handshake() -> None:
    async def scenario(exchange: RunningExchange, _client: httpx.AsyncClient) -> None:
        await set_faults(exchange, connect_limit=2, connect_limit_by="address")
        for _ in range(2):
            async with stream_client(exchange):
                pass
        with pytest.raises(InvalidStatus) as refused:
            async with stream_client(exchange):
                pass
        assert refused.value.response.status_code == 403

    play(scenario, OPEN)


def test_an_encrypted_order_notice_is_what_the_acknowledged_keys_open() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            await ws.send(registration(key, "H0STCNI0", "HTSID"))
            ack = await next_control(ws)
            assert ack["header"]["encrypt"] == "Y"
            await set_faults(exchange, encrypted_frame=True)
            flag, tr_id, count, payload = (await next_text(ws, "1|")).split("|", 3)
            assert (flag, tr_id, count) == ("1", "H0STCNI0", "001")
            assert len(b64decode(payload)) % 16 == 0

    play(scenario, OPEN)


def test_interruptions_and_halts_are_pushed_and_seen_everywhere() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            for tr_id in (TR_MARKET_OPERATION, TR_BOOK, "H0STANC0"):
                assert await verdict(ws, registration(key, tr_id, "005930")) == "OPSP0000"

            async def operation() -> dict[str, str]:
                (fields,) = await next_records(ws, TR_MARKET_OPERATION)
                return dict(zip(MARKET_OPERATION_FIELDS, fields, strict=True))

            await set_faults(exchange, vi=["005930"], vi_duration_s=90.0)
            assert (await operation())["VI_CLS_CODE"] == "Y"
            (book,) = await next_records(ws, TR_BOOK)
            while book[2] != "C":
                (book,) = await next_records(ws, TR_BOOK)
            assert int(book[47]) > 0
            (expected,) = await next_records(ws, "H0STANC0")
            assert (len(expected), expected[43]) == (45, "C")
            assert (await operation())["VI_CLS_CODE"] == "N"
            await set_faults(exchange, halt=["005930"])
            assert (await operation())["TRHT_YN"] == "Y"
            await set_faults(exchange, resume=["005930"], operation_width=10)
            (fields,) = await next_records(ws, TR_MARKET_OPERATION)
            assert (len(fields), fields[1], fields[2]) == (10, "N", "(null)")
            await set_faults(exchange, operation_code="174")
            (fields,) = await next_records(ws, TR_MARKET_OPERATION)
            assert fields[3] == "174"

    play(scenario, VenueOptions(ordinary_symbols=60, always_open=True, speed=30.0))


def test_the_unified_stream_ticks_for_shares_on_nextrade_only() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            assert await verdict(ws, registration(key, TR_TRADE_UNIFIED, "0126Z0")) == "OPSP0000"
            assert await verdict(ws, registration(key, TR_TRADE, "0126Z0")) == "OPSP0000"
            assert await verdict(ws, registration(key, TR_TRADE_UNIFIED, "005930")) == "OPSP0000"
            unified = {fields[0] for _ in range(10) for fields in await next_records(ws, TR_TRADE_UNIFIED)}
            krx = {fields[0] for fields in await next_records(ws, TR_TRADE)}
        assert (unified, krx) == ({"005930"}, {"0126Z0"})

    play(scenario, VenueOptions(ordinary_symbols=60, always_open=True, speed=30.0))


def test_an_unlisted_code_can_be_acknowledged_and_stay_silent() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            assert await verdict(ws, registration(key, TR_TRADE, "999999")) == "OPSP8992"
            await set_faults(exchange, unlisted_key_mode="silent")
            assert await verdict(ws, registration(key, TR_TRADE, "999999")) == "OPSP0000"

    play(scenario, OPEN)


def test_off_tick_prints_can_be_made_frequent() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        await set_faults(exchange, off_tick_rate=1.0)
        async with stream_client(exchange) as ws:
            await ws.send(registration(key, TR_TRADE, "005930"))
            prices = [int(fields[2]) for _ in range(10) for fields in await next_records(ws, TR_TRADE)]
        assert any(price % 500 for price in prices)

    play(scenario, OPEN)


def test_knobs_of_the_command_line_reach_the_exchange() -> None:
    async def scenario(exchange: RunningExchange, _client: httpx.AsyncClient) -> None:
        async with httpx.AsyncClient(base_url=exchange.control_url, trust_env=False) as control:
            shown = (await control.get("/faults")).json()
        assert json.loads(json.dumps(shown["silent_symbols"])) == ["005930"]

    play(scenario, VenueOptions(ordinary_symbols=5, knobs=Knobs(silent_symbols=("005930",))))
