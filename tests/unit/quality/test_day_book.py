"""The facts of a day out of its gap records and events, whatever their order."""

import random

import pytest

from observer_core.clock import NS_PER_S
from observer_core.quality.day_book import DayBook, Stretch

OPEN = [Stretch(9 * 3_600 * NS_PER_S, 15 * 3_600 * NS_PER_S)]


def at(hour: int, minute: int = 0, second: float = 0) -> int:
    return int((hour * 3_600 + minute * 60 + second) * NS_PER_S)


def test_only_the_time_in_which_the_market_could_be_observed_counts() -> None:
    book = DayBook()
    book.take_gap("scalp-0-1-1", "restart", at(1), at(9, 0, 30))
    book.take_gap("swing-0-1-1", "restart", at(16), at(20))
    facts = book.facts(OPEN, at(20))
    assert (facts.gaps_s, facts.disconnected_s, facts.reconnects) == ((30.0,), 30.0, 0)
    assert book.facts([], at(20)).gaps_s == ()


def test_cuts_are_counted_and_summed_by_appkey_overlaps_once() -> None:
    book = DayBook()
    book.take_gap("scalp-0-1-1", "stream_cut", at(10), at(10, 1))
    book.take_gap("scalp-0-1-2", "stream_cut", at(10, 0, 30), at(10, 2))
    book.take_gap("scalp-1-1-1", "stream_cut", at(10), at(10, 1, 30))
    facts = book.facts(OPEN, at(11))
    assert (facts.reconnects, facts.disconnected_s) == (3, 120.0)


def test_an_open_gap_lasts_until_now_and_the_closed_record_wins_in_any_order() -> None:
    book = DayBook()
    book.take_gap("swing-0-1-1", "call_failed", at(10), None)
    assert book.facts(OPEN, at(10, 5)).gaps_s == (300.0,)
    book.take_gap("swing-0-1-1", "call_failed", at(10), at(10, 1))
    book.take_gap("swing-0-1-1", "call_failed", at(10), None)
    assert book.facts(OPEN, at(10, 5)).gaps_s == (60.0,)


def test_proofs_about_single_symbols_are_no_outages() -> None:
    book = DayBook()
    for number, reason in enumerate(("continuity", "off_book", "stale")):
        book.take_gap(f"scalp-0-1-c{number}", reason, at(10), at(12))
    assert book.facts(OPEN, at(13)).gaps_s == ()


@pytest.mark.parametrize("seed", range(5))
def test_the_longest_low_rate_in_any_order(seed: int) -> None:
    changes = [(at(10), True), (at(10, 2), False), (at(11), True), (at(11, 4), False), (at(14, 59), True)]
    random.Random(seed).shuffle(changes)
    book = DayBook()
    for at_ns, low in [*changes, changes[0]]:
        book.take_event(at_ns, "rate_below_expectation" if low else "rate_as_expected", "critical", "scalp-0")
    assert book.facts(OPEN, at(15, 30)).low_rate_s == 240.0


def test_failed_backups_and_nothing_else_of_the_name() -> None:
    book = DayBook()
    book.take_event(at(17), "backup_failed", "error", "20260724")
    book.take_event(at(17), "backup_failed", "error", "20260724")
    book.take_event(at(18), "backup_verified", "info", "20260724")
    assert book.facts(OPEN, at(20)).failed_backups == 1


def test_open_gaps_go_on_the_next_day() -> None:
    former, book = DayBook(), DayBook()
    former.take_gap("swing-0-1-1", "paused", at(10), None)
    former.take_gap("swing-0-1-2", "paused", at(10), at(11))
    book.carry_over(former)
    assert book.facts(OPEN, at(12)).gaps_s == (7_200.0,)
