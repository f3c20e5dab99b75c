"""Identifiers and units as types, so that a sequence number is never passed where an epoch is meant.

The lowest layer: imports nothing of the product.
"""

import re
from functools import lru_cache
from typing import NewType

Symbol = NewType("Symbol", str)
"""KRX short code: 6 alphanumerics, `Q` + 6 for an ETN ("005930", "0126Z0", "Q500061")."""

ShardName = NewType("ShardName", str)
"""Name of a process that owns a journal: "swing-0", "scalp-0", "hub"."""

ProcessName = NewType("ProcessName", str)
"""Name of any supervised process; a shard's name is also its process name."""

SinkName = NewType("SinkName", str)
"""Name of a writer: "jsonl" or "postgres"."""

AppKeyOrdinal = NewType("AppKeyOrdinal", int)
"""Position of an appkey in the configuration, 0 first. The key itself never leaves `kis`."""

Epoch = NewType("Epoch", int)
"""One process start of a shard; grows by at least 1, never repeats, synced before its first record."""

Seq = NewType("Seq", int)
"""Number of a record within (shard, epoch); the first is 1."""

TimeNs = NewType("TimeNs", int)
"""Wall-clock nanoseconds since 1970-01-01 UTC."""

MonotonicNs = NewType("MonotonicNs", int)
"""Monotonic nanoseconds: comparable between processes of one boot, meaningless across boots."""

DayNumber = NewType("DayNumber", int)
"""Exchange day as YYYYMMDD in Korean time."""

TicketId = NewType("TicketId", str)
"""Identity of a command; chosen by the client, so that a repeated command is recognised."""

_SYMBOL_FORM = re.compile(r"[0-9A-Z]{6}|[A-Z][0-9A-Z]{6}|[A-Z][0-9A-Z]{8}")


@lru_cache(maxsize=16_384)
def is_symbol(text: str) -> bool:
    """Return whether a text has the form of a KRX code: 6 alphanumerics, ETN 7, funds 9 characters."""
    return _SYMBOL_FORM.fullmatch(text) is not None
