"""Gap records of a day in any order."""

import json
from pathlib import Path

import pytest
import zstandard

from observer_core.clock import kst_midnight_ns
from observer_core.messages import Event, Gap, Track
from observer_core.services.hub_archive import BackfillArchive, BackfillLine, GapAndEventArchive, GapArchive, GapLine
from observer_core.services.hub_gaps import NEWEST_SHOWN, GapBook

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


def archived(gap_id: str) -> str:
    line = {"kind": "gap", "gap_id": gap_id, "reason": "restart", "symbols": ["005930"], "from_ns": 1, "opened_ns": 1}
    return json.dumps(line) + "\n"


def ids(archive: GapArchive, hour: float) -> list[str]:
    return [line.gap_id for line in archive.read(DAY_NS + int(hour * HOUR_NS))]


def test_the_archive_gives_the_day_first_and_then_what_is_new(tmp_path: Path) -> None:
    day = tmp_path / "system/2026/11/20"
    for hour in ("09", "10", "11"):
        (day / hour).mkdir(parents=True)
    (day / "09" / "swing-0.jsonl").write_text(archived("a") + '{"kind":"event","name":"gap"}\nnot json "gap"\n')
    (day / "10" / "swing-0.jsonl").write_text(archived("b") + archived("c")[:20])
    archive = GapArchive(tmp_path)
    assert ids(archive, 10.5) == ["a", "b"]
    assert ids(archive, 10.6) == []
    with (day / "10" / "swing-0.jsonl").open("a") as file:
        file.write(archived("c")[20:])
    (day / "11" / "swing-1.jsonl").write_text(archived("d"))
    assert ids(archive, 11.1) == ["c", "d"]
    assert ids(archive, 11.2) == []


def test_bars_fetched_afterwards_are_found_among_the_other_lines(tmp_path: Path) -> None:
    hour = tmp_path / "system/2026/11/20/10"
    hour.mkdir(parents=True)
    bar = '{"kind":"backfill","symbol":"005930","minute_ns":60,"volume":7,"gap_ids":["a"]}\n'
    other = '{"kind":"event","name":"backfill","text":"\\"backfill\\""}\n'
    (hour / "scalp-0.jsonl").write_text(archived("a") + other + bar + '"backfill" not json\n')
    archive = BackfillArchive(tmp_path)
    assert archive.read(DAY_NS + 10 * HOUR_NS) == [BackfillLine("backfill", "005930", 60, 7)]
    assert ids(GapArchive(tmp_path), 10.1) == ["a"]


def test_a_file_that_was_cut_is_read_anew_and_a_missing_archive_is_empty(tmp_path: Path) -> None:
    assert ids(GapArchive(tmp_path / "none"), 10) == []
    path = tmp_path / "system/2026/11/20/10/swing-0.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(archived("a") + archived("b"))
    archive = GapArchive(tmp_path)
    assert ids(archive, 10.1) == ["a", "b"]
    path.write_text(archived("a"))
    assert ids(archive, 10.2) == ["a"]


def test_a_sealed_file_is_read_once_and_a_damaged_one_passed_over(tmp_path: Path) -> None:
    hour = tmp_path / "system/2026/11/20/10"
    hour.mkdir(parents=True)
    content = (archived("a") + '{"kind":"event"}\n' + archived("b")).encode()
    (hour / "swing-0.jsonl.zst").write_bytes(zstandard.compress(content))
    (hour / "swing-1.jsonl.zst").write_bytes(zstandard.compress(content)[:-9])
    (hour / "swing-2.jsonl").write_text(archived("c"))
    archive = GapArchive(tmp_path)
    assert sorted(ids(archive, 10.5)) == ["a", "b", "c"]
    assert ids(archive, 10.6) == []


def test_a_hub_reads_gaps_and_events_in_their_order_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "system/2026/11/20/10/maintenance.jsonl"
    path.parent.mkdir(parents=True)
    event = {"kind": "event", "at_ns": 5, "name": "universe_refused", "severity": "error", "subject": "u", "text": "7"}
    path.write_text(archived("a") + json.dumps(event) + '\n{"kind":"usage"}\n{"kind":"event"\n')
    gap_line, found = GapAndEventArchive(tmp_path).read(DAY_NS + int(10.5 * HOUR_NS))
    assert isinstance(gap_line, GapLine)
    assert gap_line.gap_id == "a"
    assert found == Event(at_ns=5, name="universe_refused", severity="error", subject="u", text="7")


def test_what_a_writer_brings_hours_late_is_read_nevertheless(tmp_path: Path) -> None:
    day = tmp_path / "system/2026/11/20"
    archive = GapArchive(tmp_path)
    assert ids(archive, 12) == []
    (day / "09").mkdir(parents=True)
    (day / "09" / "swing-0.jsonl").write_text(archived("a"))
    assert ids(archive, 12.1) == ["a"]
    assert ids(archive, 12.2) == []
    with (day / "09" / "swing-0.jsonl").open("a") as file:
        file.write(archived("b"))
    assert ids(archive, 12.3) == ["b"]
    (day / "10").mkdir()
    (day / "10" / "swing-0.jsonl.zst").write_bytes(zstandard.compress(archived("c").encode()))
    assert ids(archive, 23.9) == ["c"]
    # Of the day before, as long as it is the day of the last look.
    (day / "22").mkdir()
    (day / "22" / "swing-0.jsonl").write_text(archived("d"))
    assert ids(archive, 24.1) == ["d"]
    assert ids(archive, 24.2) == []


def test_a_sealed_file_that_grew_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "system/2026/11/20/10/swing-0.jsonl.zst"
    path.parent.mkdir(parents=True)
    path.write_bytes(zstandard.compress(archived("a").encode()))
    archive = GapArchive(tmp_path)
    assert ids(archive, 12) == ["a"]
    path.write_bytes(path.read_bytes() + zstandard.compress(archived("b").encode()))
    assert ids(archive, 12.1) == ["a", "b"]
    assert ids(archive, 12.2) == []


def test_an_old_opening_that_is_read_after_midnight_opens_nothing(tmp_path: Path) -> None:
    book = GapBook()
    book.add(gap("a", 22.9), DAY_NS + 23 * HOUR_NS)
    book.add(gap("a", 22.9, 23), DAY_NS + 23 * HOUR_NS)
    after_ns = DAY_NS + 24 * HOUR_NS + 1
    assert book.view(after_ns).open == 0
    book.add(gap("a", 22.9), after_ns)
    assert book.view(after_ns).open == 0
