"""Resets, negotiated volume, expected prices, late arrivals, symbols that come and go."""

from msgspec.structs import replace

from observer_core.clock import NS_PER_S
from observer_core.messages import GapReason
from observer_core.quality.continuity import LATE_NS, Arrival, Continuity, Tally
from tests.fixtures.quality_records import Tape

SYMBOL = "005930"


def both() -> tuple[Continuity, Tape]:
    return Continuity("scalp-0", 7), Tape([SYMBOL])


def test_a_missed_trade_is_proved_with_its_volume_and_its_bounds() -> None:
    continuity, tape = both()
    first = tape.execute(SYMBOL, 10)
    tape.execute(SYMBOL, 33)
    third = tape.execute(SYMBOL, 20)
    continuity.take(first, first.received_ns)
    assert continuity.take(third, third.received_ns) is Arrival.OTHER
    assert continuity.settle(third.received_ns + LATE_NS - 1) == []
    (gap,) = continuity.settle(third.received_ns + LATE_NS)
    assert (gap.reason, gap.symbols, gap.missed_volume, gap.gap_id) == ("continuity", (SYMBOL,), 33, "scalp-0-7-c1")
    assert gap.from_ns <= first.received_ns
    assert (gap.until_ns or 0) >= third.received_ns
    assert continuity.tallies() == {SYMBOL: Tally(30, 33)}


def test_what_arrives_after_the_report_amends_it() -> None:
    continuity, tape = both()
    trades = [tape.execute(SYMBOL, volume) for volume in (10, 33, 20)]
    continuity.take(trades[0], 0)
    continuity.take(trades[2], 0)
    (gap,) = continuity.settle(LATE_NS)
    assert continuity.take(trades[1], LATE_NS) is Arrival.OTHER
    (amended,) = continuity.settle(LATE_NS)
    assert (amended.gap_id, amended.missed_volume, amended.detail) == (gap.gap_id, 0, "what was missing arrived late")
    assert continuity.tallies()[SYMBOL] == Tally(63, 0)


def test_the_same_trade_again_is_a_duplicate_and_counted_once() -> None:
    continuity, tape = both()
    trade = tape.execute(SYMBOL, 10)
    assert continuity.take(trade, 0) is Arrival.OTHER
    assert continuity.take(trade, 0) is Arrival.AGAIN
    assert continuity.duplicates_total == 1
    assert continuity.tallies()[SYMBOL] == Tally(10, 0)


def test_an_expected_price_trades_nothing() -> None:
    continuity, tape = both()
    first = tape.execute(SYMBOL, 10)
    continuity.take(first, 0)
    expected = tape.execute(SYMBOL, 0, session_code="C")
    assert continuity.take(replace(expected, volume=5_000), 0) is Arrival.OTHER
    assert continuity.take(tape.execute(SYMBOL, 7), 0) is Arrival.NEXT
    assert continuity.settle(10 * NS_PER_S) == []
    tape.execute(SYMBOL, 50)
    continuity.take(replace(tape.execute(SYMBOL, 0, session_code="C"), volume=5_000), 0)
    (gap,) = continuity.settle(10 * NS_PER_S)
    assert gap.missed_volume == 50


def test_a_new_day_begins_at_zero_and_its_missed_opening_is_proved() -> None:
    continuity, tape = both()
    continuity.take(tape.execute(SYMBOL, 10), 0)
    tape.next_day()
    first = tape.execute(SYMBOL, 500)
    continuity.take(first, first.received_ns)
    assert continuity.settle(first.received_ns + LATE_NS) == []
    tape.next_day()
    tape.execute(SYMBOL, 400)
    second = tape.execute(SYMBOL, 5)
    continuity.take(second, second.received_ns)
    (gap,) = continuity.settle(second.received_ns + LATE_NS)
    assert gap.missed_volume == 400


def test_a_hole_at_the_end_of_a_day_is_not_forgotten() -> None:
    continuity, tape = both()
    continuity.take(tape.execute(SYMBOL, 10), 0)
    tape.execute(SYMBOL, 33)
    continuity.take(tape.execute(SYMBOL, 10), tape.now_ns)
    tape.next_day()
    continuity.take(tape.execute(SYMBOL, 10), tape.now_ns)
    assert [gap.missed_volume for gap in continuity.settle(tape.now_ns)] == [33]


def test_a_symbol_expected_before_the_opening_begins_at_zero() -> None:
    continuity, tape = Continuity("scalp-0", 1), Tape([SYMBOL], volume=0)
    continuity.expect(SYMBOL, tape.now_ns)
    tape.execute(SYMBOL, 900)
    trade = tape.execute(SYMBOL, 5)
    continuity.take(trade, trade.received_ns)
    (gap,) = continuity.settle(trade.received_ns + LATE_NS)
    assert gap.missed_volume == 900


def test_negotiated_volume_is_told_apart_by_its_price() -> None:
    continuity, tape = both()
    continuity.take(tape.execute(SYMBOL, 10), 0)
    tape.add_off_book(SYMBOL, 100_000, 900)
    trade = tape.execute(SYMBOL, 5)
    continuity.take(trade, trade.received_ns)
    (gap,) = continuity.settle(trade.received_ns + LATE_NS)
    assert (gap.reason, gap.missed_volume) == (GapReason.OFF_BOOK, 100_000)
    assert continuity.tallies()[SYMBOL] == Tally(15, 0)


def test_what_happens_while_a_symbol_is_not_wanted_is_not_missing() -> None:
    continuity, tape = both()
    continuity.take(tape.execute(SYMBOL, 10), 0)
    continuity.forget([SYMBOL])
    tape.execute(SYMBOL, 33)
    continuity.take(tape.execute(SYMBOL, 10), 0)
    assert continuity.settle(10 * NS_PER_S) == []


def test_a_value_that_does_not_fit_the_volume_is_counted() -> None:
    continuity, tape = both()
    continuity.take(tape.execute(SYMBOL, 10), 0)
    continuity.take(tape.execute(SYMBOL, 10, price=1_000, cumulative_value=1), 0)
    assert continuity.value_breaks_total == 1
