"""Reads the exchange's ledger: what the exchange says it sent."""

import json
from collections.abc import Callable
from pathlib import Path
from sys import intern
from typing import NamedTuple

OBSERVATIONS = ("trade", "quote", "book")


class Sent(NamedTuple):
    """One observation that the exchange sent."""

    identity: "Identity"
    symbol: str
    sent_ns: int


class Identity(NamedTuple):
    """What makes an observation recognisable on both sides; a quote has no exchange time and no size.

    The size of a book is all that is bid for: there are several books in a second, and each must be known by itself.
    """

    kind: str
    symbol: str
    exchange_time: str
    price: int
    volume: int
    cumulative_volume: int


class Ledger(NamedTuple):
    """Everything sent, and how many calls the exchange refused."""

    sent: list[Sent]
    refused: int
    sessions: int
    identities: "dict[Identity, Identity]" = {}  # noqa: RUF012 - never changed
    """Each identity once: they are most of the memory."""


def identity_of(kind: str, line: dict[str, object], exchange_time: str) -> Identity:
    """Return the identity of an observation from a ledger or archive line."""

    def number(name: str) -> int:
        return int(str(line.get(name) or 0))

    return Identity(
        intern(kind),
        intern(str(line["symbol"])),
        "" if kind == "quote" else intern(exchange_time),
        0 if kind == "book" else number("price"),
        _size(kind, number),
        number("cumulative_volume"),
    )


def _size(kind: str, number: Callable[[str], int]) -> int:
    """Return the size of an observation; the archive has its own name for that of a book."""
    match kind:
        case "trade":
            return number("volume")
        case "book":
            return number("total_bid_size") or number("volume")
    return 0


def read_ledger(path: Path) -> Ledger:
    """Read a ledger file of JSON lines; equal identities become one object.

    Raises:
        ValueError: a line is not JSON; names file and line.
    """
    sent: list[Sent] = []
    identities: dict[Identity, Identity] = {}
    refused = sessions = 0
    with path.open(encoding="utf-8") as lines:
        for number, text in enumerate(lines, start=1):
            try:
                line = json.loads(text)
            except ValueError as error:
                raise ValueError(f"{path}:{number} is not JSON: {error}") from error
            kind = line["kind"]
            if kind in OBSERVATIONS:
                identity = identity_of(kind, line, line["exchange_time"])
                identity = identities.setdefault(identity, identity)
                sent.append(Sent(identity, identity.symbol, line["sent_ns"]))
            elif kind == "refused":
                refused += 1
            elif kind == "session_opened":
                sessions += 1
    return Ledger(sent, refused, sessions, identities)
