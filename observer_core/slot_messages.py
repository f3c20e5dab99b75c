"""What processes tell each other about the tick slots: candidates, and who holds what.

Separate from `messages` because none of it is a record: losing one costs a chance or a moment, never data.
"""

import msgspec

OVERFLOW_SHOWN = 50
"""Newest losers that a status or view carries; all of them are in the archive."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="t"):
    pass


class Candidate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A symbol that a trigger proposes for a tick slot."""

    symbol: str
    trigger: str
    score: float
    at_ns: int


class Candidates(_Message, frozen=True, kw_only=True, tag="candidates"):
    """What one sweeping shard proposes to the streaming shards; losing one costs a chance, never data."""

    source: str
    candidates: tuple[Candidate, ...]


class SlotRow(msgspec.Struct, frozen=True, kw_only=True):
    """One tick slot of an appkey and who holds it."""

    appkey: int
    slot: int
    symbol: str
    trigger: str
    """What brought the symbol here: a `scalp.triggers.Trigger` value, "pin", or "rank" for the universe's own order."""
    score: float
    """As of its latest candidate."""
    since_ns: int
    dwell_until_ns: int
    """Before this instant no candidate takes the slot."""
    pinned: bool
    last_record_ns: int | None
    """When the newest trade of the symbol arrived in this slot; None = nothing yet."""


class OverflowRow(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate that got no slot, for the screen; the whole record is an `Overflow`."""

    symbol: str
    trigger: str
    score: float
    reason: str
    at_ns: int


class SlotStatus(_Message, frozen=True, kw_only=True, tag="slots"):
    """The slots of one streaming shard; totals since the start of its process."""

    name: str
    pid: int
    status_seq: int
    as_of_ns: int
    appkey: int
    capacity: int
    slots: tuple[SlotRow, ...] = ()
    candidates_total: int = 0
    placed_total: int = 0
    overflow_total: int = 0
    newest_overflow: tuple[OverflowRow, ...] = ()
    """Newest first, at most `OVERFLOW_SHOWN`."""
    mitigation_level: int = 0
    mitigation_reason: str = ""
