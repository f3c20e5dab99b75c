"""`observerctl bars rebuild`: from journals, archive and rows alike; it counts first and writes then."""
# ruff: noqa: F811 - a fixture is imported and then named by the parameters that ask for it

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from observer_core.cli.observerctl import app
from observer_core.clock import NS_PER_S, SystemClock
from observer_core.messages import Batch
from observer_core.settings import Secret
from observer_core.sinks.replay import replay
from observer_core.sinks.replay_sources import journal_source
from tests.fixtures.bar_records import execution
from tests.fixtures.postgres import postgres_dsn, postgres_server, query  # noqa: F401 - fixtures
from tests.fixtures.postgres_records import OPEN_NS, SWING, batch_of, book, quote, stored
from tests.fixtures.postgres_sink import SettableClock, sink_for
from tests.integration.test_replay import THE_DAY, keep

pytestmark = pytest.mark.integration

BARS = ("SELECT symbol, start_at, open, high, low, close, volume, value, records, coverage, from_volume, until_volume "
        "FROM {} ORDER BY symbol, start_at")  # fmt: skip


def a_market() -> list[Batch]:
    trades = [
        execution("005930", OPEN_NS + second * NS_PER_S, 1_000 + second % 7, 10, 10 * (second + 1))
        for second in range(200)
        if second % 50  # which proves that some are missing
    ]
    quotes = [
        quote(number, symbol="000660", received_ns=OPEN_NS + 7 * number * NS_PER_S, cumulative_volume=5 + number)
        for number in range(150)
    ]
    return [batch_of([*trades, book(1)]), batch_of(quotes, shard=SWING)]


def test_a_rebuild_brings_what_is_missing_and_mends_what_was_changed(
    postgres_dsn: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = a_market()
    keep(market, tmp_path)
    for name in ("OBSERVER_DATA_DIR", "OBSERVER_RUN_DIR", "OBSERVER_LOG_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("OBSERVER_POSTGRES_DSN", postgres_dsn.reveal())

    def rebuild(*arguments: str) -> dict[str, dict[str, int]]:
        done = CliRunner().invoke(app, ["bars", "rebuild", "--day", "2026-07-16", "--json", *arguments])
        assert done.exit_code == 0, done.output
        frames = json.loads(done.stdout)["frames"]
        return {name: {word: n for word, n in counts.items() if n} for name, counts in frames.items()}

    new = {"1m": {"new": 4}, "10m": {"new": 2}}
    equal = {"1m": {"equal": 4}, "10m": {"equal": 2}}
    assert rebuild("--dry-run") == new
    assert query(postgres_dsn, "SELECT count(*) FROM bars_1m") == [(0,)]
    assert rebuild("--source", "jsonl") == new
    built = [query(postgres_dsn, BARS.format(table)) for table in ("bars_1m", "bars_10m")]
    assert rebuild() == equal
    replay(postgres_dsn, journal_source(tmp_path / "journal", THE_DAY), SystemClock(), dry_run=False)
    assert rebuild("--source", "postgres") == equal
    # And the writer, on line, comes to the same.
    query(postgres_dsn, "TRUNCATE pattern_records, bars_1m, bars_10m")
    clock = SettableClock()
    with sink_for(postgres_dsn, tmp_path / "letters", clock) as sink:
        sink.open()
        for batch in market:
            sink.write([stored(batch)])
            sink.commit()
        clock.at_ns += 3_600 * NS_PER_S
        sink.commit()
    assert [query(postgres_dsn, BARS.format(table)) for table in ("bars_1m", "bars_10m")] == built
    query(postgres_dsn, "UPDATE bars_1m SET close = close + 1 WHERE start_at = (SELECT min(start_at) FROM bars_1m)")
    query(postgres_dsn, "UPDATE bars_10m SET symbol = '999999' WHERE start_at = (SELECT max(start_at) FROM bars_10m)")
    assert rebuild() == {"1m": {"equal": 3, "changed": 1}, "10m": {"equal": 1, "new": 1, "strange": 1}}
    assert rebuild() == {"1m": {"equal": 4}, "10m": {"equal": 2, "strange": 1}}


def test_wrong_usage_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OBSERVER_DATA_DIR", "OBSERVER_RUN_DIR", "OBSERVER_LOG_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("OBSERVER_POSTGRES_DSN", raising=False)
    for wrong in (["--day", "tomorrow"], ["--day", "2026-07-16"], []):
        assert CliRunner().invoke(app, ["bars", "rebuild", *wrong]).exit_code == 2


def test_a_bar_that_no_column_takes_costs_no_row(postgres_dsn: Secret, tmp_path: Path) -> None:
    batch = batch_of([execution("005930", OPEN_NS, 10**17, 10**17, 10**17), execution("000660", OPEN_NS, 1, 1, 1)])
    clock = SettableClock()
    with sink_for(postgres_dsn, tmp_path, clock) as sink:
        sink.open()
        sink.write([stored(batch)])
        sink.commit()
        clock.at_ns += 3_600 * NS_PER_S
        sink.commit()
    assert query(postgres_dsn, "SELECT count(*) FROM pattern_records") == [(2,)]
    assert query(postgres_dsn, "SELECT symbol, final FROM bars_1m") == [("000660", True)]
