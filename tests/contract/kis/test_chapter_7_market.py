"""Chapter 7: market rules. Sessions, ticks, limits and interruptions, over a whole simulated day."""

from collections import Counter
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from observer_core.clock import KST, NS_PER_S
from observer_core.kis.fields import TR_BOOK, TR_MARKET_OPERATION
from observer_core.kis.simulator.executions import Trade
from observer_core.kis.simulator.knobs import Knobs
from observer_core.kis.simulator.listings import Listing, generate_listings
from observer_core.kis.simulator.server import RunningExchange
from observer_core.kis.simulator.tape import SymbolTape
from observer_core.kis.simulator.trading_hours import TradingHours, hour_text
from observer_core.kis.simulator.venue import VenueOptions
from observer_core.market.prices import price_limits, tick_size
from tests.fixtures.simulated_exchange import (
    issue_approval,
    ledger_rows,
    next_records,
    play,
    registration,
    stream_client,
    verdict,
)

LISTINGS = generate_listings(7, 60)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=KST).timestamp()) * NS_PER_S


def whole_day(code_number: int, day: str) -> list[Trade]:
    tape = SymbolTape(LISTINGS[code_number], 7, TradingHours(), at(f"{day}T08:00:00"))
    tape.tap(0)
    tape.advance_to(at(f"{day}T23:00:00"))
    return tape.drain()


@pytest.mark.parametrize(
    ("price", "tick"),
    [
        (1_999, 1), (2_000, 5), (4_999, 5), (5_000, 10), (19_999, 10), (20_000, 50), (49_999, 50), (50_000, 100),
        (199_999, 100), (200_000, 500), (499_999, 500), (500_000, 1_000),
    ],
)  # fmt: skip
def test_tick_sizes(price: int, tick: int) -> None:
    assert tick_size(price) == tick


def test_tick_sizes_of_exchange_traded_products() -> None:
    assert [tick_size(price, True) for price in (1_999, 2_000, 500_000)] == [1, 5, 5]


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda one: one.code)
def test_limits_are_thirty_percent_floored_to_the_tick_of_the_base(listing: Listing) -> None:
    base = listing.base_price
    lower, upper = price_limits(base)
    width = base * 3 // 10 // tick_size(base) * tick_size(base)
    assert (lower, upper) == (base - width, base + width)


@pytest.mark.parametrize(
    ("day", "shift_h", "opening"),
    [("2026-11-20", 0, "0900"), ("2026-11-19", 1, "1000"), ("2026-01-02", 0, "1000")],
    ids=["ordinary", "exam", "first of the year"],
)
def test_a_day_from_its_opening_to_its_end(day: str, shift_h: int, opening: str) -> None:
    trades = whole_day(12, day)
    kinds = Counter(trade.kind for trade in trades)
    assert (trades[0].kind, hour_text(trades[0].time_ns)[:4]) == ("opening", opening)
    assert (kinds["opening"], kinds["closing"]) == (1, 1)
    (closing,) = (trade for trade in trades if trade.kind == "closing")
    assert hour_text(closing.time_ns)[:4] == f"{15 + shift_h}30"
    assert closing.side == trades[0].side == "3"
    during = [hour_text(trade.time_ns) for trade in trades if trade.kind == "continuous"]
    assert max(during) < f"{15 + shift_h}2000"
    late = [hour_text(trade.time_ns) for trade in trades if trade.kind == "after_market"]
    if day == "2026-01-02":
        assert not late
    else:
        assert f"{16 + shift_h}0000" <= min(late) <= max(late) < f"{20 + shift_h}0000"


def test_an_opening_auction_shows_itself_on_the_stream_and_ends_in_a_print() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            for tr_id in (TR_MARKET_OPERATION, TR_BOOK, "H0STCNT0"):
                assert await verdict(ws, registration(key, tr_id, "005930")) == "OPSP0000"
            (book,) = await next_records(ws, TR_BOOK)
            assert (book[2], int(book[47]) > 0) == ("B", True)
            (operation,) = await next_records(ws, TR_MARKET_OPERATION)
            assert operation[3] == "112"
            first = (await next_records(ws, "H0STCNT0"))[0]
            assert (first[21], first[1][:4], first[12]) == ("3", "0900", first[13])

    start_ns = at("2026-11-20T08:56:00")
    play(scenario, VenueOptions(ordinary_symbols=30, start_ns=start_ns, speed=60.0))


def test_expected_prices_can_come_among_the_trades_and_trade_nothing(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"

    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            assert await verdict(ws, registration(key, "H0STCNT0", "005930")) == "OPSP0000"
            ((expected,), (again,)) = [await next_records(ws, "H0STCNT0") for _ in range(2)]
            for fields in (expected, again):
                assert (len(fields), fields[43], fields[21], fields[13]) == (47, "B", "3", "0")
                assert int(fields[2]) > 0

    start_ns = at("2026-11-20T08:40:00")
    knobs = Knobs(expected_in_trades=True)
    play(scenario, VenueOptions(ordinary_symbols=30, start_ns=start_ns, knobs=knobs, ledger_path=ledger))
    assert {(row["symbol"], row["cumulative_volume"]) for row in ledger_rows(ledger, "trade")} == {("005930", 0)}


def test_the_closing_auction_shows_itself_on_the_stream() -> None:
    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        key = await issue_approval(client)
        async with stream_client(exchange) as ws:
            for tr_id in (TR_MARKET_OPERATION, "H0STANC0"):
                assert await verdict(ws, registration(key, tr_id, "005930")) == "OPSP0000"
            codes = [(await next_records(ws, TR_MARKET_OPERATION))[0][3] for _ in range(4)]
            assert codes == ["121", "129", "140", "149"]

    start_ns = at("2026-11-20T14:55:00")
    play(scenario, VenueOptions(ordinary_symbols=30, start_ns=start_ns, speed=600.0, activity=0.1))
