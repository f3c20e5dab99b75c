"""Columns over the universe: what is packed comes out again, as exactly as one byte allows."""

from hypothesis import given
from hypothesis import strategies as st

from observer_core.details import (
    NEVER,
    SymbolColumns,
    SymbolList,
    Why,
    age_byte,
    age_of_byte,
    pack_changes,
    pack_prices,
    symbol_rows,
)


@given(st.floats(min_value=0.1, max_value=200_000))
def test_an_age_survives_as_one_byte_within_a_few_per_cent(age_s: float) -> None:
    byte = age_byte(age_s)
    assert 0 <= byte < NEVER
    found = age_of_byte(byte)
    assert found is not None
    assert abs(found - age_s) / age_s <= 0.04


@given(st.lists(st.floats(min_value=0, max_value=1e7), min_size=2, max_size=2))
def test_an_older_age_has_no_smaller_byte(ages: list[float]) -> None:
    younger, older = sorted(ages)
    assert age_byte(younger) <= age_byte(older)


def test_never_is_not_an_age() -> None:
    assert age_byte(None) == NEVER
    assert age_of_byte(NEVER) is None
    assert age_byte(10.0**12) == NEVER - 1


Packed = tuple[float | None, int, Why, int, int | None, int | None, int]
_ROW = st.tuples(
    st.none() | st.floats(min_value=0, max_value=1e6),
    st.integers(0, 255),
    st.sampled_from(Why),
    st.integers(0, 3),
    st.none() | st.integers(1, 2_000_000),
    st.none() | st.integers(-3_000, 3_000),
    st.integers(0, 2),
)


@given(st.lists(_ROW, max_size=40))
def test_rows_come_out_as_they_went_in(
    rows: list[tuple[float | None, int, Why, int, int | None, int | None, int]],
) -> None:
    codes = tuple(f"{place:06d}" for place in range(len(rows)))
    listing = SymbolList(codes=codes, names=codes, shards=("swing-0", "swing-1"), owners=bytes(row[6] for row in rows))
    ages = bytes(age_byte(row[0]) for row in rows)
    columns = SymbolColumns(
        version="1",
        as_of_ns=1,
        late_s=5.0,
        seen=ages,
        traded=ages,
        rate=bytes(row[1] for row in rows),
        why=bytes(row[2] for row in rows),
        flags=bytes(row[3] for row in rows),
        prices=pack_prices(row[4] for row in rows),
        changes=pack_changes(row[5] for row in rows),
    )
    found = symbol_rows(columns, listing)
    assert [(row.rate, row.why, row.flags, row.price, row.change_bp) for row in found] == [row[1:6] for row in rows]
    assert [row.shard for row in found] == [("swing-0", "swing-1", "")[row[6]] for row in rows]
    assert [row.code for row in found] == list(codes)
