"""Refused payloads in every form they are kept in, through today's parsers."""

import msgspec
import pytest

from observer_core.kis.reparse import OF_THEIR_MOMENT, reparse
from observer_core.kis.trades import parse_trade
from observer_core.messages import Book, Quote, Rejection, Track, Trade
from tests.fixtures.kis_records import RECEIVED_NS, book_fields, trade_fields

ROW = (
    '{"inter_shrn_iscd":"005930","inter2_prpr":"259250","acml_vol":"100","acml_tr_pbmn":"25925000",'
    '"inter2_oprc":"259500","inter2_hgpr":"260000","inter2_lwpr":"258000"}'
)


def refused(raw: str, stage: str = "decode", track: Track = Track.SCALP, *reasons: str) -> Rejection:
    return Rejection("005930", RECEIVED_NS, track, stage, reasons or ("a_rule_of_yesterday",), raw)


def test_a_trade_a_book_and_a_frame_of_both_forms_are_read() -> None:
    (trade,) = reparse(refused("^".join(trade_fields())))
    assert isinstance(trade, Trade)
    assert (trade.symbol, trade.price, trade.received_ns) == ("005930", 259_250, RECEIVED_NS)
    assert trade.raw == "^".join(trade_fields())
    (book,) = reparse(refused("^".join(book_fields())))
    assert isinstance(book, Book)
    frame = "0|H0STCNT0|002|" + "^".join([*trade_fields(), *trade_fields(MKSC_SHRN_ISCD="000660")])
    assert [record.symbol for record in reparse(refused(frame, "frame"))] == ["005930", "000660"]


def test_a_trade_that_grew_beyond_a_book_is_still_a_trade() -> None:
    (trade,) = reparse(refused("^".join(trade_fields(70))))
    assert isinstance(trade, Trade)


def test_a_row_of_a_sweep_and_a_whole_answer_are_read() -> None:
    (quote,) = reparse(refused(ROW, "validate", Track.SWING))
    assert isinstance(quote, Quote)
    assert (quote.price, quote.requested_ns) == (259_250, RECEIVED_NS)
    other = ROW.replace("005930", "000660")
    answer = f'{{"rt_cd":"0","output":[{ROW},{other}]}}'
    assert [record.symbol for record in reparse(refused(answer, "frame", Track.SWING))] == ["005930", "000660"]
    single = '{"stck_shrn_iscd":"005930","stck_prpr":"259250","acml_vol":"100"}'
    assert [record.symbol for record in reparse(refused(single, "decode", Track.SWING))] == ["005930"]


def test_a_guarded_trade_is_judged_again_by_what_needs_no_memory() -> None:
    trade = parse_trade(trade_fields(), RECEIVED_NS, "", keep_raw=False)
    assert isinstance(trade, Trade)
    kept = msgspec.json.encode(msgspec.structs.asdict(trade)).decode()
    assert reparse(refused(kept, "guard")) == (trade,)
    absurd = msgspec.json.encode(msgspec.structs.asdict(msgspec.structs.replace(trade, change=200_000))).decode()
    assert reparse(refused(absurd, "guard", Track.SCALP, "day_change_over_50")) == ()


@pytest.mark.parametrize("reason", sorted(OF_THEIR_MOMENT))
def test_what_depended_on_its_moment_stays_refused(reason: str) -> None:
    assert reparse(refused("^".join(trade_fields()), "guard", Track.SCALP, reason)) == ()


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "nonsense",
        "^" * 60,
        "0|H0STCNT0|001|too^few",
        "{",
        '{"price":1}',
        "^".join(trade_fields(STCK_PRPR="x")),
        "1|H0STCNI0|001|encrypted",
    ],
)
@pytest.mark.parametrize("track", [Track.SCALP, Track.SWING])
@pytest.mark.parametrize("stage", ["frame", "decode", "guard"])
def test_what_is_still_wrong_stays_refused(raw: str, track: Track, stage: str) -> None:
    assert reparse(refused(raw, stage, track)) == ()
