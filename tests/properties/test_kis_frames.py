"""Whatever the broker sends: records, or named and counted rejections; never an exception, never a lost record."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.kis.fields import TR_BOOK, TR_TRADE
from observer_core.kis.quotes import CallTimes, parse_inquire_price, parse_multi_price
from observer_core.kis.records import StreamParser, reject_frame
from observer_core.kis.wire import ControlMessage, DataFrame, Ping, RejectedFrame, parse_frame
from observer_core.messages import Book, Quote, Rejection, Trade, encode
from tests.fixtures.kis_records import RECEIVED_NS, book_fields, frame_text, multi_price_row, trade_fields

TIMES = CallTimes(RECEIVED_NS - 1, RECEIVED_NS)
_PIECES = st.sampled_from(["0", "1", "|", "^", "{", "}", '"', "H0STCNT0", "H0STASP0", "001", "005930", "\n", "한", "-"])
_TEXTS = st.one_of(st.text(max_size=400), st.lists(_PIECES, max_size=200).map("".join))


def _records(text: str | bytes, parser: StreamParser) -> list[Trade | Book | Rejection]:
    message = parse_frame(text)
    if isinstance(message, DataFrame):
        return parser.parse(message, RECEIVED_NS)
    if isinstance(message, RejectedFrame):
        return [reject_frame(message, RECEIVED_NS)]
    assert isinstance(message, ControlMessage | Ping)
    return []


def _named(rejection: Rejection) -> bool:
    return bool(rejection.reasons) and all(rejection.reasons)


@given(_TEXTS)
def test_any_text_is_answered_with_records_or_reasons(text: str) -> None:
    for record in _records(text, StreamParser(keep_raw=True)):
        assert isinstance(record, Trade | Book) or _named(record)


@given(st.binary(max_size=400))
def test_any_bytes_are_answered_with_records_or_reasons(data: bytes) -> None:
    for record in _records(data, StreamParser(keep_raw=True)):
        encode(record)


@st.composite
def _frames(draw: st.DrawFn) -> tuple[str, list[str], int]:
    """Draw a sound frame of either stream: its text, its records' texts and its width."""
    book = draw(st.booleans())
    width = draw(st.integers(54, 70)) if book else draw(st.integers(46, 60))
    build = book_fields if book else trade_fields
    changes = draw(st.lists(st.integers(0, 10**9), min_size=1, max_size=20))
    rows = [build(width, ACML_VOL=str(number + 100)) for number in changes]
    return frame_text(TR_BOOK if book else TR_TRADE, *rows), ["^".join(row) for row in rows], width


@given(_frames())
def test_every_record_of_a_sound_frame_of_any_width_comes_out(sent: tuple[str, list[str], int]) -> None:
    text, rows, _ = sent
    records = _records(text, StreamParser(keep_raw=True))
    assert all(isinstance(record, Trade | Book) for record in records)
    assert [record.raw for record in records] == rows


@settings(max_examples=300)
@given(_frames(), st.data())
def test_a_truncated_frame_gives_only_true_records_and_accounts_for_the_rest(
    sent: tuple[str, list[str], int], data: st.DataObject
) -> None:
    text, rows, _ = sent
    parser = StreamParser(keep_raw=True)
    # The stream's width is known from an earlier frame, as in operation.
    _records(text, parser)
    end = data.draw(st.integers(0, len(text) - 1))
    records = _records(text[:end], parser)
    if not end:
        assert len(records) == 1
    good = [record.raw for record in records if isinstance(record, Trade | Book)]
    # A cut inside the last fields of the last record may pass for a narrower record: all before it must be true.
    assert good[:-1] == rows[: max(0, len(good) - 1)]
    if good:
        assert rows[len(good) - 1].startswith(str(good[-1]))
    if len(good) < len(rows):
        assert any(isinstance(record, Rejection) for record in records)


@given(_frames(), st.data())
def test_a_damaged_field_costs_one_record_at_most(sent: tuple[str, list[str], int], data: st.DataObject) -> None:
    text, rows, width = sent
    head, payload = text.rsplit("|", 1)
    fields = payload.split("^")
    at = data.draw(st.integers(0, len(fields) - 1))
    fields[at] = data.draw(st.text(st.characters(exclude_characters="^|", exclude_categories=["Cs"]), max_size=12))
    records = _records(f"{head}|" + "^".join(fields), StreamParser(keep_raw=True))
    assert len(records) == len(rows)
    for number, record in enumerate(records):
        if number != at // width:
            assert record.raw == rows[number]
            assert isinstance(record, Trade | Book)
        elif isinstance(record, Rejection):
            assert _named(record)


_VALUES = st.one_of(
    st.none(), st.text(max_size=8), st.integers(), st.floats(allow_nan=False), st.booleans(),
    st.lists(st.integers(), max_size=2), st.integers(-5, 10**9).map(str),
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(["005930", "000660", "0126Z0", "", "ZZZZZZ"]), st.data()), max_size=5))
def test_every_requested_symbol_is_answered_exactly_once(rows: list[tuple[str, st.DataObject]]) -> None:
    symbols = ["005930", "000660", "0126Z0"]
    answers = []
    for symbol, data in rows:
        row: dict[str, object] = dict(multi_price_row(symbol))
        for key in data.draw(st.lists(st.sampled_from(sorted(row)), max_size=3)):
            row[key] = data.draw(_VALUES)
        answers.append(row)
    body = json.dumps({"rt_cd": "0", "output": answers}).encode()
    parsed = parse_multi_price(body, symbols, TIMES, keep_raw=True)
    quotes = [record.symbol for record in parsed.records if isinstance(record, Quote)]
    assert len(set(quotes)) == len(quotes)
    assert not set(quotes) & set(parsed.missing)
    rejected = {record.symbol for record in parsed.records if isinstance(record, Rejection)}
    assert set(symbols) == set(quotes) | set(parsed.missing) | (rejected & set(symbols))
    for record in parsed.records:
        encode(record)


@given(st.binary(max_size=300))
def test_any_answer_is_answered_with_records_or_reasons(body: bytes) -> None:
    for parsed in (
        parse_multi_price(body, ["005930"], TIMES, True),
        parse_inquire_price(body, "005930", TIMES, True),
    ):
        assert parsed.missing or parsed.records
