"""Assignment of symbols to shards: complete, level, and still when the universe changes."""

from hypothesis import given
from hypothesis import strategies as st

from observer_core.ids import ShardName
from observer_core.market.sharding import SYMBOLS_PER_CALL, assign, deal

SHARDS = [ShardName(f"swing-{index}") for index in range(4)]
CODES = st.sets(st.integers(0, 999_999).map(lambda number: f"{number:06d}"), max_size=400)


def calls(symbols: tuple[str, ...]) -> int:
    return -(-len(symbols) // SYMBOLS_PER_CALL)


@given(CODES, st.integers(1, 6))
def test_every_symbol_has_exactly_one_home(symbols: set[str], count: int) -> None:
    placed = assign(symbols, [ShardName(f"s{index}") for index in range(count)])
    assert sorted(symbol for owned in placed.values() for symbol in owned) == sorted(symbols)


def test_two_thousand_symbols_are_sixty_eight_calls() -> None:
    placed = assign([f"{number:06d}" for number in range(2000)], SHARDS)
    assert sum(calls(owned) for owned in placed.values()) == 68
    assert max(calls(owned) for owned in placed.values()) == 17


@given(CODES, CODES)
def test_a_change_moves_no_more_than_it_must(before: set[str], after: set[str]) -> None:
    old = assign(before, SHARDS)
    new = assign(after, SHARDS, old)
    home = {symbol: shard for shard, owned in old.items() for symbol in owned}
    moved = [s for shard, owned in new.items() for s in owned if s in home and home[s] != shard]
    assert sorted(symbol for owned in new.values() for symbol in owned) == sorted(after)
    # Only a universe that became smaller can take room away from a shard.
    assert len(moved) <= max(0, len(before - after) + SYMBOLS_PER_CALL * len(SHARDS))
    if before <= after:
        assert moved == []


def test_slots_are_dealt_by_rank() -> None:
    dealt = deal(["a", "b", "c", "d", "e"], [ShardName("scalp-0"), ShardName("scalp-1")], 2)
    assert dealt == {"scalp-0": ("a", "c"), "scalp-1": ("b", "d")}
