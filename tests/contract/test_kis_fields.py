"""The broker's field tables: widths, landmarks, and byte layouts without holes or overlaps."""

import pytest

from observer_core.kis import fields
from observer_core.kis.master_layout import (
    KOSDAQ_COLUMNS,
    KOSDAQ_LINE_BYTES,
    KOSPI_COLUMNS,
    KOSPI_LINE_BYTES,
    Column,
)


@pytest.mark.parametrize(
    ("names", "width"),
    [
        (fields.TRADE_FIELDS, 47),
        (fields.BOOK_FIELDS, 63),
        (fields.MARKET_OPERATION_FIELDS, 11),
        (fields.MULTI_PRICE_KEYS, 29),
        (fields.INQUIRE_PRICE_KEYS, 82),
        (fields.INQUIRE_CCNL_KEYS, 7),
        (fields.CHK_HOLIDAY_KEYS, 6),
    ],
)
def test_widths_are_those_of_the_notes_and_names_are_unique(names: tuple[str, ...], width: int) -> None:
    assert len(names) == width
    assert len(set(names)) == width


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (1, "MKSC_SHRN_ISCD"),
        (3, "STCK_PRPR"),
        (13, "CNTG_VOL"),
        (14, "ACML_VOL"),
        (15, "ACML_TR_PBMN"),
        (22, "CCLD_DVSN"),
        (34, "BSOP_DATE"),
        (44, "HOUR_CLS_CODE"),
        (46, "VI_STND_PRC"),
        (47, "MARKET_CLS_CODE"),
    ],
)
def test_trade_fields_stand_at_their_published_number(number: int, name: str) -> None:
    assert fields.TRADE_FIELDS[number - 1] == name


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (4, "ASKP1"),
        (13, "ASKP10"),
        (14, "BIDP1"),
        (23, "BIDP10"),
        (24, "ASKP_RSQN1"),
        (34, "BIDP_RSQN1"),
        (43, "BIDP_RSQN10"),
        (44, "TOTAL_ASKP_RSQN"),
        (54, "ACML_VOL"),
        (63, "MARKET_CLS_CODE"),
    ],
)
def test_book_fields_stand_at_their_published_number(number: int, name: str) -> None:
    assert fields.BOOK_FIELDS[number - 1] == name


def test_quotation_keys_stand_at_their_published_number() -> None:
    assert fields.MULTI_PRICE_KEYS[3] == "inter_shrn_iscd"
    assert fields.MULTI_PRICE_KEYS[5] == "inter2_prpr"
    assert fields.MULTI_PRICE_KEYS[28] == "inter2_sdpr"
    assert fields.INQUIRE_PRICE_KEYS[11] == "stck_prpr"
    assert fields.INQUIRE_PRICE_KEYS[69] == "stck_shrn_iscd"


@pytest.mark.parametrize(
    ("columns", "line_bytes"), [(KOSPI_COLUMNS, KOSPI_LINE_BYTES), (KOSDAQ_COLUMNS, KOSDAQ_LINE_BYTES)]
)
def test_master_columns_tile_the_line(columns: tuple[Column, ...], line_bytes: int) -> None:
    position = 0
    for column in columns:
        assert column.offset == position, column.name
        position = column.end
    assert position == line_bytes
    assert len({column.name for column in columns}) == len(columns)


def test_landmarks_of_a_recorded_kospi_line() -> None:
    line = (
        "005930   KR7005930003삼성전자                                ST1002700130000 NN5YYY YYNNNNNNN0NNN"
        "NNNNY0002590000000100001NNN00NNN000000040Y0900000203868960000000001001975061100000000584627800000000077804668"
        "500012       0 NYY00133873400057232800058828447225000019.1620260331015141861511NNN"
    ).encode("cp949")
    assert len(line) == KOSPI_LINE_BYTES
    row = {column.name: line[column.offset : column.end].decode("cp949").strip() for column in KOSPI_COLUMNS}
    assert (row["short_code"], row["isin"], row["name"]) == ("005930", "KR7005930003", "삼성전자")
    assert (row["scrt_grp"], row["cap_size"], row["halt"], row["pref"]) == ("ST", "1", "N", "0")
    assert (int(row["sdpr"]), int(row["prdy_vol"])) == (259_000, 20_386_896)
    assert (int(row["list_shares"]), int(row["cap"])) == (5_846_278, 15_141_861)
