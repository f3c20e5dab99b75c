"""What is told along the supervisor's pipes: orders from the hub, orders to children, and their reports.

Separate from `messages` because nothing of it is journalled or published: both ends are of the same start.
"""

from enum import StrEnum

import msgspec

from observer_core.messages import decode_with


class _Order(msgspec.Struct, frozen=True, kw_only=True, tag_field="t"):
    pass


class Verb(StrEnum):
    """What an operator can order of one process."""

    RESTART = "restart"
    PAUSE = "pause"
    RESUME = "resume"
    RELEASE = "release"
    """Start a quarantined or waiting process at once."""
    SCALE = "scale"
    """Run `count` processes of a kind; the target is the kind."""


class Errand(StrEnum):
    """What else an operator can order: arranged by the hub, the supervisor never hears of it."""

    PIN = "pin"
    UNPIN = "unpin"
    PLAN = "plan"
    """Say what the rules file would change; the target is "universe"."""
    APPLY = "apply"
    """Put the rules file in force; the option "accept_size" overrules the guard."""
    REPLAY = "replay"
    """The journals of a day into Postgres; the target is YYYY-MM-DD, the option "dry_run" only counts."""
    ACKNOWLEDGE = "acknowledge"
    """Take note of an alert; the target is its key."""


class Order(_Order, frozen=True, kw_only=True, tag="order"):
    """A command on its way from the hub to the supervisor."""

    ticket: str
    verb: Verb
    target: str
    who: str
    reason: str
    generation: int | None = None
    """Generation the operator saw; None = whatever runs."""
    count: int | None = None
    """How many processes; for `SCALE` only."""


class ChildOrder(_Order, frozen=True, kw_only=True, tag="child"):
    """What the supervisor tells a child over its control pipe."""

    verb: str
    """"pause", "resume" or "reload"."""


class ChildReport(_Order, frozen=True, kw_only=True, tag="ready"):
    """What a child tells the supervisor over its report pipe."""

    pid: int
    state: str
    """"ready" once, after start-up; "progress" later; "assigned" when maintenance put an assignment in force;
    "swept" when a shard has been through all symbols of one."""
    version: int = 0
    """Version of the assignment."""
    shards: int = 0
    """How many sweeping shards it is for."""


_order_decoder = msgspec.msgpack.Decoder(Order)
_child_order_decoder = msgspec.msgpack.Decoder(ChildOrder)
_child_report_decoder = msgspec.msgpack.Decoder(ChildReport)


def decode_order(raw: bytes) -> Order:
    """Decode what the hub writes to the supervisor."""
    return decode_with(_order_decoder, raw)


def decode_child_order(raw: bytes) -> ChildOrder:
    """Decode what the supervisor writes to a child."""
    return decode_with(_child_order_decoder, raw)


def decode_child_report(raw: bytes) -> ChildReport:
    """Decode what a child writes to the supervisor."""
    return decode_with(_child_report_decoder, raw)
