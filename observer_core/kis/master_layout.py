"""Byte layout of the broker's symbol master lines (`kospi_code.mst`, `kosdaq_code.mst`).

Separate from the parser and from the simulator's writer: both work from these tables. Offsets count
**bytes** of the cp949 line without its LF, from 0: a Hangul syllable is two bytes, so decoded text must not
be sliced from the left after the name (notes §6). The widths were verified on real files of July 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Column:
    """Locate one column: `line[offset : offset + width]`, in bytes."""

    name: str
    offset: int
    width: int

    @property
    def end(self) -> int:
        """Return the offset just behind the column."""
        return self.offset + self.width


MASTER_ENCODING: Final = "cp949"
KOSPI_LINE_BYTES: Final = 288
KOSDAQ_LINE_BYTES: Final = 282

_HEAD: Final = (
    Column("short_code", 0, 9),  # right-blank; ETN have 7 characters ("Q500061"), funds 9
    Column("isin", 9, 12),
    Column("name", 21, 40),  # cp949 bytes, right-blank
)

KOSPI_COLUMNS: Final[tuple[Column, ...]] = (
    *_HEAD,
    Column("scrt_grp", 61, 2),
    Column("cap_size", 63, 1),
    Column("idx_l", 64, 4),
    Column("idx_m", 68, 4),
    Column("idx_s", 72, 4),
    Column("mfg", 76, 1),
    Column("low_liq", 77, 1),
    Column("cgi", 78, 1),
    Column("k200_sector", 79, 1),
    Column("k100", 80, 1),
    Column("k50", 81, 1),
    Column("krx", 82, 1),
    Column("etp", 83, 1),
    Column("elw", 84, 1),
    Column("krx100", 85, 1),
    Column("krx_auto", 86, 1),
    Column("krx_semi", 87, 1),
    Column("krx_bio", 88, 1),
    Column("krx_bank", 89, 1),
    Column("spac", 90, 1),
    Column("krx_chem", 91, 1),
    Column("krx_steel", 92, 1),
    Column("overheat", 93, 1),
    Column("krx_media", 94, 1),
    Column("krx_constr", 95, 1),
    Column("non1", 96, 1),
    Column("krx_sec", 97, 1),
    Column("krx_ship", 98, 1),
    Column("krx_ins", 99, 1),
    Column("krx_trans", 100, 1),
    Column("sri", 101, 1),
    Column("sdpr", 102, 9),
    Column("qty_unit", 111, 5),
    Column("qty_unit_ovtm", 116, 5),
    Column("halt", 121, 1),
    Column("sltr", 122, 1),
    Column("mang", 123, 1),
    Column("warn", 124, 2),
    Column("warn_pre", 126, 1),
    Column("unfaithful", 127, 1),
    Column("backdoor", 128, 1),
    Column("flng", 129, 2),
    Column("fcam_chg", 131, 2),
    Column("incr", 133, 2),
    Column("marg", 135, 3),
    Column("crdt", 138, 1),
    Column("crdt_days", 139, 3),
    Column("prdy_vol", 142, 12),
    Column("fcam", 154, 12),
    Column("list_date", 166, 8),
    Column("list_shares", 174, 15),
    Column("cpfn", 189, 21),
    Column("sett_month", 210, 2),
    Column("ipo_price", 212, 7),
    Column("pref", 219, 1),
    Column("short_over", 220, 1),
    Column("abnormal", 221, 1),
    Column("krx300", 222, 1),
    Column("kospi", 223, 1),
    Column("sales", 224, 9),
    Column("op", 233, 9),
    Column("ord", 242, 9),
    Column("net", 251, 9),
    Column("roe", 260, 5),
    Column("base_ym", 265, 8),
    Column("cap", 273, 9),
    Column("group", 282, 3),
    Column("crdt_over", 285, 1),
    Column("loan", 286, 1),
    Column("short", 287, 1),
)
"""KOSPI: head plus a tail of 227 bytes."""

KOSDAQ_COLUMNS: Final[tuple[Column, ...]] = (
    *_HEAD,
    Column("scrt_grp", 61, 2),
    Column("cap_size", 63, 1),
    Column("idx_l", 64, 4),
    Column("idx_m", 68, 4),
    Column("idx_s", 72, 4),
    Column("venture", 76, 1),
    Column("low_liq", 77, 1),
    Column("krx", 78, 1),
    Column("etp", 79, 1),
    Column("krx100", 80, 1),
    Column("krx_auto", 81, 1),
    Column("krx_semi", 82, 1),
    Column("krx_bio", 83, 1),
    Column("krx_bank", 84, 1),
    Column("spac", 85, 1),
    Column("krx_chem", 86, 1),
    Column("krx_steel", 87, 1),
    Column("overheat", 88, 1),
    Column("krx_media", 89, 1),
    Column("krx_constr", 90, 1),
    Column("invt_alrm", 91, 1),
    Column("krx_sec", 92, 1),
    Column("krx_ship", 93, 1),
    Column("krx_ins", 94, 1),
    Column("krx_trans", 95, 1),
    Column("ksq150", 96, 1),
    Column("sdpr", 97, 9),
    Column("qty_unit", 106, 5),
    Column("qty_unit_ovtm", 111, 5),
    Column("halt", 116, 1),
    Column("sltr", 117, 1),
    Column("mang", 118, 1),
    Column("warn", 119, 2),
    Column("warn_pre", 121, 1),
    Column("unfaithful", 122, 1),
    Column("backdoor", 123, 1),
    Column("flng", 124, 2),
    Column("fcam_chg", 126, 2),
    Column("incr", 128, 2),
    Column("marg", 130, 3),
    Column("crdt", 133, 1),
    Column("crdt_days", 134, 3),
    Column("prdy_vol", 137, 12),
    Column("fcam", 149, 12),
    Column("list_date", 161, 8),
    Column("list_shares", 169, 15),
    Column("cpfn", 184, 21),
    Column("sett_month", 205, 2),
    Column("ipo_price", 207, 7),
    Column("pref", 214, 1),
    Column("short_over", 215, 1),
    Column("abnormal", 216, 1),
    Column("krx300", 217, 1),
    Column("sales", 218, 9),
    Column("op", 227, 9),
    Column("ord", 236, 9),
    Column("net", 245, 9),
    Column("roe", 254, 5),
    Column("base_ym", 259, 8),
    Column("cap", 267, 9),
    Column("group", 276, 3),
    Column("crdt_over", 279, 1),
    Column("loan", 280, 1),
    Column("short", 281, 1),
)
"""KOSDAQ: head plus a tail of 221 bytes."""
