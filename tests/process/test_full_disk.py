"""A full disk, volume by volume, on the whole system: ladder seen, exact gaps, collection goes on by itself.

Each volume is a small tmpfs that a filler takes away and gives back. Judged by the books: what was not archived lies
in a gap record, nothing is doubled, no file is damaged.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from observer_core.audit.archive import Covered, read_jsonl
from observer_core.clock import NS_PER_S, SystemClock
from observer_core.view import DiskRow, ProcessRow, SystemView, WriterRow
from supervisor.demo import DATABASE_DIRECTORY
from supervisor.demo_run import DemoRun
from tests.chaos.control import drop_one_record
from tests.chaos.kills import kill_and_await, row_of
from tests.fixtures.patience import PATIENCE_S, slowness
from tests.fixtures.small_volumes import Volume, mounted_all

pytestmark = pytest.mark.process

IN_FLIGHT_S = 3.0
SLACK_S = 3.0


class Watched:
    """A running demo on small volumes."""

    def __init__(self, run: DemoRun, volumes: dict[str, Volume]) -> None:
        self.run = run
        self.volumes = volumes
        self.clock = SystemClock()

    def until(self, reached: Callable[[SystemView], object], what: str) -> SystemView:
        """Ask the hub until something holds."""
        deadline_ns = self.clock.monotonic_ns() + int(PATIENCE_S * NS_PER_S)
        view = self.run.view()
        while view is None or not reached(view):
            assert self.clock.monotonic_ns() < deadline_ns, f"not within {PATIENCE_S} s: {what}: {view}"
            self.run.wait(0.1)
            view = self.run.view()
        return view


def disk(view: SystemView, volume: Volume) -> DiskRow:
    return next(row for row in view.disk if row.mount == str(volume.path))


def shards(view: SystemView) -> list[ProcessRow]:
    return [row for row in view.processes if row.kind in {"swing", "scalp"}]


def writer(view: SystemView, name: str) -> WriterRow:
    return next(row for row in view.writers if row.name == name)


def collected(view: SystemView) -> dict[str, int]:
    return {row.name: row.records_total for row in shards(view)}


def grows_beyond(before: dict[str, int]) -> Callable[[SystemView], bool]:
    return lambda view: all(row.records_total > before[row.name] + 20 for row in shards(view))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    """Start the demo with some of its directories on small volumes."""
    with DemoRun(tmp_path / "demo", symbols=240) as run:
        places = {
            "data": run.paths.data,
            "journal": run.paths.journals,
            "swing": run.paths.data / "swing",
            "logs": run.paths.logs,
            "tokens": run.paths.token_cache,
            "run": run.run_directory,
            "database": run.directory / DATABASE_DIRECTORY,
        }
        stack: list[object] = []

        def starting(*names: str, size_mib: int = 48) -> Watched:
            context = mounted_all({name: places[name] for name in names}, size_mib)
            volumes = context.__enter__()
            stack.append(context)
            run.start()
            run.wait_collecting()
            return Watched(run, volumes)

        yield starting
        if run.supervisor is not None and run.supervisor.poll() is None:
            run.stop()
        for context in stack:
            context.__exit__(None, None, None)  # type: ignore[attr-defined]


def gaps_of(run: DemoRun, *reasons: str) -> list[Covered]:
    return [gap for gap in read_jsonl(run.paths.data).gaps.values() if gap.reason in reasons]


def balanced(watched: Watched) -> None:
    """Stop, and let the books speak; then the control: one record less must turn them red."""
    run = watched.run
    assert run.stop() == 0
    books = run.balance()
    assert books.balanced, books.table()
    assert books.refused == 0
    drop_one_record(run.paths.data)
    assert not run.balance().balanced


def test_a_full_journal_volume(start: Callable[..., Watched]) -> None:
    watched = start("journal")
    journal = watched.volumes["journal"]

    journal.fill(87)
    view = watched.until(lambda view: disk(view, journal).level == "trim", "the third step is not taken, the second is")
    assert "raw payloads" in disk(view, journal).measure
    watched.until(grows_beyond(collected(view)), "trimming goes on collecting")

    given_up_ns = watched.clock.now_ns()
    journal.fill(96)
    view = watched.until(lambda view: disk(view, journal).level == "drop", "the last step is seen")
    view = watched.until(lambda view: all(row.open_gaps for row in shards(view)), "every shard has a gap open")
    assert not (journal.path / "reserve.bin").exists()
    # Now not even the reserve is left.
    journal.fill()
    before = collected(view)
    watched.run.wait(2.0)
    view = watched.until(lambda view: view, "the hub answers")
    assert all(row.records_total <= before[row.name] + 20 for row in shards(view)), "gap records and events only"
    assert all(row.restarts == 0 for row in view.processes)

    slow = slowness()
    journal.free()
    freed_ns = watched.clock.now_ns()
    watched.until(lambda view: not any(row.open_gaps for row in shards(view)), "all gaps close by themselves")
    view = watched.until(lambda view: disk(view, journal).level == "normal", "the ladder is left")
    assert {"critical", "info"} <= {event.severity for event in view.events if event.name == "disk_level"}
    watched.until(lambda _: (journal.path / "reserve.bin").exists(), "space is held back again")

    balanced(watched)
    slack_s = SLACK_S * max(slow, slowness())
    gaps = gaps_of(watched.run, "disk_full", "journal_fault")
    assert len(shards(view)) <= len(gaps) <= 6 * len(shards(view)), "a gap a shard, not one a batch"
    for gap in gaps:
        assert gap.from_ns >= given_up_ns - (IN_FLIGHT_S + slack_s) * NS_PER_S
        assert gap.until_ns is not None
        assert gap.until_ns <= freed_ns + slack_s * NS_PER_S
    assert min(gap.from_ns for gap in gaps) <= given_up_ns + slack_s * NS_PER_S
    assert max(gap.until_ns or 0 for gap in gaps) >= freed_ns
    assert raw_payloads(watched.run) == {True, False}, "left out on the third step, kept before and after"


def raw_payloads(run: DemoRun) -> set[bool]:
    return {
        json.loads(line).get("raw") is not None
        for path in (run.paths.data / "swing").rglob("*.jsonl")
        for line in path.read_bytes().splitlines()
    }


def test_a_full_archive_volume_holds_up_the_archive_only(start: Callable[..., Watched]) -> None:
    watched = start("swing", "logs", "tokens", "run")
    archive = watched.volumes["swing"]
    archive.fill()
    view = watched.until(lambda view: "No space left" in writer(view, "jsonl").note, "the archive's writer says why")
    view = watched.until(grows_beyond(collected(view)), "journals go on")
    view = watched.until(lambda view: writer(view, "postgres").lag_s < 3, "the database does not fall behind")
    assert not any(row.open_gaps for row in shards(view))
    archive.free()
    watched.until(lambda view: writer(view, "jsonl").state == "live", "the archive catches up")

    # The volumes that hold no data: nothing at all is lost, and a killed shard comes back.
    for name in ("logs", "tokens", "run"):
        watched.volumes[name].fill()
    swing = row_of(watched.run, "swing-0")
    assert kill_and_await(watched.run, swing).recovery_s < 10 * slowness()
    view = watched.until(lambda view: disk(view, watched.volumes["logs"]).level == "drop", "full logs are shown")
    view = watched.until(grows_beyond(collected(view)), "collection goes on")
    assert {row.name for row in view.processes if row.restarts} == {"swing-0"}
    for name in ("logs", "tokens", "run"):
        watched.volumes[name].free()

    balanced(watched)
    assert gaps_of(watched.run, "disk_full", "journal_fault") == []


def test_a_full_database_volume_is_an_outage_of_the_database_only(start: Callable[..., Watched]) -> None:
    watched = start("database", size_mib=256)
    volume = watched.volumes["database"]
    volume.fill()
    view = watched.until(lambda view: writer(view, "postgres").state == "waiting", "its writer waits")
    view = watched.until(grows_beyond(collected(view)), "collection goes on")
    view = watched.until(lambda view: writer(view, "jsonl").lag_s < 3, "the archive does not fall behind")
    assert writer(view, "postgres").note
    volume.free()
    watched.until(lambda view: writer(view, "postgres").state == "live", "the database catches up")
    balanced(watched)
    assert gaps_of(watched.run, "disk_full", "journal_fault") == []


@pytest.mark.chaos
def test_a_full_data_volume_and_a_shard_that_starts_on_it(start: Callable[..., Watched]) -> None:
    watched = start("data", size_mib=96)
    data = watched.volumes["data"]
    data.fill()
    watched.until(lambda view: all(row.open_gaps for row in shards(view)), "every shard has a gap open")
    # With the reserve gone as well, a shard that begins anew cannot claim its epoch.
    data.fill()
    swing = row_of(watched.run, "swing-0")
    kill_and_await_start(watched, swing)
    watched.run.wait(2.0)
    data.free()
    watched.until(lambda view: not any(row.open_gaps for row in shards(view)), "all gaps close by themselves")
    view = watched.until(lambda view: writer(view, "jsonl").state == "live", "the archive is live")
    watched.until(grows_beyond(collected(view)), "collection goes on")
    balanced(watched)


def kill_and_await_start(watched: Watched, row: ProcessRow) -> None:
    """Kill a process and wait until another pid stands in its place, ready or not."""
    assert row.pid is not None
    os.kill(row.pid, signal.SIGKILL)
    watched.until(
        lambda view: any(now.name == row.name and now.pid not in {None, row.pid} for now in view.processes),
        "another process is there",
    )
