"""What a change of the universe would do, and whether it may happen by itself. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from observer_core.ids import ShardName
from observer_core.market.universe import Rules, Universe
from observer_core.market.universe_config import Guard

Placement = Mapping[ShardName, Sequence[str]]
"""Shard → its symbols."""

_NAMED = 5
"""So many symbols of a change are named in one line."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The difference between what is in force and what would be."""

    before: int
    """Symbols in force; 0 when there is no universe yet."""
    after: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    moved: tuple[str, ...]
    """Symbols that stay but change their sweeping shard."""
    touched: tuple[str, ...]
    """Shards whose symbols change."""
    stream_added: tuple[str, ...] = ()
    stream_removed: tuple[str, ...] = ()
    restarts: int = 0

    @property
    def empty(self) -> bool:
        """Return whether nothing would change."""
        return not (self.touched or self.added or self.removed)

    @property
    def text(self) -> str:
        """Return one line for people."""
        shards = ", ".join(self.touched) or "none"
        return (
            f"{self.before:,} -> {self.after:,} symbols (+{len(self.added)} -{len(self.removed)}), "
            f"{len(self.moved)} moved, shards touched: {shards}, {self.restarts} restarts"
        )


class Refusal(NamedTuple):
    """Why a universe may not come into force by itself, and the rule to look at ("" = none)."""

    reason: str
    rule: str


class Placements(NamedTuple):
    """Who collects what: by sweep and by stream."""

    swing: Placement
    scalp: Placement


def make_plan(members_before: frozenset[str], members_after: frozenset[str], old: Placements, new: Placements) -> Plan:
    """Compare two universes and their placements."""
    home = _homes(old.swing)
    moved = sorted(code for code, shard in _homes(new.swing).items() if home.get(code, shard) != shard)
    streams_before, streams_after = _homes(old.scalp), _homes(new.scalp)
    return Plan(
        before=len(members_before),
        after=len(members_after),
        added=tuple(sorted(members_after - members_before)),
        removed=tuple(sorted(members_before - members_after)),
        moved=tuple(moved),
        touched=tuple(sorted((*_touched(old.swing, new.swing), *_touched(old.scalp, new.scalp)))),
        stream_added=tuple(sorted(streams_after.keys() - streams_before.keys())),
        stream_removed=tuple(sorted(streams_before.keys() - streams_after.keys())),
    )


def judge_size(universe: Universe, before: Universe | None, guard: Guard) -> Refusal | None:
    """Return why a universe of this size cannot be meant, None if it can."""
    after = len(universe.members)
    rule = _changed_rule(universe, before)
    if after == 0:
        reason = f"{len(before.members):,} -> 0 symbols" if before else "0 symbols"
        return Refusal(
            f"{reason}: the rules leave none of {universe.listings:,} listings", rule or _widest_drop(universe)
        )
    if before is None or not before.members:
        return None
    change = f"{len(before.members):,} -> {after:,} symbols"
    if after < len(before.members) * guard.smallest_share:
        share = f"less than {guard.smallest_share:.0%} of what is in force"
        return Refusal(f"{change}: {share}", rule or _widest_drop(universe))
    if after > len(before.members) * guard.largest_factor:
        return Refusal(f"{change}: more than {guard.largest_factor:g} times what is in force", rule)
    return None


def judge_listings(boards: Mapping[str, int], boards_before: Mapping[str, int], guard: Guard) -> str | None:
    """Return why downloaded listing files cannot be whole, None if they can: a board lost most of its listings."""
    for board, count_before in boards_before.items():
        count = boards.get(board, 0)
        if count < count_before * guard.smallest_share:
            return f"listing file of {board}: {count_before:,} -> {count:,} listings"
    return None


def named(codes: Sequence[str]) -> str:
    """Return some symbols for a line of text: "005930, 000660 and 10 more"."""
    shown = ", ".join(codes[:_NAMED])
    return shown if len(codes) <= _NAMED else f"{shown} and {len(codes) - _NAMED} more"


def _homes(placement: Placement) -> dict[str, ShardName]:
    return {code: shard for shard, codes in placement.items() for code in codes}


def _touched(before: Placement, after: Placement) -> Iterable[str]:
    return (shard for shard in {*before, *after} if set(before.get(shard, ())) != set(after.get(shard, ())))


def _changed_rule(universe: Universe, before: Universe | None) -> str:
    if before is None:
        return ""
    rules, former = universe.rules, before.rules
    return next((name for name in Rules.__struct_fields__ if getattr(rules, name) != getattr(former, name)), "")


def _widest_drop(universe: Universe) -> str:
    return max(universe.dropped, key=lambda name: universe.dropped[name], default="")
