"""The REST adapter before a broken front end: every spoiled answer is a failure of its class, within the timeout."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from observer_core.clock import NS_PER_S
from observer_core.errors import TransientFeedError
from observer_core.ids import AppKeyOrdinal
from observer_core.kis.download import download_file
from observer_core.kis.master import parse_master
from observer_core.kis.rest import RestClient, open_rest
from observer_core.messages import Quote
from observer_core.settings import Settings
from tests.fixtures.kis_adapter import CLOCK, SimulatedBroker, broker_settings, simulated_broker
from tests.fixtures.mangling_proxy import ManglingProxy, mangling_proxy
from tests.fixtures.patience import slowness

pytestmark = pytest.mark.integration

TIMEOUT_S = 3.0


@pytest.fixture(scope="module")
def broker() -> Iterator[SimulatedBroker]:
    with simulated_broker() as running:
        yield running


@pytest.fixture
def proxy(broker: SimulatedBroker) -> Iterator[ManglingProxy]:
    broker.fault(token_issue_once_a_minute=False)
    with mangling_proxy(broker.rest_url) as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, broker: SimulatedBroker, proxy: ManglingProxy) -> Settings:
    return broker_settings(tmp_path, broker, KIS_REST_URL=proxy.url, KIS_REST_TIMEOUT_S=str(TIMEOUT_S))


async def _shares(settings: Settings) -> list[str]:
    body = await download_file(f"{settings.master_url}/kospi_code.mst.zip", settings.user_agent)
    listings = parse_master(body, "kospi", "kospi_code.mst.zip")
    return [listing.code for listing in listings if listing.group == "ST" and not listing.halted][:30]


def _client(settings: Settings) -> RestClient:
    return open_rest(settings, AppKeyOrdinal(0), CLOCK, Random(1))


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("page-200", "HTTP 200 without the broker's envelope"),
        ("page-500", "HTTP 500 without the broker's envelope"),
        ("cut", "without the broker's envelope"),
        ("drip", "no answer in time"),
    ],
)
def test_a_spoiled_answer_is_transient_and_the_next_call_succeeds(
    settings: Settings, proxy: ManglingProxy, mode: str, text: str
) -> None:
    async def run() -> None:
        client = _client(settings)
        symbols = await _shares(settings)
        assert len((await client.multi_price(symbols)).records) == len(symbols)
        proxy.mode = mode
        asked_ns = CLOCK.monotonic_ns()
        with pytest.raises(TransientFeedError, match=text):
            await client.multi_price(symbols)
        # An answer that comes byte by byte is no slower to fail than one that does not come.
        assert CLOCK.monotonic_ns() - asked_ns < (TIMEOUT_S + 3 * slowness()) * NS_PER_S
        proxy.mode = ""
        assert len((await client.multi_price(symbols)).records) == len(symbols)
        await client.aclose()

    asyncio.run(run())


def test_rows_that_are_missing_are_named_and_the_others_kept(settings: Settings, proxy: ManglingProxy) -> None:
    async def run() -> None:
        client = _client(settings)
        symbols = await _shares(settings)
        proxy.mode = "short"
        answer = await client.multi_price(symbols)
        quotes = {record.symbol for record in answer.records if isinstance(record, Quote)}
        assert len(proxy.left_out) == 2
        assert set(answer.missing) == proxy.left_out
        assert quotes == set(symbols) - proxy.left_out
        await client.aclose()

    asyncio.run(run())
