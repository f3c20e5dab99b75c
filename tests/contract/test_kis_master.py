"""Listing files are read by bytes, whatever their names contain; errors say file, line and column.

The lines are built at offsets written out here from the protocol notes (§6), not from the product's table.
"""

import io
import zipfile
from datetime import datetime
from pathlib import Path

import pytest

from observer_core.clock import KST
from observer_core.kis.check_master import main as check
from observer_core.kis.master import MasterFileError, parse_master
from observer_core.kis.simulator.listings import KOSDAQ, KOSPI, generate_listings
from observer_core.kis.simulator.master_files import master_zip
from observer_core.market.listings import Listing

_WIDTH = {"kospi": 288, "kosdaq": 282}
_OFFSETS = {
    "kospi": {"group": 61, "k200": 79, "spac": 90, "sdpr": 102, "halt": 121, "sltr": 122, "mang": 123, "warn": 124,
              "volume": 142, "pref": 219, "cap": 273},
    "kosdaq": {"group": 61, "spac": 85, "ksq150": 96, "sdpr": 97, "halt": 116, "sltr": 117, "mang": 118, "warn": 119,
               "volume": 137, "pref": 214, "cap": 267},
}  # fmt: skip
_PLAIN = {"group": "ST", "spac": "N", "sdpr": "000259000", "halt": "N", "sltr": "N", "mang": "N", "warn": "00"}
_PLAIN |= {"volume": "000020386896", "pref": "0", "cap": "015141861"}


def _line(board: str, code: str = "005930", name: str = "삼성전자", **columns: str) -> bytes:
    line = bytearray(b" " * _WIDTH[board])
    line[0 : len(code)] = code.encode()
    line[9:21] = b"KR7005930003"
    encoded = name.encode("cp949")
    line[21 : 21 + len(encoded)] = encoded
    values = _PLAIN | ({"k200": "0"} if board == "kospi" else {"ksq150": "N"}) | columns
    for column, text in values.items():
        at = _OFFSETS[board][column]
        line[at : at + len(text)] = text.encode()
    return bytes(line)


def _zip(*lines: bytes, member: str = "kospi_code.mst", end: bytes = b"\n") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, b"".join(line + end for line in lines))
    return packed.getvalue()


def test_the_check_row_of_the_notes() -> None:
    (listing,) = parse_master(_zip(_line("kospi", k200="5")), "kospi", "f")
    assert listing == Listing(
        code="005930",
        isin="KR7005930003",
        name="삼성전자",
        board="kospi",
        group="ST",
        previous_close=259000,
        previous_volume=20386896,
        market_cap=15141861,
        kospi200_sector="5",
    )
    assert listing.turnover == 259000 * 20386896


@pytest.mark.parametrize("board", ["kospi", "kosdaq"])
@pytest.mark.parametrize(
    "name", ["", "A", "가나다라마바사아자차카타파하거너더러머버", "가A나B다C라D마E바F사G아H자I차J카K타L파M"]
)
def test_names_of_any_mixture_do_not_move_the_columns(board: str, name: str) -> None:
    (listing,) = parse_master(_zip(_line(board, name=name)), board, "f")
    assert (listing.name, listing.previous_close, listing.market_cap) == (name, 259000, 15141861)


@pytest.mark.parametrize("board", ["kospi", "kosdaq"])
@pytest.mark.parametrize(
    ("column", "text", "attribute"),
    [
        ("spac", "Y", "spac"),
        ("halt", "Y", "halted"),
        ("mang", "Y", "administrative"),
        ("sltr", "Y", "liquidation"),
        ("pref", "1", "preferred"),
        ("pref", "2", "preferred"),
    ],
)
def test_each_flag_is_its_own(board: str, column: str, text: str, attribute: str) -> None:
    flags = {"spac", "halted", "administrative", "liquidation", "preferred"}
    (listing,) = parse_master(_zip(_line(board, **{column: text})), board, "f")
    assert {flag for flag in flags if getattr(listing, flag)} == {attribute}


def test_warnings_groups_codes_and_index_members() -> None:
    lines = [
        _line("kosdaq", code="Q500061", group="EN", warn="03", ksq150="Y"),
        _line("kosdaq", code="F70100030", group="BC"),
        _line("kosdaq", code="0126Z0"),
    ]
    etn, fund, share = parse_master(_zip(*lines, member="kosdaq_code.mst"), "kosdaq", "f")
    assert (etn.code, etn.group, etn.warning, etn.kosdaq150) == ("Q500061", "EN", 3, True)
    assert (fund.code, fund.group) == ("F70100030", "BC")
    assert (share.code, share.kosdaq150, share.kospi200_sector) == ("0126Z0", False, "")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_ends_and_grown_lines(end: bytes) -> None:
    assert len(parse_master(_zip(_line("kospi"), _line("kospi") + b"NEW", end=end), "kospi", "f")) == 2


@pytest.mark.parametrize(
    ("line", "where"),
    [
        (_line("kospi", sdpr="00025900x"), r"line 1, column sdpr \(bytes 102 to 111\)"),
        (_line("kospi", code="5930"), "line 1, column short_code"),
        (_line("kospi")[:287], "line 1 has 287 bytes instead of 288"),
        (_line("kospi").replace("삼".encode("cp949"), b"\xff\xff"), "line 1, column name .* cp949"),
    ],
)
def test_errors_say_where(line: bytes, where: str) -> None:
    with pytest.raises(MasterFileError, match=f"^kospi_code.mst.zip, {where}"):
        parse_master(_zip(line), "kospi", "kospi_code.mst.zip")


def test_one_bad_line_among_many_costs_its_own_security(caplog: pytest.LogCaptureFixture) -> None:
    good = [_line("kospi")] * 150
    assert len(parse_master(_zip(*good, _line("kospi", code="5930")), "kospi", "f")) == 150
    assert "listing left out" in caplog.text
    with pytest.raises(MasterFileError, match="line 151"):
        parse_master(_zip(*good, *[b"short"] * 2), "kospi", "f")


@pytest.mark.parametrize(
    "archive",
    [b"", b"<html>", _zip(), _zip(_line("kospi"))[:-30], _zip(_line("kospi"), member="readme.txt")],
    ids=["nothing", "page", "no lines", "cut", "no mst"],
)
def test_what_is_no_listing_file(archive: bytes) -> None:
    with pytest.raises(MasterFileError, match="kospi_code"):
        parse_master(archive, "kospi", "kospi_code.mst.zip")


@pytest.mark.parametrize("board", ["kospi", "kosdaq"])
def test_the_simulated_exchange_writes_what_is_read(board: str) -> None:
    market = {"kospi": KOSPI, "kosdaq": KOSDAQ}[board]
    simulated = [listing for listing in generate_listings(1, 300) if listing.market == market]
    archive = master_zip(simulated, market, datetime(2026, 11, 20, 7, tzinfo=KST))
    listings = parse_master(archive, board, f"{board}_code.mst.zip")
    assert {listing.code for listing in listings} == {listing.code for listing in simulated}
    assert all(listing.board == board for listing in listings)


def test_the_check_prints_counts_and_fails_on_a_bad_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "kosdaq_code.mst.zip", tmp_path / "kospi_code.mst.zip"
    good.write_bytes(_zip(_line("kosdaq", halt="Y"), _line("kosdaq")))
    bad.write_bytes(b"")
    assert check([str(good)]) == 0
    assert "2 listings" in capsys.readouterr().out
    assert check([str(good), str(bad), str(tmp_path / "absent")]) == 1
    assert "kospi_code.mst.zip" in capsys.readouterr().err
