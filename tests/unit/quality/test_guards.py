"""Guards against the trades before: jumps, auctions, clocks, limits; and nothing can refuse a symbol's whole day."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer_core.clock import NS_PER_S
from observer_core.quality.guards import DAY_OFF_NS, FUTURE_NS, PAST_NS, TRADE_GUARDS, Limits, Situation, TradeGuards
from observer_core.quality.validation import ACCEPTED, Judgement
from tests.fixtures.quality_records import NOON_NS, plain_trade


def after(first: dict[str, Any], second: dict[str, Any], guards: TradeGuards | None = None) -> Judgement:
    guards = guards or TradeGuards()
    assert guards.judge(plain_trade(price=1_000, change=0, **first)) is ACCEPTED
    return guards.judge(plain_trade(change=0, **second))


@pytest.mark.parametrize(
    ("price", "reasons", "rejected"),
    [
        (1_050, (), False),
        (1_051, ("tick_jump_over_5",), False),
        (949, ("tick_jump_over_5",), False),
        (1_100, ("tick_jump_over_5",), False),
        (1_101, ("tick_jump_over_10",), True),
        (1, ("tick_jump_over_10",), True),
    ],
)
def test_jumps(price: int, reasons: tuple[str, ...], rejected: bool) -> None:
    judgement = after({}, {"price": price})
    assert (judgement.reasons, judgement.rejected) == (reasons, rejected)


@pytest.mark.parametrize("changes", [{"side": "3"}, {"session_code": "C"}])
def test_an_auction_may_jump(changes: dict[str, str]) -> None:
    assert after({}, {"price": 1_200, **changes}) is ACCEPTED


def test_after_missed_trades_nothing_jumps() -> None:
    guards = TradeGuards()
    guards.judge(plain_trade(price=1_000, change=0))
    guards.interrupted("005930")
    assert guards.judge(plain_trade(price=1_250, change=0)) is ACCEPTED


def test_a_new_level_is_refused_once_and_then_believed() -> None:
    guards = TradeGuards()
    guards.judge(plain_trade(price=1_000, change=0))
    assert guards.judge(plain_trade(price=2_000, change=0)).rejected
    assert guards.judge(plain_trade(price=2_010, change=0)).reasons == ("tick_jump_over_5",)
    assert guards.judge(plain_trade(price=2_005, change=0)) is ACCEPTED


def test_one_wild_price_does_not_spoil_the_next() -> None:
    guards = TradeGuards()
    guards.judge(plain_trade(price=1_000, change=0))
    assert guards.judge(plain_trade(price=9_000, change=0)).rejected
    assert guards.judge(plain_trade(price=1_005, change=0)) is ACCEPTED


@pytest.mark.parametrize(
    ("price", "change", "limits", "reasons", "rejected"),
    [
        (1_300, 300, None, (), False),
        (1_301, 301, None, ("day_change_over_30",), False),
        (699, -301, None, ("day_change_over_30",), False),
        (1_501, 501, None, ("day_change_over_50",), True),
        (4_000, 3_000, Limits(600, 4_000), (), False),
        (1_501, 501, Limits(700, 1_300), ("day_change_over_50",), True),
    ],
)
def test_the_days_change_and_the_brokers_own_limits(
    price: int, change: int, limits: Limits | None, reasons: tuple[str, ...], rejected: bool
) -> None:
    guards = TradeGuards()
    if limits is not None:
        guards.limits["005930"] = limits
    judgement = guards.judge(plain_trade(price=price, change=change))
    assert (judgement.reasons, judgement.rejected) == (reasons, rejected)
    assert guards.limits_wanted == ({"005930"} if rejected and limits is None else set())


@pytest.mark.parametrize(
    ("behind_ns", "reasons"),
    [
        (0, ()),
        (-FUTURE_NS, ()),
        (-FUTURE_NS - 1, ("time_in_future",)),
        (PAST_NS + 1, ("time_too_old",)),
        (DAY_OFF_NS + 1, ("time_off_by_days",)),
    ],
)
def test_the_window_of_timestamps(behind_ns: int, reasons: tuple[str, ...]) -> None:
    trade = plain_trade(source_time_ns=NOON_NS, received_ns=NOON_NS + behind_ns)
    assert TradeGuards().judge(trade).reasons == reasons
    assert TradeGuards(clock_comparable=False).judge(trade) is ACCEPTED


def test_time_backwards_and_outside_the_session() -> None:
    guards = TradeGuards()
    guards.judge(plain_trade(source_time_ns=NOON_NS))
    assert guards.judge(plain_trade(source_time_ns=NOON_NS - NS_PER_S)).reasons == ("time_backwards",)
    guards.open = False
    assert guards.judge(plain_trade(source_time_ns=NOON_NS)).reasons == ("outside_session",)


@given(
    st.lists(
        st.tuples(st.integers(1, 3_000), st.integers(-2_000, 2_000), st.integers(-20, 900), st.sampled_from("0C")),
        min_size=1,
        max_size=12,
    )
)
def test_the_short_way_says_what_the_table_says(trades: list[tuple[int, int, int, str]]) -> None:
    """A trade that is waved through hits no line of the table."""
    guards = TradeGuards()
    last, last_ns, suspect = 0, 0, 0
    for price, change, behind_s, session in trades:
        trade = plain_trade(
            price=price, change=change, session_code=session, source_time_ns=NOON_NS - behind_s * NS_PER_S,
            received_ns=NOON_NS,
        )  # fmt: skip
        judgement = guards.judge(trade)
        now = Situation(trade, last if session == "0" else 0, last_ns, None, True, suspect, True)
        hits = [guard for guard in TRADE_GUARDS if guard.applies(now)]
        rejecting = tuple(guard.id for guard in hits if guard.verdict.rejects)
        assert judgement.reasons == (rejecting or tuple(guard.id for guard in hits))
        if rejecting:
            suspect = price
        else:
            last, last_ns, suspect = (price if session == "0" else 0), max(last_ns, trade.source_time_ns), 0
