"""Which listings are collected, by which rules, and how many each rule dropped. Pure.

A universe is a dated snapshot: it never changes once written, so that a day can be explained years later.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from observer_core.ids import DayNumber
from observer_core.market.listings import Listing

Board = Literal["kospi", "kosdaq"]


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is collected; the defaults are the product's."""

    minimum_close: Annotated[int, Meta(ge=0)] = 4000
    """Lowest previous close, KRW."""
    boards: tuple[Board, ...] = ("kospi", "kosdaq")
    groups: tuple[str, ...] = ("ST",)
    """Security groups as the broker codes them; ST = shares."""
    preferred: bool = False
    spac: bool = False
    halted: bool = False
    administrative: bool = False
    liquidation: bool = False
    highest_warning: Annotated[int, Meta(ge=0, le=3)] = 3
    """Highest market alarm collected: 0 none, 1 caution, 2 warning, 3 risk."""
    top: Annotated[int, Meta(ge=1)] | None = None
    """Only the N largest by market capitalisation."""
    include: tuple[str, ...] = ()
    """Collected whatever the other rules say."""
    exclude: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    """Included, and first in line for the streams."""


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
    sequence: int = 0
    """0 for the first snapshot of the day, then one more with every change of the rules."""
    boards: dict[str, int] = {}
    """Listings of every board's file."""
    unlisted: tuple[str, ...] = ()
    """Included or pinned codes that no listing has."""
    origin: str = ""
    """Where the rules came from."""

    @property
    def name(self) -> str:
        """Return the name of the snapshot: YYYYMMDD, with -N after a change of rules during the day."""
        return f"{self.day}-{self.sequence}" if self.sequence else f"{self.day}"

    @property
    def codes(self) -> frozenset[str]:
        """Return the collected symbols."""
        return frozenset(member.code for member in self.members)


_RULES: tuple[tuple[str, Callable[[Listing, Rules], bool]], ...] = (
    ("boards", lambda listing, rules: listing.board not in rules.boards),
    ("groups", lambda listing, rules: listing.group not in rules.groups),
    ("spac", lambda listing, rules: listing.spac and not rules.spac),
    ("preferred", lambda listing, rules: listing.preferred and not rules.preferred),
    ("halted", lambda listing, rules: listing.halted and not rules.halted),
    ("administrative", lambda listing, rules: listing.administrative and not rules.administrative),
    ("liquidation", lambda listing, rules: listing.liquidation and not rules.liquidation),
    ("highest_warning", lambda listing, rules: listing.warning > rules.highest_warning),
    ("minimum_close", lambda listing, rules: listing.previous_close < rules.minimum_close),
)


def build_universe(listings: Iterable[Listing], rules: Rules, day: DayNumber) -> Universe:
    """Apply the rules to all listings of both boards."""
    dropped: Counter[str] = Counter({"exclude": 0} | {name: 0 for name, _applies in _RULES})
    wanted, unwanted = frozenset((*rules.include, *rules.pins)), frozenset(rules.exclude)
    boards: Counter[str] = Counter()
    asked: list[Listing] = []
    kept: list[Listing] = []
    for listing in listings:
        boards[listing.board] += 1
        if listing.code in wanted:
            asked.append(listing)
        elif listing.code in unwanted:
            dropped["exclude"] += 1
        elif (reason := next((name for name, applies in _RULES if applies(listing, rules)), None)) is not None:
            dropped[reason] += 1
        else:
            kept.append(listing)
    if rules.top is not None and len(kept) > rules.top:
        dropped["top"] = len(kept) - rules.top
        kept = sorted(kept, key=lambda listing: (-listing.market_cap, listing.code))[: rules.top]
    return Universe(
        day=day,
        rules=rules,
        listings=boards.total(),
        dropped=dict(dropped),
        members=tuple(_member(listing) for listing in sorted((*asked, *kept), key=lambda listing: listing.code)),
        boards=dict(boards),
        unlisted=tuple(sorted(wanted.difference(listing.code for listing in asked))),
    )


def _member(listing: Listing) -> Member:
    return Member(
        code=listing.code,
        name=listing.name,
        board=listing.board,
        previous_close=listing.previous_close,
        turnover=listing.turnover,
    )


def hottest(universe: Universe) -> list[str]:
    """Return the codes in the order of their claim to a stream: pins first, then by previous turnover."""
    codes = universe.codes
    pins = [code for code in dict.fromkeys(universe.rules.pins) if code in codes]
    by_turnover = sorted(universe.members, key=lambda member: (-member.turnover, member.code))
    return list(dict.fromkeys((*pins, *(member.code for member in by_turnover))))


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
