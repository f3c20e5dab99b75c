"""What a listing file says about one security: the input of the universe rules. Pure.

Separate from the broker's file format, so that the rules do not know where listings come from.
"""

import msgspec


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One security of a board, as of the morning of its file. Prices in KRW, volumes in shares."""

    code: str
    """Short code: an alphanumeric text, never a number."""
    isin: str
    name: str
    board: str
    """"kospi" or "kosdaq"."""
    group: str
    """Security group as the broker codes it; "ST" is a share."""
    previous_close: int
    """Base price of the day: the previous close unless it was adjusted."""
    previous_volume: int
    market_cap: int
    """In 100 million KRW, of the previous day."""
    spac: bool = False
    halted: bool = False
    administrative: bool = False
    liquidation: bool = False
    preferred: bool = False
    warning: int = 0
    """Market alarm: 0 none, 1 caution, 2 warning, 3 risk."""
    kospi200_sector: str = ""
    """Sector within the KOSPI200; empty = not a member."""
    kosdaq150: bool = False

    @property
    def turnover(self) -> int:
        """Return what was traded on the previous day, KRW, at its close."""
        return self.previous_close * self.previous_volume
