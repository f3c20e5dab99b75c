"""Gap records of a day in any order."""

import json
from pathlib import Path

import pytest

from observer_core.clock import kst_midnight_ns
from observer_core.messages import Gap, Track
from observer_core.services.hub_gaps import NEWEST_SHOWN, GapBook, gap_lines

DAY_NS = kst_midnight_ns(20261120)
HOUR_NS = 3_600_000_000_000


def gap(gap_id: str, hour: float, until_hour: float | None = None) -> Gap:
    from_ns = DAY_NS + int(hour * HOUR_NS)
    return Gap(
        gap_id=gap_id,
        track=Track.SWING,
        reason="restart",
        symbols=("005930", "000660"),
        from_ns=from_ns,
        until_ns=None if until_hour is None else DAY_NS + int(until_hour * HOUR_NS),
        opened_ns=from_ns,
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_gap_counts_once_and_closed_wins_in_any_order(order: tuple[int, int]) -> None:
    records = [gap("a", 9), gap("a", 9, 9.5)]
    book = GapBook()
    for place in order:
        book.add(records[place], DAY_NS + 10 * HOUR_NS)
    view = book.view(DAY_NS + 10 * HOUR_NS)
    assert (view.open, view.today) == (0, 1)
    assert view.newest == ("09:00:00 restart 2 symbols 1800.0 s",)


def test_a_new_day_counts_anew_but_keeps_what_is_open() -> None:
    book = GapBook()
    book.add(gap("a", 22, 23), DAY_NS + 23 * HOUR_NS)
    book.add(gap("b", 23), DAY_NS + 23 * HOUR_NS)
    assert (book.view(DAY_NS + 23 * HOUR_NS).open, book.view(DAY_NS + 23 * HOUR_NS).today) == (1, 2)
    tomorrow = book.view(DAY_NS + 25 * HOUR_NS)
    assert (tomorrow.open, tomorrow.today) == (1, 1)
    book.add(gap("b", 23, 25), DAY_NS + 25 * HOUR_NS)
    assert book.view(DAY_NS + 25 * HOUR_NS).open == 0


def test_yesterdays_closed_gap_that_arrives_late_is_not_todays() -> None:
    book = GapBook()
    book.add(gap("a", 1, 2), DAY_NS + 30 * HOUR_NS)
    assert book.view(DAY_NS + 30 * HOUR_NS).today == 0


def test_the_newest_stand_first_and_are_bounded() -> None:
    book = GapBook()
    for number in range(NEWEST_SHOWN + 5):
        book.add(gap(f"g{number}", number / 10), DAY_NS + 10 * HOUR_NS)
    newest = book.view(DAY_NS + 10 * HOUR_NS).newest
    assert len(newest) == NEWEST_SHOWN
    assert newest == tuple(sorted(newest, reverse=True))


def test_archived_lines_are_read_and_whatever_else_is_passed_over(tmp_path: Path) -> None:
    line = {"kind": "gap", "gap_id": "g", "reason": "restart", "symbols": ["005930"], "from_ns": 1, "opened_ns": 1}
    path = tmp_path / "swing-0.jsonl"
    path.write_text(json.dumps(line) + '\n{"kind":"event","name":"gap"}\nnot json "gap"\n{"kind":"gap","gap_')
    found = gap_lines([path, tmp_path / "vanished.jsonl"])
    assert [(entry.gap_id, entry.symbols) for entry in found] == [("g", ("005930",))]
