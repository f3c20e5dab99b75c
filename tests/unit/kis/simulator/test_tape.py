"""The market of one symbol: exact sums, legal prices, and the same state whoever asks."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.clock import NS_PER_S
from observer_core.kis.simulator.conditions import MarketConditions
from observer_core.kis.simulator.executions import Trade
from observer_core.kis.simulator.listings import Listing, generate_listings
from observer_core.kis.simulator.tape import NEVER_NS, SymbolTape
from observer_core.kis.simulator.trading_hours import Session, TradingHours, hour_text, kst_day_number
from observer_core.market.prices import tick_size

LISTINGS = generate_listings(7, 300)
BY_CODE = {listing.code: listing for listing in LISTINGS}
TRADED = [listing for listing in LISTINGS if listing.trades_per_s > 0]
FRIDAY = 20_777  # 2026-11-20
OPEN_NS = 1_795_132_800 * NS_PER_S  # 2026-11-20 09:00 KST
MINUTE_NS = 60 * NS_PER_S
HOUR_NS = 60 * MINUTE_NS


def tape_of(listing: Listing, origin_ns: int = OPEN_NS + HOUR_NS, *, always: bool = False) -> SymbolTape:
    return SymbolTape(listing, 7, TradingHours(always), origin_ns)


def trades_until(tape: SymbolTape, end_ns: int) -> list[Trade]:
    tape.tap(0)
    tape.advance_to(end_ns)
    return tape.drain()


def test_the_reference_instants_are_what_they_claim() -> None:
    assert kst_day_number(OPEN_NS) == FRIDAY
    assert hour_text(OPEN_NS) == "090000"


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(TRADED), st.integers(min_value=0, max_value=5 * HOUR_NS))
def test_sums_grow_by_exactly_what_was_traded(listing: Listing, offset_ns: int) -> None:
    tape = tape_of(listing, OPEN_NS + offset_ns)
    volume, value = tape.figures.volume, tape.figures.value
    sides = (tape.figures.buy_volume, tape.figures.sell_volume)
    traded = trades_until(tape, OPEN_NS + offset_ns + 20 * MINUTE_NS)
    for number, trade in enumerate(traded, 1):
        volume += trade.volume
        value += trade.volume * trade.price
        sides = (
            sides[0] + (trade.volume if trade.side == "1" else 0),
            sides[1] + (trade.volume if trade.side == "5" else 0),
        )
        assert (trade.number, trade.total_volume, trade.total_value) == (number, volume, value)
        assert (trade.buy_volume, trade.sell_volume) == sides
        assert trade.volume > 0
    assert (tape.figures.volume, tape.figures.value) == (volume, value)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(TRADED), st.booleans())
def test_prices_are_legal_and_extremes_bracket_them(listing: Listing, always: bool) -> None:
    tape = tape_of(listing, always=always)
    for trade in trades_until(tape, OPEN_NS + 2 * HOUR_NS):
        assert tape.limits[0] <= trade.low <= trade.price <= trade.high <= tape.limits[1]
        assert trade.low <= trade.open <= trade.high
        assert tape.limits[0] <= trade.bid < trade.ask <= tape.limits[1]
        assert trade.bid % tick_size(trade.bid, listing.etp) == 0
        assert trade.ask % tick_size(trade.ask, listing.etp) == 0


def test_quotes_and_trades_stop_at_the_daily_limits() -> None:
    coarse = Listing(
        code="123450",
        name="동전주",
        market="KOSDAQ",
        base_price=10,
        previous_volume=10**6,
        listed_shares=10**7,
        activity_rank=0.0,
    )
    tape = SymbolTape(coarse, 7, TradingHours(), OPEN_NS + HOUR_NS, MarketConditions(automatic_vi=False))
    traded = trades_until(tape, OPEN_NS + 3 * HOUR_NS)
    assert tape.limits == (7, 13)
    assert (min(trade.bid for trade in traded), max(trade.ask for trade in traded)) == (7, 13)
    assert all(7 <= trade.price <= 13 for trade in traded)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(TRADED),
    st.lists(st.integers(min_value=1, max_value=10 * MINUTE_NS), min_size=1, max_size=12),
)
def test_state_does_not_depend_on_when_it_was_asked_for(listing: Listing, steps_ns: list[int]) -> None:
    origin_ns = OPEN_NS + HOUR_NS
    end_ns = origin_ns + sum(steps_ns)
    at_once = tape_of(listing, origin_ns)
    at_once.advance_to(end_ns)
    step_by_step = tape_of(listing, origin_ns)
    at_ns = origin_ns
    for step_ns in steps_ns:
        at_ns += step_ns
        step_by_step.advance_to(at_ns)
        step_by_step.book(at_ns)
    assert list(step_by_step.recent) == list(at_once.recent)
    assert step_by_step.book(end_ns) == at_once.book(end_ns)
    assert (step_by_step.last, step_by_step.bid) == (at_once.last, at_once.bid)


def test_another_seed_is_another_market() -> None:
    listing = BY_CODE["005930"]
    one = SymbolTape(listing, 1, TradingHours(), OPEN_NS)
    two = SymbolTape(listing, 2, TradingHours(), OPEN_NS)
    assert trades_until(one, OPEN_NS + MINUTE_NS) != trades_until(two, OPEN_NS + MINUTE_NS)


def test_the_busiest_share_never_rests_five_seconds() -> None:
    times = [trade.time_ns for trade in trades_until(tape_of(BY_CODE["005930"]), OPEN_NS + 2 * HOUR_NS)]
    assert max(later - earlier for earlier, later in pairwise(times)) < 5 * NS_PER_S


def test_mid_price_executions_occur_and_are_rare() -> None:
    traded = trades_until(tape_of(BY_CODE["005930"]), OPEN_NS + 2 * HOUR_NS)
    off_tick = [trade for trade in traded if trade.price % tick_size(trade.price)]
    assert 0 < len(off_tick) < len(traded) * 0.02


def test_a_day_opens_trades_closes_and_rests() -> None:
    tape = tape_of(BY_CODE["005930"], OPEN_NS - HOUR_NS)
    assert (tape.figures.volume, tape.last) == (0, tape.base_price)
    tape.advance_to(OPEN_NS - 1)
    assert tape.figures.volume == 0
    traded = trades_until(tape, OPEN_NS + 6 * HOUR_NS + 35 * MINUTE_NS)
    assert traded[0].side == traded[-1].side == "3"
    assert "090000" <= hour_text(traded[0].time_ns) <= "090030"
    assert hour_text(traded[-2].time_ns) < "152000"
    assert "153000" <= hour_text(traded[-1].time_ns) <= "153030"
    assert {trade.side for trade in traded[1:-1]} == {"1", "5"}


def test_the_next_trading_day_starts_from_the_last_close() -> None:
    tape = tape_of(BY_CODE["005930"], OPEN_NS + 6 * HOUR_NS)
    tape.advance_to(OPEN_NS + 6 * HOUR_NS + 35 * MINUTE_NS)
    close = tape.last
    tape.advance_to(OPEN_NS + 12 * HOUR_NS)
    assert (tape.close, tape.last != close) == (close, True)
    opening_ns = tape.next_ns
    assert kst_day_number(opening_ns) == FRIDAY + 3  # over the weekend
    tape.advance_to(opening_ns)
    first = tape.recent[-1]
    assert first.total_volume == first.volume
    assert first.base_price == close - close % tick_size(close)
    assert first.open == first.high == first.low == first.price


@pytest.mark.parametrize("listing", [listing for listing in LISTINGS if listing.halted])
def test_a_halted_share_does_not_trade(listing: Listing) -> None:
    tape = tape_of(listing)
    tape.advance_to(OPEN_NS + 5 * HOUR_NS)
    assert (tape.figures.volume, tape.last, tape.next_ns) == (0, listing.base_price, NEVER_NS)


def test_a_forced_session_joined_at_night_has_a_day_behind_it() -> None:
    two_at_night_ns = OPEN_NS - 7 * HOUR_NS
    tape = tape_of(BY_CODE["005930"], two_at_night_ns, always=True)
    day = tape.figures
    assert 0 < day.volume < BY_CODE["005930"].previous_volume
    assert day.low * day.volume <= day.value <= day.high * day.volume
    assert max(day.open_ns, day.high_ns, day.low_ns) <= two_at_night_ns
    assert trades_until(tape, two_at_night_ns + MINUTE_NS)


def test_untapped_trades_are_not_kept() -> None:
    tape = tape_of(BY_CODE["005930"])
    tape.tap(OPEN_NS + HOUR_NS)
    tape.untap()
    tape.advance_to(OPEN_NS + HOUR_NS + MINUTE_NS)
    assert tape.drain() == []
    assert len(tape.recent) == 30


def test_hours_know_the_weekend_and_the_closing_print() -> None:
    hours = TradingHours()
    session = hours.session(FRIDAY)
    assert isinstance(session, Session)
    assert (session.elapsed(session.open_ns), session.elapsed(session.end_ns)) == (0.0, 1.0)
    assert hours.session(FRIDAY + 1) is None
    assert hours.next_session(FRIDAY)[0] == FRIDAY + 3
    assert TradingHours(always_open=True).session(FRIDAY + 1) is not None


def test_after_the_close_come_the_closing_price_and_the_after_market() -> None:
    tape = tape_of(BY_CODE["005930"], OPEN_NS + 6 * HOUR_NS)
    by_kind: dict[str, list[Trade]] = {}
    for trade in trades_until(tape, OPEN_NS + 13 * HOUR_NS):
        by_kind.setdefault(trade.kind, []).append(trade)
    assert list(by_kind) == ["continuous", "closing", "closing_price", "after_market"]
    (closing,) = by_kind["closing"]
    assert {trade.price for trade in by_kind["closing_price"]} == {closing.price}
    spans = {kind: (hour_text(trades[0].time_ns), hour_text(trades[-1].time_ns)) for kind, trades in by_kind.items()}
    assert "154000" <= spans["closing_price"][0] <= spans["closing_price"][1] < "160000"
    assert "160000" <= spans["after_market"][0] <= spans["after_market"][1] < "200000"
    assert tape.next_ns > OPEN_NS + 24 * HOUR_NS


def test_products_and_administrative_shares_have_no_after_market() -> None:
    for listing in (one for one in TRADED if one.group != "ST" or one.administrative):
        tape = tape_of(listing, OPEN_NS + 5 * HOUR_NS)
        assert {trade.kind for trade in trades_until(tape, OPEN_NS + 12 * HOUR_NS)} <= {
            "continuous",
            "closing",
            "closing_price",
        }


def test_an_interruption_freezes_the_price_until_one_print() -> None:
    conditions = MarketConditions()
    tape = SymbolTape(BY_CODE["005930"], 7, TradingHours(), OPEN_NS + HOUR_NS, conditions)
    at_ns = OPEN_NS + 2 * HOUR_NS
    assert tape.interrupt(at_ns)
    assert not tape.interrupt(at_ns + 1)
    assert tape.frozen(at_ns)
    last = tape.last
    tape.advance_to(at_ns + 119 * NS_PER_S)
    assert (tape.last, tape.frozen(at_ns + 119 * NS_PER_S)) == (last, True)
    (first, *later) = trades_until(tape, at_ns + 4 * MINUTE_NS)
    assert (first.kind, first.side) == ("vi", "3")
    assert 120 * NS_PER_S <= first.time_ns - at_ns <= 150 * NS_PER_S
    assert {trade.kind for trade in later} == {"continuous"}
    assert [event.kind for event in conditions.events] == ["vi_on", "vi_off"]


def test_a_tenth_from_the_last_single_price_interrupts_by_itself() -> None:
    wild = Listing(
        code="123450",
        name="급등주",
        market="KOSDAQ",
        base_price=20,
        previous_volume=10**6,
        listed_shares=10**7,
        activity_rank=0.0,
    )
    conditions = MarketConditions()
    tape = SymbolTape(wild, 7, TradingHours(), OPEN_NS, conditions)
    tape.advance_to(OPEN_NS + 3 * HOUR_NS)
    assert tape.interruptions
    for one in tape.interruptions:
        assert abs(one.price - one.reference) * 10 >= one.reference
    assert len(conditions.events) >= len(tape.interruptions)


def test_a_surge_trades_faster_for_a_minute_only() -> None:
    tape = tape_of(BY_CODE["005930"])
    at_ns = OPEN_NS + 2 * HOUR_NS
    before = len(trades_until(tape, at_ns)) / 60
    assert tape.surge(at_ns)
    during = len(trades_until(tape, at_ns + MINUTE_NS))
    after = len(trades_until(tape, at_ns + HOUR_NS)) / 59
    assert during > 10 * before
    assert after < 2 * before
    tape.halt(at_ns + HOUR_NS)
    assert not tape.surge(at_ns + HOUR_NS)


def test_a_halt_stops_a_share_until_it_is_resumed() -> None:
    conditions = MarketConditions()
    tape = SymbolTape(BY_CODE["005930"], 7, TradingHours(), OPEN_NS + HOUR_NS, conditions)
    at_ns = OPEN_NS + 2 * HOUR_NS
    assert tape.halt(at_ns)
    assert not tape.halt(at_ns)
    assert trades_until(tape, at_ns + HOUR_NS) == []
    assert tape.resume(at_ns + HOUR_NS)
    assert not tape.resume(at_ns + HOUR_NS)
    assert trades_until(tape, at_ns + HOUR_NS + MINUTE_NS)
    assert [event.kind for event in conditions.events] == ["halt", "resume"]


def test_minute_bars_add_up_to_what_was_traded() -> None:
    tape = tape_of(BY_CODE["005930"], OPEN_NS - HOUR_NS)
    tape.advance_to(OPEN_NS + HOUR_NS)
    bars = tape.minutes.all()
    assert sum(bar.volume for bar in bars) == tape.figures.volume
    assert bars[-1].total_value == tape.figures.value
    assert (bars[0].open, bars[-1].close) == (tape.figures.open, tape.last)
    assert (max(bar.high for bar in bars), min(bar.low for bar in bars)) == (tape.figures.high, tape.figures.low)
    assert [bar.minute for bar in bars] == sorted({bar.minute for bar in bars})
