"""Which shard sweeps which symbol. Pure.

A symbol prefers shards in the order of a hash of (shard, symbol) and takes the first with room; what is already
placed stays where it is while there is room. Room is counted in whole calls of 30 symbols, so that no shard's
sweep is longer than it has to be.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from math import ceil

from observer_core.ids import ShardName

SYMBOLS_PER_CALL = 30


def assign(
    symbols: Iterable[str], shards: Sequence[ShardName], previous: Mapping[ShardName, Sequence[str]] | None = None
) -> dict[ShardName, tuple[str, ...]]:
    """Return the symbols of every shard, sorted; each symbol exactly once.

    Args:
        symbols: the universe; duplicates count once.
        shards: names of the shards, at least one.
        previous: the assignment in force, to move as few symbols as possible.
    """
    wanted = set(symbols)
    room = _symbols_per_shard(len(wanted), len(shards))
    placed: dict[ShardName, list[str]] = {shard: [] for shard in shards}
    homeless = wanted.copy()
    for shard, owned in (previous or {}).items():
        if shard not in placed:
            continue
        # Beyond its room a shard gives up those that want to be elsewhere most, always the same ones.
        stay = sorted(homeless.intersection(owned), key=lambda symbol: _weight(shard, symbol))[:room]
        placed[shard].extend(stay)
        homeless.difference_update(stay)
    for symbol in sorted(homeless):
        preferred = sorted(shards, key=lambda shard: _weight(shard, symbol))
        home = next(shard for shard in preferred if len(placed[shard]) < room)
        placed[home].append(symbol)
    return {shard: tuple(sorted(owned)) for shard, owned in placed.items()}


def deal(ranked: Sequence[str], sessions: Sequence[ShardName], slots: int) -> dict[ShardName, tuple[str, ...]]:
    """Deal the best-ranked symbols over the stream sessions, one each in turn, `slots` to a session."""
    chosen = ranked[: slots * len(sessions)]
    return {session: tuple(chosen[index :: len(sessions)]) for index, session in enumerate(sessions)}


def _symbols_per_shard(symbols: int, shards: int) -> int:
    calls = ceil(symbols / SYMBOLS_PER_CALL)
    return max(1, ceil(calls / shards)) * SYMBOLS_PER_CALL


def _weight(shard: str, symbol: str) -> bytes:
    return blake2b(f"{shard}/{symbol}".encode(), digest_size=8).digest()
