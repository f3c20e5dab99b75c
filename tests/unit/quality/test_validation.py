"""One observation by itself: rejected if it contradicts itself, degraded if it is odd, off-tick prices legal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from observer_core.kis.quotes import CallTimes, parse_multi_price
from observer_core.kis.trades import parse_trade
from observer_core.messages import Quality, Quote, Trade
from observer_core.quality.validation import (
    ACCEPTED,
    BOOK_RULES,
    QUOTE_RULES,
    TRADE_RULES,
    BookSides,
    is_symbol,
    judge_book,
    judge_by,
    judge_quote,
    judge_trade,
)
from tests.fixtures.kis_records import RECEIVED_NS, multi_price_row, trade_fields


def _trade(**changes: object) -> Trade:
    trade = parse_trade(trade_fields(), RECEIVED_NS, "", keep_raw=False)
    assert isinstance(trade, Trade)
    return replace(trade, **changes)


def _quote(price: int, cumulative_volume: int, opened: int | None, high: int | None, low: int | None) -> Quote:
    row = multi_price_row("005930")
    (quote,) = parse_multi_price(json.dumps({"output": [row]}).encode(), ["005930"], CallTimes(1, 2), False).records
    assert isinstance(quote, Quote)
    return replace(
        quote,
        price=price,
        cumulative_volume=cumulative_volume,
        open=opened,
        high=high,
        low=low,
        base_price=100,
        previous_close=100,
        lower_limit=70,
        upper_limit=130,
    )


@pytest.mark.parametrize("price", [313_750, 277_750, 71_950, 307_250])
def test_prices_between_ticks_are_legal(price: int) -> None:
    assert judge_trade(_trade(price=price, open=price, high=price, low=price)) is ACCEPTED


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"price": 0}, ("price_not_positive",)),
        ({"price": -5}, ("price_not_positive",)),
        ({"volume": -1}, ("volume_negative",)),
        ({"cumulative_volume": -1}, ("cumulative_volume_negative",)),
        ({"price": 0, "volume": -1}, ("price_not_positive", "volume_negative")),
    ],
)
def test_contradictions_reject_a_trade(changes: dict[str, int], reasons: tuple[str, ...]) -> None:
    judgement = judge_trade(_trade(**changes))
    assert judgement.rejected
    assert judgement.reasons == reasons


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"high": 259_000}, ("price_outside_range", "open_outside_range")),
        ({"low": 259_300}, ("price_outside_range",)),
        ({"low": 270_000}, ("range_order", "open_outside_range")),
        ({"open": 100}, ("open_outside_range",)),
        ({"volume": 10, "cumulative_volume": 9}, ("cumulative_below_volume",)),
        ({"bid": 260_000}, ("crossed_book",)),
    ],
)
def test_oddities_degrade_a_trade(changes: dict[str, int], reasons: tuple[str, ...]) -> None:
    judgement = judge_trade(_trade(**changes))
    assert not judgement.rejected
    assert (judgement.quality, judgement.reasons) == (Quality.DEGRADED, reasons)


@pytest.mark.parametrize(
    "changes",
    [
        {"open": 0, "high": 0, "low": 0},
        {"open": None, "high": None, "low": None},
        {"ask": 0, "bid": 259_000},
        {"ask": None, "bid": None},
        {"bid": 260_000, "session_code": "B"},
        {"volume": 0},
    ],
)
def test_what_is_ordinary_before_the_first_price_and_in_auctions(changes: dict[str, int | str | None]) -> None:
    assert judge_trade(_trade(**changes)) is ACCEPTED


def test_quotes() -> None:
    assert judge_quote(_quote(100, 5, 99, 101, 98)) is ACCEPTED
    assert judge_quote(_quote(100, 0, 0, 0, 0)) is ACCEPTED
    assert judge_quote(_quote(0, 0, 0, 0, 0)).reasons == ("no_price",)
    assert not judge_quote(_quote(0, 0, 0, 0, 0)).rejected
    assert judge_quote(_quote(0, 5, 0, 0, 0)).rejected
    assert judge_quote(_quote(100, -5, 0, 0, 0)).rejected
    assert judge_quote(_quote(100, 5, 99, 98, 101)).reasons == ("range_order", "open_outside_range")
    assert judge_quote(_quote(105, 5, 99, 101, 98)).reasons == ("price_outside_range",)


def test_books() -> None:
    assert judge_book((10, 11), (9, 8), (1, 1, 1, 1), "0") is ACCEPTED
    assert judge_book((9, 11), (10, 8), (1, 1, 1, 1), "0").reasons == ("crossed_book",)
    assert judge_book((9, 11), (10, 8), (1, 1, 1, 1), "A") is ACCEPTED
    assert judge_book((0, 0), (10, 8), (0, 0, 1, 1), "0") is ACCEPTED
    assert judge_book((-1, 0), (10, 8), (0, 0, 1, 1), "0").rejected
    assert judge_book((1, 0), (1, 8), (0, 0, 1, -1), "0").rejected


@pytest.mark.parametrize("text", ["005930", "0126Z0", "00088K", "Q500061", "F70100030"])
def test_symbols(text: str) -> None:
    assert is_symbol(text)


@pytest.mark.parametrize(
    "text", ["", "5930", "0059300", "00593 ", "005930 ", "00593a", "００５９３０", "259250.5", "KR7005930003"]
)
def test_what_is_no_symbol(text: str) -> None:
    assert not is_symbol(text)


@pytest.mark.parametrize(
    ("price", "limits", "reasons", "rejected"),
    [
        (130, (70, 130), (), False),
        (131, (70, 130), ("outside_limits", "day_change_over_30"), False),
        (390, (60, 400), (), False),
        (131, (None, None), ("day_change_over_30",), False),
        (131, (0, 0), ("day_change_over_30",), False),
        (151, (None, None), ("day_change_over_50",), True),
        (49, (70, 130), ("day_change_over_50",), True),
        (130, (None, None), (), False),
    ],
)
def test_the_brokers_own_limits_decide(
    price: int, limits: tuple[int | None, int | None], reasons: tuple[str, ...], rejected: bool
) -> None:
    quote = replace(_quote(price, 5, price, price, price), lower_limit=limits[0], upper_limit=limits[1])
    judgement = judge_quote(quote)
    assert (judgement.reasons, judgement.rejected) == (reasons, rejected)


NUMBER = st.sampled_from([None, -5, 0, 1, 99, 100, 101, 150, 10**12])


@given(st.lists(NUMBER, min_size=8, max_size=8), st.sampled_from("0A"))
def test_what_is_waved_through_hits_no_rule(numbers: list[int | None], session: str) -> None:
    price, volume, total, opened, high, low, ask, bid = numbers
    trade = _trade(
        price=price or 0, volume=volume or 0, cumulative_volume=total or 0, open=opened, high=high, low=low, ask=ask,
        bid=bid, session_code=session,
    )  # fmt: skip
    assert judge_trade(trade) == judge_by(TRADE_RULES, trade)
    quote = replace(
        _quote(price or 0, total or 0, opened, high, low), lower_limit=ask, upper_limit=bid, base_price=volume
    )
    assert judge_quote(quote) == judge_by(QUOTE_RULES, quote)
    sides = BookSides((ask or 0, high or 0), (bid or 0, low or 0), (volume or 0, total or 0), session)
    assert judge_book(*sides) == judge_by(BOOK_RULES, sides)


def test_rules_have_one_name_each() -> None:
    for table in (TRADE_RULES, QUOTE_RULES, BOOK_RULES):
        assert len({rule.id for rule in table}) == len(table)
