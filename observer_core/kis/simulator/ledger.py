"""The exchange's own account of what it sent: the oracle for completeness, as JSON lines.

A row of what was sent is added only after the send call succeeded, with the wall-clock time just before it; what
traded but was kept back by a fault has rows of the kind "market". Rows are buffered and written every
`FLUSH_INTERVAL_S` and at the end.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from observer_core.errors import ConfigError

FLUSH_INTERVAL_S: Final = 0.1


class SentRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One observation sent; prices in KRW, volumes in pieces.

    `kind`: trade, book, quote; expected (an auction's expected execution) and operation (halts, VI, phases).
    """

    kind: str
    symbol: str
    exchange_time: str
    price: int
    volume: int
    cumulative_volume: int
    sent_ns: int
    receiver: str
    expected: bool = False
    """Of a trade: an auction's expected price in a trade record; nothing was executed."""


class SessionRow(msgspec.Struct, frozen=True):
    """A stream session began or ended; `appkey` is the ordinal, never the key."""

    kind: Literal["session_opened", "session_closed"]
    receiver: str
    sent_ns: int
    appkey: int


class RefusedRow(msgspec.Struct, frozen=True):
    """A request the exchange refused, with the broker's code; `appkey` is the ordinal, -1 when unknown."""

    kind: Literal["refused"]
    receiver: str
    sent_ns: int
    appkey: int
    code: str


class MarketRow(msgspec.Struct, frozen=True):
    """An execution or book that was registered for and not sent; `why` names the fault that kept it."""

    kind: Literal["market"]
    of: str
    symbol: str
    exchange_time: str
    price: int
    volume: int
    cumulative_volume: int
    withheld_ns: int
    receiver: str
    why: str


LedgerRow = MarketRow | SentRow | SessionRow | RefusedRow


class Ledger:
    """Append rows to a file, or count them only when there is none.

    Raises:
        ConfigError: the file cannot be opened for appending.
    """

    def __init__(self, path: Path | None) -> None:
        self.rows = 0
        self._encode = msgspec.json.Encoder().encode
        self._buffer: list[bytes] = []
        try:
            self._file = path.open("ab") if path is not None else None
        except OSError as error:
            raise ConfigError(f"cannot write the ledger {path}: {error.strerror}") from error

    def append(self, row: LedgerRow) -> None:
        """Add one row; it reaches the file with the next flush."""
        self.rows += 1
        if self._file is not None:
            self._buffer.append(self._encode(row))

    def flush(self) -> None:
        """Write the buffered rows to the file, whole lines only."""
        if self._file is not None and self._buffer:
            self._buffer.append(b"")
            self._file.write(b"\n".join(self._buffer))
            self._file.flush()
            self._buffer.clear()

    def close(self) -> None:
        """Flush and close the file; further rows are counted only."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None
