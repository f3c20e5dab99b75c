"""The lines of the archive as readers know them, and that every record comes back out of its line."""

import json

import msgspec
import pytest

from observer_core.messages import Backfill, Book, Gap, Overflow, Record, Rejection, Track, Usage, track_of
from observer_core.sinks.jsonl_lines import LINE_PREFIX, LINE_TYPES, encode_lines, line_key, line_objects
from tests.fixtures.journals import NINE_OCLOCK_NS, batch, event, quote, trade

BOOK = Book(
    symbol="005930",
    source_time_ns=NINE_OCLOCK_NS,
    received_ns=NINE_OCLOCK_NS,
    asks=tuple(range(10)),
    bids=tuple(range(10)),
    ask_sizes=tuple(range(10)),
    bid_sizes=tuple(range(10)),
    total_ask_size=45,
    total_bid_size=45,
    cumulative_volume=None,
    expected_price=None,
    expected_volume=None,
    session_code="0",
)
GAP = Gap("g-1", Track.SCALP, "restart", ("005930",), NINE_OCLOCK_NS - 1, None, NINE_OCLOCK_NS)
REJECTION = Rejection("005930", NINE_OCLOCK_NS, Track.SCALP, "validate", ("price",), "raw\n줄")
USAGE = Usage("scalp-0", NINE_OCLOCK_NS, 1, 0, 5, 1000, 2000)
OVERFLOW = Overflow("005930", NINE_OCLOCK_NS, "volume_surge", 7.5, "lower_score", 0, 41, 41, 8.25, cpu_percent=12.5)
BACKFILL = Backfill(
    symbol="005930",
    minute_ns=NINE_OCLOCK_NS - 120 * 10**9,
    requested_ns=NINE_OCLOCK_NS - 1,
    received_ns=NINE_OCLOCK_NS,
    open=10,
    high=12,
    low=9,
    close=11,
    volume=5,
    cumulative_value=None,
    gap_ids=("g-1",),
)
EVERY_KIND: tuple[Record, ...] = (trade(1), quote(2), BOOK, GAP, REJECTION, event(3), USAGE, OVERFLOW, BACKFILL)

GOLDEN_EVENT = (
    b'{"kind":"event","shard":"scalp-0","epoch":1,"seq":5,"day":20260724,"session_id":"20260724-scalp-0-1",'
    b'"source":"sim","schema_version":1,"at_ns":1784851200000000000,"name":"test","severity":"info",'
    b'"subject":"scalp-0","text":"7"}\n'
)

GOLDEN_BACKFILL = (
    b'{"kind":"backfill","shard":"scalp-0","epoch":1,"seq":5,"day":20260724,"session_id":"20260724-scalp-0-1",'
    b'"source":"sim","schema_version":1,"symbol":"005930","minute_ns":1784851080000000000,'
    b'"requested_ns":1784851199999999999,"received_ns":1784851200000000000,"open":10,"high":12,"low":9,"close":11,'
    b'"volume":5,"cumulative_value":null,"gap_ids":["g-1"],"endpoint":"inquire-time-itemchartprice","raw":null}\n'
)


def test_a_backfill_line_byte_for_byte() -> None:
    assert encode_lines(line_objects(batch(5, [BACKFILL]), [0])) == GOLDEN_BACKFILL
    assert track_of(BACKFILL, Track.SCALP) is Track.SYSTEM


def test_an_event_line_byte_for_byte() -> None:
    assert encode_lines(line_objects(batch(5, [event(7)]), [0])) == GOLDEN_EVENT


def test_every_kind_has_a_line() -> None:
    assert set(LINE_TYPES) == {type(record) for record in EVERY_KIND}


@pytest.mark.parametrize("record", EVERY_KIND, ids=lambda record: type(record).__name__)
def test_a_record_comes_back_from_its_line(record: Record) -> None:
    raw = encode_lines(line_objects(batch(9, [event(0), record]), [1]))
    assert raw.endswith(b"\n")
    assert raw.count(b"\n") == 1
    fields = json.loads(raw)
    assert list(fields)[: len(LINE_PREFIX) + 1] == ["kind", *(name for name, _ in LINE_PREFIX)]
    assert (fields["shard"], fields["epoch"], fields["seq"]) == ("scalp-0", 1, 10)
    own = {name: value for name, value in fields.items() if name not in {"kind", *(n for n, _ in LINE_PREFIX)}}
    assert msgspec.convert([fields["kind"], *own.values()], type(record)) == record


def test_the_day_is_the_records_own() -> None:
    [line] = encode_lines(line_objects(batch(1, [GAP]), [0])).splitlines()
    assert json.loads(line)["day"] == 20260724
    yesterday = msgspec.structs.replace(GAP, from_ns=NINE_OCLOCK_NS - 10 * 3600 * 10**9)
    [line] = encode_lines(line_objects(batch(1, [yesterday]), [0])).splitlines()
    assert json.loads(line)["day"] == 20260723


@pytest.mark.parametrize(
    "line", [b"", b"{}", b'{"kind":"event","shard":"scalp-0","epoch":1,"se', b"\0" * 40, b"[1,2,3]", b"\xff\xfe"]
)
def test_what_is_no_line_has_no_key(line: bytes) -> None:
    assert line_key(line) is None
