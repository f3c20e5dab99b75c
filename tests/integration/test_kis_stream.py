"""The stream adapter against the simulated exchange: registrations, data, keep-alive, cuts, a good end."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from observer_core.errors import SymbolRefusedError, TransientFeedError
from observer_core.ids import AppKeyOrdinal
from observer_core.kis.classify import KEY_IN_USE, TOO_MANY_REGISTRATIONS, stream_failure
from observer_core.kis.download import download_file
from observer_core.kis.fields import MAX_REGISTRATIONS, TR_BOOK, TR_TRADE
from observer_core.kis.master import parse_master
from observer_core.kis.records import StreamParser
from observer_core.kis.rest import open_rest
from observer_core.kis.stream import Received, StreamSession, open_stream
from observer_core.kis.wire import ControlMessage, DataFrame, Registration
from observer_core.messages import Book, Rejection, Trade
from observer_core.settings import Secret, Settings
from tests.fixtures.kis_adapter import CLOCK, SimulatedBroker, broker_settings, simulated_broker
from tests.fixtures.patience import PATIENCE_S, slowness

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def broker() -> Iterator[SimulatedBroker]:
    with simulated_broker("--ping-interval", "0.5") as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, broker: SimulatedBroker) -> Settings:
    broker.fault(silence_stream=False, frame_width=47, session_linger_s=0.0, ack_output=True, silence_limit_s=100.0)
    return broker_settings(tmp_path, broker)


async def _symbols(settings: Settings, wanted: int) -> list[str]:
    body = await download_file(f"{settings.master_url}/kospi_code.mst.zip", settings.user_agent)
    listings = parse_master(body, "kospi", "kospi_code.mst.zip")
    shares = [listing for listing in listings if listing.group == "ST" and not listing.halted]
    return [listing.code for listing in sorted(shares, key=lambda listing: -listing.turnover)][:wanted]


async def _open(settings: Settings) -> StreamSession:
    client = open_rest(settings, AppKeyOrdinal(0), CLOCK, Random(1))
    try:
        return await open_stream(settings.ws_url, await client.approvals.issue(), CLOCK)
    finally:
        await client.aclose()


async def _receive_until(session: StreamSession, done: Callable[[list[Received]], bool]) -> list[Received]:
    received: list[Received] = []
    async with asyncio.timeout(PATIENCE_S):
        while not done(received):
            received += await session.receive()
    return received


async def _receive_forever(session: StreamSession, into: list[Received]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        async for received in session:
            into.append(received)  # noqa: PERF401 - what came before the end is wanted too


def _records(received: list[Received]) -> list[Trade | Book | Rejection]:
    parser = StreamParser(keep_raw=True)
    return [
        record
        for received_ns, message in received
        if isinstance(message, DataFrame)
        for record in parser.parse(message, received_ns)
    ]


def _run(test: Callable[[], Awaitable[None]]) -> None:
    async def body() -> None:
        await test()

    asyncio.run(body())


def _sent(ledger: Path) -> list[tuple[str, str, int, int]]:
    rows = [json.loads(line) for line in ledger.read_text().splitlines()]
    return [
        (row["kind"], row["symbol"], row["price"], row["cumulative_volume"])
        for row in rows
        if row["kind"] in {"trade", "book"}
    ]


def _figures(trade: Trade) -> tuple[str, str, int, int]:
    return "trade", trade.symbol, trade.price, trade.cumulative_volume


def test_what_was_sent_is_what_is_parsed_until_after_the_last_moment(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"

    async def test(settings: Settings) -> list[Trade | Book | Rejection]:
        begun_ns = CLOCK.now_ns()
        symbols = await _symbols(settings, 20)
        registrations = [Registration(TR_TRADE, symbol) for symbol in symbols]
        registrations += [Registration(TR_BOOK, symbol) for symbol in symbols[:5]]
        async with await _open(settings) as session:
            session.subscribe(registrations)
            received = await _receive_until(
                session, lambda so_far: session.registrations.settled and len(_records(so_far)) > 500
            )
            assert session.registrations.active == set(registrations)
            assert session.registrations.room == MAX_REGISTRATIONS - 25
            received += await session.close(PATIENCE_S)
        now_ns = CLOCK.now_ns()
        assert all(begun_ns < received_ns <= now_ns for received_ns, _ in received)
        return _records(received)

    with simulated_broker("--ledger", str(ledger)) as broker:
        records = asyncio.run(test(broker_settings(tmp_path, broker)))
    trades = [_figures(record) for record in records if isinstance(record, Trade)]
    sent = _sent(ledger)
    assert sorted(trades) == sorted(row for row in sent if row[0] == "trade")
    assert len(records) == len(sent)


def test_the_42nd_registration_is_refused_and_the_others_flow(settings: Settings) -> None:
    async def test() -> None:
        symbols = await _symbols(settings, MAX_REGISTRATIONS + 1)
        registrations = [Registration(TR_TRADE, symbol) for symbol in symbols]
        async with await _open(settings) as session:
            session.subscribe(registrations)
            await _receive_until(session, lambda _: session.registrations.settled)
            assert len(session.registrations.active) == MAX_REGISTRATIONS
            (refused, failure) = next(iter(session.registrations.refused.items()))
            assert refused == registrations[-1]
            assert isinstance(failure, SymbolRefusedError)
            assert failure.code == TOO_MANY_REGISTRATIONS
            session.unsubscribe(registrations[:1])
            session.subscribe(registrations[-1:])
            await _receive_until(session, lambda _: session.registrations.settled)
            assert session.registrations.active == set(registrations[1:])
            assert await _receive_until(session, lambda so_far: bool(_records(so_far)))

    _run(test)


def test_keep_alive_is_answered(settings: Settings, broker: SimulatedBroker) -> None:
    broker.fault(silence_limit_s=3.0)

    async def test() -> None:
        async with await _open(settings) as session:
            # Longer than the broker waits for a sign of life, and with nothing subscribed.
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(6.0):
                    await session.receive()
            assert session.silence_s() < 1.0 * slowness()
            session.subscribe([Registration(TR_TRADE, (await _symbols(settings, 1))[0])])
            await _receive_until(session, lambda _: session.registrations.settled)

    _run(test)


def test_silence_is_measured(settings: Settings, broker: SimulatedBroker) -> None:
    async def test() -> None:
        async with await _open(settings) as session:
            session.subscribe([Registration(TR_TRADE, (await _symbols(settings, 1))[0])])
            await _receive_until(session, lambda _: session.registrations.settled)
            broker.fault(silence_stream=True)
            async with asyncio.timeout(PATIENCE_S):
                while session.silence_s() < 1.5:
                    try:
                        async with asyncio.timeout(0.2):
                            await session.receive()
                    except TimeoutError:
                        continue
            broker.fault(silence_stream=False)

    _run(test)


def test_a_second_session_of_an_appkey_learns_why_it_is_closed(settings: Settings) -> None:
    async def test() -> None:
        registrations = [Registration(TR_TRADE, symbol) for symbol in await _symbols(settings, 1)]
        async with await _open(settings) as first, await _open(settings) as second:
            first.subscribe(registrations)
            await _receive_until(first, lambda _: first.registrations.settled)
            second.subscribe(registrations)
            seen: list[Received] = []
            with pytest.raises(TransientFeedError):
                await _receive_forever(second, seen)
            assert await _receive_until(first, lambda so_far: bool(_records(so_far)))
        controls = [message for _, message in seen if isinstance(message, ControlMessage)]
        failures = [stream_failure(message) for message in controls]
        assert KEY_IN_USE in {failure.code for failure in failures if failure is not None}

    _run(test)


@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_cut_is_reported_after_everything_received_was_returned(
    settings: Settings, broker: SimulatedBroker, how: str
) -> None:
    async def test() -> None:
        symbols = await _symbols(settings, 10)
        async with await _open(settings) as session:
            session.subscribe(Registration(TR_TRADE, symbol) for symbol in symbols)
            await _receive_until(session, lambda so_far: bool(_records(so_far)))
            await asyncio.to_thread(broker.fault, drop_sessions=how)
            with pytest.raises(TransientFeedError) as raised:
                await _receive_until(session, lambda _: False)
            assert raised.value.code == "closed"

    _run(test)


@pytest.mark.parametrize(("width", "changes"), [(46, 1), (47, 0)])
def test_both_widths_are_read_and_a_change_is_noticed(
    settings: Settings, broker: SimulatedBroker, width: int, changes: int
) -> None:
    broker.fault(frame_width=width, ack_output=False)

    async def test() -> None:
        parser = StreamParser(keep_raw=False)
        async with await _open(settings) as session:
            session.subscribe([Registration(TR_TRADE, symbol) for symbol in await _symbols(settings, 10)])
            received = await _receive_until(session, lambda so_far: len(_records(so_far)) > 20)
        for received_ns, message in received:
            if isinstance(message, DataFrame):
                trades = parser.parse(message, received_ns)
                assert all(isinstance(trade, Trade) and trade.raw is None for trade in trades)
        assert len(parser.take_width_changes()) == changes

    _run(test)


def test_a_broker_that_is_not_there_is_transient(settings: Settings) -> None:
    async def test() -> None:
        client = open_rest(settings, AppKeyOrdinal(0), CLOCK, Random(1))
        key = await client.approvals.issue()
        await client.aclose()
        with pytest.raises(TransientFeedError):
            await open_stream("ws://127.0.0.1:1", key, CLOCK)

    _run(test)


def test_an_invented_approval_key_is_refused_without_being_told(settings: Settings) -> None:
    async def test() -> None:
        key = "01234567-89ab-4cde-8f01-23456789abcd"
        async with await open_stream(settings.ws_url, Secret(key), CLOCK) as session:
            session.subscribe([Registration(TR_TRADE, "005930")])
            seen: list[Received] = []
            try:
                seen = await _receive_until(session, lambda _: session.registrations.settled)
            except TransientFeedError:
                assert not seen
            assert key not in repr(seen)
            assert key not in repr(session.registrations.refused)
            assert session.registrations.refused

    _run(test)
