"""A record becomes the book it is, or a rejection that names what is wrong."""

import pytest

from observer_core.kis.books import parse_book
from observer_core.messages import Book, Quality, Rejection
from tests.fixtures.kis_records import RECEIVED_NS, book_fields


def _parse(fields: list[str], keep_raw: bool = True) -> Book | Rejection:
    return parse_book(fields, RECEIVED_NS, "^".join(fields), keep_raw)


def test_all_that_is_kept_of_a_book() -> None:
    fields = book_fields()
    assert _parse(fields) == Book(
        symbol="005930",
        source_time_ns=1_795_137_600_000_000_000,
        received_ns=RECEIVED_NS,
        asks=tuple(259_000 + 500 * level for level in range(1, 11)),
        bids=tuple(259_500 - 500 * level for level in range(1, 11)),
        ask_sizes=tuple(100 * level for level in range(1, 11)),
        bid_sizes=tuple(100 * level + 10 for level in range(1, 11)),
        total_ask_size=5500,
        total_bid_size=6500,
        cumulative_volume=1234567,
        expected_price=None,
        expected_volume=None,
        session_code="0",
        venue_code="2",
        quality=Quality.NORMAL,
        reasons=(),
        raw="^".join(fields),
    )


@pytest.mark.parametrize(("width", "venue"), [(59, ""), (62, ""), (63, "2"), (66, "2")])
def test_older_and_newer_widths_parse(width: int, venue: str) -> None:
    book = _parse(book_fields(width), keep_raw=False)
    assert isinstance(book, Book)
    assert book.venue_code == venue
    assert book.raw is None


def test_expected_figures_are_noise_outside_auctions() -> None:
    noise = _parse(book_fields(ANTC_CNPR="1.5", ANTC_CNQN="x" * 30))
    assert isinstance(noise, Book)
    assert (noise.expected_price, noise.expected_volume) == (None, None)
    auction = _parse(book_fields(HOUR_CLS_CODE="B", ANTC_CNPR="259000", ANTC_CNQN="77"))
    assert isinstance(auction, Book)
    assert (auction.expected_price, auction.expected_volume) == (259000, 77)


def test_a_one_sided_book_is_whole() -> None:
    empty = {f"{name}{level}": "0" for name in ("ASKP", "ASKP_RSQN") for level in range(1, 11)}
    book = _parse(book_fields(**empty))
    assert isinstance(book, Book)
    assert book.asks == (0,) * 10
    assert book.quality is Quality.NORMAL


@pytest.mark.parametrize(("session", "quality"), [("0", Quality.DEGRADED), ("B", Quality.NORMAL)])
def test_a_crossed_book_is_odd_except_in_an_auction(session: str, quality: Quality) -> None:
    book = _parse(book_fields(BIDP1="260000", HOUR_CLS_CODE=session, ANTC_CNPR="1", ANTC_CNQN="1"))
    assert isinstance(book, Book)
    assert book.quality is quality


@pytest.mark.parametrize(
    ("changes", "stage", "reasons"),
    [
        ({"ASKP3": ""}, "decode", ("empty:ASKP3",)),
        ({"BIDP2": "1.5"}, "decode", ("fractional_price",)),
        ({"ASKP_RSQN1": "x"}, "decode", ("not_a_whole_number:ASKP_RSQN1",)),
        ({"ASKP_RSQN1": "9" * 19}, "decode", ("out_of_range:ASKP_RSQN1",)),
        ({"ACML_VOL": "9" * 19}, "decode", ("out_of_range:ACML_VOL",)),
        ({"BSOP_HOUR": ""}, "decode", ("bad_time",)),
        ({"MKSC_SHRN_ISCD": ""}, "decode", ("bad_symbol",)),
        ({"HOUR_CLS_CODE": "A", "ANTC_CNQN": "x"}, "decode", ("not_a_whole_number:ANTC_CNQN",)),
        ({"ASKP1": "-1"}, "validate", ("price_negative",)),
        ({"BIDP_RSQN1": "-1"}, "validate", ("size_negative",)),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, str], stage: str, reasons: tuple[str, ...]) -> None:
    fields = book_fields(**changes)
    rejection = _parse(fields, keep_raw=False)
    assert isinstance(rejection, Rejection)
    assert (rejection.stage, rejection.reasons, rejection.raw) == (stage, reasons, "^".join(fields))
