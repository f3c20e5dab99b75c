"""Rows of the Postgres sink: layouts, days, wire forms and the halving search, without a server."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer_core.clock import kst_midnight_ns
from observer_core.messages import Book, Event, Quote, Record, Trade
from observer_core.sinks.postgres_load import Slice, build_load, halves
from observer_core.sinks.postgres_partitions import days_ahead, partition_name
from observer_core.sinks.postgres_rows import (
    DAY_VALUE,
    LAYOUTS,
    OBSERVATION_MAKERS,
    POSTGRES_EPOCH_DAYS,
    RowMaker,
    day_date,
    day_index,
    integer_array,
    json_string,
    shard_track,
    text_array,
)
from tests.fixtures.postgres_records import DAY, OPEN_NS, batch_of, book, quote, trade


@pytest.mark.parametrize("record", [trade(1), quote(1), book(1)])
def test_a_row_has_one_value_per_column_of_its_layout(record: Record) -> None:
    layout = LAYOUTS[type(record)]
    row = OBSERVATION_MAKERS[type(record)](RowMaker(batch_of([record])), record, 1)
    assert len(row) == len(layout.columns) == len(layout.types)
    assert len(set(layout.columns)) == len(layout.columns)
    assert layout.columns[DAY_VALUE] == "day"


@pytest.mark.parametrize("kind", [Trade, Quote, Book])
def test_every_field_of_an_observation_has_a_column(kind: type[Record]) -> None:
    stored_under = {
        "source_time_ns": "source_time",
        "requested_ns": "requested_at",
        "raw": "payload_raw",
    }
    fields = {stored_under.get(name, name) for name in kind.__struct_fields__}
    assert fields <= set(LAYOUTS[kind].columns)


def test_the_day_begins_at_korean_midnight() -> None:
    midnight = kst_midnight_ns(DAY)
    assert partition_name(day_index(midnight)) == "pattern_records_20260716"
    assert partition_name(day_index(midnight - 1)) == "pattern_records_20260715"


@given(st.integers(min_value=0, max_value=2**62))
def test_the_day_of_a_row_is_the_day_of_its_partition(received_ns: int) -> None:
    record = trade(1, received_ns=received_ns)
    row = RowMaker(batch_of([record])).trade(record, 1)
    assert row[DAY_VALUE] + POSTGRES_EPOCH_DAYS == day_index(received_ns)


def test_eight_days_have_partitions_today_and_seven_ahead() -> None:
    today = day_index(OPEN_NS)
    assert len(days_ahead(today)) == 8
    assert str(day_date(days_ahead(today)[-1])) == "2026-07-23"


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_a_raw_payload_is_one_json_string(raw: str) -> None:
    encoded = json_string(raw)
    assert encoded is not None
    assert encoded[:1] == b"\x01"
    assert json.loads(encoded[1:]) == raw


def test_arrays_refuse_what_the_column_cannot_hold() -> None:
    with pytest.raises(struct.error):
        integer_array((1, 2**63))
    with pytest.raises(ValueError, match="NUL"):
        text_array(("a\0",))


def test_the_track_is_the_name_before_the_number() -> None:
    assert [shard_track(name) for name in ("swing-12", "scalp-0", "hub")] == ["swing", "scalp", "hub"]


def test_a_nonsense_receive_time_does_not_name_a_partition() -> None:
    good, bad = trade(1), trade(2, received_ns=2**63 - 1)
    load = build_load([Slice(batch_of([good, bad]), 0, 2)])
    assert load.days == {day_index(good.received_ns)}
    assert [refused.position for refused in load.refused] == [1]


def test_an_event_out_of_any_calendar_is_refused_alone() -> None:
    event = Event(at_ns=2**63 - 1, name="n", severity="info", subject="s", text="t")
    far = Event(at_ns=-(2**63), name="n", severity="info", subject="s", text="t")
    load = build_load([Slice(batch_of([event, trade(2), far]), 0, 3)])
    assert load.rows + len(load.refused) == 3


@given(st.lists(st.integers(min_value=1, max_value=9), min_size=1, max_size=6))
def test_halving_keeps_every_record_once_and_in_order(sizes: list[int]) -> None:
    slices = [Slice(batch_of([trade(1)] * size, 1, epoch), 0, size) for epoch, size in enumerate(sizes, 1)]

    def flat(pieces: list[Slice]) -> list[tuple[int, int]]:
        return [(piece.batch.epoch, index) for piece in pieces for index in range(piece.start, piece.stop)]

    first, second = halves(slices)
    assert flat(first) + flat(second) == flat(slices)
    assert 0 <= len(flat(first)) - len(flat(second)) <= 1
