"""The main promise, on the whole system: `kill -9` of every kind of process loses nothing and doubles nothing.

Judged by the books: the exchange's ledger, the journals' bytes, the JSONL files and the rows, read independently.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from observer_core.clock import NS_PER_S, SystemClock, kst_day, kst_midnight_ns
from observer_core.ids import TimeNs
from observer_core.sinks.bar_rebuild import FrameFigures, rebuild
from observer_core.sinks.bar_rows import TABLES
from observer_core.sinks.replay_sources import Range, journal_source
from supervisor.demo_run import DemoRun
from tests.chaos.control import drop_one_record
from tests.chaos.kills import kill_and_await, row_of
from tests.fixtures.journals import wait_until
from tests.fixtures.patience import slowness
from tests.fixtures.postgres import query

pytestmark = pytest.mark.process

VICTIMS = ("swing-0", "scalp-0", "jsonl", "postgres", "hub", "swing-0", "maintenance")
RECOVERY_LIMIT_S = 30.0
"""Far more than it takes on a machine with nothing else to do."""

UNDER_LOAD_S = 1.5


class AnHourLater(SystemClock):
    """By when every window is over."""

    def now_ns(self) -> TimeNs:
        """Return the wall time in an hour."""
        return TimeNs(super().now_ns() + 3_600 * NS_PER_S)


def check_bars(run: DemoRun) -> None:
    """Compare the bars that were kept through the kills with those that the journals give."""
    now_ns = SystemClock().now_ns()
    day = kst_day(now_ns)
    source = journal_source(run.paths.journals, Range(kst_midnight_ns(day), now_ns))
    with run.database_again() as dsn:
        figures = rebuild(dsn, day, AnHourLater(), source=source, dry_run=True)
        for name, table in TABLES.items():
            counts = figures.frames[name]
            [(final, all_of_them)] = query(dsn, f"SELECT count(*) FILTER (WHERE final), count(*) FROM {table}")
            assert counts == FrameFigures(equal=final, changed=all_of_them - final), figures.changes
            assert all_of_them > 30


def wait_live(demo: DemoRun) -> None:
    def live() -> bool:
        view = demo.view()
        return view is not None and bool(view.writers) and all(writer.state == "live" for writer in view.writers)

    wait_until(live, "the writers become live")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[DemoRun]:
    with DemoRun(tmp_path / "demo", symbols=600) as demo:
        demo.start()
        demo.wait_collecting()
        wait_live(demo)
        yield demo


def test_kills_one_after_the_other_under_load(run: DemoRun) -> None:
    for victim in VICTIMS:
        run.wait(UNDER_LOAD_S)
        row = row_of(run, victim)
        kill = kill_and_await(run, row)
        assert kill.recovery_s < RECOVERY_LIMIT_S * slowness()
    run.wait(UNDER_LOAD_S)
    assert run.stop() == 0

    books = run.balance()
    assert books.balanced, books.table()
    assert books.sent["quote"] > 3_000
    assert books.sent["trade"] > 500
    assert books.rows["trade"] == books.archived["trade"]
    assert books.gaps >= 3
    assert books.refused == 0

    check_bars(run)

    # The control: the same books must turn red for one record less.
    drop_one_record(run.paths.data)
    assert not run.balance().balanced
