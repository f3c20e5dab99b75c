"""Rules, plans and guards of the universe; a change moves no more symbols than it must."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from observer_core.ids import DayNumber, ShardName
from observer_core.market.listings import Listing
from observer_core.market.sharding import assign, deal
from observer_core.market.universe import Rules, Universe, build_universe, decode_universe, encode_universe, hottest
from observer_core.market.universe_config import Guard
from observer_core.market.universe_plan import Placements, judge_listings, judge_size, make_plan, named

DAY = DayNumber(20260724)
SWING = [ShardName(f"swing-{index}") for index in range(4)]
SCALP = [ShardName("scalp-0"), ShardName("scalp-1")]
SHARE = Listing(
    code="000001",
    isin="KR7000001000",
    name="share",
    board="kospi",
    group="ST",
    previous_close=10_000,
    previous_volume=10,
    market_cap=100,
)


def universe_of(count: int, rules: Rules | None = None) -> Universe:
    listings = [replace(SHARE, code=f"{number:06d}", previous_volume=number) for number in range(1, count + 1)]
    return build_universe(listings, rules or Rules(), DAY)


def test_each_listing_counts_at_the_first_rule_that_drops_it() -> None:
    listings = [
        SHARE,
        replace(SHARE, code="000002", board="konex"),
        replace(SHARE, code="000003", group="EF", spac=True),
        replace(SHARE, code="000004", spac=True),
        replace(SHARE, code="000005", preferred=True),
        replace(SHARE, code="000006", halted=True),
        replace(SHARE, code="000007", administrative=True),
        replace(SHARE, code="000008", liquidation=True),
        replace(SHARE, code="000009", warning=3),
        replace(SHARE, code="000010", previous_close=3_999),
        replace(SHARE, code="000011", market_cap=99),
        replace(SHARE, code="000012"),
    ]
    universe = build_universe(listings, Rules(highest_warning=2, top=1, exclude=("000012",)), DAY)
    assert universe.codes == {"000001"}
    assert universe.dropped == {
        "exclude": 1, "boards": 1, "groups": 1, "spac": 1, "preferred": 1, "halted": 1, "administrative": 1,
        "liquidation": 1, "highest_warning": 1, "minimum_close": 1, "top": 1,
    }  # fmt: skip
    assert universe.boards == {"kospi": 11, "konex": 1}
    assert decode_universe(encode_universe(universe)) == universe


def test_what_is_included_or_pinned_is_collected_whatever_the_rules_say() -> None:
    listings = [SHARE, replace(SHARE, code="000002", halted=True), replace(SHARE, code="000003", previous_close=1)]
    rules = Rules(include=("000002", "999999"), pins=("000003",), top=1)
    universe = build_universe(listings, rules, DAY)
    assert universe.codes == {"000001", "000002", "000003"}
    assert universe.unlisted == ("999999",)


def test_pins_are_first_in_line_then_the_hottest() -> None:
    assert hottest(universe_of(5, Rules(pins=("000002", "888888")))) == [
        "000002", "000005", "000004", "000003", "000001",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (1562, 1562, None),
        (1562, 781, None),
        (1562, 780, "1,562 -> 780 symbols: less than 50% of what is in force"),
        (1562, 7, "1,562 -> 7 symbols: less than 50% of what is in force"),
        (200, 400, None),
        (200, 2000, "200 -> 2,000 symbols: more than 2 times what is in force"),
        (None, 7, None),
        (0, 7, None),
        (1562, 0, "1,562 -> 0 symbols: the rules leave none of 0 listings"),
        (None, 0, "0 symbols: the rules leave none of 0 listings"),
    ],
)
def test_the_guard_refuses_sizes_that_cannot_be_meant(before: int | None, after: int, reason: str | None) -> None:
    former = None if before is None else universe_of(before)
    refusal = judge_size(universe_of(after), former, Guard())
    assert (None if refusal is None else refusal.reason) == reason


def test_a_refusal_names_the_rule_that_was_changed_or_else_the_one_that_drops_most() -> None:
    before = universe_of(10)
    changed = judge_size(universe_of(10, Rules(minimum_close=99_999)), before, Guard())
    assert changed is not None
    assert changed.rule == "minimum_close"
    halted = build_universe([replace(SHARE, code=f"{n:06d}", halted=True) for n in range(9)], Rules(), DAY)
    unchanged = judge_size(halted, before, Guard())
    assert unchanged is not None
    assert unchanged.rule == "halted"


def test_a_board_that_lost_its_half_is_refused() -> None:
    before = {"kospi": 2568, "kosdaq": 1821}
    assert judge_listings({"kospi": 2570, "kosdaq": 1800}, before, Guard()) is None
    assert judge_listings({"kospi": 2570, "kosdaq": 9}, before, Guard()) == (
        "listing file of kosdaq: 1,821 -> 9 listings"
    )
    assert judge_listings({"kospi": 2570}, before, Guard()) == "listing file of kosdaq: 1,821 -> 0 listings"


@pytest.mark.parametrize("seed", range(20))
def test_fifty_more_and_thirty_less_move_next_to_nothing(seed: int) -> None:
    rng = Random(seed)
    codes = [f"{number:06d}" for number in rng.sample(range(1_000_000), 2_050)]
    before, after = set(codes[:2_000]), set(codes[30:])
    old = assign(before, SWING)
    new = assign(after, SWING, old)
    plan = make_plan(frozenset(before), frozenset(after), Placements(old, {}), Placements(new, {}))
    assert (len(plan.added), len(plan.removed), plan.restarts) == (50, 30, 0)
    assert len(plan.moved) + 80 <= 1.2 * 80
    assert f"2,000 -> 2,020 symbols (+50 -30), {len(plan.moved)} moved" in plan.text


@given(
    st.integers(1, 2_100), st.lists(st.integers(0, 2_099), max_size=60), st.lists(st.integers(0, 2_099), max_size=60)
)
def test_a_small_change_at_any_size_moves_no_more_than_a_fifth_of_it(
    size: int, gone: list[int], come: list[int]
) -> None:
    codes = [f"{number * 7919 % 1_000_000:06d}" for number in range(2_100)]
    before = frozenset(codes[:size])
    after = (before - {codes[place] for place in gone}) | {codes[place] for place in come}
    old = assign(before, SWING)
    new = assign(after, SWING, old)
    plan = make_plan(before, after, Placements(old, {}), Placements(new, {}))
    changed = len(plan.added) + len(plan.removed)
    assert sorted(code for owned in new.values() for code in owned) == sorted(after)
    assert len(plan.moved) <= 0.2 * changed


@given(st.permutations(list("abcdefgh")), st.sets(st.sampled_from("abcdefgh")), st.integers(1, 4))
def test_a_stream_keeps_what_it_holds(ranked: list[str], gone: set[str], slots: int) -> None:
    old = deal(ranked, SCALP, slots)
    left = [symbol for symbol in ranked if symbol not in gone]
    new = deal(left, SCALP, slots, old)
    assert {symbol for held in new.values() for symbol in held} == set(left[: 2 * slots])
    assert all(len(held) <= slots for held in new.values())
    for session in SCALP:
        assert set(old[session]) - gone <= set(new[session])


def test_a_plan_tells_streams_and_names_a_few() -> None:
    before, after = universe_of(4), universe_of(5, Rules(pins=("000001",)))
    old = Placements(assign(before.codes, SWING), deal(hottest(before), SCALP, 1))
    new = Placements(assign(after.codes, SWING, old.swing), deal(hottest(after), SCALP, 1, old.scalp))
    plan = make_plan(before.codes, after.codes, old, new)
    assert (plan.added, plan.removed) == (("000005",), ())
    assert plan.stream_added == ("000001", "000005")
    assert plan.stream_removed == ("000003", "000004")
    assert not plan.empty
    assert make_plan(before.codes, before.codes, old, old).empty
    assert named([f"{number}" for number in range(7)]) == "0, 1, 2, 3, 4 and 2 more"
