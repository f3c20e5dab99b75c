"""The oracle itself: it balances what is right and turns red for everything that is not."""

from collections import Counter

import pytest

from observer_core.audit.archive import Archive, Archived, Covered, Journalled, Key
from observer_core.audit.books import Books, compare_keys, compare_rows, compare_sent
from observer_core.audit.ledger import Identity, Ledger, Sent, identity_of
from observer_core.clock import NS_PER_S


def trade(number: int) -> Identity:
    return Identity("trade", "005930", f"2026112009{number:04d}", 1000, 1, number)


def sent(number: int) -> Sent:
    return Sent(trade(number), "005930", number * 100)


def archived(number: int) -> Archived:
    return Archived(Key("scalp-0", 1, number), trade(number), number * 100 + 5)


def verdict(archive: Archive, ledger: Ledger) -> Books:
    books = Books()
    compare_sent(ledger, archive, books)
    return books


LEDGER = Ledger([sent(n) for n in range(1, 6)], 0, 1)


def test_balanced() -> None:
    assert verdict(Archive(observations=[archived(n) for n in range(1, 6)]), LEDGER).balanced


def test_one_missing_is_red() -> None:
    books = verdict(Archive(observations=[archived(n) for n in (1, 2, 4, 5)]), LEDGER)
    assert "1 sent, neither archived nor in a gap record" in books.faults[0]


@pytest.mark.parametrize(("start", "until", "fine"), [(300, 310, True), (250, None, True), (301, 900, False)])
def test_a_gap_record_covers_only_its_time(start: int, until: int | None, fine: bool) -> None:
    gap = Covered(frozenset({"005930"}), start, until, "restart")
    books = verdict(Archive(observations=[archived(n) for n in (1, 2, 4, 5)], gaps={"g": gap}), LEDGER)
    assert books.balanced is fine
    assert books.covered["trade"] == int(fine)


def test_a_book_received_late_is_not_taken_for_the_next_one() -> None:
    """Two in one second reach a shard that stood still together: the first is recorded, the second left out."""
    first, second = (identity_of("book", {"symbol": "005930", "volume": size}, "20261120090000") for size in (70, 80))
    at_ns = [10 * NS_PER_S, 10 * NS_PER_S + 700_000_000]
    ledger = Ledger([Sent(first, "005930", at_ns[0]), Sent(second, "005930", at_ns[1])], 0, 1)
    line = {"symbol": "005930", "total_bid_size": 70}
    kept = Archived(Key("scalp-0", 1, 1), identity_of("book", line, "20261120090000"), at_ns[1] + 5)
    books = verdict(Archive(observations=[kept], books_hz=2.0), ledger)
    assert books.balanced
    assert books.sampled == 1


def test_a_gap_record_of_another_symbol_covers_nothing() -> None:
    gap = Covered(frozenset({"000660"}), 0, None, "restart")
    assert not verdict(Archive(observations=[archived(n) for n in (1, 2, 4, 5)], gaps={"g": gap}), LEDGER).balanced


def test_doubled_is_red() -> None:
    twice = [archived(n) for n in range(1, 6)] + [Archived(Key("scalp-0", 2, 9), trade(3), 999)]
    assert "archived more often than sent" in verdict(Archive(observations=twice), LEDGER).faults[0]


def test_one_lost_and_another_doubled_do_not_cancel_out() -> None:
    wrong = [archived(n) for n in (1, 2, 4, 5)] + [Archived(Key("scalp-0", 2, 9), trade(4), 999)]
    assert len(verdict(Archive(observations=wrong), LEDGER).faults) == 2


def test_invented_is_red() -> None:
    books = verdict(Archive(observations=[archived(n) for n in range(1, 7)]), LEDGER)
    assert "archived, never sent" in books.faults[0]


def test_journal_and_archive_must_agree() -> None:
    keys = {Key("swing-0", 1, n) for n in range(1, 4)}
    journalled = Journalled()
    journalled.add("swing-0", 1, 1, 3)
    books = Books()
    compare_keys(Archive(keys=Counter(keys)), journalled, books)
    assert books.balanced
    compare_keys(Archive(keys=Counter(list(keys)[:2])), journalled, books)
    assert "journalled, not in the archive" in books.faults[0]
    again = Books()
    compare_keys(Archive(keys=Counter([*keys, Key("swing-0", 1, 2)])), journalled, again)
    assert "doubled in the archive" in again.faults[0]


def test_postgres_must_hold_the_same() -> None:
    archive = Archive(observations=[archived(1), archived(2)])
    rows: dict[Key, tuple[str, str, int | None, int | None]] = {
        Key("scalp-0", 1, n): ("trade", "005930", 1000, n) for n in (1, 2)
    }
    fine, changed, lost = Books(), Books(), Books()
    compare_rows(archive, rows.items(), fine)
    assert fine.balanced
    compare_rows(archive, {**rows, Key("scalp-0", 1, 2): ("trade", "005930", 1001, 2)}.items(), changed)
    assert "different in Postgres" in changed.faults[0]
    compare_rows(archive, {Key("scalp-0", 1, 1): rows[Key("scalp-0", 1, 1)]}.items(), lost)
    assert "archived, no row in Postgres" in lost.faults[0]


def test_journals_are_runs_of_numbers() -> None:
    journalled = Journalled()
    for first, last in ((1, 3), (4, 9), (20, 30), (25, 31), (12, 12)):
        journalled.add("swing-0", 2, first, last)
    present = {n for n in range(40) if Key("swing-0", 2, n) in journalled}
    assert present == {*range(1, 10), 12, *range(20, 32)}
    assert {key.seq for key in journalled} == present
    assert journalled.lacks(Key("swing-0", 2, 15))
    assert journalled.lacks(Key("swing-0", 3, 1))
    # What retention may have taken, and shards without a journal, are not missed.
    assert not journalled.lacks(Key("swing-0", 1, 5))
    assert not journalled.lacks(Key("swing-1", 1, 5))
