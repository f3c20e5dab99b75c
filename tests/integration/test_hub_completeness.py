"""What the page of gaps is told: today from the archive as it grows, the days before from what is sealed."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from observer_core.archive.verdicts import add_rules
from observer_core.clock import NS_PER_S
from observer_core.ids import DayNumber, ShardName
from observer_core.market.universe import Member, Rules, Universe
from observer_core.messages import Gap, GapReason, Record, Track
from observer_core.quality.continuity import Reach
from observer_core.services.assignment import Assignment, write_assignment
from observer_core.services.day_volumes import DayVolumes
from observer_core.services.hub_archive import _READ_BYTES, GapArchive
from observer_core.services.hub_completeness import MEASURED_EVERY_NS, CompletenessBook, Standing
from observer_core.services.universe_files import write_universe
from observer_core.sinks.port import StoredBatch
from tests.fixtures.archive_store import DAY, Store
from tests.fixtures.journals import batch

pytestmark = pytest.mark.integration

SWEPT = ("000660", "005930", "035720", "068270")


class Today(Store):
    """A day that goes on, with four swept symbols of which one is streamed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._seq = 0
        swing: dict[ShardName, tuple[str, ...]] = {ShardName("swing-0"): SWEPT}
        write_assignment(self.paths, Assignment(day=DAY, version=1, swing=swing, scalp={ShardName("scalp-0"): ()}))
        volumes = DayVolumes(self.paths.day_volumes(ShardName("scalp-0")), self.clock.wall_ns)
        volumes.look({"005930": Reach(DAY, 0, 1_000)}, self.clock.wall_ns, write_now=True)
        self.clock.advance(7_200)
        self.book = CompletenessBook(self.paths, self.clock)

    def measured(self) -> Standing:
        """Return what is found now."""
        self.book.measure()
        return self.book.standing

    def say(self, *records: Record) -> None:
        """Archive records now."""
        made = replace(batch(self._seq + 1, list(records)), received_ns=self.clock.wall_ns)
        self._seq += len(records)
        self.sink.write([StoredBatch(made, 1)])
        self.sink.commit()

    def gap(self, gap_id: str, ago_s: float, length_s: float | None, symbols: tuple[str, ...], **more: Any) -> Gap:
        from_ns = self.clock.wall_ns - int(ago_s * NS_PER_S)
        until_ns = None if length_s is None else from_ns + int(length_s * NS_PER_S)
        track = Track(gap_id.partition("-")[0])
        found = Gap(gap_id, track, GapReason.RESTART, symbols, from_ns, until_ns, from_ns)
        return replace(found, **more)


@pytest.fixture
def today(tmp_path: Path) -> Today:
    return Today(tmp_path)


def test_tracks_and_worst_symbols_with_their_reasons(today: Today) -> None:
    today.say(
        today.gap("swing-0-1-1", 600, 360, SWEPT),
        today.gap("swing-0-1-2", 60, None, ("000660",), reason=GapReason.CALL_FAILED),
        today.gap("scalp-0-1-1", 900, 60, ("005930",), reason=GapReason.STREAM_CUT),
        today.gap("scalp-0-1-2", 890, 30, ("005930",), reason=GapReason.CONTINUITY, missed_volume=40),
        today.gap("scalp-0-1-3", 300, 2, ("005930",), reason=GapReason.CONTINUITY, missed_volume=10),
    )
    standing = today.measured()
    by_track = {share.track: share for share in standing.tracks}
    assert by_track.keys() == {"scalp", "swing"}
    assert (by_track["scalp"].percent, by_track["scalp"].basis) == (95.0, "volume")
    assert (by_track["scalp"].executed, by_track["scalp"].missed) == (1_000, 50)
    assert (by_track["swing"].symbols, by_track["swing"].incomplete, by_track["swing"].basis) == (4, 4, "time")
    assert by_track["swing"].missed is None
    assert standing.measured_ns == today.clock.wall_ns
    worst = [(one.track, one.code, one.reason, one.is_open, one.missed) for one in standing.worst]
    # Of the stream most was lost within the cut; of the sweeps every symbol to the restart, one still goes on.
    assert worst == [
        ("scalp", "005930", "stream_cut", False, 50),
        ("swing", "000660", "restart", True, None),
        *(("swing", code, "restart", False, None) for code in SWEPT[1:]),
    ]
    shares = [one.percent for one in standing.worst]
    assert shares == sorted(shares)


def test_it_measures_again_when_due_and_reads_only_what_is_new(today: Today) -> None:
    today.say(today.gap("swing-0-1-1", 600, None, SWEPT))
    first = today.measured()
    assert not today.book.is_due()
    assert all(one.is_open for one in first.worst)
    today.clock.advance(MEASURED_EVERY_NS / NS_PER_S)
    today.say(replace(today.gap("swing-0-1-1", 610, 30, SWEPT), from_ns=(first.measured_ns or 0) - 600 * NS_PER_S))
    assert today.book.is_due()
    second = today.measured()
    assert not any(one.is_open for one in second.worst)
    assert second.worst[0].percent > first.worst[0].percent


def test_the_days_before_one_at_a_time_and_the_new_day_begins_whole(today: Today) -> None:
    members = tuple(Member(code=code, name="", board="kospi", previous_close=1, turnover=1) for code in SWEPT)
    write_universe(today.paths, Universe(day=DAY, rules=Rules(), listings=4, dropped={}, members=members))
    today.say(
        today.gap("swing-0-1-1", 600, 360, SWEPT[:2]),
        today.gap("scalp-0-1-3", 300, 2, ("005930",), reason=GapReason.CONTINUITY, missed_volume=10),
    )
    assert today.measured().days == (), "it is not over"
    today.rest()
    today.clock.advance(86_400)
    today.keeper().run_pass()
    add_rules(today.paths.anomaly(DAY), DAY, {"declared": "exchange was late"})
    standing = today.measured()
    [day] = standing.days
    assert (day.day, day.sealed, day.gaps, day.missed_volume) == (DAY, True, 2, 10)
    assert (day.rows, day.anomalies) == (2, ("exchange was late",))
    assert day.swept_percent is not None
    assert 98.0 < day.swept_percent < 100.0
    assert standing.worst == (), "yesterday's gaps are not today's"
    # What is sealed is not read again; a day that left the archive is forgotten.
    today.paths.manifest(DayNumber(DAY)).unlink()
    assert today.measured().days == ()


def test_without_assignment_and_archive_nothing_is_claimed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    book = CompletenessBook(store.paths, store.clock)
    book.measure()
    assert book.standing == (((), (), (), store.clock.wall_ns))


def test_whoever_reads_once_reads_large_files_to_their_ends(today: Today) -> None:
    today.say(today.gap("swing-0-1-1", 600, 360, SWEPT))
    today.say(today.gap("swing-0-1-2", 500, 360, SWEPT))
    path = next(path for path in today.root.rglob("*.jsonl") if "system" in path.parts)
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b"x" * 99 + b"\n" + (b"x" * 9_999 + b"\n") * (_READ_BYTES // 5_000) + second)
    now_ns = today.clock.wall_ns
    assert [gap.gap_id for gap in GapArchive(today.root).read(now_ns)] == ["swing-0-1-1"]
    assert [gap.gap_id for gap in GapArchive(today.root).read_all(now_ns)] == ["swing-0-1-1", "swing-0-1-2"]


def test_an_old_opening_that_is_read_on_the_next_day_costs_nothing(tmp_path: Path) -> None:
    today = Today(tmp_path)
    opened = today.gap("swing-0-1-1", 60, None, SWEPT)
    today.say(opened)
    today.measured()
    today.say(replace(opened, until_ns=opened.from_ns + NS_PER_S))
    today.measured()
    today.clock.advance(86_400)
    today.say(opened)  # as a file that was sealed meanwhile tells it again
    assert {share.percent for share in today.measured().tracks if share.track == Track.SWING} <= {None, 100.0}
