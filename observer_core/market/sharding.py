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
    # At the edge of a whole call one symbol less would make every shard give up some: what is placed may stay one
    # call above the level as long as the shards are the same.
    stay_room = room + SYMBOLS_PER_CALL if previous is not None and set(previous) == set(shards) else room
    placed: dict[ShardName, list[str]] = {shard: [] for shard in shards}
    homeless = wanted.copy()
    for shard, owned in (previous or {}).items():
        if shard not in placed:
            continue
        # Beyond its room a shard gives up those that want to be elsewhere most, always the same ones.
        stay = sorted(homeless.intersection(owned), key=lambda symbol: _weight(shard, symbol))[:stay_room]
        placed[shard].extend(stay)
        homeless.difference_update(stay)
    for symbol in sorted(homeless):
        preferred = sorted(shards, key=lambda shard: _weight(shard, symbol))
        home = next(shard for shard in preferred if len(placed[shard]) < room)
        placed[home].append(symbol)
    return {shard: tuple(sorted(owned)) for shard, owned in placed.items()}


def deal(
    ranked: Sequence[str],
    sessions: Sequence[ShardName],
    slots: int,
    previous: Mapping[ShardName, Sequence[str]] | None = None,
) -> dict[ShardName, tuple[str, ...]]:
    """Deal the best-ranked symbols over the stream sessions, `slots` to a session, each by rank.

    What a session holds stays with it; the rest goes one by one to the session with most room.
    """
    chosen = ranked[: slots * len(sessions)]
    rank = {symbol: place for place, symbol in enumerate(chosen)}
    held: dict[ShardName, list[str]] = {session: [] for session in sessions}
    for session in sessions:
        held[session] += [symbol for symbol in (previous or {}).get(session, ()) if symbol in rank][:slots]
    placed = {symbol for symbols in held.values() for symbol in symbols}
    for symbol in chosen:
        if symbol not in placed:
            min(held.values(), key=len).append(symbol)
    return {session: tuple(sorted(symbols, key=rank.__getitem__)) for session, symbols in held.items()}


def preferred(symbol: str, shards: Sequence[ShardName]) -> ShardName:
    """Return the shard that a symbol prefers to all others."""
    return min(shards, key=lambda shard: _weight(shard, symbol)) if len(shards) > 1 else shards[0]


def _symbols_per_shard(symbols: int, shards: int) -> int:
    calls = ceil(symbols / SYMBOLS_PER_CALL)
    return max(1, ceil(calls / shards)) * SYMBOLS_PER_CALL


def _weight(shard: str, symbol: str) -> bytes:
    return blake2b(f"{shard}/{symbol}".encode(), digest_size=8).digest()
