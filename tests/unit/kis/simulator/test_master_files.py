"""The listing files, read back by bytes without the product's parser."""

import io
import zipfile
from datetime import datetime

import pytest

from observer_core.clock import KST
from observer_core.kis.simulator.listings import Listing, generate_listings
from observer_core.kis.simulator.master_files import isin_of, master_line, master_name, master_zip

LISTINGS = generate_listings(1, 300)
BUILT = datetime(2026, 11, 20, 8, 0, tzinfo=KST)


def lines_of(market: str) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(master_zip(LISTINGS, market, BUILT))) as archive:
        (name,) = archive.namelist()
        assert name == master_name(market).removesuffix(".zip")
        content = archive.read(name)
    assert content.endswith(b"\n")
    return content[:-1].split(b"\n")


@pytest.mark.parametrize(("market", "width"), [("KOSPI", 288), ("KOSDAQ", 282)])
def test_every_line_has_the_market_width_and_every_listing_a_line(market: str, width: int) -> None:
    lines = lines_of(market)
    assert {len(line) for line in lines} == {width}
    codes = [line[:9].decode("ascii").rstrip() for line in lines]
    assert codes == sorted(listing.code for listing in LISTINGS if listing.market == market)


@pytest.mark.parametrize(
    ("market", "price_at", "volume_at", "halt_at", "cap_at"),
    [("KOSPI", 102, 142, 121, 273), ("KOSDAQ", 97, 137, 116, 267)],
)
def test_figures_stand_at_their_byte_offsets(
    market: str, price_at: int, volume_at: int, halt_at: int, cap_at: int
) -> None:
    by_code = {listing.code: listing for listing in LISTINGS}
    for line in lines_of(market):
        listing = by_code[line[:9].decode("ascii").rstrip()]
        assert line[21:61].decode("cp949").rstrip() == listing.name
        assert line[61:63].decode("ascii") == listing.group
        assert int(line[price_at : price_at + 9]) == listing.base_price
        assert int(line[volume_at : volume_at + 12]) == listing.previous_volume
        assert line[halt_at : halt_at + 1] == (b"Y" if listing.halted else b"N")
        assert int(line[cap_at : cap_at + 9]) == listing.market_value_100m


def test_the_check_row_of_the_protocol_notes() -> None:
    (line,) = (line for line in lines_of("KOSPI") if line.startswith(b"005930"))
    assert line[9:21] == b"KR7005930003"
    assert line[63:64] == b"1"
    assert int(line[102:111]) == 259_000
    assert int(line[142:154]) == 20_386_896
    assert int(line[174:189]) == 5_846_278
    assert int(line[273:282]) == 15_141_861


def test_a_name_can_fill_its_forty_bytes_to_the_brim() -> None:
    assert any(line[60:61] != b" " and len(line[21:61].decode("cp949")) < 40 for line in lines_of("KOSPI"))


def test_a_longer_name_is_cut_between_syllables() -> None:
    listing = Listing(
        code="123450",
        name="가" * 19 + "나다라",
        market="KOSDAQ",
        base_price=5_000,
        previous_volume=1,
        listed_shares=1_000,
        activity_rank=1.0,
    )
    assert master_line(listing)[21:61].decode("cp949") == "가" * 19 + "나"
    odd = Listing(
        code="123450",
        name="A" + "가" * 20,
        market="KOSDAQ",
        base_price=5_000,
        previous_volume=1,
        listed_shares=1_000,
        activity_rank=1.0,
    )
    assert master_line(odd)[21:61].decode("cp949") == "A" + "가" * 19 + " "


@pytest.mark.parametrize(
    ("code", "group", "isin"),
    [
        ("005930", "ST", "KR7005930003"),
        ("0126Z0", "ST", "KR70126Z0002"),
        ("Q500061", "EN", "KRG500000614"),
        ("Q760028", "EN", "KRG760000288"),
        ("F70100030", "BC", "KR5701000303"),
    ],
)
def test_isin_numbers_match_real_listings(code: str, group: str, isin: str) -> None:
    assert isin_of(code, group) == isin
