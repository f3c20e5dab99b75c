"""Disk use, growth and forecast; the tree size against real files."""

from pathlib import Path

from observer_core.archive.disk_ladder import MEASURES, Ladder, Level
from observer_core.services.hub_disk import SETTLED_NS, DiskWatch, Growth, TreeSize, mount_of, time_to_full_s
from tests.fixtures.views import at


def test_growth_is_unknown_at_first_and_then_the_usual_one() -> None:
    growth = Growth()
    for second in range(0, 300, 10):
        growth.add(at(second), 1_000 + 100 * second)
        assert growth.bytes_per_s() is None, "minutes are needed: a checkpoint is larger than seconds of data"
    growth.add(at(300), 31_000)
    assert growth.bytes_per_s() == 100.0


def test_a_file_that_comes_and_goes_does_not_move_the_forecast() -> None:
    growth = Growth()
    for second in range(0, 600, 10):
        checkpoint_bytes = 50_000_000 if 240 <= second < 270 or second >= 570 else 0
        growth.add(at(second), 1_000 + 100 * second + checkpoint_bytes)
    rate = growth.bytes_per_s()
    assert rate is not None
    assert abs(rate - 100.0) < 1.0


def test_a_clock_that_went_back_begins_anew() -> None:
    growth = Growth()
    growth.add(at(100), 1_000)
    growth.add(at(130), 2_000)
    growth.add(at(50), 2_000)
    assert growth.bytes_per_s() is None


def test_time_to_full_needs_growth() -> None:
    assert time_to_full_s(1_000, 10.0) == 100.0
    assert time_to_full_s(1_000, 0.0) is None
    assert time_to_full_s(1_000, -5.0) is None
    assert time_to_full_s(1_000, None) is None


def test_the_size_of_a_tree_follows_files_that_come_grow_and_go(tmp_path: Path) -> None:
    size = TreeSize(tmp_path)
    now_ns = tmp_path.stat().st_mtime_ns
    assert size.measure(now_ns) == 0
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "one").write_bytes(b"x" * 100_000)
    first = size.measure(now_ns)
    assert first >= 100_000
    with (deep / "one").open("ab") as file:
        file.write(b"y" * 100_000)
    assert size.measure(now_ns) >= first + 90_000
    (deep / "one").unlink()
    assert size.measure(now_ns) == 0


def test_a_settled_directory_is_read_again_only_when_it_changes(tmp_path: Path) -> None:
    size = TreeSize(tmp_path)
    (tmp_path / "old").write_bytes(b"x" * 50_000)
    later_ns = tmp_path.stat().st_mtime_ns + 2 * SETTLED_NS
    first = size.measure(later_ns)
    with (tmp_path / "old").open("ab") as file:
        file.write(b"y" * 500_000)
    assert size.measure(later_ns) == first, "nobody writes to settled files; their directory is not read"
    (tmp_path / "new").write_bytes(b"z" * 50_000)
    assert size.measure(later_ns) > first


def test_a_missing_root_counts_nothing(tmp_path: Path) -> None:
    assert TreeSize(tmp_path / "none").measure(at(0)) == 0


def test_directories_on_one_mount_share_a_row_and_nested_ones_count_once(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "file").write_bytes(b"x" * 200_000)
    watch = DiskWatch({"data": tmp_path, "logs": tmp_path / "logs"})
    watch.measure_ours(at(0))
    (row,) = watch.rows(at(0))
    assert row.purposes == ("data", "logs")
    assert row.mount == str(mount_of(tmp_path))
    assert 200_000 <= row.ours_bytes < 400_000
    assert 0 < row.free_bytes <= row.total_bytes
    assert row.growth_bytes_per_s is None


def test_a_full_mount_stands_on_its_step_and_the_change_is_told_once(tmp_path: Path) -> None:
    watch = DiskWatch({"data": tmp_path}, ladder=Ladder(0.0, 0.0, 0.0, 0.0))
    (row,) = watch.rows(at(0))
    assert (row.level, row.measure) == ("drop", MEASURES[Level.DROP])
    (change,) = watch.take_changes()
    assert (change.name, change.severity, change.subject) == ("disk_level", "critical", row.mount)
    watch.rows(at(1))
    assert watch.take_changes() == []


def test_an_inner_directory_is_shown_only_as_a_mount_of_its_own(tmp_path: Path) -> None:
    watch = DiskWatch({"data": tmp_path}, inner={"journal": tmp_path / "journal", "proc": Path("/proc")})
    purposes = {row.purposes for row in watch.rows(at(0))}
    assert ("data",) in purposes
    assert any("proc" in names for names in purposes)


def test_kinds_are_counted_apart_and_one_that_is_missing_is_nothing(tmp_path: Path) -> None:
    for name, size in (("journal", 200_000), ("swing/10", 300_000), ("scalp", 100_000), ("journal-old", 900_000)):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_bytes(b"x" * size)
    kinds = {
        "journal": [tmp_path / "journal"],
        "archive": [tmp_path / "swing", tmp_path / "scalp"],
        "backup": [tmp_path / "none"],
    }
    watch = DiskWatch({"data": tmp_path}, kinds=kinds)
    (row,) = watch.rows(at(0))
    assert row.sizes == {}, "not counted yet is not nothing"
    watch.measure_ours(at(0))
    (row,) = watch.rows(at(0))
    assert 200_000 <= row.sizes["journal"] < 300_000
    assert 400_000 <= row.sizes["archive"] < 500_000
    assert row.sizes["backup"] == 0
