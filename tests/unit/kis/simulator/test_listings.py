"""The simulated listings: exact size after the universe rule, oddities included, activity by turnover."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.kis.simulator.listings import Listing, generate_listings


def kept(listings: tuple[Listing, ...]) -> list[Listing]:
    return [
        listing
        for listing in listings
        if listing.group == "ST"
        and not (listing.spac or listing.halted or listing.administrative or listing.preferred)
        and listing.base_price >= 4_000
    ]


@settings(max_examples=15, deadline=None)
@given(st.integers(), st.sampled_from([1, 3, 36, 41, 200, 2_000]))
def test_the_universe_rule_keeps_exactly_what_was_asked_for(seed: int, ordinary: int) -> None:
    listings = generate_listings(seed, ordinary)
    assert len(kept(listings)) == ordinary
    assert len({listing.code for listing in listings}) == len(listings)
    assert "005930" in {listing.code for listing in kept(listings)}


def test_a_seed_determines_the_listings() -> None:
    assert generate_listings(3, 100) == generate_listings(3, 100)
    assert generate_listings(3, 100) != generate_listings(4, 100)


def test_there_is_something_for_every_rule_to_drop() -> None:
    listings = generate_listings(1, 50)
    codes = {listing.code for listing in listings}
    assert {"005930", "000660", "0126Z0", "00088K", "Q500061", "F70100030"} <= codes
    assert {listing.group for listing in listings} >= {"ST", "EF", "EN", "RT", "FS", "DR", "BC"}
    assert {listing.market for listing in kept(listings)} == {"KOSPI", "KOSDAQ"}
    shares = [listing for listing in listings if listing.group == "ST"]
    for reason in ("spac", "halted", "administrative", "preferred"):
        assert any(getattr(listing, reason) for listing in shares), reason
    assert any(listing.base_price < 4_000 for listing in shares)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_hottest_by_previous_turnover_are_the_busiest(seed: int) -> None:
    shares = kept(generate_listings(seed, 2_000))
    hottest = sorted(shares, key=lambda share: -share.base_price * share.previous_volume)[:41]
    rate = sum(share.trades_per_s for share in hottest)
    best = sum(sorted((share.trades_per_s for share in shares), reverse=True)[:41])
    assert 200 <= rate <= 400
    assert rate > 0.9 * best
    slow = [share for share in shares if share.trades_per_s < 0.2]
    assert len(slow) > len(shares) / 2
