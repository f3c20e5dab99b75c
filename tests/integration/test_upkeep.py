"""Maintenance's tasks on real files and a real database: packed, let go when secured, said when not, made up."""
# ruff: noqa: F811 - fixtures are imported and then named by the parameters that ask for them

import asyncio
from pathlib import Path

import msgspec
import pytest

from observer_core.archive.day_retention import Action
from observer_core.archive.disk_ladder import Level
from observer_core.archive.standing import archived_days, backup_view
from observer_core.archive.verdicts import add_rules
from observer_core.backup.commands import DEFAULT_SSH
from observer_core.backup.pull import Place, pull
from observer_core.backup.sources import source_at
from observer_core.clock import kst_day
from observer_core.errors import ObserverError
from observer_core.ids import DayNumber
from observer_core.services.chore import ChoreOrder, checks, pack, retain
from observer_core.services.hub_upkeep import read_upkeep, task_rows
from observer_core.services.timetable import TASKS, Book
from observer_core.services.upkeep import Upkeep
from observer_core.settings import Secret
from observer_core.sinks.port import StoredBatch
from tests.fixtures.archive_store import DAY, Store
from tests.fixtures.postgres import postgres_dsn, postgres_server, query  # noqa: F401 - fixtures
from tests.fixtures.postgres_records import batch_of, trade
from tests.fixtures.postgres_sink import sink_for

pytestmark = pytest.mark.integration

DAY_S = 86_400


def stored(root: Path, dsn: str = "") -> Store:
    """Return an archive with one finished, sealed day."""
    store = Store(root, dsn)
    store.store(1, 30)
    store.rest()
    store.clock.advance(DAY_S)
    store.keeper().run_pass()
    return store


def order(store: Store, task: str, level: Level = Level.NORMAL) -> ChoreOrder:
    return ChoreOrder(task, store.settings, kst_day(store.clock.now_ns()), level)


def pulled(store: Store, pc: Path) -> None:
    for transfer in pull(source_at(str(store.paths.backups), DEFAULT_SSH), Place(pc, store.clock, "pc")):
        assert transfer.problems == []


def test_a_day_goes_when_it_is_old_and_a_verified_copy_lies_elsewhere(tmp_path: Path) -> None:
    store = stored(tmp_path / "server")
    assert "packed and verified: 20260724" in pack(order(store, "package")).text
    assert pack(order(store, "package")).text == "every sealed day is packed already"
    store.clock.advance(6 * DAY_S)
    assert retain(order(store, "retention")).notices == (), "nobody holds a copy"
    assert backup_view(store.paths).unsecured_days == 1
    pulled(store, tmp_path / "pc")
    view = backup_view(store.paths)
    assert (view.verified_day, view.verified_by, view.unsecured_days) == (DAY, "pc", 0)
    # An anomaly keeps it for seven days, whoever holds a copy.
    add_rules(store.paths.anomaly(DAY), DAY, {"reconnects": "21 reconnects"})
    assert retain(order(store, "retention")).notices == ()
    store.clock.advance(DAY_S)
    report = retain(order(store, "retention"))
    assert [(notice.name, notice.severity) for notice in report.notices] == [("retention_remove", "info")]
    assert not list(store.paths.data.rglob("*.zst"))
    assert archived_days(store.paths) == []
    assert (tmp_path / "pc" / str(DAY) / "SUCCESS").exists()
    assert store.keeper().run_pass().problems == []


def test_the_next_run_of_retention_is_told_before_it_runs(tmp_path: Path) -> None:
    store = stored(tmp_path / "server")
    now_ns = store.clock.now_ns()
    tasks, backup, retention = read_upkeep(store.paths, now_ns, 36 * 3600.0)
    assert (backup.limit_s, backup.packages, backup.drilled_ns) == (36 * 3600.0, 0, None)
    assert retention.due_ns == next(task.next_ns for task in tasks if task.name == "retention")
    [day] = retention.days
    assert (day.day, day.action, day.secured, day.reason) == (DAY, "keep", False, "kept for 3 days")
    assert day.sealed_bytes > 0
    assert (retention.raw_days, retention.anomaly_days, retention.cap_days) == (3, 7, 10)
    pack(order(store, "package"))
    pulled(store, tmp_path / "pc")
    # What the run of the coming night will do, by its own date: now the day would still stay.
    store.clock.advance(2 * DAY_S + 9 * 3_600)
    assert retain(order(store, "retention")).notices == ()
    backup, retention = read_upkeep(store.paths, store.clock.now_ns())[1:]
    assert (backup.newest_complete, (backup.newest_bytes or 0) > 0) == (True, True)
    [day] = retention.days
    assert (day.action, day.secured) == ("remove", True)
    store.clock.advance((retention.due_ns - store.clock.now_ns()) / 10**9)
    assert [notice.name for notice in retain(order(store, "retention")).notices] == ["retention_remove"]


def test_a_changed_day_is_not_secured_by_an_older_copy(tmp_path: Path) -> None:
    store = stored(tmp_path / "server")
    pack(order(store, "package"))
    pulled(store, tmp_path / "pc")
    [one] = archived_days(store.paths)
    assert one.secured
    store.store(31, 3)
    store.rest()
    store.keeper().run_pass()
    [one] = archived_days(store.paths)
    assert not one.secured, "late lines are in no copy"
    forged = next(store.paths.receipts.glob("*.json"))
    forged.write_text('{"day": 20260724, "sums_sha256": "' + "0" * 64 + '"}')
    assert not archived_days(store.paths)[0].secured


def test_past_the_cap_it_is_said_and_only_a_full_disk_takes_it(tmp_path: Path) -> None:
    store = stored(tmp_path / "server")
    store.clock.advance(12 * DAY_S)
    [notice] = retain(order(store, "retention")).notices
    assert (notice.name, notice.severity) == ("retention_overdue", "error")
    assert "no verified copy lies elsewhere: pull the backups" in notice.text
    assert len(archived_days(store.paths)) == 1
    [notice] = retain(order(store, "retention", Level.DROP)).notices
    assert (notice.name, notice.severity) == (f"retention_{Action.REMOVE_UNSECURED}", "critical")
    assert "there is NO verified copy" in notice.text
    assert archived_days(store.paths) == []


def test_the_database_keeps_thirty_days(postgres_dsn: Secret, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    with sink_for(postgres_dsn, tmp_path / "letters") as sink:
        sink.open()
        sink.write([StoredBatch(batch_of([trade(1), trade(2)]), 1)])
        sink.commit()
    store = Store(tmp_path / "server", postgres_dsn.reveal())
    rows = "SELECT count(*) FROM pattern_records"
    record_day = query(postgres_dsn, "SELECT to_char(day, 'YYYYMMDD')::int FROM pattern_records LIMIT 1")[0][0]
    young = ChoreOrder("retention", store.settings, DayNumber(record_day + 14))
    retain(young)
    assert query(postgres_dsn, rows) == [(2,)]
    old = ChoreOrder("retention", store.settings, DayNumber(record_day + 100))
    report = retain(old)
    assert "partitions" in report.text
    assert query(postgres_dsn, rows) == [(0,)]
    assert checks(old).notices == ()
    broken = another_database(store, "host=/nowhere dbname=x")
    assert "Postgres" in checks(broken).notices[0].text


def another_database(store: Store, dsn: str) -> ChoreOrder:
    other = Store(store.root, dsn)
    return ChoreOrder("checks", other.settings, DAY)


def test_the_timetable_makes_up_a_missed_package_in_a_child_and_tells_it(tmp_path: Path) -> None:
    store = stored(tmp_path / "server")
    told: list[tuple[str, str, str, str]] = []

    all_ran = asyncio.Event()

    async def tell(name: str, severity: str, subject: str, text: str) -> None:
        told.append((name, severity, subject, text))
        if len({row[2] for row in told if row[0] == "maintenance_run"}) == len(TASKS):
            all_ran.set()

    async def inline() -> str:
        raise ObserverError("no listing")

    now_ns = store.clock.now_ns()
    store.paths.timetable.write_bytes(msgspec.json.encode(Book(since_ns=now_ns - 2 * DAY_S * 10**9)))

    async def life() -> None:
        upkeep = Upkeep(store.settings, store.clock, tell, {"universe": inline, "seal": inline})
        task = asyncio.create_task(upkeep.run())
        await all_ran.wait()
        task.cancel()

    asyncio.run(asyncio.wait_for(life(), 40))
    said = {subject: (severity, text) for name, severity, subject, text in told if name == "maintenance_run"}
    assert said["package"][0] == "info"
    assert "packed and verified: 20260724" in said["package"][1]
    assert said["universe"] == ("error", said["universe"][1])
    assert "failed in 0.0 s: no listing" in said["universe"][1]
    rows = {row.name: row for row in task_rows(store.paths, now_ns)}
    assert (rows["package"].outcome, rows["universe"].outcome) == ("done", "failed")
    assert rows["package"].duration_s is not None
    assert rows["retention"].outcome == "done"
