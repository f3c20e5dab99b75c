"""Which listings are collected, by which rules, and how many each rule dropped. Pure.

A universe is a dated snapshot: it never changes once written, so that a day can be explained years later.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from observer_core.ids import DayNumber
from observer_core.market.listings import Listing

COLLAPSE_SHARE = 0.5
"""A universe smaller than this share of the one before is refused: lists have collapsed in transit before."""


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is collected; the defaults are the product's."""

    minimum_close: int = 4000
    """Lowest previous close, KRW."""
    groups: tuple[str, ...] = ("ST",)
    """Security groups as the broker codes them; ST = shares."""
    preferred: bool = False
    spac: bool = False
    halted: bool = False
    administrative: bool = False
    liquidation: bool = False
    top: int | None = None
    """Only the N largest by market capitalisation."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One collected symbol."""

    code: str
    name: str
    board: str
    previous_close: int
    turnover: int
    """Previous day's volume times previous close, KRW: how hot it is before the day begins."""


class Universe(msgspec.Struct, frozen=True, kw_only=True):
    """The snapshot of a day."""

    day: DayNumber
    rules: Rules
    listings: int
    dropped: dict[str, int]
    """Rule → how many listings it dropped; each listing counts at the first rule that drops it."""
    members: tuple[Member, ...]
    """Sorted by code."""


_RULES: tuple[tuple[str, Callable[[Listing, Rules], bool]], ...] = (
    ("group", lambda listing, rules: listing.group not in rules.groups),
    ("spac", lambda listing, rules: listing.spac and not rules.spac),
    ("preferred", lambda listing, rules: listing.preferred and not rules.preferred),
    ("halted", lambda listing, rules: listing.halted and not rules.halted),
    ("administrative", lambda listing, rules: listing.administrative and not rules.administrative),
    ("liquidation", lambda listing, rules: listing.liquidation and not rules.liquidation),
    ("minimum_close", lambda listing, rules: listing.previous_close < rules.minimum_close),
)


def build_universe(listings: Iterable[Listing], rules: Rules, day: DayNumber) -> Universe:
    """Apply the rules to all listings of both boards."""
    dropped: Counter[str] = Counter({name: 0 for name, _applies in _RULES})
    kept: list[Listing] = []
    total = 0
    for listing in listings:
        total += 1
        reason = next((name for name, applies in _RULES if applies(listing, rules)), None)
        if reason is None:
            kept.append(listing)
        else:
            dropped[reason] += 1
    if rules.top is not None and len(kept) > rules.top:
        dropped["top"] = len(kept) - rules.top
        kept = sorted(kept, key=lambda listing: (-listing.market_cap, listing.code))[: rules.top]
    members = tuple(_member(listing) for listing in sorted(kept, key=lambda listing: listing.code))
    return Universe(day=day, rules=rules, listings=total, dropped=dict(dropped), members=members)


def _member(listing: Listing) -> Member:
    return Member(
        code=listing.code,
        name=listing.name,
        board=listing.board,
        previous_close=listing.previous_close,
        turnover=listing.turnover,
    )


def hottest(universe: Universe) -> list[str]:
    """Return the codes by previous turnover, hottest first."""
    return [member.code for member in sorted(universe.members, key=lambda member: (-member.turnover, member.code))]


def has_collapsed(members: int, members_before: int | None) -> bool:
    """Return whether a new universe is so much smaller that it must not be adopted by itself."""
    return members == 0 or (members_before is not None and members < members_before * COLLAPSE_SHARE)


def decode_universe(raw: bytes) -> Universe:
    """Read a snapshot.

    Raises:
        msgspec.DecodeError: it is not one.
    """
    return _decoder.decode(raw)


def encode_universe(universe: Universe) -> bytes:
    """Return the snapshot as JSON, indented for people."""
    plain: Any = msgspec.to_builtins(universe)
    return msgspec.json.format(msgspec.json.encode(plain), indent=1)


_decoder = msgspec.json.Decoder(Universe)
