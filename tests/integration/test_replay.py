"""Replay from journals and from the archive into a real Postgres: complete, idempotent, and no burden to the live side.

Judged by counts and hashes by symbol, the archive's from its lines and Postgres's by the server itself.
"""
# ruff: noqa: F811 - a fixture is imported and then named by the parameters that ask for it

import json
import threading
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from observer_core.archive.sealing import held_for_sealing, seal
from observer_core.audit.symbols import archive_sums, postgres_sums
from observer_core.cli.observerctl import app
from observer_core.clock import NS_PER_S, SystemClock, kst_midnight_ns
from observer_core.ids import SinkName
from observer_core.journal.writer import JournalWriter
from observer_core.messages import Batch, Rejection, Track, encode
from observer_core.settings import Secret
from observer_core.sinks.jsonl import JsonlSink
from observer_core.sinks.port import StoredBatch
from observer_core.sinks.replay import ReplayFigures, replay
from observer_core.sinks.replay_sources import Range, Source, archive_source, journal_source
from tests.fixtures.postgres import (  # noqa: F401 - fixtures
    postgres_dsn,
    postgres_server,
    query,
)
from tests.fixtures.postgres_records import DAY, OPEN_NS, SCALP, SWING, batch_of, book, gap, quote, trade
from tests.fixtures.postgres_sink import SettableClock, sink_for

pytestmark = pytest.mark.integration

THE_DAY = Range(kst_midnight_ns(DAY), kst_midnight_ns(DAY) + 86_400 * NS_PER_S)
CLOCK = SystemClock()


def some_batches(scalp_batches: int = 20, swing_batches: int = 10, size: int = 30) -> list[Batch]:
    """Return a day with trades, books, quotes, a gap that opens and closes, and a rejection."""
    batches: list[Batch] = []
    seq = 1
    for number in range(scalp_batches):
        records = [trade(seq + index) if index % 5 else book(seq + index) for index in range(size)]
        batches.append(batch_of(records, seq))
        seq += size
        if number == scalp_batches // 2:
            rejected = Rejection(
                symbol=None, received_ns=OPEN_NS, track=Track.SCALP, stage="frame", reasons=("width",), raw="0|^"
            )
            batches.append(batch_of([gap("g-1", None), rejected, gap("g-1", 2.5)], seq))
            seq += 3
    for number in range(swing_batches):
        first = 1 + number * size
        batches.append(batch_of([quote(first + index) for index in range(size)], first, shard=SWING))
    return batches


def keep(batches: list[Batch], data_dir: Path) -> None:
    """Write batches into the journals of their shards and into the archive, as the processes do."""
    clock = SettableClock()
    sink = JsonlSink(data_dir, data_dir / "state" / "jsonl.json", clock)
    sink.open()
    for shard in (SCALP, SWING):
        own = [batch for batch in batches if batch.shard == shard]
        journal = JournalWriter(data_dir / "journal" / shard, shard, clock)
        for batch in own:
            journal.append(encode(batch), batch.first_seq, batch.received_ns)
        journal.close()
        sink.write([StoredBatch(batch, 1) for batch in own])
    sink.commit()
    sink.close()


def run(dsn: Secret, source: Source, *, dry_run: bool = False) -> ReplayFigures:
    return replay(dsn, source, CLOCK, dry_run=dry_run)


def side_counts(dsn: Secret) -> list[tuple[int, ...]]:
    return query(
        dsn, "SELECT (SELECT count(*) FROM gaps WHERE until_ns IS NOT NULL), (SELECT count(*) FROM ingest_errors)"
    )


@pytest.mark.parametrize("first_source", ["journal", "jsonl"])
def test_a_day_with_gaps_comes_in_once_however_often_it_is_replayed(
    first_source: str, postgres_dsn: Secret, tmp_path: Path
) -> None:
    batches = some_batches()
    keep(batches, tmp_path)
    sources = {"journal": journal_source(tmp_path / "journal", THE_DAY), "jsonl": archive_source(tmp_path, THE_DAY)}
    records = sum(len(batch.records) for batch in batches)

    would = run(postgres_dsn, sources[first_source], dry_run=True)
    assert (would.inserted, would.existing, would.rejected, would.unreadable) == (records, 0, 0, 0)
    assert query(postgres_dsn, "SELECT count(*) FROM pattern_records") == [(0,)]

    first = run(postgres_dsn, sources[first_source])
    assert (first.inserted, first.read_bytes) == (would.inserted, first.total_bytes)
    for name in ("journal", "jsonl", "journal"):
        again = run(postgres_dsn, sources[name])
        assert (again.inserted, again.existing, again.rejected, again.unreadable) == (0, records, 0, 0)
    assert postgres_sums(postgres_dsn.reveal()) == archive_sums(tmp_path)
    assert side_counts(postgres_dsn) == [(1, 1)]
    # The control: the comparison sees one row less.
    query(postgres_dsn, "DELETE FROM pattern_records WHERE shard = 'scalp-0' AND seq = 7")
    assert postgres_sums(postgres_dsn.reveal()) != archive_sums(tmp_path)
    assert run(postgres_dsn, sources["jsonl"]).inserted == 1
    assert postgres_sums(postgres_dsn.reveal()) == archive_sums(tmp_path)


def test_sealed_files_are_read_as_well(postgres_dsn: Secret, tmp_path: Path) -> None:
    keep(some_batches(), tmp_path)
    expected = archive_sums(tmp_path)
    live = sorted(path for track in ("swing", "scalp", "system") for path in (tmp_path / track).rglob("*.jsonl"))
    for path in live:
        with held_for_sealing(path) as file:
            assert file is not None
            assert seal(path, file, (1 << 40, 0)) is not None
        path.unlink(missing_ok=True)
    assert not list(tmp_path.rglob("*.jsonl"))
    run(postgres_dsn, archive_source(tmp_path, THE_DAY))
    assert postgres_sums(postgres_dsn.reveal()) == expected


def test_replay_while_the_live_writer_writes_the_same_rows(postgres_dsn: Secret, tmp_path: Path) -> None:
    batches = some_batches(scalp_batches=60, size=100)
    keep(batches, tmp_path)
    failures: list[Exception] = []

    def live() -> None:
        try:
            with sink_for(postgres_dsn, tmp_path / "letters") as sink:
                sink.open()
                for batch in batches:
                    sink.write([StoredBatch(batch, 1)])
                    sink.commit()
        except Exception as error:
            failures.append(error)

    (tmp_path / "letters").mkdir()
    writer = threading.Thread(target=live)
    writer.start()
    source = journal_source(tmp_path / "journal", THE_DAY)
    inserted = [run(postgres_dsn, source).inserted for _ in range(3)]
    writer.join(30)
    assert not failures
    assert run(postgres_dsn, source).inserted == 0
    assert postgres_sums(postgres_dsn.reveal()) == archive_sums(tmp_path)
    offsets = query(postgres_dsn, "SELECT shard, seq FROM observer_offset ORDER BY shard")
    assert offsets == [("scalp-0", 6_003), ("swing-0", 1_000)]
    assert inserted[0] > 0


def test_only_the_range_asked_for_comes_in(postgres_dsn: Secret, tmp_path: Path) -> None:
    keep(some_batches(), tmp_path)
    before = Range(THE_DAY.from_ns - 86_400 * NS_PER_S, THE_DAY.from_ns)
    for source in (journal_source(tmp_path / "journal", before), archive_source(tmp_path, before)):
        assert run(postgres_dsn, source).records == 0
    part = archive_source(tmp_path, Range(OPEN_NS, OPEN_NS + 100_000_000))
    assert 0 < run(postgres_dsn, part).inserted < 600


def test_records_of_the_version_before_are_understood(postgres_dsn: Secret, tmp_path: Path) -> None:
    """A batch without the fields that were appended since, in the journal and in the archive, and an unknown one."""
    batch = batch_of([trade(1), trade(2)])
    plain = msgspec.msgpack.decode(encode(batch))
    plain["schema_version"] = 0
    del plain["records"][0][23:]
    journal = JournalWriter(tmp_path / "journal" / SCALP, SCALP, SettableClock())
    journal.append(msgspec.msgpack.encode(plain), 1, OPEN_NS)
    unknown = {**plain, "first_seq": 3, "records": [["tomorrow", 1]]}
    journal.append(msgspec.msgpack.encode(unknown), 3, OPEN_NS)
    journal.close()
    figures = run(postgres_dsn, journal_source(tmp_path / "journal", THE_DAY))
    assert (figures.inserted, figures.unreadable) == (2, 1)

    keep([batch_of([trade(1), trade(2)], shard=SWING)], tmp_path / "archive")
    [path] = (tmp_path / "archive" / "swing").rglob("*.jsonl")
    old, new = (json.loads(line) for line in path.read_text().splitlines())
    for name in ("venue_code", "quality", "reasons", "raw"):
        del old[name]
    path.write_text(f"{json.dumps(old)}\n{json.dumps(new | {'of_tomorrow': 1})}\n" + '{"kind":"tomorrow"}\nhalf a line')
    figures = run(postgres_dsn, archive_source(tmp_path / "archive", THE_DAY))
    assert (figures.inserted, figures.unreadable) == (2, 1)
    versions = query(postgres_dsn, "SELECT DISTINCT schema_version FROM pattern_records ORDER BY 1")
    assert versions == [(0,), (1,)]


def test_what_no_table_takes_is_counted_and_named(postgres_dsn: Secret, tmp_path: Path) -> None:
    keep([batch_of([trade(1), trade(2, price=2**63), trade(3)])], tmp_path)
    source = archive_source(tmp_path, THE_DAY)
    for dry_run in (True, False):
        figures = run(postgres_dsn, source, dry_run=dry_run)
        assert (figures.inserted, figures.rejected) == (2, 1)
        assert "seq 2" in figures.reasons[0]


def test_the_command_counts_first_and_inserts_then(
    postgres_dsn: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(some_batches(), tmp_path)
    monkeypatch.setenv("OBSERVER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("OBSERVER_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("OBSERVER_LOG_DIR", str(tmp_path))
    monkeypatch.setenv("OBSERVER_POSTGRES_DSN", postgres_dsn.reveal())
    runner = CliRunner()
    dry = runner.invoke(app, ["replay", "--day", "2026-07-16", "--source", "jsonl", "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert "903 would be inserted, 0 there already, 0 rejected" in dry.output
    done = runner.invoke(app, ["replay", "--from", "2026-07-16T00:00", "--to", "2026-07-17T00:00+09:00", "--json"])
    assert json.loads(done.output)["inserted"] == 903
    again = runner.invoke(app, ["replay", "--day", "20260716", "--json"])
    assert (json.loads(again.output)["inserted"], again.exit_code) == (0, 0)
    for wrong in (["replay"], ["replay", "--day", "tomorrow"], ["replay", "--day", "2026-07-16", "--source", "tape"]):
        assert runner.invoke(app, wrong).exit_code == 2


def test_the_sink_name_of_live_offsets_is_never_touched(postgres_dsn: Secret, tmp_path: Path) -> None:
    keep(some_batches(2, 1), tmp_path)
    run(postgres_dsn, journal_source(tmp_path / "journal", THE_DAY))
    offsets = query(postgres_dsn, "SELECT count(*) FROM observer_offset WHERE sink = %s", SinkName("postgres"))
    assert offsets == [(0,)]
