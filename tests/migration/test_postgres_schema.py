"""The schema's revisions on a real server: up, down, up again to the very same schema; check and its remedies."""
# ruff: noqa: F811 - a fixture is imported and then named by the parameters that ask for it

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from observer_core.cli import db
from observer_core.errors import ConfigError
from observer_core.messages import Book, Quote, Trade
from observer_core.settings import Secret
from observer_core.sinks.embedded_programs import server_programs
from observer_core.sinks.postgres import SCHEMA_REVISION
from observer_core.sinks.postgres_rows import LAYOUTS
from tests.fixtures.postgres import (  # noqa: F401 - fixtures
    EmbeddedServer,
    empty_postgres_dsn,
    postgres_dsn,
    postgres_server,
    query,
)
from tests.fixtures.postgres_records import trades
from tests.fixtures.postgres_sink import SettableClock, deliver, sink_for

pytestmark = pytest.mark.integration


def _dump(dsn: Secret) -> str:
    """Return the schema as the server's own tool tells it, without the tool's random marks."""
    done = subprocess.run(
        [server_programs() / "pg_dump", "--schema-only", "--no-owner", dsn.reveal()],
        capture_output=True,
        text=True,
        check=True,
    )
    return "\n".join(line for line in done.stdout.splitlines() if "restrict " not in line)


def test_up_down_up_gives_the_same_schema(empty_postgres_dsn: Secret, tmp_path: Path) -> None:
    dsn = empty_postgres_dsn
    empty = _dump(dsn)
    assert db.upgrade(dsn) == SCHEMA_REVISION
    first = _dump(dsn)
    for table in (
        "pattern_records",
        "ingest_errors",
        "usage_metrics",
        "gaps",
        "events",
        "overflow_ledger",
        "backfill_1m",
    ):
        assert f"CREATE TABLE public.{table} " in first
    with sink_for(dsn, tmp_path) as sink:
        deliver(sink, [trades(1, 10)])
    assert db.downgrade(dsn) == ""
    query(dsn, "DROP TABLE alembic_version")
    assert _dump(dsn) == empty
    assert db.upgrade(dsn) == SCHEMA_REVISION
    assert _dump(dsn) == first


def test_upgrading_again_changes_nothing(postgres_dsn: Secret) -> None:
    before = _dump(postgres_dsn)
    assert db.upgrade(postgres_dsn) == SCHEMA_REVISION
    assert _dump(postgres_dsn) == before


def test_two_upgrades_at_once_end_well(empty_postgres_dsn: Secret) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(db.upgrade, [empty_postgres_dsn] * 2)) == [SCHEMA_REVISION] * 2


def test_the_writer_asks_for_the_newest_revision() -> None:
    assert ScriptDirectory.from_config(db.alembic_config()).get_heads() == [SCHEMA_REVISION]


@pytest.mark.parametrize("kind", [Trade, Quote, Book])
def test_every_column_of_a_layout_exists(kind: type[Trade | Quote | Book], postgres_dsn: Secret) -> None:
    found = query(
        postgres_dsn, "SELECT column_name FROM information_schema.columns WHERE table_name = 'pattern_records'"
    )
    assert set(LAYOUTS[kind].columns) <= {str(name) for (name,) in found}


def test_check_names_each_trouble_and_its_remedy(empty_postgres_dsn: Secret, tmp_path: Path) -> None:
    clock = SettableClock()
    (problem,) = db.check(empty_postgres_dsn, clock)
    assert "observerctl db upgrade" in problem
    db.upgrade(empty_postgres_dsn)
    (problem,) = db.check(empty_postgres_dsn, clock)
    assert "pattern_records_20260716" in problem
    with sink_for(empty_postgres_dsn, tmp_path, clock) as sink:
        sink.open()
    assert db.check(empty_postgres_dsn, clock) == []


def test_a_database_that_cannot_be_reached_is_a_problem_without_the_password(tmp_path: Path) -> None:
    dsn = Secret(f"postgresql://observer:pa55word@/observer?host={tmp_path}")
    (problem,) = db.check(dsn)
    assert "OBSERVER_POSTGRES_DSN" in problem
    assert "pa55word" not in problem
    with pytest.raises(ConfigError) as caught:
        db.upgrade(dsn)
    assert "pa55word" not in str(caught.value)
    (unparsable,) = db.check(Secret("postgresql:/user:pa55word"))
    assert "pa55word" not in unparsable
