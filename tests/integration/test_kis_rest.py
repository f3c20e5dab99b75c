"""The REST adapter against the simulated exchange: sweeps without a refusal, tokens, refusals, drops, outages."""

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from observer_core.clock import NS_PER_S
from observer_core.errors import FatalFeedError, RateRefusedError, SymbolRefusedError, TransientFeedError
from observer_core.ids import AppKeyOrdinal
from observer_core.kis.download import download_file
from observer_core.kis.master import parse_master
from observer_core.kis.rest import RestClient, open_rest
from observer_core.messages import Quality, Quote
from observer_core.settings import Settings
from tests.fixtures.kis_adapter import APPKEY, APPSECRET, CLOCK, SimulatedBroker, broker_settings, simulated_broker
from tests.fixtures.patience import slowness

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def broker() -> Iterator[SimulatedBroker]:
    with simulated_broker() as running:
        yield running


@pytest.fixture(autouse=True)
def faultless(broker: SimulatedBroker) -> None:
    broker.fault(
        rest_down=False, random_refusal_rate=0.0, rest_latency_ms=0.0, unknown_code_mode="blank",
        halted_row_mode="base", token_issue_once_a_minute=False, token_life_s=86400.0, rest_limit=18,
    )  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path, broker: SimulatedBroker) -> Settings:
    return broker_settings(tmp_path, broker)


def _client(settings: Settings) -> RestClient:
    return open_rest(settings, AppKeyOrdinal(0), CLOCK, Random(1))


async def _shares(settings: Settings) -> list[str]:
    body = await download_file(f"{settings.master_url}/kospi_code.mst.zip", settings.user_agent)
    listings = parse_master(body, "kospi", "kospi_code.mst.zip")
    return [listing.code for listing in listings if listing.group == "ST" and not listing.halted][:30]


def test_four_clients_share_the_budget_and_none_is_refused(tmp_path: Path) -> None:
    async def sweep(client: RestClient, symbols: list[str], until_ns: int) -> int:
        rows = 0
        while CLOCK.monotonic_ns() < until_ns:
            answer = await client.multi_price(symbols)
            assert not answer.missing
            assert answer.requested_ns < answer.received_ns
            rows += len([record for record in answer.records if isinstance(record, Quote)])
        return rows

    async def run(settings: Settings) -> tuple[list[int], list[RestClient]]:
        symbols = await _shares(settings)
        clients = [_client(settings) for _ in range(4)]
        until_ns = CLOCK.monotonic_ns() + 4 * NS_PER_S
        rows = await asyncio.gather(*(sweep(client, symbols, until_ns) for client in clients))
        for client in clients:
            await client.aclose()
        return rows, clients

    # An exchange of its own: the other tests spend the shared one's second from budgets of their own.
    with simulated_broker() as broker:
        rows, clients = asyncio.run(run(broker_settings(tmp_path, broker)))
        assert broker.stats()["rest_limit_refusals"] == 0
    calls = sum(client.counters.calls_total for client in clients)
    assert sum(rows) == calls * 30
    assert 4 * 18 * 0.9 / slowness() < calls <= 5 * 18
    assert sum(client.counters.refused_total for client in clients) == 0


def test_one_token_serves_all_processes_and_survives_a_restart(settings: Settings) -> None:
    async def tokens() -> set[str]:
        clients = [_client(settings) for _ in range(5)]
        try:
            return {token.reveal() for token in await asyncio.gather(*(client.tokens.token() for client in clients))}
        finally:
            for client in clients:
                await client.aclose()

    first = asyncio.run(tokens())
    assert len(first) == 1
    assert asyncio.run(tokens()) == first
    files = list(settings.token_cache_dir.glob("token-*.json"))
    assert len(files) == 1
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.token_cache_dir.stat().st_mode) == 0o700
    assert APPKEY not in files[0].name
    assert APPSECRET not in files[0].read_text()


def test_a_token_that_the_broker_no_longer_accepts_is_replaced_once(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> RestClient:
        client = _client(settings)
        symbols = await _shares(settings)
        await client.multi_price(symbols)
        file = next(settings.token_cache_dir.glob("token-*.json"))
        token = (await client.tokens.token()).reveal()
        # As if the broker had forgotten it: the shared file and this process hold another text than the broker.
        file.write_text(file.read_text().replace(token, "x" * len(token)).replace('"attempted_ns":', '"ignored":'))
        await client.aclose()
        other = _client(settings)
        await other.multi_price(symbols)
        await other.aclose()
        return other

    client = asyncio.run(run())
    assert client.counters.reauthenticated_total == 1
    assert client.counters.calls_total == 2
    assert "Bearer" not in caplog.text
    assert "eyJ" not in caplog.text


def test_random_refusals_are_retried(settings: Settings, broker: SimulatedBroker) -> None:
    broker.fault(random_refusal_rate=0.3)

    async def run() -> RestClient:
        client = _client(settings)
        symbols = await _shares(settings)
        for _ in range(12):
            assert len((await client.multi_price(symbols)).records) == 30
        await client.aclose()
        return client

    counters = asyncio.run(run()).counters
    assert counters.refused_total > 0
    assert counters.retries_total == counters.refused_total
    assert counters.calls_total == 12 + counters.refused_total


def test_lasting_refusal_reaches_the_caller_and_lowers_the_limit(settings: Settings, broker: SimulatedBroker) -> None:
    broker.fault(random_refusal_rate=1.0)

    async def run() -> RestClient:
        client = _client(settings)
        # A few refusals may be chance; a second's worth of them is not.
        calls = [client.multi_price(["005930"]) for _ in range(4)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [RateRefusedError] * 4
        await client.aclose()
        return client

    client = asyncio.run(run())
    assert client.counters.refused_total == 4 * 5
    assert client.budget.limit_per_s(CLOCK.monotonic_ns()) < 18


def test_an_outage_is_transient(settings: Settings, broker: SimulatedBroker) -> None:
    async def run() -> None:
        client = _client(settings)
        await client.tokens.token()
        broker.fault(rest_down=True)
        with pytest.raises(TransientFeedError):
            await client.multi_price(["005930"])
        await client.aclose()

    asyncio.run(run())


def test_a_slow_answer_ends_at_the_timeout(tmp_path: Path, broker: SimulatedBroker) -> None:
    settings = broker_settings(tmp_path, broker, KIS_REST_TIMEOUT_S="2")

    async def run() -> None:
        client = _client(settings)
        await client.tokens.token()
        broker.fault(rest_latency_ms=20_000.0)
        with pytest.raises(TransientFeedError) as raised:
            await client.multi_price(["005930"])
        assert raised.value.code == "timeout"
        await client.aclose()

    asyncio.run(run())


@pytest.mark.parametrize("mode", ["blank", "omit"])
def test_an_unknown_code_costs_only_itself(settings: Settings, broker: SimulatedBroker, mode: str) -> None:
    broker.fault(unknown_code_mode=mode)

    async def run() -> None:
        client = _client(settings)
        symbols = (await _shares(settings))[:5]
        answer = await client.multi_price([symbols[0], "ZZZZZZ", *symbols[1:]])
        quotes = [record for record in answer.records if isinstance(record, Quote)]
        assert [quote.symbol for quote in quotes] == symbols
        assert answer.missing == ("ZZZZZZ",) or [record.symbol for record in answer.records if record not in quotes]
        await client.aclose()

    asyncio.run(run())


def test_a_refused_batch_says_so(settings: Settings, broker: SimulatedBroker) -> None:
    broker.fault(unknown_code_mode="error")

    async def run() -> None:
        client = _client(settings)
        with pytest.raises(SymbolRefusedError):
            await client.multi_price(["005930", "ZZZZZZ"])
        await client.aclose()

    asyncio.run(run())


def test_a_single_price_agrees_with_the_sweep(settings: Settings) -> None:
    async def run() -> None:
        client = _client(settings)
        symbol = (await _shares(settings))[0]
        (single,) = (await client.inquire_price(symbol)).records
        (row,) = (await client.multi_price([symbol])).records
        assert isinstance(single, Quote)
        assert isinstance(row, Quote)
        assert (single.symbol, single.base_price, single.upper_limit) == (symbol, row.base_price, row.upper_limit)
        assert single.cumulative_volume <= row.cumulative_volume
        assert single.quality is Quality.NORMAL
        await client.aclose()

    asyncio.run(run())


def test_wrong_credentials_are_fatal(tmp_path: Path) -> None:
    with simulated_broker("--appkey", "PSanother-appkey-0000000000000000000") as broker:
        settings = broker_settings(tmp_path, broker)

        async def run() -> None:
            client = _client(settings)
            with pytest.raises(FatalFeedError) as raised:
                await client.multi_price(["005930"])
            assert APPKEY not in str(raised.value)
            await client.aclose()

        asyncio.run(run())


def test_a_broker_that_is_not_there_is_transient(tmp_path: Path, broker: SimulatedBroker) -> None:
    settings = broker_settings(tmp_path, broker._replace(rest_url="http://127.0.0.1:1"))

    async def run() -> None:
        client = _client(settings)
        with pytest.raises(TransientFeedError):
            await client.multi_price(["005930"])
        await client.aclose()
        with pytest.raises(TransientFeedError):
            await download_file("http://127.0.0.1:1/file", settings.user_agent)

    asyncio.run(run())
