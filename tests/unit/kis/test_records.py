"""A frame gives all its records; one that lost a piece gives what is whole and a rejection for the rest."""

import pytest

from observer_core.kis.fields import TR_BOOK, TR_TRADE, TR_TRADE_NXT, TR_TRADE_UNIFIED
from observer_core.kis.records import StreamParser, WidthChange, reject_frame
from observer_core.kis.wire import DataFrame, RejectedFrame, parse_frame
from observer_core.messages import Book, Quality, Rejection, Track, Trade
from tests.fixtures.kis_records import RECEIVED_NS, book_fields, frame, frame_text, trade_fields


def _volumes(records: list[Trade | Book | Rejection]) -> list[int]:
    return [record.volume for record in records if isinstance(record, Trade)]


@pytest.mark.parametrize("tr_id", [TR_TRADE, TR_TRADE_NXT, TR_TRADE_UNIFIED])
@pytest.mark.parametrize("count", [1, 2, 20])
def test_every_record_of_a_frame_in_order_with_its_own_text(tr_id: str, count: int) -> None:
    rows = [trade_fields(CNTG_VOL=str(number)) for number in range(1, count + 1)]
    records = StreamParser(keep_raw=True).parse(frame(tr_id, *rows), RECEIVED_NS)
    assert _volumes(records) == list(range(1, count + 1))
    assert [record.raw for record in records] == ["^".join(row) for row in rows]


def test_a_book_frame() -> None:
    (book,) = StreamParser(keep_raw=False).parse(frame(TR_BOOK, book_fields()), RECEIVED_NS)
    assert isinstance(book, Book)


def test_a_bad_record_does_not_cost_its_neighbours() -> None:
    rows = [trade_fields(), trade_fields(STCK_PRPR="x"), trade_fields(CNTG_VOL="7")]
    first, bad, last = StreamParser(keep_raw=False).parse(frame(TR_TRADE, *rows), RECEIVED_NS)
    assert isinstance(first, Trade)
    assert isinstance(bad, Rejection)
    assert bad.raw == "^".join(rows[1])
    assert isinstance(last, Trade)
    assert last.volume == 7


@pytest.mark.parametrize("text", ["1_2", "１２"])
@pytest.mark.parametrize("count", [1, 2])
def test_what_python_would_read_as_a_number_and_the_broker_never_sends(text: str, count: int) -> None:
    rows = [trade_fields(CNTG_VOL=text), trade_fields()][:count]
    records = StreamParser(keep_raw=False).parse(frame(TR_TRADE, *rows), RECEIVED_NS)
    assert isinstance(records[0], Rejection)
    assert records[0].reasons == ("foreign_characters",)
    assert len(_volumes(records)) == count - 1


def test_growth_is_read_and_reported_once() -> None:
    parser = StreamParser(keep_raw=False)
    for width in (47, 47, 48, 48, 46):
        records = parser.parse(frame(TR_TRADE, trade_fields(width), trade_fields(width)), RECEIVED_NS)
        assert len(_volumes(records)) == 2
    assert parser.take_width_changes() == [WidthChange(TR_TRADE, 47, 48), WidthChange(TR_TRADE, 48, 46)]
    assert parser.take_width_changes() == []


def test_the_first_width_is_compared_with_the_documented_one() -> None:
    parser = StreamParser(keep_raw=False)
    parser.parse(frame(TR_TRADE, trade_fields(46)), RECEIVED_NS)
    assert parser.take_width_changes() == [WidthChange(TR_TRADE, 47, 46)]


def test_a_cut_frame_keeps_its_whole_records_and_says_what_is_lost() -> None:
    text = frame_text(TR_TRADE, *(trade_fields(CNTG_VOL=str(number)) for number in range(1, 5)))
    cut = parse_frame(text[:-70])
    assert isinstance(cut, DataFrame)
    *whole, rest = StreamParser(keep_raw=True).parse(cut, RECEIVED_NS)
    assert _volumes(whole) == [1, 2, 3]
    for record in whole:
        assert isinstance(record, Trade)
        assert record.quality is Quality.DEGRADED
        assert record.reasons == ("frame_cut_short",)
        assert record.raw is not None
    assert isinstance(rest, Rejection)
    assert rest.reasons == ("frame_cut_short", "records_lost:1")
    assert rest.raw == cut.payload.split("^", 3 * 47)[-1]


def test_a_cut_frame_of_another_width_is_cut_by_the_width_last_seen() -> None:
    parser = StreamParser(keep_raw=False)
    parser.parse(frame(TR_TRADE, trade_fields(48)), RECEIVED_NS)
    text = frame_text(TR_TRADE, *(trade_fields(48, CNTG_VOL=str(number)) for number in range(1, 4)))
    cut = parse_frame(text[:-40])
    assert isinstance(cut, DataFrame)
    assert _volumes(parser.parse(cut, RECEIVED_NS)) == [1, 2]


def test_a_hole_in_the_middle_does_not_shift_fields_into_each_other() -> None:
    rows = [trade_fields(CNTG_VOL=str(number)) for number in range(1, 5)]
    fields = [field for row in rows for field in row]
    del fields[50:55]
    damaged = DataFrame(TR_TRADE, 4, "^".join(fields), fields)
    records = StreamParser(keep_raw=False).parse(damaged, RECEIVED_NS)
    assert _volumes(records) == [1]
    assert isinstance(records[-1], Rejection)
    assert records[-1].reasons == ("frame_cut_short", "records_lost:3")
    assert records[-1].raw == "^".join(fields[47:])


def test_a_frame_that_is_too_narrow_or_unknown_is_kept_whole() -> None:
    parser = StreamParser(keep_raw=False)
    for tr_id, record, reason in (
        (TR_TRADE, trade_fields(45), "too_few_fields"),
        (TR_BOOK, book_fields(40), "too_few_fields"),
        ("H0STMKO0", ["005930", "N"], "unknown_stream"),
    ):
        (rejection,) = parser.parse(frame(tr_id, record), RECEIVED_NS)
        assert isinstance(rejection, Rejection)
        assert (rejection.stage, rejection.reasons) == ("frame", (reason,))
        assert rejection.raw == frame_text(tr_id, record)


def test_a_text_that_is_no_frame_becomes_a_record() -> None:
    rejection = reject_frame(RejectedFrame("unknown_form", "hello"), RECEIVED_NS)
    assert rejection == Rejection(None, RECEIVED_NS, Track.SCALP, "frame", ("unknown_form",), "hello")
