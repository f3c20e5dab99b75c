"""An answer that the broker sent and the network lost is asked for again at once, and said: it was an observation."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from observer_core.ids import AppKeyOrdinal
from observer_core.kis.rest import PriceAnswer, open_rest
from tests.fixtures.fault_proxy import FaultProxy
from tests.fixtures.kis_adapter import CLOCK, broker_settings, simulated_broker
from tests.fixtures.simulated_exchange import until

pytestmark = pytest.mark.integration

LATENCY_MS = 3_000.0
"""Long enough to look at the exchange's counts in between, on any machine."""


def test_a_call_cut_on_its_way_is_repeated_and_names_the_first_attempt(tmp_path: Path) -> None:
    def asked() -> int:
        return sum(broker.stats()["requests"].values())

    async def run(proxy: FaultProxy, settings_url: str) -> tuple[PriceAnswer, PriceAnswer, int]:
        settings = broker_settings(tmp_path, broker, KIS_REST_URL=settings_url)
        client = open_rest(settings, AppKeyOrdinal(0), CLOCK, Random(1))
        try:
            symbols = ["005930", "000660"]
            undisturbed = await client.multi_price(symbols)
            broker.fault(rest_latency_ms=LATENCY_MS)
            begun_ns, before = CLOCK.now_ns(), asked()
            call = asyncio.create_task(client.multi_price(symbols))
            await until(lambda: asked() > before)
            await asyncio.to_thread(proxy.cut)
            await asyncio.to_thread(broker.fault, rest_latency_ms=0.0)
            return undisturbed, await call, begun_ns
        finally:
            await client.aclose()

    with simulated_broker() as broker:
        host, port = broker.rest_url.removeprefix("http://").split(":")
        proxy = FaultProxy(("127.0.0.1", 0), (host, int(port)))
        try:
            undisturbed, repeated, begun_ns = asyncio.run(run(proxy, f"http://127.0.0.1:{proxy.port}"))
        finally:
            proxy.close()
    assert undisturbed.lost_since_ns is None
    assert repeated.lost_since_ns is not None
    assert begun_ns <= repeated.lost_since_ns < repeated.requested_ns
    assert len(repeated.records) == 2
