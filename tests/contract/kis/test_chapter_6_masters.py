"""Chapter 6: the symbol master files, byte by byte, written by the exchange and read by the adapter."""

import io
import zipfile

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.kis.master import MasterFileError, parse_master
from observer_core.kis.simulator.listings import KOSDAQ, KOSPI, generate_listings
from observer_core.kis.simulator.master_files import master_line
from observer_core.kis.simulator.names import LONGEST_NAME
from observer_core.kis.simulator.server import RunningExchange
from observer_core.kis.simulator.venue import VenueOptions
from tests.fixtures.simulated_exchange import play, set_faults

WIDTHS = {"kospi": 288, "kosdaq": 282}
MARKETS = {"kospi": KOSPI, "kosdaq": KOSDAQ}
OPTIONS = VenueOptions(ordinary_symbols=200)
LISTINGS = generate_listings(OPTIONS.seed, OPTIONS.ordinary_symbols)
TAIL = {
    "kospi": {"scrt_grp": (61, 2), "spac": (90, 1), "sdpr": (102, 9), "halt": (121, 1), "mang": (123, 1),
              "prdy_vol": (142, 12), "list_shares": (174, 15), "pref": (219, 1), "cap": (273, 9)},
    "kosdaq": {"scrt_grp": (61, 2), "spac": (85, 1), "sdpr": (97, 9), "halt": (116, 1), "mang": (118, 1),
               "prdy_vol": (137, 12), "list_shares": (169, 15), "pref": (214, 1), "cap": (267, 9)},
}  # fmt: skip
"""Some columns as the notes print them: offset and width."""


def downloaded(board: str, **faults: object) -> bytes:
    """Return a listing file as a client gets it."""
    contents: list[bytes] = []

    async def scenario(exchange: RunningExchange, client: httpx.AsyncClient) -> None:
        if faults:
            await set_faults(exchange, **faults)
        contents.append((await client.get(f"/common/master/{board}_code.mst.zip")).content)

    play(scenario, OPTIONS)
    return contents[0]


def lines_of(archive: bytes, board: str) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as unpacked:
        assert unpacked.namelist() == [f"{board}_code.mst"]
        content = unpacked.read(f"{board}_code.mst")
    assert content.endswith(b"\n")
    return content[:-1].split(b"\n")


@pytest.mark.parametrize("board", sorted(WIDTHS))
def test_lines_have_their_bytes_and_columns_their_places(board: str) -> None:
    by_code = {one.code: one for one in LISTINGS if one.market == MARKETS[board]}
    lines = lines_of(downloaded(board), board)
    assert {len(line) for line in lines} == {WIDTHS[board]}
    assert {line[:9].decode().strip() for line in lines} == set(by_code)
    for line in lines:
        listing = by_code[line[:9].decode().strip()]
        cells = {name: line[at : at + width].decode("cp949") for name, (at, width) in TAIL[board].items()}
        assert line[21:61].decode("cp949").rstrip() == listing.name
        assert cells["scrt_grp"] == listing.group
        assert int(cells["sdpr"]) == listing.base_price
        assert int(cells["prdy_vol"]) == listing.previous_volume
        assert int(cells["list_shares"]) == listing.listed_shares // 1_000
        assert int(cells["cap"]) == listing.market_value_100m
        flags = (cells["spac"] == "Y", cells["halt"] == "Y", cells["mang"] == "Y", int(cells["pref"]))
        assert flags == (listing.spac, listing.halted, listing.administrative, listing.preferred)


@pytest.mark.parametrize("board", sorted(WIDTHS))
def test_the_adapter_reads_every_listing(board: str) -> None:
    by_code = {one.code: one for one in LISTINGS if one.market == MARKETS[board]}
    found = parse_master(downloaded(board), board, "file")
    assert {one.code for one in found} == set(by_code)
    for one in found:
        listing = by_code[one.code]
        assert (one.name, one.group, one.previous_close) == (listing.name, listing.group, listing.base_price)
        assert (one.halted, one.spac, one.administrative) == (listing.halted, listing.spac, listing.administrative)
        assert one.preferred == (listing.preferred != 0)
        assert len(one.isin) == 12


def test_the_oddities_of_the_real_files_are_there() -> None:
    codes = {one.code for one in LISTINGS}
    assert {"0126Z0", "00088K", "Q500061", "F70100030"} <= codes
    assert len(LONGEST_NAME.encode("cp949")) == 40
    assert LONGEST_NAME in {one.name for one in LISTINGS}
    assert {one.group for one in LISTINGS} >= {"ST", "EF", "EN", "RT", "FS", "DR", "BC"}


def test_a_collapsed_file_is_still_a_file_of_its_form() -> None:
    assert len(parse_master(downloaded("kospi", master_lines=7), "kospi", "file")) == 7


@pytest.mark.parametrize("fault", ["cut", "empty", "html", "missing"])
def test_a_damaged_download_is_refused_with_its_name(fault: str) -> None:
    with pytest.raises(MasterFileError, match="kospi_code"):
        parse_master(downloaded("kospi", master_fault=fault), "kospi", "kospi_code.mst.zip")


ARCHIVE_LINES = 40


@settings(max_examples=60, deadline=None)
@given(st.integers(0, ARCHIVE_LINES - 1), st.integers(0, 287), st.binary(min_size=1, max_size=3))
def test_damaged_bytes_cost_their_own_line_or_the_file_is_refused(line: int, place: int, noise: bytes) -> None:
    rows = [master_line(one) for one in LISTINGS if one.market == KOSPI][:ARCHIVE_LINES]
    damaged = bytearray(rows[line])
    damaged[place : place + len(noise)] = noise
    rows[line] = bytes(damaged)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("kospi_code.mst", b"\n".join(rows) + b"\n")
    try:
        found = parse_master(target.getvalue(), "kospi", "kospi_code.mst.zip")
    except MasterFileError as error:
        assert "kospi_code.mst.zip" in str(error)  # noqa: PT017 - reading it whole is right too
    else:
        assert len(found) >= ARCHIVE_LINES - 1
