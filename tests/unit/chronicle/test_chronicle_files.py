"""Chronicle files: hours, rotation, failures, restarts, foreign and later formats."""

import io
from pathlib import Path

import msgspec
import pytest
import zstandard

from observer_core.chronicle.files import SECTION_NS, ChronicleWriter, chronicle_files, recorded_days
from observer_core.chronicle.format import SectionEncoder, marks_of
from observer_core.chronicle.reader import RecordedDay
from observer_core.clock import NS_PER_S, kst_midnight_ns
from observer_core.errors import ChronicleError
from observer_core.ids import DayNumber
from observer_core.messages import Event
from observer_core.view import AlertRow, SystemView
from tests.fixtures.chronicles import DAY, LIMIT_BYTES, MORNING_NS, at_second, event, record


def noisy(second: int) -> SystemView:
    """Return a view that hardly compresses."""
    texts = [f"{hash((second, place)):x}" * 8 for place in range(200)]
    return at_second(second, events=tuple(event(second, "info", text) for text in texts))


def test_each_hour_has_its_file_and_each_five_minutes_a_section(tmp_path: Path) -> None:
    record(tmp_path, [at_second(second) for second in range(0, 2 * 3600, 10)])
    assert [file.path.name for file in chronicle_files(tmp_path)] == ["20261120-09.zst", "20261120-10.zst"]
    marks = marks_of((tmp_path / "20261120-09.zst").read_bytes())
    assert [mark.at_ns for mark in marks] == list(range(MORNING_NS, MORNING_NS + 3600 * NS_PER_S, SECTION_NS))
    assert recorded_days(tmp_path) == [DAY]


def test_a_file_is_plain_zstd(tmp_path: Path) -> None:
    record(tmp_path, [at_second(second) for second in range(0, 900, 10)])
    raw = (tmp_path / "20261120-09.zst").read_bytes()
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw), read_across_frames=True) as reader:
        assert reader.read().count(b"hub_epoch") == 90


def test_the_oldest_hours_go_and_the_limit_holds(tmp_path: Path) -> None:
    limit = 300_000
    writer = ChronicleWriter(tmp_path, limit)
    (tmp_path / "notes.txt").write_text("not ours")
    for second in range(0, 12 * 3600, 300):
        writer.write([noisy(second)])
        assert sum(file.path.stat().st_size for file in chronicle_files(tmp_path)) <= limit
    hours = [file.path.name for file in chronicle_files(tmp_path)]
    assert hours[-1] == "20261120-20.zst"
    assert 1 < len(hours) < 12
    assert (tmp_path / "notes.txt").exists()


def test_the_file_of_the_present_hour_alone_may_not_break_the_limit(tmp_path: Path) -> None:
    limit = 100_000
    writer = ChronicleWriter(tmp_path, limit)
    for second in range(0, 3_599, 60):
        writer.write([noisy(second)])
        assert sum(file.path.stat().st_size for file in chronicle_files(tmp_path)) <= 2 * limit
    assert RecordedDay(tmp_path, DAY).last_ns == MORNING_NS + 3_540 * NS_PER_S


def test_a_hub_that_starts_again_goes_on_after_what_was_torn(tmp_path: Path) -> None:
    course = [at_second(second) for second in range(60)]
    record(tmp_path, course[:30], close=False)
    path = tmp_path / "20261120-09.zst"
    path.write_bytes(path.read_bytes()[:-7])
    record(tmp_path, course[30:])
    read = list(RecordedDay(tmp_path, DAY).views(0))
    assert read[-30:] == course[30:]
    assert 0 < len(read) - 30 <= 30
    assert read[:-30] == course[: len(read) - 30]


def test_a_write_that_was_torn_takes_nothing_with_it_that_was_written_before(tmp_path: Path) -> None:
    course = [at_second(second) for second in range(60)]
    record(tmp_path, course[:30], close=False)
    with (tmp_path / "20261120-09.zst").open("ab") as file:
        file.write(b"half a block")
    assert list(RecordedDay(tmp_path, DAY).views(0)) == course[:30]
    record(tmp_path, course[30:])
    assert list(RecordedDay(tmp_path, DAY).views(0)) == course


def test_a_full_disk_is_told_and_the_next_views_are_whole(tmp_path: Path) -> None:
    course = [at_second(second) for second in range(3_590, 3_630)]
    writer = ChronicleWriter(tmp_path, LIMIT_BYTES)
    writer.write(course[:10])
    (tmp_path / "20261120-10.zst").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        writer.write(course[10:20])
    (tmp_path / "20261120-10.zst").unlink()
    writer.write(course[20:])
    writer.close()
    assert list(RecordedDay(tmp_path, DAY).views(0)) == course[:10] + course[20:]


def test_days_that_exist_are_named(tmp_path: Path) -> None:
    with pytest.raises(ChronicleError, match=r"no recording of 2026-11-19 in .*: nothing is recorded there yet"):
        RecordedDay(tmp_path / "missing", DayNumber(20261119))
    record(tmp_path, [at_second(0), msgspec.structs.replace(at_second(0), as_of_ns=kst_midnight_ns(20261121))])
    with pytest.raises(ChronicleError, match=r"no recording of 2026-11-19 .*: recorded are 2026-11-20, 2026-11-21"):
        RecordedDay(tmp_path, DayNumber(20261119))


def test_foreign_and_later_files_are_refused_with_their_name(tmp_path: Path) -> None:
    path = tmp_path / "20261120-09.zst"
    path.write_bytes(b"something else")
    with pytest.raises(ChronicleError, match=r"20261120-09.zst: it is no recording"):
        RecordedDay(tmp_path, DAY)
    later = bytearray(SectionEncoder().begin(at_second(0)))
    later[16] = 2
    path.write_bytes(later)
    with pytest.raises(ChronicleError, match="it has format 2 and this console reads up to 1: use the console of"):
        RecordedDay(tmp_path, DAY)
    path.write_bytes(b"")
    with pytest.raises(ChronicleError, match="no recording of 2026-11-20"):
        RecordedDay(tmp_path, DAY)


def test_incidents_are_severe_events_alerts_opened_gaps_and_holes(tmp_path: Path) -> None:
    old = Event(at_ns=MORNING_NS - 3600 * NS_PER_S, name="old", severity="error", subject="x", text="told before")
    alert = (AlertRow(key="lag", text="swing-0 is late", since_ns=0),)
    gaps = at_second(0).gaps
    closed = msgspec.structs.replace(gaps, today=1, newest=("09:06:50 restart 500 symbols 2.0 s",))
    one_open = msgspec.structs.replace(gaps, open=1)
    course = [
        at_second(0, events=(old,)),
        at_second(1, events=(old, event(1, "warning"))),
        at_second(2, events=(old, event(1, "warning"), event(2, "error", "it broke"))),
        at_second(3, events=(old, event(1, "warning"), event(2, "error", "it broke")), alerts=alert),
        at_second(4, alerts=alert, gaps=one_open),
        at_second(5, gaps=one_open),
        at_second(6, alerts=alert),
        at_second(400, events=(event(2, "error", "it broke"),)),
        at_second(401, gaps=one_open),
        at_second(402, events=(event(402, "warning", "process 1 ended", name="process_ended"),)),
        at_second(403, events=(event(403, "info", "process 2 ended", name="process_ended"),)),
        at_second(414, gaps=closed),
        at_second(425, gaps=closed, hub_epoch="bb"),
        at_second(426, gaps=msgspec.structs.replace(closed, today=2), hub_epoch="bb"),
    ]
    record(tmp_path, course)
    found = [((at_ns - MORNING_NS) // NS_PER_S, text) for at_ns, text in RecordedDay(tmp_path, DAY).incidents()]
    assert found == [
        (2, "swing-0: it broke"),
        (3, "swing-0 is late"),
        (4, "1 open gap"),
        (6, "swing-0 is late"),
        (6, "the recording stops"),
        (401, "1 open gap"),
        (402, "swing-0: process 1 ended"),
        (414, "gap 09:06:50 restart 500 symbols 2.0 s"),
    ]
