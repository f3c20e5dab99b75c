"""Writer of the listing files, byte-exact: `kospi_code.mst.zip` and `kosdaq_code.mst.zip`.

Separate from the product's parser on purpose: only the byte layout table is shared, so that one checks the
other. Lines are cp949, 288 and 282 bytes, ended by LF and sorted by market and code.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from observer_core.kis.master_layout import (
    KOSDAQ_COLUMNS,
    KOSDAQ_LINE_BYTES,
    KOSPI_COLUMNS,
    KOSPI_LINE_BYTES,
    MASTER_ENCODING,
    Column,
)
from observer_core.kis.simulator.listings import KOSDAQ, KOSPI, Listing

_NUMERIC: Final = frozenset((
    "sdpr", "qty_unit", "qty_unit_ovtm", "warn", "flng", "fcam_chg", "incr", "marg", "crdt_days", "prdy_vol",
    "fcam", "list_date", "list_shares", "cpfn", "sett_month", "sales", "op", "ord", "net", "idx_l", "idx_m",
    "idx_s", "cap_size", "cap", "k200_sector", "overheat", "unfaithful", "backdoor",
))  # fmt: skip
"""Columns the broker fills with zeros on the left."""
_BLANK: Final = frozenset(("mfg", "venture", "ipo_price", "short_over", "group", "base_ym"))
"""Columns the broker leaves blank where it has nothing to say; every other flag is N."""
_PAR_VALUE_KRW: Final = 100


def isin_of(code: str, group: str) -> str:
    """Return the 12-character ISIN of a Korean short code, with its check digit."""
    if code.startswith("Q"):
        body = f"KRG{code[1:4]}00{code[4:]}"
    elif code.startswith("F"):
        body = f"KR5{code[1:]}"
    elif group == "DR":
        body = f"KR8{code}00"
    else:
        body = f"KR7{code}00"
    digits = "".join(str(int(character, 36)) for character in body)
    total = 0
    for position, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if position % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return f"{body}{-total % 10}"


def master_line(listing: Listing) -> bytes:
    """Return one line without its LF: 288 bytes on KOSPI, 282 on KOSDAQ."""
    kospi = listing.market == KOSPI
    values = _values(listing)
    columns = KOSPI_COLUMNS if kospi else KOSDAQ_COLUMNS
    line = b"".join(_cell(column, values.get(column.name)) for column in columns)
    if len(line) != (KOSPI_LINE_BYTES if kospi else KOSDAQ_LINE_BYTES):
        msg = f"listing {listing.code} does not fit its master line: {len(line)} bytes"
        raise ValueError(msg)
    return line


def master_zip(listings: Iterable[Listing], market: str, built_at: datetime) -> bytes:
    """Return the zip of one market (`KOSPI` or `KOSDAQ`), holding one `.mst` file of that build time."""
    lines = sorted((listing.code, master_line(listing)) for listing in listings if listing.market == market)
    content = b"".join(line + b"\n" for _, line in lines)
    stamp = (built_at.year, built_at.month, built_at.day, 7, 35, 6)
    entry = zipfile.ZipInfo(master_name(market).removesuffix(".zip"), stamp)
    entry.compress_type = zipfile.ZIP_DEFLATED
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(entry, content)
    return target.getvalue()


def master_name(market: str) -> str:
    """Return the file name of a market's listing file."""
    return {KOSPI: "kospi_code.mst.zip", KOSDAQ: "kosdaq_code.mst.zip"}[market]


def _values(listing: Listing) -> dict[str, str]:
    """Return the columns that differ between instruments; the rest has constant filling."""
    tradable = listing.group == "ST" and not listing.halted
    size_class = 1 if listing.market_value_100m > 50_000 else 2 if listing.market_value_100m > 5_000 else 3
    return {
        "short_code": listing.code,
        "isin": isin_of(listing.code, listing.group),
        "name": listing.name,
        "scrt_grp": listing.group,
        "cap_size": str(size_class if listing.group == "ST" else 0),
        "k200_sector": "5" if size_class == 1 and listing.group == "ST" else "0",
        "ksq150": "Y" if size_class == 1 else "N",
        "krx300": "Y" if size_class == 1 else "N",
        "kospi": "Y" if listing.group == "ST" else "N",
        "etp": listing.etp_class,
        "spac": "Y" if listing.spac else "N",
        "sdpr": str(listing.base_price),
        "qty_unit": "1",
        "qty_unit_ovtm": "1",
        "halt": "Y" if listing.halted else "N",
        "mang": "Y" if listing.administrative else "N",
        "marg": "40" if tradable else "100",
        "crdt": "Y" if tradable else "N",
        "crdt_days": "90",
        "prdy_vol": str(listing.previous_volume),
        "fcam": str(_PAR_VALUE_KRW),
        "list_date": "20020612",
        "list_shares": str(listing.listed_shares // 1_000),
        "cpfn": str(listing.listed_shares * _PAR_VALUE_KRW),
        "sett_month": "12",
        "pref": str(listing.preferred),
        "roe": "00.00" if listing.market == KOSPI else "00000",
        "base_ym": "20260331" if listing.group == "ST" else "",
        "cap": str(listing.market_value_100m),
    }


def _cell(column: Column, value: str | None) -> bytes:
    """Encode one column: zeros on the left, blanks on the right, never half a Hangul syllable."""
    if column.name in _NUMERIC:
        return (value or "0").rjust(column.width, "0").encode(MASTER_ENCODING)
    if value is None:
        value = "" if column.name in _BLANK else "N" * column.width
    encoded = value.encode(MASTER_ENCODING)
    while len(encoded) > column.width:
        value = value[:-1]
        encoded = value.encode(MASTER_ENCODING)
    return encoded.ljust(column.width)


MARKETS: Final = (KOSPI, KOSDAQ)
"""Markets that have a listing file."""
